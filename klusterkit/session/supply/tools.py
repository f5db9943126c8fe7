"""The single file that is ``cctl``, ``etcdadm`` and ``nodeadm`` (``make dist``), as it goes into a bundle."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from klusterkit.bundle.building import OwnFile
from klusterkit.bundle.manifest import Kind
from klusterkit.engine.errors import UsageError
from klusterkit.foreign import words_of
from klusterkit.hosts.looking import ARCHITECTURES
from klusterkit.session.hold import expanded

NAME = "klusterkit"
_LARGEST = 256 << 20
_SAYS = re.compile(
    rb"#!/bin/sh\n# KlusterKit (?P<version>[\w.+-]+) for Linux on (?P<machine>\w+):.*?"
    rb"\ndigest=(?P<digest>[0-9a-f]{64})\n.*?tail -c \+(?P<start>\d+) ",
    re.DOTALL,
)
"""What the script in front says (``onefile/stub.sh``): of which folder, packed behind it, and where that begins."""


def tools_file(path: Path, architecture: str) -> OwnFile:
    """The file, seen to be whole and for hosts of this architecture.

    Raises:
        UsageError: it isn't, or it is another file.
    """
    content = _read(expanded(path))
    said = _SAYS.match(content)
    if said is None:
        raise UsageError(f"{path} isn't the single file of the tools", hint="make it: make dist")
    version, machine = said["version"].decode(), said["machine"].decode()
    if ARCHITECTURES.get(machine) != architecture:
        raise UsageError(
            f"{path} is for {machine}, the bundle for {architecture}",
            hint="run `make dist` on a machine like the hosts",
        )
    if hashlib.sha256(content[int(said["start"]) - 1 :]).hexdigest() != said["digest"].decode():
        raise UsageError(f"{path} is damaged or was cut short", hint="make it again: make dist")
    place = f"{NAME}/{version}/{NAME}-{version}-linux-{architecture}"
    return OwnFile(place, Kind.BINARY, NAME, version, content)


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(_LARGEST)
    except OSError as error:
        raise UsageError(f"the tools {path} can't be read: {words_of(error)}", hint="name the file: --tools") from None
