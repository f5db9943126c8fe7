"""A host that is to be taken back by itself, looked at: whose it may be, and what was done to it."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from klusterkit.hosts import Fleet
from klusterkit.plans.reset import ResetRequest
from klusterkit.session.connect import fleet_of_one, refuse_passed
from klusterkit.session.host.hold import FOLDER, HostHold


@contextmanager
def looked_at(hold: HostHold, operation: str, *, force: bool) -> Generator[tuple[Fleet, ResetRequest]]:
    """Connections to the host and to those that are asked, and what every request to take it back says.

    Args:
        hold: of the host.
        operation: in the operator's words.
        force: whether also a host is taken back that belongs to another state.

    Raises:
        ForeignCluster, StaleState: the host belongs to another state.
        HostRefused, HostUnreachable: a host can't be looked at.
    """
    with fleet_of_one(hold) as fleet:
        host = fleet[hold.place.name]
        if not force:
            refuse_passed(hold, host)
        yield (
            fleet,
            ResetRequest(
                host=hold.place.name,
                facts=host.facts(),
                record=hold.records.read(host),
                keep=(FOLDER,),
                others=force,
                lineage=hold.snapshot.lineage,
                serial=hold.snapshot.serial,
                operation=operation,
            ),
        )
