"""What programs wrote outlives a power cut, as the journal's record of it does."""

from __future__ import annotations

import posixpath

from klusterkit.engine.errors import CommandFailedTemporarily
from klusterkit.engine.step import Context


def flush(on: Context, *paths: str) -> None:
    """Bring files and folders, and their names in the folders above them, to the disk.

    For what programs wrote that don't flush it themselves: files of ours are flushed when they are written. A task
    whose end is journaled isn't looked at again, so that what a power cut took away would be missed for good.
    """
    above = (posixpath.dirname(path) for path in paths)
    ended = on.host.run(["sync", "--", *dict.fromkeys([*paths, *above])], timeout=on.timeout)
    if not ended.ok:
        raise CommandFailedTemporarily(f"{paths[0]} can't be flushed", host=on.host.name, seen=ended.said)
