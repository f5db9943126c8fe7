"""etcd on control-plane hosts: a unit of its own, outside Kubernetes, that Kubernetes can't take down with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from klusterkit.plans.certificates import etcd_certificates
from klusterkit.plans.files import etcd, units
from klusterkit.plans.host import BIN, Prepared
from klusterkit.plans.request import Target
from klusterkit.plans.shared import directory, service, text_file, unit, unpack, upload
from klusterkit.tasks.etcd import Healthy, Objects
from klusterkit.tasks.membership import Join, Promote
from klusterkit.tasks.snapshot import Restore
from klusterkit.tasks.systemd import Unit
from klusterkit.tasks.tree import Tree

SNAPSHOT = "snapshot"
"""Its name among a request's artifacts."""
RESTORE_SPEED = 50e6
"""Bytes a second (lab)."""
SETTLING = 5.0
"""Seconds that all members must have been connected before etcd adds another (``HealthInterval``)."""


@dataclass(frozen=True)
class Ensemble:
    """The members that there are when the next one comes. They come one after the other, in the plan's order.

    So each knows beforehand whom it will find, which its configuration has to say, and a learner never meets another.
    """

    addresses: Mapping[str, str] = field(default_factory=dict[str, str])
    """By the members' names."""
    settled: tuple[str, ...] = ()
    """Tasks after which they are there, each with a vote."""


@dataclass(frozen=True)
class Member:
    """Tasks that what comes later needs of a member, and the members that there are with it."""

    data: str
    """Of a first member, its undo takes back all that the cluster knows: every object in the API."""
    healthy: str
    ensemble: Ensemble


def etcd_member(target: Target, prepared: Prepared, others: Ensemble) -> Member:
    """A member: the first, and so the whole of a new etcd cluster, or one more."""
    if target.request.etcd.present:
        return _present(target, prepared, others)
    add, facts, preflight = target.tasks.add, target.facts, prepared.preflight
    programs = _programs(target, preflight)
    folder = add("etcd/folder", directory("/etc/etcd"), preflight)
    _for_people(target, programs, folder)
    joins = bool(others.addresses)
    certificates = etcd_certificates(target, folder, joins=joins)
    data = add("etcd/data", Tree(path=etcd.DATA, mode=0o700, on_undo="set-aside"), preflight)
    addresses = {**others.addresses, target.node: target.address}
    text = etcd.configuration(target.node, addresses, _token(target.request.lineage), facts.memory, joins=joins)
    configuration = add("etcd/configuration", text_file(etcd.PATH, text, 0o600), folder)
    own = units.etcd(can_lower_oom_score=facts.can_lower_oom_score, memory_floor=facts.cgroup != 1)
    written = add("etcd/unit", unit("etcd.service", own), preflight, cost=0.2)
    added = [_join(target, others, programs, *certificates)] if joins else []
    more = [*_priorities(target, written), *_restored(target, preflight, programs, data)]
    needs = (programs, certificates, data, configuration, written, added, more)
    started = add("etcd/start", service("etcd.service", text), *needs, cost=1.0)
    voting = _promote(target, others, started) if joins else started
    healthy = add("etcd/healthy", Healthy(), voting, cost=0.1)
    return Member(data, healthy, Ensemble(addresses, (healthy,)))


def _present(target: Target, prepared: Prepared, others: Ensemble) -> Member:
    """A member that is there already, as ``etcdadm`` makes one. What a new cluster writes there can go by itself."""
    healthy = target.tasks.add("etcd/healthy", Healthy(), prepared.preflight, cost=0.1)
    ready = healthy if others.addresses else target.tasks.add("etcd/objects", Objects(), healthy, cost=0.1)
    return Member(ready, ready, Ensemble({**others.addresses, target.node: target.address}, (healthy,)))


def _programs(target: Target, preflight: str) -> str:
    inside = f"etcd-{target.request.etcd_version}-linux-{target.facts.architecture}"
    members = {f"{inside}/{name}": f"{BIN}/{name}" for name in ("etcd", "etcdctl", "etcdutl")}
    return unpack(target, "etcd/programs", "etcd", members, preflight)


def _for_people(target: Target, programs: str, folder: str) -> None:
    """etcdctl as the operator types it: knowing where the member is and what opens it."""
    text = etcd.client_environment()
    environment = target.tasks.add("etcdctl/environment", text_file(etcd.CLIENT_ENVIRONMENT, text, 0o600), folder)
    wrapper = text_file(f"{BIN}/etcdctl.sh", etcd.CLIENT_WRAPPER, 0o755)
    target.tasks.add("etcdctl/wrapper", wrapper, programs, environment)


def _priorities(target: Target, written: str) -> list[str]:
    """The operator's own lines for the unit, in a file of their own."""
    lines = target.request.etcd.priorities
    if not lines:
        return []
    step = Unit(name="etcd.service", content="\n".join(["[Service]", *lines, ""]), drop_in="priorities")
    return [target.tasks.add("etcd/priorities", step, written, cost=0.2)]


def _restored(target: Target, preflight: str, programs: str, data: str) -> list[str]:
    """Data from a snapshot, before the member starts for the first time."""
    options = target.request.etcd
    if options.snapshot is None:
        return []
    there = upload(target, "etcd/snapshot", SNAPSHOT, preflight)
    step = Restore(
        sha256=options.snapshot,
        name=target.node,
        peer=etcd.peer_url(target.address),
        token=_token(target.request.lineage),
        skip_hash_check=options.skip_hash_check,
    )
    cost = target.artifact(SNAPSHOT).size / RESTORE_SPEED
    needs = (there, programs, data)
    return [target.tasks.add("etcd/restore", step, *needs, cost=cost, timeout=3600.0, undone_by=data)]


def _join(target: Target, others: Ensemble, *needs: str) -> str:
    step = Join(name=target.node, peer=etcd.peer_url(target.address), through=_clients(others), members=_peers(others))
    cost = 0.2 if len(others.addresses) == 1 else SETTLING
    return target.tasks.add("etcd/join", step, *needs, others.settled, cost=cost)


def _promote(target: Target, others: Ensemble, started: str) -> str:
    step = Promote(
        name=target.node,
        peer=etcd.peer_url(target.address),
        through=_clients(others),
        members=_peers(others),
        data=etcd.DATA,
    )
    return target.tasks.add("etcd/promote", step, started, cost=1.0)


def _peers(others: Ensemble) -> dict[str, str]:
    return {name: etcd.peer_url(address) for name, address in others.addresses.items()}


def _clients(others: Ensemble) -> tuple[str, ...]:
    return tuple(etcd.client_url(address) for address in others.addresses.values())


def _token(lineage: str) -> str:
    return f"klusterkit-{lineage[:13]}"
