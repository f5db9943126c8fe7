"""etcd, put together from what each member says: who is one, who leads, and whether enough of them answer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from klusterkit.cluster import Cluster, Machine
from klusterkit.engine.errors import KlusterKitError
from klusterkit.session.status.model import Component, EtcdState, Member
from klusterkit.session.status.programs import unit_hint, unit_trouble
from klusterkit.session.status.seen import EtcdSeen, ListedMember, MachineSeen

NAME = "etcd"
MEMBERS = "members"

Seen = Mapping[str, MachineSeen | KlusterKitError]


def put_together(machines: Sequence[Machine], seen: Seen) -> EtcdState | None:
    """etcd as a whole. None where no member tells."""
    selves = _selves(seen)
    if not selves:
        return None
    # Whoever has heard of a leader knows the members better than one who is cut off.
    best = max(selves.values(), key=lambda said: (said.leader != 0, len(said.members)))
    owners = {str(machine.address): machine.name for machine in machines}
    told = {said.id: said for said in selves.values()}
    return EtcdState(members=tuple(_member(each, told.get(each.id), owners, best.leader) for each in best.members))


def _selves(seen: Seen) -> dict[str, EtcdSeen]:
    return {
        name: told.etcd
        for name, told in seen.items()
        if isinstance(told, MachineSeen) and isinstance(told.etcd, EtcdSeen)
    }


def _member(listed: ListedMember, said: EtcdSeen | None, owners: Mapping[str, str], leader: int) -> Member:
    machine = next((owners[host] for host in listed.hosts if host in owners), "")
    return Member(
        id=f"{listed.id:x}",
        name=listed.name,
        machine=machine,
        learner=listed.learner,
        leader=leader == listed.id,
        up=said is not None,
        answers=said is not None and said.leader != 0,
        version=f"v{said.version}" if said else "",
        size=said.size if said else 0,
    )


def quorum(machines: Sequence[Machine], state: EtcdState | None) -> Iterator[Component]:
    """Whether etcd can be written to, and members that are nobody's."""
    masters = [machine for machine in machines if machine.is_master]
    if not masters:
        return
    wanted = "more than half of the voting members answer"
    if state is None:
        yield Component.wrong("", "quorum", wanted, "no member answers", _bring_back(masters, len(masters) // 2 + 1))
        return
    seen = f"{state.answering} of {state.voting} voting members answer; {state.quorum} are needed"
    if state.kept:
        yield Component.right("", "quorum", wanted, seen)
    elif state.up < state.quorum:
        # Those that are up find no leader, and need nothing but the others.
        down = [m for m in masters if not any(each.machine == m.name and each.up for each in state.members)]
        seen = f"LOST: {state.up} of {state.voting} voting members are up; {state.quorum} are needed"
        yield Component.wrong("", "quorum", wanted, seen, _bring_back(down, state.quorum - state.up))
    else:
        seen = f"LOST: {state.up} of {state.voting} voting members are up, but {state.answering} know a leader"
        yield Component.wrong("", "quorum", wanted, seen, _ELECTING)
    for stray in state.members:
        if not stray.machine:
            hint = "if it was left behind, remove it, on a master: etcdctl.sh member remove " + stray.id
            seen = f"{stray.name or 'one without a name'} ({stray.id})"
            yield Component.wrong("", MEMBERS, "those of the masters", seen, hint)


_ELECTING = "look again in some seconds: they may be electing one; if it stays so, see the links between the masters"


def _bring_back(down: Sequence[Machine], count: int) -> str:
    names = ", ".join(machine.name for machine in down)
    which = names if count >= len(down) else f"{count} of {names}"
    return (
        f"bring etcd back on {which}: the rest happens by itself, and nothing is lost. Until then nothing can be "
        "changed in the cluster; pods go on. Remove no member: that takes a quorum, too"
    )


def member(cluster: Cluster, machine: Machine, seen: MachineSeen, state: EtcdState | None) -> Component:
    """The member on a master."""
    wanted = f"active, a voting member, {cluster.release.etcd}"
    trouble = unit_trouble(seen.units.get("etcd.service"))
    if trouble:
        return _wrong(machine, wanted, trouble, trouble.partition(" ")[0].strip(","))
    if not isinstance(seen.etcd, EtcdSeen):
        return _wrong(machine, wanted, f"active, but: {seen.etcd}", "no answer")
    listed = next((each for each in state.members if each.machine == machine.name), None) if state else None
    if listed is None:
        return _wrong(machine, wanted, "active, but none of the cluster's members", "no member")
    if not listed.answers:
        return _wrong(machine, wanted, "active, but knows no leader", "no leader")
    return _working(machine, wanted, cluster.release.etcd, seen.etcd, listed)


def _working(machine: Machine, wanted: str, version: str, said: EtcdSeen, listed: Member) -> Component:
    role = "leads" if listed.leader else "learner" if listed.learner else "follows"
    seen = f"{role}, {listed.version}, {said.size / 1e6:.0f} MB"
    if said.errors:
        return _wrong(machine, wanted, f"{seen}; {', '.join(said.errors)}", "alarm", _ALARM)
    if listed.learner:
        return _wrong(machine, wanted, f"{seen}: it has no vote yet", role, _LEARNER)
    if listed.version != version:
        return _wrong(machine, wanted, seen, listed.version, "`cctl version` shows all of them")
    return Component.right(machine.name, NAME, wanted, seen, role)


_ALARM = "etcd takes no more writes: find out what fills it, compact and defragment it, then etcdctl.sh alarm disarm"
_LEARNER = "`cctl resume` if a run is in progress: it is promoted when it has all data"


def _wrong(machine: Machine, wanted: str, seen: str, brief: str, hint: str = "") -> Component:
    return Component.wrong(machine.name, NAME, wanted, seen, hint or unit_hint(machine, NAME), brief)
