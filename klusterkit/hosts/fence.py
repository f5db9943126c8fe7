"""What a host remembers of the state that last changed it, and which states it is therefore not for any more."""

from __future__ import annotations

import contextlib
from collections.abc import Collection
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from klusterkit.engine.errors import CommandFailed
from klusterkit.engine.host import HOME, File, Host
from klusterkit.hosts.errors import ForeignCluster, StaleState
from klusterkit.moments import moment

FENCE = f"{HOME}/fence.json"
REACHED = f"{HOME}/reached"
"""``RUN RECORDS``: the run that acted here last, and how many records its journal had by then."""

Ending = Literal["done", "undone"]


class Fence(BaseModel):
    """The content of :data:`FENCE`."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    lineage: str
    serial: int
    who: str
    when: float
    run: str = ""
    ended: Ending | None = None
    """How the run ended. A copy of the state that holds its journal can't lead it elsewhere any more."""

    def file(self) -> File:
        """As it is written."""
        return File(path=FENCE, content=self.model_dump_json().encode(), mode=0o600)

    def refuse(self, ours: Fence, towards: Ending, host: str, past: Collection[str] | None = None) -> None:
        """Refuse a state that this host has seen the end of.

        Args:
            ours: what would be written.
            towards: where our run goes.
            host: for the error.
            past: all runs that our state has ended; None if some are forgotten. A serial alone may deceive: an old copy
                that was written without touching hosts has caught up with it.

        Raises:
            ForeignCluster, StaleState.
        """
        if self.lineage != ours.lineage:
            raise ForeignCluster(
                f"{host} belongs to another cluster",
                host=host,
                seen=f"lineage {self.lineage}, ours is {ours.lineage}; last changed by {self.who}, {moment(self.when)}",
                hint=f"use another host; if that cluster is gone for good, remove {FENCE} on this one",
            )
        self._refuse_older(ours, host, past)
        if self.serial == ours.serial and self.ended not in (None, towards):
            command = "resume" if self.ended == "done" else "rollback"
            raise StaleState(
                f"{host} knows that this run has ended: it is {self.ended}",
                host=host,
                seen=f"run {self.run}, by {self.who}, {moment(self.when)}",
                hint=f"use the newest copy of the state file; if this is it, `cctl {command}` ends the run",
            )

    def _refuse_older(self, ours: Fence, host: str, past: Collection[str] | None) -> None:
        if past is not None and self.run and self.run not in (*past, ours.run):
            raise StaleState(
                f"this state file is older than what {host} has seen: it knows nothing of run {self.run}",
                host=host,
                seen=f"that run was by {self.who}, {moment(self.when)}",
                hint="use the newest copy of the state file",
            )
        # A run that began from an old copy would make the serial that another run has made.
        if self.serial > ours.serial or (self.serial == ours.serial and self.run != ours.run):
            raise StaleState(
                f"this state file is older than what {host} has seen",
                host=host,
                seen=f"ours is {ours.serial}; seen was {self.serial}, by {self.who}, {moment(self.when)}",
                hint="use the newest copy of the state file",
            )


def refuse_older_journal(content: bytes, run: str, records: int, host: str) -> None:
    """Refuse a journal that lacks records of what was done on this host: they can't be taken back by it.

    Args:
        content: of :data:`REACHED`.
        run: ours.
        records: of our journal.
        host: for the error.

    Raises:
        StaleState: the host has seen a longer one of the same run.
    """
    seen, _, number = content.decode(errors="replace").strip().partition(" ")
    if seen == run and number.isdigit() and int(number) > records:
        raise StaleState(
            f"this copy of the state file is older than what {host} has seen of the same run",
            host=host,
            seen=f"its journal ends with record {records}; when the run acted there last, it had {number}",
            hint="use the newest copy of the state file",
        )


def read_fence(content: bytes, host: str) -> Fence:
    """What was read on a host. Raises ``CommandFailed`` if it is damaged."""
    try:
        return Fence.model_validate_json(content)
    except ValidationError:
        raise CommandFailed(
            f"{FENCE} on {host} is damaged",
            host=host,
            seen=content[:200].decode(errors="replace"),
            hint="see which state last changed the host, then remove the file",
        ) from None


def mark_ended(host: Host, ending: Ending) -> None:
    """Have a host remember how the run that last changed it ended."""
    with contextlib.suppress(FileNotFoundError):
        host.write(read_fence(host.read(FENCE), host.name).model_copy(update={"ended": ending}).file())
