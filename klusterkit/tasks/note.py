"""Small notes that steps keep in KlusterKit's folder on a host, for what nothing else there tells."""

from __future__ import annotations

import json
from pathlib import PurePosixPath
from typing import Any

from klusterkit.engine.host import HOME, File
from klusterkit.engine.step import Context


def place(name: str) -> str:
    """Where the note called ``FOLDER/NAME`` is."""
    return f"{HOME}/{name}"


def read(on: Context, name: str) -> dict[str, Any]:
    """What a note says; nothing where there is none."""
    try:
        return json.loads(on.host.read(place(name)))
    except (FileNotFoundError, ValueError):
        return {}


def write(on: Context, name: str, data: dict[str, Any]) -> None:
    """Write a note, whole or not at all."""
    on.host.mkdir(str(PurePosixPath(place(name)).parent), 0o700)
    on.host.write(File(path=place(name), content=json.dumps(data).encode(), mode=0o600))


def remove(on: Context, name: str) -> None:
    """Remove a note, if there is one."""
    on.host.remove(place(name))
