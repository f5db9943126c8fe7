"""The base tree: one debootstrapped root folder that every host stands on, read-only."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import re
import shutil
from pathlib import Path

from kklab import command, locks, places
from kklab.errors import LabError
from kklab.hosts import listing
from kklab.progress import Progress, say

PACKAGES = (
    *("systemd", "systemd-sysv", "dbus", "openssh-server", "iproute2", "iptables", "nftables", "conntrack"),
    *("socat", "ethtool", "runc", "keepalived", "procps", "kmod", "sudo", "curl", "ca-certificates"),
    *("iputils-ping", "ipset", "jq"),
)
USUAL_SECONDS = 100.0
PLAIN_PASSWORD = "lab"  # noqa: S105 - said in the README
"""What sudo asks the user `plain` for. No secret: these hosts are reached from this machine only."""

PREPARE = """\
#!/bin/sh
# What systemd-nspawn keeps from a host that is to run a kubelet.
for hierarchy in /sys/fs/cgroup /sys/fs/cgroup/*; do
    [ -d "$hierarchy" ] && mount -o remount,bind,rw "$hierarchy" 2>/dev/null
done
mount -o remount,bind,rw /proc/sys
[ -e /dev/kmsg ] || mknod -m 0660 /dev/kmsg c 1 11
mount --make-rshared /
"""

PREPARE_UNIT = """\
[Unit]
Description=Make this host fit for a kubelet
DefaultDependencies=no
Before=sysinit.target systemd-sysctl.service

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/local/lib/lab-prepare

[Install]
WantedBy=sysinit.target
"""

SSHD = """\
UseDNS no
PermitRootLogin prohibit-password
PasswordAuthentication no
HostKey /etc/ssh/ssh_host_ed25519_key
"""

# Timers would change files behind a comparison of before and after; none of them matters to a cluster.
CONFIGURE = f"""\
set -e
useradd -m -s /bin/bash admin
useradd -m -s /bin/bash -G sudo plain
echo 'plain:{PLAIN_PASSWORD}' | chpasswd
rm -f /etc/ssh/ssh_host_* /etc/machine-id /var/lib/dbus/machine-id
rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/log/*.log /var/log/apt
: > /etc/resolv.conf
mkdir -p /var/log/journal /var/lib/containerd /var/lib/etcd /var/lib/kubelet
systemctl enable systemd-networkd lab-prepare ssh
systemctl disable keepalived nftables
systemctl mask apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer logrotate.timer \
    e2scrub_all.timer e2scrub_reap.service fstrim.timer man-db.timer systemd-tmpfiles-clean.timer \
    systemd-networkd-wait-online.service systemd-resolved.service console-getty.service
"""


def suite() -> str:
    """The code name of this machine's distribution; the base tree is of the same."""
    system = platform.freedesktop_os_release()
    if system["ID"] != "debian":
        raise LabError(f"the lab makes its hosts of the machine's own Debian, and this is {system['ID']}")
    return system["VERSION_CODENAME"]


def recipe() -> dict[str, object]:
    """Everything that the tree depends on."""
    return {
        "suite": suite(),
        "packages": PACKAGES,
        "files": [PREPARE, PREPARE_UNIT, SSHD, CONFIGURE],
        "revision": 1,
    }


def folder() -> Path:
    """Where the tree is kept: `root/` and its listing."""
    digest = hashlib.sha256(json.dumps(recipe(), sort_keys=True).encode()).hexdigest()
    return places.cache() / f"base-{suite()}-{digest[:12]}"


def root() -> Path:
    """The tree's root folder.

    Raises:
        LabError: the tree isn't there yet.
    """
    if not listing_file().exists():
        raise LabError("the base tree isn't there", "run `lab/lab setup`")
    return folder() / "root"


def listing_file() -> Path:
    """The tree's listing, see `listing`; written last, so its presence means that the tree is whole."""
    return folder() / "listing.json"


def ensure() -> Path:
    """The tree's root folder, made first if need be."""
    with locks.held(places.cache() / "base.lock", "the base tree"):
        if not listing_file().exists():
            with Progress({"base tree": USUAL_SECONDS}).step("base tree", f"debootstrap of {suite()}"):
                _make()
    return root()


def verify() -> None:
    """Compare every file of the tree with what it was when it was made; a damaged tree is made again.

    Raises:
        LabError: it is damaged, and hosts run on it, of this instance or another.
    """
    with locks.held(places.cache() / "base.lock", "the base tree"):
        if not listing_file().exists() or listing.of_tree(folder() / "root") == listing.load(listing_file()):
            return
        if used_by := hosts_on(folder() / "root", Path("/proc/mounts").read_text()):
            raise LabError(
                f"the base tree was changed since it was made, and hosts run on it: {', '.join(used_by)}",
                "take them down first (`lab/lab --instance INSTANCE down --all`): it has to be made again",
            )
        say("the base tree was changed since it was made: making it again")
        shutil.rmtree(folder())


def hosts_on(tree: Path, mounts: str) -> list[str]:
    """Where file systems are mounted that stand on a tree.

    Args:
        tree: the lowest layer.
        mounts: as /proc/mounts has them.
    """
    lines = (line.split() for line in mounts.splitlines())
    return [where for _, where, kind, options, *_ in lines if kind == "overlay" and f"lowerdir={tree}," in options]


def _make() -> None:
    part = folder().with_suffix(".part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    log = part / "debootstrap.log"
    tree = part / "root"
    include = f"--include={','.join(PACKAGES)}"
    command.run(["debootstrap", "--variant=minbase", include, suite(), tree, apt_mirror()], log=log)
    _write(tree / "usr/local/lib/lab-prepare", PREPARE, 0o755)
    _write(tree / "etc/systemd/system/lab-prepare.service", PREPARE_UNIT)
    _write(tree / "etc/ssh/sshd_config.d/lab.conf", SSHD)
    _write(tree / "etc/sudoers.d/admin", "admin ALL=(ALL) NOPASSWD: ALL\n", 0o440)
    command.run(["chroot", tree, "/bin/sh", "-c", CONFIGURE], log=log)
    listing.save(part / "listing.json", listing.of_tree(tree))
    os.sync()
    shutil.rmtree(folder(), ignore_errors=True)
    part.rename(folder())


def _write(path: Path, text: str, mode: int = 0o644) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(mode)


def apt_mirror() -> str:
    """The mirror that this machine's own apt takes its main packages from.

    Raises:
        LabError: apt names none.
    """
    for path in (Path("/etc/apt/sources.list"), *sorted(Path("/etc/apt/sources.list.d").glob("*"))):
        if path.is_file() and (found := mirror_in(path.read_text(), suite())):
            return found
    raise LabError(f"apt names no mirror for {suite()} main", "add one below /etc/apt/sources.list.d")


def mirror_in(text: str, wanted_suite: str) -> str | None:
    """The first address in a text of apt's sources (either format) that has the suite's main packages."""
    for stanza in re.split(r"\n\s*\n", text):
        fields = dict(re.findall(r"^(\w[\w-]*):[ \t]*(.*)$", stanza, re.MULTILINE))
        if wanted_suite in fields.get("Suites", "").split() and "main" in fields.get("Components", "").split():
            return fields["URIs"].split()[0]
    one_line = rf"^deb\s+(?:\[[^\]]*\]\s+)?(\S+)\s+{re.escape(wanted_suite)}\s+(?:.*\s)?main\b"
    found = re.search(one_line, text, re.MULTILINE)
    return found.group(1) if found else None
