"""What the kernel of a simulated host knows, in its ``/proc`` and ``/sys``."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping

from klusterkit.hosts.simulated import Machine

SETTINGS = {
    "net/ipv4/ip_forward": "0",
    "net/ipv4/conf/all/route_localnet": "0",
    "net/ipv6/conf/all/forwarding": "0",
    "net/netfilter/nf_conntrack_max": "65536",
    "net/netfilter/nf_conntrack_tcp_timeout_established": "432000",
    "net/netfilter/nf_conntrack_tcp_timeout_close_wait": "60",
    "vm/overcommit_memory": "0",
    "vm/panic_on_oom": "0",
    "kernel/panic": "0",
    "kernel/panic_on_oops": "0",
    "kernel/keys/root_maxkeys": "1000000",
    "kernel/keys/root_maxbytes": "25000000",
}
"""Of a kernel that has just started."""
MODULES = {"overlay": (), "br_netfilter": ("bridge-nf-call-iptables", "bridge-nf-call-ip6tables"), "vxlan": ()}
"""What can be loaded, with the settings in ``net/bridge`` that come with it; nf_tables is built in."""
FILTERS = ("iptables-nft", "ip6tables-nft", "iptables-legacy")

RULES = "/etc/iptables/rules.v4"
"""Of the packet filter, for each boot, where a host has some of its own (netfilter-persistent)."""


def boot(machine: Machine, settings: Mapping[str, str] = SETTINGS) -> None:
    """What the kernel knows when it has just started, and what systemd has it do then."""
    tree = machine.tree
    for folder in ("/proc", "/sys", "/run"):
        for name in list(tree.find(folder).children if tree.find(folder) else ()):
            tree.remove(f"{folder}/{name}", recursive=True)
    for folder in ("/proc/self", "/proc/filter", "/proc/net", "/sys/module", "/sys/class/net/eth0", "/sys/fs/cgroup"):
        tree.makedirs(folder)
    for folder in ("/proc/sys/net", "/run/lock", "/run/systemd", "/run/netns"):
        tree.makedirs(folder)
    tree.write("/proc/self/mountinfo", mountinfo("/"))
    tree.write("/proc/nft", "table inet firewall\n")
    tree.write("/proc/net/tcp6", "")
    for name in FILTERS:
        tree.write(f"/proc/filter/{name}", "")
    if tree.find(RULES) is not None:
        tree.write("/proc/filter/iptables-nft", tree.read(RULES))
    for path, value in settings.items():
        tree.makedirs(posixpath.dirname(f"/proc/sys/{path}"))
        tree.write(f"/proc/sys/{path}", f"{value}\n")
    tree.makedirs("/sys/module/nf_tables")
    for line in _configured(machine, "/etc/modules-load.d"):
        load(machine, line)
    for line in _configured(machine, "/etc/sysctl.d"):
        key, _, value = line.partition("=")
        set_value(machine, key.strip().replace(".", "/"), value.strip())


def _configured(machine: Machine, folder: str) -> list[str]:
    node = machine.tree.find(folder)
    texts = [machine.tree.read(f"{folder}/{name}").decode() for name in sorted(node.children if node else ())]
    return [line for text in texts for line in text.splitlines() if line and not line.startswith("#")]


def set_value(machine: Machine, path: str, value: str) -> None:
    """Set a kernel setting, where the kernel has it."""
    if machine.tree.find(f"/proc/sys/{path}") is not None:
        machine.tree.write(f"/proc/sys/{path}", f"{value}\n")


def load(machine: Machine, module: str) -> bool:
    """Load a kernel module."""
    if module not in MODULES:
        return False
    if machine.tree.find(f"/sys/module/{module}") is None:
        machine.tree.makedirs(f"/sys/module/{module}")
        for setting in MODULES[module]:
            machine.tree.makedirs("/proc/sys/net/bridge")
            machine.tree.write(f"/proc/sys/net/bridge/{setting}", "1\n")
    return True


def mountinfo(*places: str) -> str:
    """Lines of ``/proc/self/mountinfo``, for what is mounted there."""
    return "".join(f"36 35 98:0 / {place} rw,noatime master:1 - ext4 /dev/root rw\n" for place in places)


def mount(machine: Machine, place: str) -> None:
    """Mount something there, unless something is: a kubelet that starts finds what an earlier one has mounted."""
    machine.tree.makedirs(place)
    mounts, wanted = machine.tree.read("/proc/self/mountinfo").decode(), mountinfo(place)
    if wanted not in mounts:
        machine.tree.write("/proc/self/mountinfo", mounts + wanted)


def unmount(machine: Machine, place: str) -> None:
    """Unmount what is mounted there or below."""
    mounts = machine.tree.read("/proc/self/mountinfo").decode().splitlines(keepends=True)
    left = [line for line in mounts if not f"{line.split(' ')[4]}/".startswith(f"{place}/")]
    machine.tree.write("/proc/self/mountinfo", "".join(left))


def listen(machine: Machine, process: str, port: int) -> None:
    """Have a process listen on a port."""
    sockets = machine.tree.read("/proc/net/tcp6").decode()
    nowhere = "0" * 32
    machine.tree.write("/proc/net/tcp6", f"{sockets}0: {nowhere}:{port:04X} {nowhere}:0000 0A {process}\n")


def close_sockets(machine: Machine, process: str) -> None:
    """The process has ended."""
    sockets = machine.tree.read("/proc/net/tcp6").decode().splitlines(keepends=True)
    machine.tree.write("/proc/net/tcp6", "".join(line for line in sockets if not line.endswith(f" {process}\n")))


def add_rules(machine: Machine, table: str, chain: str) -> None:
    """Add a chain with a rule to a table of iptables."""
    path = "/proc/filter/iptables-nft"
    text = machine.tree.read(path).decode()
    if f":{chain} " in text:
        return
    begin, end = f"*{table}\n", "COMMIT\n"
    rules = f":{chain} - [0:0]\n-A {chain} -j RETURN\n"
    if begin in text:
        text = text.replace(begin, f"{begin}{rules}", 1)
    else:
        text += f"{begin}:OUTPUT ACCEPT [0:0]\n{rules}{end}"
    machine.tree.write(path, text)


def remove_rules(machine: Machine, chain: str) -> None:
    """Remove a chain with its rules, as a network plugin does when its pod ends."""
    path = "/proc/filter/iptables-nft"
    lines = machine.tree.read(path).decode().splitlines(keepends=True)
    kept = [line for line in lines if not line.startswith((f":{chain} ", f"-A {chain} "))]
    machine.tree.write(path, "".join(kept))
