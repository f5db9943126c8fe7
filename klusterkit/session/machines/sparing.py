"""Whether a cluster can spare machines: its masters, its etcd and its pods are looked at before a plan is made."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence

from pydantic import BaseModel, ConfigDict

from klusterkit.cluster import Machine
from klusterkit.engine.errors import CommandFailedTemporarily, StepTimeout, UsageError
from klusterkit.engine.host import Host
from klusterkit.engine.step import Context
from klusterkit.hosts import Fleet
from klusterkit.plans import quorum
from klusterkit.plans.deletion import DrainOptions, Leaving
from klusterkit.plans.files import etcd
from klusterkit.plans.leave import gone_gate
from klusterkit.plans.quorum import SeenMaster
from klusterkit.session.errors import Refused
from klusterkit.session.hold import Hold
from klusterkit.session.machines.masters import answering, look_at_masters
from klusterkit.tasks import etcdctl
from klusterkit.tasks.leaving import Gone, Pod, costs, pods_on


class Sparing(BaseModel):
    """What was found."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    asked_on: str | None = None
    """The master that stays and can be asked."""
    silent: frozenset[str] = frozenset()
    """Masters that stay and can't be reached."""
    notices: tuple[str, ...] = ()


def look_who_stays(
    hold: Hold, fleet: Fleet, staying: Sequence[Machine], leaving: Sequence[Leaving], drain: DrainOptions
) -> Sparing:
    """See that the cluster works without those that leave.

    Raises:
        Refused: it doesn't, or they aren't as gone as they seem.
    """
    left = look_at_masters(hold, fleet, [machine for machine in staying if machine.is_master])
    on = Context(host=fleet[answering(left)], run="look", task="look")
    voters = _voters(leaving)
    working = _working(on, [*(master.machine for master in left), *voters])
    pods = {} if drain.skip else _pods(on.host, leaving)
    reasons: list[UsageError] = [*_not_gone(leaving, lambda gate: gate.observe(on).reason)]
    reasons += quorum.losses(etcdctl.members(on, [etcdctl.LOCAL]), working, voters)
    reasons += _costs(pods, drain)
    if reasons:
        names = ", ".join(dict.fromkeys(str(reason.host) for reason in reasons))
        raise Refused(f"{names} can't be spared; nothing was changed", reasons)
    said = [quorum.notice(len(left))] if voters else []
    return Sparing(
        asked_on=on.host.name,
        silent=frozenset(master.machine.name for master in left if not master.reached),
        notices=(*_of_pods(pods), *filter(None, said), *_of_silence(left)),
    )


def refuse_living(fleet: Fleet, leaving: Sequence[Leaving]) -> None:
    """Where all leave: see that those that don't answer us are as gone as they seem, as masters that leave see it.

    Raises:
        Refused: they aren't.
    """
    asked = [each.machine.name for each in leaving if each.machine.is_master and each.record is not None]
    places = [Context(host=fleet[name], run="look", task="look") for name in asked]
    if reasons := [*_not_gone(leaving, lambda gate: _heard_of(gate, places))]:
        names = ", ".join(dict.fromkeys(str(reason.host) for reason in reasons))
        raise Refused(f"{names} can't be left behind; nothing was changed", reasons)


def refuse_held_pods(host: Host, leaving: Sequence[Leaving], drain: DrainOptions) -> list[str]:
    """See that pods can leave. Returns what is worth knowing of them.

    Raises:
        Refused: there are some that nothing would make anew elsewhere, or whose data end with them.
    """
    pods = _pods(host, leaving)
    if reasons := list(_costs(pods, drain)):
        raise Refused(f"{', '.join(pods)} can't be spared; nothing was changed", reasons)
    return list(_of_pods(pods))


def _pods(host: Host, leaving: Sequence[Leaving]) -> dict[str, list[Pod]]:
    """Those that have to leave, by the machines that are drained."""
    drained = [each for each in leaving if each.record is not None]
    return {each.machine.name: [pod for pod in pods_on(host, each.node) if pod.leaves] for each in drained}


def _voters(leaving: Sequence[Leaving]) -> list[Machine]:
    """Masters in the order in which their votes go."""
    ordered = sorted(leaving, key=lambda each: each.record is not None)
    return [each.machine for each in ordered if each.machine.is_master]


def _working(on: Context, masters: Sequence[Machine]) -> set[str]:
    """Peer URLs of the members that work, as another member sees them: who can't reach a host needn't be right."""
    addresses = [str(machine.address) for machine in masters]
    healthy = etcdctl.healthy(on, [etcd.client_url(address) for address in addresses])
    return {etcd.peer_url(address) for address in addresses if etcd.client_url(address) in healthy}


def _not_gone(leaving: Sequence[Leaving], alive: Callable[[Gone], str]) -> Iterator[UsageError]:
    """Hosts that don't answer us, but others: what goes on there would go on behind the cluster's back."""
    for each in leaving:
        gate = None if each.record else gone_gate(each)
        if gate and (seen := alive(gate)):
            yield UsageError(
                "it can't be taken back from here, and nothing says that it is gone",
                host=each.machine.name,
                seen=seen,
                hint=gate.hint,
            )


def _heard_of(gate: Gone, places: Sequence[Context]) -> str:
    """What the first that can tell hears of it; nothing where none can: a cluster that is broken can be ended, too."""
    for on in places:
        with contextlib.suppress(CommandFailedTemporarily, StepTimeout):
            return gate.missing(on)
    return ""


def _costs(pods: Mapping[str, Sequence[Pod]], drain: DrainOptions) -> Iterator[UsageError]:
    for machine, found in pods.items():
        for cost in costs(found, force=drain.force, local_data=drain.local_data):
            yield UsageError(cost.what, host=machine, seen=", ".join(cost.pods), hint=cost.hint)


def _of_pods(pods: Mapping[str, Sequence[Pod]]) -> Iterator[str]:
    for machine, found in pods.items():
        if lost := [pod.name for pod in found if pod.is_lost]:
            yield f"{machine}: pods that end and aren't made anew: {', '.join(lost)}"
        if data := [pod.name for pod in found if pod.loses_data]:
            yield f"{machine}: pods that lose what they keep in an emptyDir: {', '.join(data)}"


def _of_silence(left: Sequence[SeenMaster]) -> Iterator[str]:
    for master in left:
        if not master.reached:
            yield f"{master.machine.name} doesn't answer: the next change of masters tells it who has left"
