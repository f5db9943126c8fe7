"""The masters that are there: whether etcd and the API server on each of them answer. Looked at, never changed."""

from __future__ import annotations

from collections.abc import Sequence

from klusterkit.cluster import Machine
from klusterkit.engine.errors import CommandFailedTemporarily, KlusterKitError, UsageError
from klusterkit.engine.step import Context
from klusterkit.hosts import Fleet
from klusterkit.hosts.errors import ForeignCluster, StaleState
from klusterkit.plans.quorum import SeenMaster, SeenMember
from klusterkit.session.connect import each_host, refuse_passed
from klusterkit.session.errors import Refused
from klusterkit.session.hold import Hold
from klusterkit.tasks import etcdctl
from klusterkit.tasks.etcd import Healthy
from klusterkit.tasks.gates import ApiReady


def look_at_masters(hold: Hold, fleet: Fleet, masters: Sequence[Machine]) -> list[SeenMaster]:
    """All of them at once, in their order. One that can't be reached is told as such.

    Raises:
        StaleState, ForeignCluster: one has seen a later state than ours, though a plan may ask another one.
    """
    known = {machine.name: machine for machine in masters}
    return list(each_host(known, lambda name: _look(hold, fleet, known[name])).values())


def _look(hold: Hold, fleet: Fleet, machine: Machine) -> SeenMaster:
    try:
        refuse_passed(hold, fleet[machine.name])
        on = Context(host=fleet[machine.name], run="look", task="look")
        etcd, api = Healthy().observe(on).reason, ApiReady().observe(on).reason
        return SeenMaster(machine=machine, etcd=etcd, api=api, members=_members(on))
    except (StaleState, ForeignCluster):
        raise
    except KlusterKitError as error:
        return SeenMaster(machine=machine, reached=False, etcd=error.message, api=error.message)


def _members(on: Context) -> tuple[SeenMember, ...]:
    try:
        members = etcdctl.members(on, [etcdctl.LOCAL])
    except CommandFailedTemporarily:
        return ()
    return tuple(
        SeenMember(told=str(member), peers=member.peers, votes=bool(member.name) and not member.learner)
        for member in members
    )


def answering(seen: Sequence[SeenMaster]) -> str:
    """The name of a master on which the cluster can be asked. Raises ``Refused`` where there is none."""
    for master in seen:
        if not master.api:
            return master.machine.name
    hint = "see `journalctl -u etcd` and `journalctl -u kubelet` on the host"
    reasons = [
        UsageError("its API server doesn't answer", host=master.machine.name, seen=master.api, hint=hint)
        for master in seen
    ]
    raise Refused("the cluster can't be asked on any of its masters; nothing was changed", reasons)
