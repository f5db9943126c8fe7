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


def kept(on: Context, what: str) -> str:
    """The name of the note in which this task keeps what leads back, where no file could be copied for that."""
    return on.kept(what).removeprefix(f"{HOME}/")


def read(on: Context, name: str) -> dict[str, Any]:
    """What a note says; nothing where there is none."""
    try:
        return json.loads(on.host.read(place(name)))
    except (FileNotFoundError, ValueError):
        return {}


def write(on: Context, name: str, data: dict[str, Any]) -> None:
    """Write a note, whole or not at all."""
    folders = list(PurePosixPath(name).parents)[-2::-1]
    on.host.mkdir([place(str(folder)) for folder in folders], 0o700)
    on.host.write(File(path=place(name), content=json.dumps(data).encode(), mode=0o600))


def remove(on: Context, name: str) -> None:
    """Remove a note, if there is one."""
    on.host.remove(place(name))
