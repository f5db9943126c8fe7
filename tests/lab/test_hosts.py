"""Hosts are real, apart from each other, and gone when they are told to."""

from __future__ import annotations

import ctypes
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from kklab.hosts.network import short

from tests.lab.conftest import LAB, Lab

pytestmark = pytest.mark.hosts
SLICE = Path("/sys/fs/cgroup/memory/klusterkit-lab")


@pytest.fixture(scope="module")
def lab(instances: Callable[[], Lab]) -> Lab:
    """Two hosts, m1 and m2."""
    made = instances()
    made("up", "m1", "m2")
    return made


def took(act: Callable[[], object]) -> float:
    began = time.monotonic()
    act()
    return time.monotonic() - began


def processes(lab: Lab) -> set[tuple[int, str]]:
    """All processes of an instance, as the machine sees them: id and start time."""
    groups = [Path(folder) for folder, _, _ in os.walk(SLICE / lab.instance)]
    ids = [int(line) for group in groups if group.exists() for line in (group / "cgroup.procs").read_text().split()]
    return {(process, began) for process in ids if (began := start_time(process))}


def start_time(process: int) -> str | None:
    """When a process began; None when it doesn't run (any more)."""
    try:
        fields = Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if fields[0] in "ZX" else fields[19]


def traces(lab: Lab) -> list[str]:
    """What an instance has left on the machine."""
    found = [line for line in Path("/proc/mounts").read_text().splitlines() if f"/{lab.instance}/" in line]
    found += [str(path) for path in Path("/sys/fs/cgroup").glob(f"*/klusterkit-lab/{lab.instance}")]
    found += [str(path) for path in (Path("/var/lib/klusterkit-lab") / lab.instance,) if path.exists()]
    return found


def links(lab: Lab, *hosts: str) -> set[str]:
    """Names of an instance's interfaces, namespaces and tables on the machine. Others come and go meanwhile."""
    own = {short(lab.instance), *(short(f"{lab.instance}/{host}") for host in hosts)}
    words = ("ip -o link", "ip netns list", "nft list tables")
    text = "".join(subprocess.run(word.split(), text=True, capture_output=True, check=True).stdout for word in words)
    return {name for name in re.findall(r"\bkk[lvd][\w-]*", text) if name[3:].removeprefix("-")[:8] in own}


def test_a_host_runs_systemd_and_answers_on_ssh(lab: Lab) -> None:
    assert lab.on("m1", "hostname; systemctl is-system-running --wait; cat /proc/1/comm") == "m1\nrunning\nsystemd"


def test_hosts_reach_each_other_and_the_machine_and_nothing_beyond(lab: Lab) -> None:
    env = lab.env()
    lab.on("m1", f"ping -qc1 -W2 {env['LAB_HOST_m2']} && ping -qc1 -W2 {env['LAB_GATEWAY']}")
    assert lab.on("m1", "ping -qc1 -W1 192.0.2.77 >/dev/null 2>&1 || echo unreachable") == "unreachable"
    assert lab.on("m1", "cat /etc/resolv.conf") == ""


def test_hosts_have_identities_of_their_own(lab: Lab) -> None:
    for what in ("/etc/machine-id", "/etc/ssh/ssh_host_ed25519_key.pub", "/sys/class/net/eth0/address"):
        assert lab.on("m1", f"cat {what}") != lab.on("m2", f"cat {what}")


def test_a_host_sees_its_own_interfaces_only(lab: Lab) -> None:
    assert lab.on("m1", "ls /sys/class/net; ip -o link | cut -d: -f2 | cut -d@ -f1").split() == [
        "eth0",
        "lo",
        "lo",
        "eth0",
    ]


def test_one_user_may_use_sudo_and_another_must_give_a_password(lab: Lab) -> None:
    assert lab.on("m1", "sudo -n id -u", user="admin") == "0"
    assert lab.on("m1", "sudo -n id -u 2>/dev/null || echo asks", user="plain") == "asks"
    assert lab.on("m1", "echo lab | sudo -S -p '' id -u", user="plain") == "0"


def test_env_says_how_to_reach_hosts_with_stock_ssh(lab: Lab) -> None:
    env = lab.env()
    options = ["-o", f"UserKnownHostsFile={env['LAB_KNOWN_HOSTS']}", "-o", "StrictHostKeyChecking=yes"]
    argv = ["ssh", "-F", "none", "-i", env["LAB_SSH_KEY"], *options, f"root@{env['LAB_HOST_m2']}", "hostname"]
    assert subprocess.run(argv, text=True, capture_output=True, check=True).stdout == "m2\n"
    assert env["LAB_HOSTS"] == "m1 m2"
    assert Path(env["LAB_SSH_KEY"]).stat().st_mode & 0o777 == 0o600


def test_ssh_ends_as_its_command_does(lab: Lab) -> None:
    assert lab.try_("ssh", "m1", "--", "exit 7").returncode == 7


def test_etcd_and_containerd_get_folders_that_an_overlay_can_stand_on(lab: Lab) -> None:
    types = lab.on("m1", "stat -f -c %T / /var/lib/containerd /var/lib/etcd /var/lib/kubelet").split()
    assert types[0] == "overlayfs"
    assert "overlayfs" not in types[1:]
    script = (
        "cd /var/lib/containerd; mkdir a b c d; mount -t overlay o -o lowerdir=a,upperdir=b,workdir=c d && umount d"
    )
    lab.on("m1", f"{script}; rmdir c/work a b c d")


def test_what_a_kubelet_needs_is_writable(lab: Lab) -> None:
    lab.on("m1", "sysctl -qw net.ipv4.ip_forward=0 vm.overcommit_memory=1; test -c /dev/kmsg")
    lab.on("m1", "for h in /sys/fs/cgroup/*/; do mkdir $h/probe && rmdir $h/probe || exit 1; done")
    assert lab.on("m1", "findmnt -no PROPAGATION /") == "shared"


def test_services_of_two_hosts_share_no_cgroup(lab: Lab) -> None:
    lab.on("m1", "systemd-run -q --unit probe sleep 1000")
    lab.on("m2", "systemd-run -q --unit probe sleep 1000")
    lab.on("m1", "systemctl stop probe")
    assert lab.on("m2", "systemctl is-active probe; systemctl stop probe") == "active"


def test_power_off_ends_everything_at_once_and_keeps_the_disk(lab: Lab) -> None:
    lab.on("m2", "echo kept > /root/file; echo kept > /var/lib/etcd/file; sync; systemd-run -q sleep 1000")
    boot = lab.on("m2", "cat /proc/sys/kernel/random/boot_id")
    before = processes(lab)
    assert took(lambda: lab("power-off", "m2")) < 30, "an orderly end may take longer"
    assert "m2    " in lab("list")
    assert re.search(r"^m2 .* off ", lab("list"), re.MULTILINE)
    ended = before - processes(lab)
    assert len(ended) > 5
    assert not [process for process, began in ended if start_time(process) == began]
    lab("power-on", "m2")
    assert lab.on("m2", "cat /root/file /var/lib/etcd/file") == "kept\nkept"
    assert lab.on("m2", "cat /proc/sys/kernel/random/boot_id") != boot


def test_power_off_loses_what_a_real_one_loses(lab: Lab) -> None:
    lab.on("m2", "echo lost > /run/file; ip address add 203.0.113.9/32 dev lo; ip link add probe type bridge")
    lab("power-off", "m2")
    lab("power-on", "m2")
    interfaces = lab.on("m2", "ip -br address")
    assert "probe" not in interfaces
    assert "203.0.113.9" not in interfaces
    assert lab.on("m2", "cat /run/file 2>/dev/null || echo gone") == "gone"


def test_commands_given_twice_change_nothing(lab: Lab) -> None:
    boot = lab.on("m1", "cat /proc/sys/kernel/random/boot_id")
    lab("up", "m1", "m2")
    lab("power-on", "m1")
    assert lab.on("m1", "cat /proc/sys/kernel/random/boot_id") == boot
    lab("power-off", "m2")
    lab("power-off", "m2")
    lab("up", "m2")


def test_reset_is_pristine_and_quick_and_keeps_the_address(lab: Lab) -> None:
    lab("reset", "m2")
    env, before = lab.env(), lab("digest", "m2")
    lab.on(
        "m2",
        "echo x > /etc/new; rm /etc/os-release /usr/bin/jq; echo x > /var/lib/etcd/x; chmod 700 /opt; mkdir /opt/a",
    )
    assert lab("digest", "m2") != before
    assert took(lambda: lab("reset", "m2")) < 30, "a new base tree would take longer"
    assert lab("digest", "m2") == before
    assert lab.env() == env
    assert lab.on("m2", "ls /var/lib/etcd; jq --version").startswith("jq-")


def test_using_a_host_doesnt_change_its_digest(lab: Lab) -> None:
    before = lab("digest", "m1")
    lab.on("m1", "sudo -n true; systemctl restart systemd-journald; logger hello; date > /tmp/x", user="admin")
    lab("power-off", "m1")
    lab("power-on", "m1")
    assert lab("digest", "m1") == before


CHANGES = (
    "echo x >> /etc/hosts",
    "touch /etc/empty",
    "mkdir -p /opt/cni/bin",
    "rm /usr/bin/socat",
    "chmod 4755 /usr/bin/jq",
    "chown 7 /etc/hostname",
    "ln -sfn /elsewhere /etc/alternatives/editor-of-nobody",
    "echo x > /var/lib/kubelet/x",
    "echo x > /var/lib/containerd/x",
    "chmod 711 /var/lib/etcd",
    "systemctl disable ssh -q",
)


def test_each_change_to_a_host_gives_another_digest(lab: Lab) -> None:
    digests = [lab("digest", "m1")]
    for change in CHANGES:
        lab.on("m1", change)
        digests.append(lab("digest", "m1"))
    assert len(set(digests)) == len(CHANGES) + 1


def test_a_listing_names_what_changed_and_can_leave_paths_out(lab: Lab) -> None:
    before = set(lab("digest", "m1", "--listing").splitlines())
    lab.on("m1", "mkdir -p /srv/kept/own; echo x > /srv/kept/own/file; chmod 640 /srv/kept/own/file")
    after = set(lab("digest", "m1", "--listing").splitlines())
    changed = {line for line in after - before if not line.startswith("digest ")}
    assert {line.split()[0] for line in changed} == {"/srv/kept", "/srv/kept/own", "/srv/kept/own/file"}
    assert any(line.startswith("/srv/kept/own/file file 0640 0:0 73cb3858a687a849") for line in changed)
    assert set(lab("digest", "m1", "--listing", "--without", "/srv/kept").splitlines()) == before
    assert len(before) > 5000


def test_a_pulled_cable_cuts_a_host_off_until_it_is_plugged_in(lab: Lab) -> None:
    address = lab.env()["LAB_HOST_m2"]
    lab("link", "m2", "down")
    assert lab.on("m1", f"ping -qc1 -W1 {address} >/dev/null 2>&1 || echo cut") == "cut"
    lab("link", "m2", "up")
    lab.on("m1", f"ping -qc3 -W2 {address}")


def test_a_slow_cable_delays_each_direction(lab: Lab) -> None:
    ping = f"ping -qc5 -i0.1 -W2 {lab.env()['LAB_HOST_m2']} | tail -1 | cut -d= -f2 | cut -d/ -f1"
    lab("link", "m2", "delay", "50ms")
    try:
        assert 100 <= float(lab.on("m1", ping)) < 150
        content = os.urandom(3_000_000)
        argv = [str(LAB / "lab"), "--instance", lab.instance, "ssh", "m2", "--", "cat"]
        assert subprocess.run(argv, input=content, capture_output=True, check=True).stdout == content
    finally:
        lab("link", "m2", "delay", "0ms")
    assert float(lab.on("m1", ping)) < 50


def test_a_lossy_cable_loses_the_share_that_was_asked_for(lab: Lab) -> None:
    ping = f"ping -qc400 -i0.005 -W1 {lab.env()['LAB_HOST_m2']} | grep -oE '[0-9.]+% packet' | cut -d% -f1"
    lab("link", "m2", "loss", "30%")
    try:
        # 30 % in each direction: 51 % of round trips; four standard deviations of 400 draws are 10 points.
        assert 41 <= float(lab.on("m1", ping)) <= 61
    finally:
        lab("link", "m2", "loss", "0%")
    assert float(lab.on("m1", ping)) < 2


def test_a_cable_stays_as_it_was_set_over_a_power_cut(lab: Lab) -> None:
    lab("link", "m2", "delay", "20ms")
    try:
        lab("power-off", "m2")
        lab("power-on", "m2")
        assert "delay 20ms" in lab("list")
        rtt = lab.on("m1", f"ping -qc3 -i0.1 {lab.env()['LAB_HOST_m2']} | tail -1 | cut -d/ -f5")
        assert float(rtt) >= 40
    finally:
        lab("link", "m2", "delay", "0ms")


def test_a_memory_limit_is_enforced(lab: Lab) -> None:
    # 600 MB without a newline: `tail` has to hold them all to print the last line.
    hungry = "head -c 600M /dev/zero | tail -n 1 > /dev/null; echo ${PIPESTATUS[1]}"
    lab("limit", "m2", "--memory", "256M")
    try:
        assert lab.on("m2", hungry) == "137"
    finally:
        lab("limit", "m2")
    assert lab.on("m2", hungry) == "0"


def test_a_processor_limit_is_enforced(lab: Lab) -> None:
    """By what the kernel counts: how much a host gets of a busy machine says nothing."""
    stopped = "awk '/nr_throttled/ { print $2 }' /sys/fs/cgroup/cpu/cpu.stat"
    used = "cat /sys/fs/cgroup/cpuacct/cpuacct.usage"
    work = "timeout 1 sh -c 'while :; do :; done'"
    lab("limit", "m2", "--cpus", "0.2")
    before, after = lab.on("m2", f"{used}; for second in $(seq 10); do {work}; done; {used}").split()
    assert int(after) - int(before) < 10 * 0.25e9
    often = int(lab.on("m2", stopped))
    assert often > 0
    lab("limit", "m2")
    assert int(lab.on("m2", f"{work}; {stopped}")) == often


def test_two_instances_with_the_same_host_names_dont_meet(lab: Lab, instances: Callable[[], Lab]) -> None:
    other = instances()
    other("up", "m1")
    mine, theirs = lab.env(), other.env()
    assert mine["LAB_SUBNET"] != theirs["LAB_SUBNET"]
    script = f"ping -qc1 -W1 {theirs['LAB_HOST_m1']} >/dev/null 2>&1 || echo apart"
    assert lab.on("m1", script) == "apart"
    boot = lab.on("m1", "cat /proc/sys/kernel/random/boot_id")
    other("down", "--all")
    assert traces(other) == []
    assert lab.on("m1", "cat /proc/sys/kernel/random/boot_id") == boot


def test_down_leaves_nothing_and_ends_nothing_else(instances: Callable[[], Lab]) -> None:
    bystander = subprocess.Popen(["sleep", "1000"])
    try:
        lab = instances()
        lab("up", "a", "b")
        lab("link", "b", "delay", "5ms")
        running = processes(lab)
        assert len(links(lab, "a", "b")) >= 5, "the bridge, and of each host its cable and its namespace"
        lab("down", "a")
        assert lab.env()["LAB_HOSTS"] == "b"
        lab("down")
        assert traces(lab) == []
        assert links(lab, "a", "b") == set()
        assert not [process for process, began in running if start_time(process) == began]
        assert bystander.poll() is None
    finally:
        bystander.kill()
        bystander.wait()


@pytest.mark.parametrize("after", [0.3, 0.5, 0.8])
def test_up_killed_at_any_moment_goes_on_when_given_again(instances: Callable[[], Lab], after: float) -> None:
    lab = instances()
    child = subprocess.Popen(
        [str(LAB / "lab"), "--instance", lab.instance, "up", "m1"], stderr=subprocess.DEVNULL, start_new_session=True
    )
    time.sleep(after)
    os.killpg(child.pid, signal.SIGKILL)
    child.wait()
    lab("up", "m1")
    assert lab.on("m1", "systemctl is-system-running --wait") == "running"
    lab("down")
    assert traces(lab) == []


def test_a_host_starts_where_a_lot_is_watched_already(lab: Lab) -> None:
    """As many other hosts do: the kernel counts what all of them watch."""
    watchers = [inotify() for _ in range(200)]
    try:
        lab("power-off", "m2")
        lab("power-on", "m2")
    finally:
        for watcher in watchers:
            os.close(watcher)


def inotify() -> int:
    """One more inotify instance of this user's (inotify_init(2))."""
    descriptor = ctypes.CDLL(None, use_errno=True).inotify_init()
    assert descriptor >= 0, os.strerror(ctypes.get_errno())
    return descriptor
