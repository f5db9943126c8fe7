"""How things stand, looked at once or again and again over the same connections."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Mapping

from klusterkit.cluster import Cluster
from klusterkit.engine.errors import KlusterKitError
from klusterkit.engine.journal import Journal
from klusterkit.hosts import Fleet
from klusterkit.session.connect import fleet_for_machines
from klusterkit.session.hold import Hold
from klusterkit.session.sidebyside import SideBySide
from klusterkit.session.status import drift
from klusterkit.session.status.judging import judge
from klusterkit.session.status.looking import look_at, look_through
from klusterkit.session.status.model import Component, EtcdState, RunState, StatusReport
from klusterkit.session.status.seen import ApiSeen, MachineSeen
from klusterkit.session.status.unfinished import in_view_of

LONGEST = 15.0
"""Seconds for all machines together."""
DRIFT_EVERY = 60.0
"""Seconds."""


class Standing:
    """Looks at a cluster. Changes nothing; a machine that can't be reached is told as such.

    Args:
        fleet: its machines.
        longest: seconds that a look takes at most, and once more for what one master tells of all.
    """

    def __init__(self, fleet: Fleet, longest: float = LONGEST) -> None:
        self._fleet = fleet
        self._machines = SideBySide(longest)
        self._drifted: dict[str, drift.DriftSeen | KlusterKitError] = {}
        self._again = 0.0

    def look(self, hold: Hold) -> StatusReport:
        """How things stand now."""
        cluster, journal = hold.cluster, hold.run
        etcd, components = self._judged(hold, cluster) if cluster else (None, [])
        return StatusReport(
            cluster=cluster.name if cluster else None,
            version=cluster.kubernetes_version.tag if cluster else None,
            endpoint=cluster.endpoint.url if cluster and cluster.endpoint else None,
            run=_run_state(journal) if journal else None,
            etcd=etcd,
            components=tuple(in_view_of(journal, components) if journal else components),
        )

    def _judged(self, hold: Hold, cluster: Cluster) -> tuple[EtcdState | None, list[Component]]:
        machines = {machine.name: machine for machine in hold.machines}

        def look(name: str) -> MachineSeen:
            return look_at(self._fleet[name], cluster, machines[name], hold.records, hold.secret)

        seen = self._machines.ask(machines, look)
        self._look_for_drift(seen, hold.secret)
        return judge(cluster, [*machines.values()], seen, self._through_a_master(seen), self._drifted)

    def _look_for_drift(
        self, seen: Mapping[str, MachineSeen | KlusterKitError], secret: Callable[[str], bytes]
    ) -> None:
        """Not at every look: it reads every program on the hosts."""
        if time.monotonic() < self._again:
            return
        self._again = time.monotonic() + DRIFT_EVERY
        records = {name: told.record for name, told in seen.items() if isinstance(told, MachineSeen) and told.record}
        self._drifted = self._machines.ask(records, lambda name: drift.look(self._fleet[name], records[name], secret))

    def _through_a_master(self, seen: Mapping[str, MachineSeen | KlusterKitError]) -> ApiSeen | None:
        for name, told in seen.items():
            if isinstance(told, MachineSeen) and told.api == "":
                answer = self._machines.ask([name], lambda master: look_through(self._fleet[master]))[name]
                if isinstance(answer, ApiSeen):
                    return answer
        return None


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
