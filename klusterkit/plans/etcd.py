"""etcd on control-plane hosts: a unit of its own, outside Kubernetes, that Kubernetes can't take down with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from klusterkit.plans.certificates import etcd_certificates
from klusterkit.plans.files import etcd, units
from klusterkit.plans.host import BIN, Prepared
from klusterkit.plans.request import Target
from klusterkit.plans.shared import directory, service, text_file, unit, unpack
from klusterkit.tasks.etcd import Healthy
from klusterkit.tasks.membership import Join, Promote
from klusterkit.tasks.tree import Tree

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
    add, facts, preflight = target.tasks.add, target.facts, prepared.preflight
    programs = _programs(target, preflight)
    folder = add("etcd/folder", directory("/etc/etcd"), preflight)
    certificates = etcd_certificates(target, folder)
    data = add("etcd/data", Tree(path=etcd.DATA, mode=0o700, on_undo="set-aside"), preflight)
    addresses = {**others.addresses, target.node: target.address}
    joins = bool(others.addresses)
    text = etcd.configuration(target.node, addresses, _token(target.request.lineage), facts.memory, joins=joins)
    configuration = add("etcd/configuration", text_file(etcd.PATH, text, 0o600), folder)
    own = units.etcd(can_lower_oom_score=facts.can_lower_oom_score, memory_floor=facts.cgroup != 1)
    written = add("etcd/unit", unit("etcd.service", own), preflight, cost=0.2)
    added = [_join(target, others, programs, *certificates)] if joins else []
    needs = (programs, certificates, data, configuration, written, added)
    started = add("etcd/start", service("etcd.service", text), *needs, cost=1.0)
    voting = _promote(target, others, started) if joins else started
    healthy = add("etcd/healthy", Healthy(), voting, cost=0.1)
    return Member(data, healthy, Ensemble(addresses, (healthy,)))


def _programs(target: Target, preflight: str) -> str:
    inside = f"etcd-{target.cluster.release.etcd}-linux-{target.facts.architecture}"
    members = {f"{inside}/{name}": f"{BIN}/{name}" for name in ("etcd", "etcdctl", "etcdutl")}
    return unpack(target, "etcd/programs", "etcd", members, preflight)


def _join(target: Target, others: Ensemble, *needs: str) -> str:
    members = {name: etcd.peer_url(address) for name, address in others.addresses.items()}
    step = Join(name=target.node, peer=etcd.peer_url(target.address), through=_clients(others), members=members)
    cost = 0.2 if len(members) == 1 else SETTLING
    return target.tasks.add("etcd/join", step, *needs, others.settled, cost=cost)


def _promote(target: Target, others: Ensemble, started: str) -> str:
    step = Promote(name=target.node, peer=etcd.peer_url(target.address), through=_clients(others))
    return target.tasks.add("etcd/promote", step, started, cost=1.0)


def _clients(others: Ensemble) -> tuple[str, ...]:
    return tuple(etcd.client_url(address) for address in others.addresses.values())


def _token(lineage: str) -> str:
    return f"klusterkit-{lineage[:13]}"
