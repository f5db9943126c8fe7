"""Delete machines: each leaves the cluster in order, and its host is made what it was; or all of the cluster ends."""

from __future__ import annotations

from typing import Any

from klusterkit.cluster import Cluster
from klusterkit.engine.plan import Plan
from klusterkit.engine.record import HostRecord
from klusterkit.pki import AuthorityName
from klusterkit.plans.deletion import DeleteRequest
from klusterkit.plans.draft import Draft
from klusterkit.plans.files.etcd import DATA
from klusterkit.plans.leave import leave
from klusterkit.plans.revert import ends, take_back

AUTHORITIES = (*(f"{name}.{part}" for name in AuthorityName for part in ("crt", "key")), "sa.key", "sa.pub")
"""Secrets that vouch for a cluster, and for nothing once it is deleted."""


def secrets_of(cluster: Cluster) -> list[str]:
    """Names of the secrets that go with a cluster: its authorities, and what lets its hosts into a registry."""
    account = cluster.registry and cluster.registry.account
    return [*AUTHORITIES, *([account] if account else [])]


def compile_delete(request: DeleteRequest) -> Plan:
    """The plan that makes the request's machines leave. Pure and deterministic: it reaches no host."""
    draft = Draft()
    if request.asked_on is None:
        _take_down(draft, request)
    else:
        leave(draft, request, draft.on(request.asked_on))
    return draft.plan(request, request.facts, _outcome(request))


def _take_down(draft: Draft, request: DeleteRequest) -> None:
    """All of a cluster at once. What etcd holds goes last: until then the cluster can come back."""
    records = {each.machine.name: each.record or HostRecord() for each in request.living}
    others = [end for host, record in records.items() for end in ends(host, record, but=[DATA])]
    for host, record in records.items():
        take_back(draft.on(host), record, last={DATA: others})


def _outcome(request: DeleteRequest) -> dict[str, Any]:
    removed: dict[str, Any] = {"machines": [each.machine.name for each in request.leaving]}
    if request.gone:
        removed["gone"] = [each.machine.name for each in request.gone]
    if request.keep_uploads:
        removed["keep"] = ["artifacts"]
    if request.forget:
        return {"cluster": None, "removed": {**removed, "secrets": secrets_of(request.cluster)}}
    endpoint = request.cluster.endpoint
    left = {str(each.machine.address) for each in request.leaving}
    if request.asked_on is None and endpoint is not None and endpoint.host in left:
        return {"cluster": request.cluster.replace(endpoint=None).to_object(), "removed": removed}
    return {"removed": removed}
