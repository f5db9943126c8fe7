"""What stood at a path before a step acted: plain data for the journal, its bytes kept on the host, and back again."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from klusterkit.engine.errors import CommandFailed, PermanentError
from klusterkit.engine.host import Entry
from klusterkit.engine.step import Context

State = Mapping[str, Any]
Describe = Callable[[Entry], dict[str, Any]]

ABSENT = "absent"


def describe(entry: Entry) -> dict[str, Any]:
    """An entry as plain data, without what has no meaning for its type. Equal data, equal entries."""
    match entry.type:
        case "absent":
            return {"type": ABSENT}
        case "symlink":
            return {"type": entry.type, "owner": entry.owner, "target": entry.target}
        case "file":
            return {**_access(entry), "sha256": entry.sha256}
        case _:
            return _access(entry)


def _access(entry: Entry) -> dict[str, Any]:
    return {"type": entry.type, "mode": f"{entry.mode:04o}", "owner": entry.owner}


@dataclass(frozen=True)
class Prior:
    """What was at one path, for one task.

    Args:
        on: the task that acts there.
        path: where.
        state: what :func:`describe`, or ``describe``, said of it.
        describe: how the state was taken, for a kind of step that hides a part of it.
    """

    on: Context
    path: str
    state: State
    describe: Describe = describe

    @property
    def absent(self) -> bool:
        """Whether nothing was there."""
        return self.state["type"] == ABSENT


def keep(priors: Sequence[Prior]) -> None:
    """Keep copies of what is there, before it is replaced. What can't be replaced by a file is refused.

    Raises:
        PermanentError: a folder, device or socket is where a file should be.
    """
    for prior in priors:
        if prior.state["type"] in ("directory", "other"):
            what = "folder" if prior.state["type"] == "directory" else "device or socket"
            raise PermanentError(
                f"{prior.path} should be a file, and is a {what}",
                host=prior.on.host.name,
                hint=f"see what {prior.path} is for, and move it away",
            )
    for prior in priors:
        if not prior.absent:
            prior.on.host.keep(prior.path, prior.on.kept(prior.path))


def put_back(priors: Sequence[Prior]) -> None:
    """Make every path, the last first, what it was. What is as it was is left alone.

    Raises:
        PermanentError: the kept copy of something that was replaced is gone.
    """
    if not priors:
        return
    host = priors[0].on.host
    found = host.stat(*(prior.path for prior in priors))
    for prior, entry in reversed(list(zip(priors, found, strict=True))):
        if prior.describe(entry) != dict(prior.state):
            _put_back(prior, entry)


def _put_back(prior: Prior, entry: Entry) -> None:
    host = prior.on.host
    if prior.absent:
        _remove(prior)
    elif prior.state["type"] == "directory" and entry.type in ("absent", "directory"):
        host.mkdir(prior.path, int(prior.state["mode"], 8), prior.state["owner"])
    else:
        place = prior.on.kept(prior.path)
        if host.stat(place)[0].type == ABSENT:
            raise PermanentError(
                f"{prior.path} can't be put back: the copy that was kept of it is gone",
                host=host.name,
                seen=f"nothing at {place}",
                hint=f"bring {prior.path} back from a backup, as it was: then the task has nothing left to undo",
            )
        host.put_back(place, prior.path)


def _remove(prior: Prior) -> None:
    try:
        prior.on.host.remove(prior.path)
    except CommandFailed as error:
        raise PermanentError(
            f"{prior.path}, which was made here, can't be removed",
            host=prior.on.host.name,
            seen=error.seen,
            hint="if it is a folder with something in it that isn't KlusterKit's, move that away and go on",
        ) from None
