"""The script that writes files: each whole or not at all, all of them in one round trip and with few processes.

A new file is made in a folder of its own beside its place, private to root; gets its mode and owner; then its content;
is flushed; and is renamed. As few processes as possible do that: on a small host, starting them is what takes the time.
"""

from __future__ import annotations

import posixpath
from collections import defaultdict
from collections.abc import Iterable, Sequence

from klusterkit.engine.host import File
from klusterkit.hosts.quoting import printed, word, words

TEMP = ".klusterkit-new"
_MANY = 200
"""Paths for one process: far below the limit of its arguments, however long they are (4096 bytes each)."""


def write_script(files: Sequence[File]) -> bytes:
    """Commands that write these files. The last one of a path counts."""
    by_path = {file.path: file for file in files}
    folders = [*dict.fromkeys(posixpath.dirname(path) for path in by_path)]
    temps = [posixpath.join(folder, TEMP) for folder in folders]
    steps = [
        _each(b"kk_clean", folders),
        _each(b"mkdir --", temps),
        *(b"printf '' >" + word(_new(path)) for path in by_path),
        *_access(by_path.values()),
        *(printed(file.content) + b" >" + word(_new(path)) for path, file in by_path.items() if file.content),
        _each(b"sync --", [_new(path) for path in by_path]),
        *_renames(by_path),
        _each(b"rmdir --", temps),
        _each(b"sync --", folders),
    ]
    # A shell's own words for a full disk are "I/O error" and no more: what is free is said with them.
    undo = b"kk_room " + words(folders) + b"; " + _each(b"kk_clean", folders)
    return b"kk_write() {\n" + b" || return\n".join(steps) + b"\n}\nkk_write || { " + undo + b"; false; }"


def _new(path: str) -> str:
    folder, name = posixpath.split(path)
    return posixpath.join(folder, TEMP, name)


def _access(files: Iterable[File]) -> list[bytes]:
    modes: dict[int, list[str]] = defaultdict(list)
    owners: dict[str, list[str]] = defaultdict(list)
    for file in files:
        modes[file.mode].append(_new(file.path))
        owners[file.owner].append(_new(file.path))
    # The owner first: changing it takes away set-user-ID bits.
    given = {owner: b"kk_of_root" if owner == "root:root" else b"chown -- " + word(owner) for owner in owners}
    return [_each(given[owner], paths) for owner, paths in owners.items()] + [
        _each(b"chmod -- %05o" % mode, paths) for mode, paths in modes.items()
    ]


def _renames(paths: Iterable[str]) -> list[bytes]:
    by_folder: dict[str, list[str]] = defaultdict(list)
    for path in paths:
        by_folder[posixpath.dirname(path)].append(_new(path))
    groups = {folder: news for folder, news in by_folder.items() if len(news) > 1}
    pairs = [path for folder, (new, *more) in by_folder.items() if not more for path in (new, folder)]
    moves = [_each(b"mv -f -t " + word(folder) + b" --", news) for folder, news in groups.items()]
    return [*moves, _each(b"kk_rename", pairs)] if pairs else moves


def _each(command: bytes, paths: Sequence[str]) -> bytes:
    parts = [paths[at : at + _MANY] for at in range(0, len(paths), _MANY)]
    return b" && ".join(command + b" " + words(part) for part in parts)
