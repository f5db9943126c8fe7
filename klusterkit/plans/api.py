"""The cluster's API as the tasks of a plan reach it: made by the same plan, or there before."""

from __future__ import annotations

from dataclasses import dataclass

from klusterkit.plans.draft import HostDraft
from klusterkit.plans.request import CreateRequest, Target, endpoint_of
from klusterkit.tasks.gates import ApiAnswers
from klusterkit.tasks.node import Registration


@dataclass(frozen=True)
class Api:
    """Where it is asked, and the tasks that have to be done before."""

    tasks: HostDraft
    """Of a master with an API server and kubectl."""
    answers: str
    """Clients get an answer at the cluster's endpoint."""
    access: str
    """It lets its administrators in."""
    services: tuple[str, ...] = ()
    """Services and cluster DNS are on their way; nothing where they were there before."""
    network: tuple[str, ...] = ()
    """The pod network is on its way, without which no node gets ready; nothing where it was there before."""
    data: str | None = None
    """The task whose undo takes back every object; None for a cluster that was there before."""

    def objects_of(self, target: Target) -> str:
        """The task whose undo takes back what a node brings into the API."""
        return self.data or f"{self.tasks.host}/{_registration(target)}"


def existing_api(request: CreateRequest, anchor: HostDraft) -> Api:
    """That of a cluster which is there: it has to answer before anything relies on it."""
    gate = ApiAnswers(server=endpoint_of(request).url)
    answers = anchor.add("api/answers", gate, cost=0.1)
    return Api(tasks=anchor, answers=answers, access=answers)


def register(api: Api, target: Target) -> list[str]:
    """Before a kubelet brings its node into a cluster that was there before. Of a new one all goes with etcd's data."""
    if api.data:
        return []
    step = Registration(node=target.node, address=target.address)
    return [api.tasks.add(_registration(target), step, api.answers, cost=0.1)]


def _registration(target: Target) -> str:
    return f"node/{target.node}"
