"""One host: an overlay over the base tree, run by systemd-nspawn."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import time
import uuid
from pathlib import Path

from kklab import command
from kklab.errors import LabError
from kklab.hosts import basetree, network
from kklab.hosts.cable import Cable
from kklab.hosts.cgroup import Group
from kklab.hosts.instance import HostRecord, Instance, make_key

BOUND = ("containerd", "etcd", "kubelet")
"""Folders of /var/lib that are real ones: containerd's overlay snapshots can't stand on an overlay."""
READY_SECONDS = 300.0
INOTIFY_INSTANCES = 8192
_INOTIFY_INSTANCES = Path("/proc/sys/fs/inotify/max_user_instances")
OVERLAY_OPTIONS = "redirect_dir=off,metacopy=off,index=off,xino=off"
"""So that the upper layer can be read without the overlay, see `listing.with_upper`."""


class Host:
    """A host of an instance. `record` must exist, see `Instance.add`."""

    def __init__(self, instance: Instance, name: str) -> None:
        self._instance = instance
        self.name = name
        self.folder = instance.hosts_folder / name
        self.group = Group(instance.name, name)
        self._cable = Cable(instance.name, name)

    @property
    def record(self) -> HostRecord:
        """What is remembered of it."""
        return self._instance.record(self.name)

    @property
    def upper(self) -> Path:
        """The folder of what differs from the base tree."""
        return self.folder / "disk" / "upper"

    @property
    def root(self) -> Path:
        """Its root folder, while it is on."""
        return self.folder / "root"

    @property
    def console(self) -> Path:
        """What it wrote to its console since it was made."""
        return self.folder / "console.log"

    def bound(self) -> dict[str, Path]:
        """The real folders that it has in /var/lib, by the host's path."""
        return {f"/var/lib/{name}": self.folder / "disk" / name for name in BOUND}

    def is_on(self) -> bool:
        """Whether any process of it runs."""
        return bool(self.group.processes())

    def create(self) -> None:
        """Give it an identity and an empty disk, unless it has them."""
        self._create_identity()
        self._create_disk()

    def power_on(self) -> None:
        """Switch it on, unless it is, and wait until it answers on its SSH port."""
        if not self.is_on():
            self._tidy()
            self._mount()
            self._cable.create()
            _allow_watchers()
            self._launch()
        # Always: whoever switched it on may have been ended before this.
        self.apply_limits()
        self.apply_cable()
        if self.record.up:
            self._wait_until_ready()

    def power_off(self) -> None:
        """Pull its plug: every process ends at once, nothing is written any more. The disk stays."""
        self.group.kill()
        self._tidy()

    def reset(self) -> None:
        """Make it pristine: the disk is empty again; name, address and keys stay."""
        self.power_off()
        self._drop_disk()
        self.create()
        self.power_on()

    def delete(self) -> None:
        """End it and take away all that was made for it."""
        self.power_off()
        self._drop_disk()
        shutil.rmtree(self.folder, ignore_errors=True)

    def apply_limits(self) -> None:
        """Put the recorded limits into force."""
        self.group.limit(self.record.memory, self.record.cpus)

    def apply_cable(self) -> None:
        """Put the recorded state of the cable into force."""
        record, log = self.record, self.folder / "delay-line.log"
        self._cable.shape(delay_ms=record.delay_ms, loss_percent=record.loss_percent, log=log)
        self._cable.plug(up=record.up)

    def ssh_command(self, user: str, words: list[str]) -> list[str]:
        """The OpenSSH command that runs something on it."""
        options = {
            "IdentityFile": str(self._instance.ssh_key),
            "IdentitiesOnly": "yes",
            "UserKnownHostsFile": str(self._instance.known_hosts),
            "StrictHostKeyChecking": "yes",
            "ConnectTimeout": "10",
            "LogLevel": "ERROR",
        }
        flags = [word for key, value in options.items() for word in ("-o", f"{key}={value}")]
        return ["ssh", "-F", "none", *flags, f"{user}@{self.record.address}", "--", *words]

    def _create_identity(self) -> None:
        folder = self.folder / "identity"
        if (folder / "machine-id").exists():
            return
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        make_key(folder / "ssh_host_ed25519_key", self.name)
        (folder / "machine-id").write_text(f"{uuid.uuid4().hex}\n")
        with self._instance.locked("host keys"):
            self._instance.write_known_hosts()

    def _create_disk(self) -> None:
        if (self.folder / "disk").exists():
            return
        part = self.folder / "disk.part"
        shutil.rmtree(part, ignore_errors=True)
        for name in ("upper", "work", *BOUND):
            (part / name).mkdir(parents=True)
        _furnish(part / "upper", self._instance, self.record, self.folder / "identity")
        part.rename(self.folder / "disk")

    def _drop_disk(self) -> None:
        # Renamed first: an interrupted removal must not leave half a disk.
        trash = self.folder / "trash"
        with contextlib.suppress(FileNotFoundError):
            (self.folder / "disk").rename(trash)
        shutil.rmtree(trash, ignore_errors=True)

    def _mount(self) -> None:
        disk = self.folder / "disk"
        self.root.mkdir(exist_ok=True)
        layers = f"lowerdir={basetree.root()},upperdir={disk / 'upper'},workdir={disk / 'work'}"
        command.run(["mount", "-t", "overlay", "overlay", "-o", f"{layers},{OVERLAY_OPTIONS}", self.root])

    def _tidy(self) -> None:
        """Take away what a host that was on leaves on the machine."""
        while os.path.ismount(self.root):
            command.run(["umount", "--lazy", self.root])
        self._cable.remove()
        self.group.remove()

    def _launch(self) -> None:
        space = Path("/run/netns") / network.namespace_name(self._instance.name, self.name)
        nspawn = [
            # It mounts /sys before it enters the namespace that it is told; /sys shows the one it was mounted in.
            *("nsenter", f"--net={space}", "--"),
            *("systemd-nspawn", "--quiet", "--boot", f"--directory={self.root}"),
            *(f"--machine={space.name}", f"--hostname={self.name}"),
            *("--register=no", "--keep-unit", f"--network-namespace-path={space}"),
            *("--capability=all", "--system-call-filter=@known"),
            *("--resolv-conf=off", "--timezone=off", "--link-journal=no", "--console=pipe"),
            *(f"--bind={real}:{path}" for path, real in self.bound().items()),
        ]
        self.group.launch(nspawn, self.console)

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + READY_SECONDS
        while not _answers(self.record.address):
            if time.monotonic() > deadline or not self.is_on():
                raise LabError(
                    f"host {self.name} doesn't answer on {self.record.address} port 22",
                    f"its console: {self.console}",
                )
            time.sleep(0.05)


def _allow_watchers() -> None:
    """Let root have so many inotify instances that hosts start however many run.

    The systemd of a host takes about nine. The kernel counts those of all hosts together, and where its limit is the
    usual 128 (inotify(7)), the systemd of the fifteenth ends as it starts, without a word.
    """
    if int(_INOTIFY_INSTANCES.read_text()) < INOTIFY_INSTANCES:
        _INOTIFY_INSTANCES.write_text(str(INOTIFY_INSTANCES))


def _answers(address: str) -> bool:
    try:
        with socket.create_connection((address, 22), timeout=3.0) as connection:
            return connection.recv(4) == b"SSH-"
    except OSError:
        return False


def _furnish(upper: Path, instance: Instance, record: HostRecord, identity: Path) -> None:
    """Write what makes this host another than the base tree."""
    text = {
        "etc/hostname": f"{record.name}\n",
        "etc/hosts": f"127.0.0.1 localhost\n::1 localhost\n{record.address} {record.name}\n",
        "etc/systemd/network/10-lab.network": (
            f"[Match]\nName={network.INSIDE}\n\n[Network]\nAddress={record.address}/{instance.subnet.prefixlen}\n"
            f"Gateway={instance.gateway}\nLinkLocalAddressing=no\nIPv6AcceptRA=no\n"
        ),
        "etc/machine-id": (identity / "machine-id").read_text(),
    }
    public_key = instance.ssh_key.with_suffix(".pub").read_text()
    base = basetree.root()
    for home in ("root", "home/admin", "home/plain"):
        _copy_folder(base, upper, Path(home))
        owner = (base / home).stat()
        _place(upper / home / ".ssh" / "authorized_keys", public_key.encode(), 0o600, owner.st_uid, owner.st_gid)
    for name, content in text.items():
        _copy_folder(base, upper, Path(name).parent)
        _place(upper / name, content.encode(), 0o444 if name == "etc/machine-id" else 0o644)
    for name, mode in (("ssh_host_ed25519_key", 0o600), ("ssh_host_ed25519_key.pub", 0o644)):
        _copy_folder(base, upper, Path("etc/ssh"))
        _place(upper / "etc/ssh" / name, (identity / name).read_bytes(), mode)


def _copy_folder(base: Path, upper: Path, folder: Path) -> None:
    """Make a folder in the upper layer as it is in the base tree, and those above it."""
    upper.chmod(base.stat().st_mode & 0o7777)
    for path in [*reversed(folder.parents), folder]:
        if not (upper / path).is_dir():
            (upper / path).mkdir()
            info = (base / path).stat()
            (upper / path).chmod(info.st_mode & 0o7777)
            os.chown(upper / path, info.st_uid, info.st_gid)


def _place(path: Path, content: bytes, mode: int, uid: int = 0, gid: int = 0) -> None:
    if not path.parent.exists():
        path.parent.mkdir(mode=0o700)
        os.chown(path.parent, uid, gid)
    path.write_bytes(content)
    path.chmod(mode)
    os.chown(path, uid, gid)
