"""What ``create machine`` and its plan are asked for."""

from __future__ import annotations

import base64
import binascii
import hashlib
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from klusterkit.cli.options import Common

if TYPE_CHECKING:
    from klusterkit.session.settings import Settings


class Role(StrEnum):
    """What a machine is for; worker is another word for node."""

    MASTER = "master"
    NODE = "node"
    WORKER = "worker"


@dataclass(frozen=True)
class MachineOptions:
    """The machines, and what they become."""

    ip: Annotated[
        list[str], typer.Option("--ip", metavar="ADDRESS", help="Address of a machine; several: --ip A --ip B")
    ]
    role: Annotated[Role, typer.Option("--role", metavar="ROLE", case_sensitive=False, help="master; for now no other")]
    port: Annotated[int, typer.Option("--port", min=1, max=65535, help="Of sshd", show_default=True)] = 22
    name: Annotated[str | None, typer.Option("--name", metavar="NAME", help="Of the machine [its address]")] = None
    label: Annotated[
        list[str] | None, typer.Option("--label", metavar="KEY=VALUE", help="Of the node; several: once each")
    ] = None
    taint: Annotated[
        list[str] | None, typer.Option("--taint", metavar="KEY[=VALUE]:EFFECT", help="Of the node; several: once each")
    ] = None
    public_keys: Annotated[
        list[str] | None,
        typer.Option("--public-keys", metavar="FILE[,FILE]", help="The machines' SSH host public keys"),
    ] = None

    def __post_init__(self) -> None:
        """Refuse what can't be yet."""
        if self.role != Role.MASTER:
            raise typer.BadParameter(f"--role {self.role}: nodes can't be added yet, a cluster is its one master")

    def wanted(self) -> dict[str, Any]:
        """The fields of the session's request."""
        return {
            "addresses": tuple(self.ip),
            "role": "node" if self.role is Role.WORKER else str(self.role),
            "port": self.port,
            "name": self.name,
            "labels": dict(_label(text) for text in self.label or ()),
            "taints": tuple(self.taint or ()),
        }

    def settings(self, common: Common) -> Settings:
        """As a session takes them: the keys in the files are accepted, too."""
        keys = [
            fingerprint for name in self.public_keys or () for file in name.split(",") for fingerprint in _keys(file)
        ]
        return replace(common, host_key=[*(common.host_key or ()), *keys]).settings()


def _label(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not key or not equals:
        raise typer.BadParameter(f"--label {text}: a label is KEY=VALUE")
    return key, value


def _keys(file: str) -> list[str]:
    """The fingerprints (as ssh-keygen -l has them) of the public keys in a file: lines of ``ssh-ed25519 AAAA…``."""
    try:
        lines = Path(file).expanduser().read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise typer.BadParameter(
            f"--public-keys {file}: {getattr(error, 'strerror', None) or 'it is no text'}"
        ) from None
    found = [_fingerprint(file, line) for line in lines if line.strip() and not line.startswith("#")]
    if not found:
        raise typer.BadParameter(f"--public-keys {file}: there is no key in it")
    return found


def _fingerprint(file: str, line: str) -> str:
    fields = line.split()
    for kind, blob in pairwise(fields):  # ssh-keyscan(1) puts the host's name before them
        try:
            key = base64.b64decode(blob, validate=True)
        except binascii.Error:
            continue
        # RFC 4253 6.6: the key begins with the length and the name of its kind.
        if key.startswith(len(kind).to_bytes(4, "big") + kind.encode()):
            return "SHA256:" + base64.b64encode(hashlib.sha256(key).digest()).decode().rstrip("=")
    raise typer.BadParameter(f"--public-keys {file}: not a public key: {line[:40]}")
