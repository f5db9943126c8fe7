"""How things stand, looked at once or again and again over the same connections."""

from __future__ import annotations

import time
from collections.abc import Generator, Mapping, Sequence
from functools import partial

from klusterkit.cluster import Machine
from klusterkit.engine.errors import KlusterKitError
from klusterkit.engine.journal import Journal
from klusterkit.hosts import Fleet
from klusterkit.session.connect import fleet_for_machines
from klusterkit.session.hold import Hold
from klusterkit.session.status.judging import judge
from klusterkit.session.status.looking import look_at, look_through
from klusterkit.session.status.model import RunState, StatusReport
from klusterkit.session.status.seen import ApiSeen, MachineSeen
from klusterkit.session.status.sidebyside import SideBySide

LONGEST = 15.0
"""Seconds for all machines together."""


class Standing:
    """Looks at a cluster. Changes nothing; a machine that can't be reached is told as such.

    Args:
        fleet: its machines.
        longest: seconds that a look takes at most, and once more for what one master tells of all.
    """

    def __init__(self, fleet: Fleet, longest: float = LONGEST) -> None:
        self._fleet = fleet
        self._machines = SideBySide(longest)

    def look(self, hold: Hold) -> StatusReport:
        """How things stand now."""
        cluster, journal = hold.cluster, hold.run
        machines = {machine.name: machine for machine in hold.machines}
        seen = self._machines.ask(machines, lambda name: look_at(self._fleet[name], machines[name]))
        api = self._through_a_master([*machines.values()], seen)
        etcd, components = judge(cluster, [*machines.values()], seen, api) if cluster else (None, ())
        return StatusReport(
            cluster=cluster.name if cluster else None,
            version=cluster.kubernetes_version.tag if cluster else None,
            endpoint=cluster.endpoint.url if cluster and cluster.endpoint else None,
            run=_run_state(journal) if journal else None,
            etcd=etcd,
            components=tuple(components),
        )

    def _through_a_master(
        self, machines: Sequence[Machine], seen: Mapping[str, MachineSeen | KlusterKitError]
    ) -> ApiSeen | None:
        for machine in machines:
            found = seen[machine.name]
            if isinstance(found, MachineSeen) and found.api == "":
                told = self._machines.ask([machine.name], partial(self._look_through, machine))
                if isinstance(answer := told[machine.name], ApiSeen):
                    return answer
        return None

    def _look_through(self, machine: Machine, name: str) -> ApiSeen:
        return look_through(self._fleet[name], machine)


def _run_state(journal: Journal) -> RunState:
    return RunState(
        name=journal.run,
        operation=journal.plan.operation,
        direction=journal.direction,
        began=journal.began,
        who=journal.who,
        tasks=journal.states,
    )


def status_of(hold: Hold) -> StatusReport:
    """Look once."""
    with fleet_for_machines(hold, hold.machines) as fleet:
        return Standing(fleet).look(hold)


def looks(hold: Hold, pause: float) -> Generator[StatusReport]:
    """Look again and again, with a pause between (seconds). What other commands write meanwhile is seen as well."""
    while True:
        machines = hold.machines
        with fleet_for_machines(hold, machines) as fleet:
            stands = Standing(fleet)
            while hold.machines == machines:
                yield stands.look(hold)
                time.sleep(pause)
                hold.read_again()
