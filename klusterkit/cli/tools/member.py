"""What ``etcdadm init`` and ``join`` are asked for."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, Any

import typer

from klusterkit.cli.tools.options import BindAddress


def _gone(*names: str) -> Any:
    return typer.Option(*names, hidden=True)


@dataclass(frozen=True)
class MemberOptions:
    """A member, and what surrounds it."""

    name: Annotated[str | None, typer.Option("--name", metavar="NAME", help="Of the member [the host's]")] = None
    version: Annotated[
        str | None,
        typer.Option("--version", metavar="VERSION", help="Of etcd, such as 3.6.16 [the tried one]"),
    ] = None
    bind_address: BindAddress = None
    server_cert_extra_sans: Annotated[
        list[str] | None,
        typer.Option("--server-cert-extra-sans", metavar="NAME[,NAME]", help="More names and addresses of the server"),
    ] = None
    disk_priorities: Annotated[
        list[str] | None,
        typer.Option("--disk-priorities", metavar="LINE[,LINE]", help="Lines for the unit, such as Nice=-10"),
    ] = None
    phase: Annotated[
        list[str] | None, typer.Option("--phase", metavar="NAME", help="Only this part of it; several: once each")
    ] = None

    def refuse_unknown_phases(self, known: Iterable[str]) -> None:
        """Raise ``typer.BadParameter`` for a phase that there isn't."""
        for name in self.phase or ():
            if name not in known:
                raise typer.BadParameter(f"there is no phase {name!r}: there are, in this order, {', '.join(known)}")

    def wanted(self) -> dict[str, Any]:
        """The fields of the session's request."""
        return {
            "name": self.name,
            "version": self.version,
            "address": self.bind_address,
            "names": _each(self.server_cert_extra_sans),
            "priorities": _each(self.disk_priorities),
            "phases": tuple(self.phase or ()),
        }


@dataclass(frozen=True)
class Fixed:
    """Options of the original for what is the same on every host now: its one value is taken, others are explained."""

    certs_dir: Annotated[str | None, _gone("--certs-dir")] = None
    install_dir: Annotated[str | None, _gone("--install-dir")] = None
    data_dir: Annotated[str | None, _gone("--data-dir")] = None
    init_system: Annotated[str | None, _gone("--init-system")] = None
    release_url: Annotated[str | None, _gone("--release-url")] = None
    image_repository: Annotated[str | None, _gone("--image-repository")] = None
    kubelet_pod_manifest_path: Annotated[str | None, _gone("--kubelet-pod-manifest-path")] = None
    download_connect_timeout: Annotated[str | None, _gone("--download-connect-timeout")] = None
    retry: Annotated[bool | None, _gone("--retry/--no-retry")] = None

    def refuse_others(self) -> None:
        """Raise ``typer.BadParameter`` for a value that can't be, with what to do instead."""
        for option, (values, instead) in _FIXED.items():
            given = getattr(self, option)
            if given is not None and str(given).rstrip("/") not in values:
                raise typer.BadParameter(f"--{option.replace('_', '-')} {given}: {instead}")


_ALWAYS = "what is installed is always in the same place, so that every tool finds it"
_FIXED: dict[str, tuple[tuple[str, ...], str]] = {
    "certs_dir": (("/etc/etcd/pki",), f"certificates are in /etc/etcd/pki; {_ALWAYS}"),
    "install_dir": (("/usr/local/bin",), f"programs are in /usr/local/bin; {_ALWAYS}"),
    "data_dir": (("/var/lib/etcd",), "data are in /var/lib/etcd; to have them on another disk, mount that there"),
    "init_system": (("systemd",), "etcd is a unit of systemd: it has to be there before a kubelet is"),
    "release_url": ((), "name a mirror of the official sites instead: --mirror FOLDER|URL"),
    "image_repository": ((), "etcd is no image but a program: --mirror FOLDER|URL says where it comes from"),
    "kubelet_pod_manifest_path": ((), "etcd is a unit of systemd, not a pod; leave the option out"),
    "download_connect_timeout": ((), "leave it out: a download that was cut is gone on with"),
    "retry": (("True",), "joining is always tried again, for as long as its task may take; leave the option out"),
}


def _each(given: list[str] | None) -> tuple[str, ...]:
    """The original took several values as one word with commas, too."""
    return tuple(part for word in given or () for part in word.split(",") if part)
