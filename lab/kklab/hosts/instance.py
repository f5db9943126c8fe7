"""An instance: one run of the lab, apart from every other on the machine."""

from __future__ import annotations

import json
import os
import re
import shutil
from dataclasses import asdict, dataclass, replace
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import cast

from kklab import command, locks, places
from kklab.errors import LabError
from kklab.hosts import network

HOST_NAME = re.compile(r"[a-z]([a-z0-9-]{0,30}[a-z0-9])?")


@dataclass(frozen=True)
class HostRecord:
    """What the lab remembers of one host while it is off.

    Attributes:
        address: its address, kept for as long as the host exists.
        up: whether its cable is plugged in.
        delay_ms, loss_percent: what its cable does to packets, in each direction.
        memory: most memory in bytes; None is no limit.
        cpus: most processor time; None is no limit.
    """

    name: str
    address: str
    up: bool = True
    delay_ms: float = 0.0
    loss_percent: float = 0.0
    memory: int | None = None
    cpus: float | None = None


class Instance:
    """One instance, by name. Its folder is made by `create` and taken away by `delete`."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.folder = places.instance_folder(name)

    @property
    def hosts_folder(self) -> Path:
        """Where its hosts are."""
        return self.folder / "hosts"

    @property
    def ssh_key(self) -> Path:
        """The private key that opens its hosts."""
        return self.folder / "ssh" / "id_ed25519"

    @property
    def known_hosts(self) -> Path:
        """The host keys of its hosts, in OpenSSH's format."""
        return self.folder / "ssh" / "known_hosts"

    @property
    def subnet(self) -> IPv4Network:
        """Its network.

        Raises:
            LabError: the instance doesn't exist.
        """
        try:
            record = cast(dict[str, str], json.loads((self.folder / "instance.json").read_text()))
        except FileNotFoundError as missing:
            raise LabError(f"instance {self.name} has no hosts", "start some: `lab/lab up m1`") from missing
        return IPv4Network(record["subnet"])

    @property
    def gateway(self) -> IPv4Address:
        """The machine's own address on its network."""
        return self.subnet[1]

    def locked(self, purpose: str):
        """Keeps other commands on this instance's records waiting."""
        return locks.held(places.locks() / self.name, purpose)

    def create(self) -> None:
        """Make the instance, its key and its bridge, as far as they aren't there."""
        with locks.held(places.locks() / ".subnets", "a subnet"):
            if not (self.folder / "instance.json").exists():
                self._allocate()
            network.create_bridge(self.name, self.subnet)
        if not self.ssh_key.exists():
            self.ssh_key.parent.mkdir(exist_ok=True, mode=0o700)
            make_key(self.ssh_key, f"lab {self.name}")

    def delete(self) -> None:
        """Take the instance away. Its hosts must have been."""
        with locks.held(places.locks() / ".subnets", "a subnet"):  # others look which are taken
            network.delete_bridge(self.name)
            shutil.rmtree(self.folder, ignore_errors=True)

    def names(self) -> list[str]:
        """Names of its hosts, running or not."""
        return sorted(path.parent.name for path in self.hosts_folder.glob("*/host.json"))

    def record(self, name: str) -> HostRecord:
        """The record of a host.

        Raises:
            LabError: there is no such host.
        """
        try:
            text = (self.hosts_folder / name / "host.json").read_text()
        except FileNotFoundError as missing:
            raise LabError(
                f"no host {name} in instance {self.name}", f"there are: {', '.join(self.names()) or 'none'}"
            ) from missing
        return HostRecord(**cast(dict[str, str], json.loads(text)))  # type: ignore[arg-type]

    def save(self, record: HostRecord) -> None:
        """Write a host's record, whole or not at all."""
        folder = self.hosts_folder / record.name
        folder.mkdir(parents=True, exist_ok=True)
        _write_whole(folder / "host.json", asdict(record))

    def change(self, name: str, **changes: object) -> HostRecord:
        """Change a host's record and return the new one."""
        record = replace(self.record(name), **changes)  # type: ignore[arg-type]
        self.save(record)
        return record

    def add(self, name: str) -> HostRecord:
        """The record of a host, made with the next free address if it is new; see `check_host_name`.

        Raises:
            LabError: the subnet is full.
        """
        with self.locked("an address"):
            if name in self.names():
                return self.record(name)
            used = {self.record(other).address for other in self.names()}
            free = (str(address) for address in list(self.subnet.hosts())[network.FIRST_HOST - 1 :])
            for address in free:
                if address not in used:
                    self.save(HostRecord(name, address))
                    return self.record(name)
        raise LabError(f"subnet {self.subnet} is full", "end hosts that aren't needed: `lab/lab down NAME`")

    def write_known_hosts(self) -> None:
        """Write the host keys of all hosts into one file. One whose key is just being made writes them again."""
        lines: list[str] = []
        for name in self.names():
            identity = self.hosts_folder / name / "identity"
            if (identity / "machine-id").exists():  # the last that is made of it
                kind, value, *_ = (identity / "ssh_host_ed25519_key.pub").read_text().split()
                lines.append(f"{self.record(name).address} {kind} {value}\n")
        part = self.known_hosts.with_suffix(f".{os.getpid()}")
        part.write_text("".join(lines))
        part.rename(self.known_hosts)

    def _allocate(self) -> None:
        others = [Instance(path.parent.name).subnet for path in places.STATE.glob("*/instance.json")]
        subnet = network.free_subnet([*others, *network.subnets_in_use()])
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o755)
        record: dict[str, object] = {"checkout": str(places.CHECKOUT), "subnet": str(subnet)}
        _write_whole(self.folder / "instance.json", record)


def _write_whole(path: Path, record: dict[str, object]) -> None:
    """Or not at all."""
    part = path.with_name(f"{path.name}.part")
    part.write_text(json.dumps(record, indent=1))
    part.rename(path)


def check_host_name(name: str) -> None:
    """Refuse what can't be a host's name.

    Raises:
        LabError: it can't.
    """
    if not HOST_NAME.fullmatch(name):
        raise LabError(f"{name!r} can't name a host", "use lower-case letters, digits and inner hyphens")


def make_key(path: Path, comment: str) -> None:
    """Make an Ed25519 key pair without a passphrase."""
    command.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", path])
