"""A host made what it was, by itself: what such a request says, and such a plan leaves in the state."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pydantic import BaseModel, ConfigDict

from klusterkit.engine.facts import Facts
from klusterkit.engine.plan import Plan
from klusterkit.engine.record import HostRecord
from klusterkit.plans.draft import Draft

_ETCD = ("etcd", "etcdctl")
"""What the paths of a member's tasks begin with."""


class ResetRequest(BaseModel):
    """A host that is to be as before."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    host: str
    facts: Facts
    record: HostRecord
    """All that was done there."""
    keep: tuple[str, ...] = ()
    """Of KlusterKit's own folder."""
    others: bool = False
    """Whether the host may belong to another state than the one that this is planned from."""
    lineage: str
    serial: int
    operation: str

    def plan(self, draft: Draft, gone: Iterable[str], **outcome: Any) -> Plan:
        """The plan of a draft's tasks, after which these machines are none of the state any more."""
        removed = {"machines": list(gone), "keep": list(self.keep), **({"others": True} if self.others else {})}
        return draft.plan(self, {self.host: self.facts}, {**outcome, "removed": removed})


def parts(record: HostRecord) -> tuple[HostRecord, HostRecord]:
    """What was done for the host's member of etcd, and what for its node."""
    etcd = tuple(done for done in record.done if done.task.split("/")[1] in _ETCD)
    node = tuple(done for done in record.done if done not in etcd)
    return HostRecord(done=etcd), HostRecord(done=node)
