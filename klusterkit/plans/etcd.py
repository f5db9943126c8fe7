"""etcd on a control-plane host: a unit of its own, outside Kubernetes, that Kubernetes can't take down with it."""

from __future__ import annotations

from dataclasses import dataclass

from klusterkit.plans.certificates import etcd_certificates
from klusterkit.plans.files import etcd, units
from klusterkit.plans.host import BIN, Prepared
from klusterkit.plans.request import Target
from klusterkit.plans.shared import directory, service, text_file, unit, unpack
from klusterkit.tasks.etcd import Healthy
from klusterkit.tasks.tree import Tree


@dataclass(frozen=True)
class Member:
    """Tasks that what comes later needs of a member."""

    data: str
    """Its undo takes back all that the cluster knows: every object in the API."""
    healthy: str


def etcd_member(target: Target, prepared: Prepared) -> Member:
    """The first member, and so the whole of a new etcd cluster."""
    add, facts, preflight = target.tasks.add, target.facts, prepared.preflight
    version = target.cluster.release.etcd
    inside = f"etcd-{version}-linux-{facts.architecture}"
    members = {f"{inside}/{name}": f"{BIN}/{name}" for name in ("etcd", "etcdctl", "etcdutl")}
    programs = unpack(target, "etcd/programs", "etcd", members, preflight)
    folder = add("etcd/folder", directory("/etc/etcd"), preflight)
    certificates = etcd_certificates(target, folder)
    data = add("etcd/data", Tree(path=etcd.DATA, mode=0o700, on_undo="set-aside"), preflight)
    text = etcd.configuration(target.node, {target.node: target.address}, _token(target.request.lineage), facts.memory)
    configuration = add("etcd/configuration", text_file(etcd.PATH, text, 0o600), folder)
    own = units.etcd(can_lower_oom_score=facts.can_lower_oom_score, memory_floor=facts.cgroup != 1)
    written = add("etcd/unit", unit("etcd.service", own), preflight, cost=0.2)
    needs = (programs, certificates, data, configuration, written)
    started = add("etcd/start", service("etcd.service", text), *needs, cost=1.0)
    return Member(data, add("etcd/healthy", Healthy(), started, cost=0.1))


def _token(lineage: str) -> str:
    return f"klusterkit-{lineage[:13]}"
