"""A host made what it was, by itself: its member leaves etcd, then all that runs did there is taken back."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict

from klusterkit.engine.plan import Plan
from klusterkit.engine.record import Done
from klusterkit.plans.draft import Draft
from klusterkit.plans.files.etcd import DATA
from klusterkit.plans.leave import LOOKING
from klusterkit.plans.reset import ResetRequest
from klusterkit.plans.revert import ends, take_back
from klusterkit.tasks import etcdctl
from klusterkit.tasks.membership import Leave, Spared


class Membership(BaseModel):
    """A member of etcd, as the others see it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    peer: str
    others: tuple[str, ...]
    """Client URLs."""


class MemberResetRequest(ResetRequest):
    """A host that is to be no member of etcd any more, and whatever else it was made."""

    member: Membership | None = None
    """What leaves first; None where there is no member, where it is the last, or where the others aren't asked."""


def compile_member_reset(request: MemberResetRequest) -> Plan:
    """The plan that takes a host back. Pure and deterministic: it reaches no host."""
    draft = Draft()
    on = draft.on(request.host)
    left: list[str] = []
    if request.member is not None:
        member = request.member
        step = Leave(name=member.name, peer=member.peer, through=member.others, client=etcdctl.LOCAL)
        spared = on.add("etcd/spared", Spared(leaving=(member.peer,), through=member.others), timeout=LOOKING)
        left.append(on.add("etcd/leave", step, spared, cost=1.0))
    take_back(on, request.record, left, last={DATA: _before_data(request)})
    return request.plan(draft, [request.host])


def _before_data(request: MemberResetRequest) -> list[str]:
    """What is taken back before what etcd holds: all of the run that made it. Until then everything can come back.

    Runs after that one have been taken back by then; those before it, such as another phase, come afterwards.
    """
    runs = request.record.runs()
    subjects = {done.step.subject for run in runs if _has_data(run) for done in run} - {DATA}
    others = [done.step.subject for done in request.record.done if done.step.subject not in subjects]
    return ends(request.host, request.record, but=others)


def _has_data(run: Sequence[Done]) -> bool:
    return any(done.step.subject == DATA for done in run)
