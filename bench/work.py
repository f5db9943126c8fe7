"""The work that KlusterKit, pyinfra and Ansible are compared by: a hundred folders and files, with content and mode."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

TOP = "/srv/bench"
FOLDERS, FILES = 10, 9
"""Folders, of which one holds the others, and files in each of those: a hundred steps with the files in the first."""


@dataclass(frozen=True)
class Entry:
    """A folder, or a file if there is content; ``mode`` in octal digits."""

    path: str
    mode: str
    content: str | None = None


def entries(generation: int = 0) -> list[Entry]:
    """A hundred folders and files, parents first. In each later generation, a tenth of them has new content."""
    return list(_entries(generation))


def _entries(generation: int) -> Iterator[Entry]:
    places = [TOP, *(f"{TOP}/service-{number}.d" for number in range(1, FOLDERS))]
    yield from (Entry(place, "0755" if number % 2 else "0750") for number, place in enumerate(places))
    for folder, place in enumerate(places):
        for number in range(FILES):
            version = generation if number == folder % FILES else 0
            lines = [f"option-{line} = folder {folder}, file {number}, version {version}" for line in range(20)]
            mode = ("0644", "0600", "0755")[number % 3]
            yield Entry(f"{place}/{number}.conf", mode, "\n".join(lines) + "\n")


def listing(entries: list[Entry]) -> Iterator[str]:
    """What a host should list: ``MODE OWNER PATH`` and, of files, ``SHA256  ./PATH``, with paths below :data:`TOP`."""
    for entry in entries:
        place = entry.path.removeprefix(TOP).removeprefix("/")
        yield f"{int(entry.mode, 8):o} root:root {place}"
        if entry.content is not None:
            yield f"{hashlib.sha256(entry.content.encode()).hexdigest()}  ./{place}"


def save(entries: list[Entry], path: Path) -> None:
    """Write them down for another process."""
    path.write_text(json.dumps([asdict(entry) for entry in entries]))


def load(path: Path) -> list[Entry]:
    """Read what :func:`save` wrote."""
    return [Entry(**fields) for fields in json.loads(path.read_text())]
