"""What ``create machine`` and its plan are asked for."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from klusterkit.cli.options import Common
from klusterkit.foreign import words_of

if TYPE_CHECKING:
    from klusterkit.session.settings import Settings


class Role(StrEnum):
    """What a machine is for; worker is another word for node."""

    MASTER = "master"
    NODE = "node"
    WORKER = "worker"


Label = Annotated[
    list[str] | None, typer.Option("--label", metavar="KEY=VALUE", help="Of the node; several: once each")
]
Taint = Annotated[
    list[str] | None, typer.Option("--taint", metavar="KEY[=VALUE]:EFFECT", help="Of the node; several: once each")
]


@dataclass(frozen=True)
class MachineChoice:
    """Machines, and what they are to be."""

    ip: Annotated[
        list[str] | None, typer.Option("--ip", metavar="ADDRESS", help="Address of a machine; several: --ip A --ip B")
    ] = None
    role: Annotated[
        Role | None, typer.Option("--role", metavar="ROLE", case_sensitive=False, help="master, node (or worker)")
    ] = None
    file: Annotated[
        Path | None,
        typer.Option("--file", "-f", metavar="FILE", help="Machines of any roles: a list of {ip, role}, or objects"),
    ] = None
    port: Annotated[int, typer.Option("--port", min=1, max=65535, metavar="PORT", help="Of sshd")] = 22
    name: Annotated[str | None, typer.Option("--name", metavar="NAME", help="Of the machine [its address]")] = None
    label: Label = None
    taint: Taint = None
    iface: Annotated[
        str | None, typer.Option("--iface", metavar="NAME", help="Of a master's virtual address [the one with --ip]")
    ] = None
    public_keys: Annotated[
        list[str] | None,
        typer.Option("--public-keys", metavar="FILE[,FILE]", help="The machines' SSH host public keys"),
    ] = None

    def machines(self) -> tuple[Any, ...]:
        """As the session's requests take them."""
        if self.file is not None:
            return self._in_file(self.file)
        if not self.ip or self.role is None:
            raise typer.BadParameter("name the machines: --ip ADDRESS --role master|node, or --file FILE")
        if self.name and len(self.ip) > 1:
            raise typer.BadParameter("--name is for one machine: leave it out, or create them one by one")
        common = {
            "roles": ["node" if self.role is Role.WORKER else str(self.role)],
            "port": self.port,
            "name": self.name,
            "labels": dict(label(text) for text in self.label or ()),
            "taints": tuple(self.taint or ()),
            "interface": self.iface,
        }
        return tuple({"address": address, **common} for address in self.ip)

    def _in_file(self, file: Path) -> tuple[Any, ...]:
        from klusterkit.session.machines.wanted import read_machines

        if self.ip or self.role or self.name or self.label or self.taint or self.iface:
            raise typer.BadParameter("--file says all of its machines: leave --ip, --role and what goes with them out")
        return read_machines(file.expanduser())

    def settings(self, common: Common) -> Settings:
        """As a session takes them: the keys in the files are accepted, too."""
        keys = [
            fingerprint for name in self.public_keys or () for file in name.split(",") for fingerprint in _keys(file)
        ]
        return replace(common, host_key=[*(common.host_key or ()), *keys]).settings()


NEXT_STEP = "{cctl} kubeconfig --out admin.conf; kubectl --kubeconfig admin.conf get nodes"
"""When machines have been made."""


@dataclass(frozen=True)
class MachineOptions(MachineChoice):
    """The same, with how much of making them may happen at once."""

    no_peers: Annotated[
        bool, typer.Option("--no-peers", help="Send everything from here: machines serve each other nothing")
    ] = False
    uploads: Annotated[int | None, typer.Option("--uploads", min=1, metavar="N", help="At once, in all [16]")] = None
    uploads_each: Annotated[
        int | None, typer.Option("--uploads-each", min=1, metavar="N", help="At once, to each host [2]")
    ] = None
    imports: Annotated[
        int | None, typer.Option("--imports", min=1, metavar="N", help="Images unpacked at once, on each host [4]")
    ] = None

    at_once: Annotated[
        int | None, typer.Option("--at-once", min=1, metavar="N", help="Workers whose kubelets come up at once [all]")
    ] = None

    def wanted(self) -> dict[str, Any]:
        """The fields of the session's request."""
        given = {
            "uploads": self.uploads,
            "uploads_each": self.uploads_each,
            "imports": self.imports,
            "joins": self.at_once,
        }
        options = {name: number for name, number in given.items() if number is not None} | {"share": not self.no_peers}
        return {"machines": self.machines(), "options": options}


def label(text: str) -> tuple[str, str]:
    """Of ``KEY=VALUE``. Raises ``typer.BadParameter``."""
    key, equals, value = text.partition("=")
    if not key or not equals:
        raise typer.BadParameter(f"--label {text}: a label is KEY=VALUE")
    return key, value


def _keys(file: str) -> list[str]:
    """The fingerprints (as ssh-keygen -l has them) of the public keys in a file: lines of ``ssh-ed25519 AAAA…``."""
    try:
        lines = Path(file).expanduser().read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise typer.BadParameter(f"--public-keys {file}: {words_of(error)}") from None
    found = [_fingerprint(file, line) for line in lines if line.strip() and not line.startswith("#")]
    if not found:
        raise typer.BadParameter(f"--public-keys {file}: there is no key in it")
    return found


def _fingerprint(file: str, line: str) -> str:
    from klusterkit.hosts.credentials import fingerprint, public_key

    for kind, blob in pairwise(line.split()):  # ssh-keyscan(1) puts the host's name before them
        if key := public_key(kind, blob):
            return fingerprint(key)
    raise typer.BadParameter(f"--public-keys {file}: not a public key: {line[:40]}")
