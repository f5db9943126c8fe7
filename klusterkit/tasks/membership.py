"""Members come to etcd and leave it, one at a time, so that no change can cost the quorum (etcd, "Learner").

A new member is a learner first: it has the data before it has a vote. That is done on the member's own host, through
any of the others, so that it depends on none of them in particular; a member is taken out on another's host, since its
own may be gone.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

from klusterkit.engine.errors import CommandFailedTemporarily, NotYet, PermanentError
from klusterkit.engine.step import Before, Context, Observation, Step, Undo
from klusterkit.tasks import etcdctl
from klusterkit.tasks.etcdctl import EtcdMember
from klusterkit.tasks.gates import Gate, wait_until
from klusterkit.tasks.systemd import systemctl
from klusterkit.tasks.tree import children, set_aside

_TURNING = 15.0
"""Seconds that the way back waits for what only a way forward would need."""


class _Member(Step):
    """Something about the member of this host.

    Args:
        name: of the member.
        peer: the URL by which other members reach it. It is what members are told apart by: one that was added and
            not started yet has no name.
        through: client URLs of the members that are asked.
    """

    name: str
    peer: str
    through: tuple[str, ...]

    def own(self, members: list[EtcdMember]) -> EtcdMember | None:
        """This one among others."""
        return next((member for member in members if self.peer in member.peers), None)

    def remove(self, on: Context, at: str | None = etcdctl.LOCAL) -> None:
        """Take it out of the cluster, whatever it is there. Afterwards its etcd stops by itself, and may be stopped.

        Args:
            on: the task.
            at: the member's client URL, where it is asked to hand over; None where it isn't there any more.
        """
        member = self.own(etcdctl.members(on, self.through))
        if member is None:
            return
        if at is not None:
            hand_over(on, member, self.through, at)
        wait_until(on, lambda _: self._removed(on, member), title=f"remove {member}", hint=_REMOVING)

    def _removed(self, on: Context, member: EtcdMember) -> str:
        ended = etcdctl.ask(on, self.through, "member", "remove", member.id)
        if ended.ok or self.own(etcdctl.members(on, self.through)) is None:
            return ""
        return ended.said


_REMOVING = "etcd removes nobody while that would cost the quorum: bring its other members up first"


class _Joining(_Member):
    """The member comes to others.

    Args:
        members: peer URLs of those that are there, by their names: the plan wrote them into the configuration, and a
            first start of etcd where they differ would be refused.
    """

    members: dict[str, str]

    def add(self, on: Context) -> None:
        """Add it. etcd wants all others to have been connected for five seconds, and no other learner to be there."""
        if on.host.stat(etcdctl.ETCDCTL)[0].type == "absent":  # of phases by themselves, this one was given too early
            raise PermanentError(
                f"etcdctl, which has to ask the other members, is not on {on.host.name} yet",
                host=on.host.name,
                seen=f"no {etcdctl.ETCDCTL}",
                hint="roll back (`etcdadm rollback`), and give the phase `install` before `membership`",
            )
        title = f"add {self.name} to etcd's members, as a learner"
        wait_until(on, self._not_added, title=title, hint="see `journalctl -u etcd` on the other masters")

    def _not_added(self, on: Context) -> str:
        members = etcdctl.members(on, self.through)
        if self.own(members) is not None:  # also after an answer that was lost
            return ""
        self._refuse_others(on, members)
        peer = f"--peer-urls={self.peer}"
        ended = etcdctl.ask(on, self.through, "member", "add", self.name, peer, "--learner")
        return "" if ended.ok else ended.said or "it said nothing"

    def _refuse_others(self, on: Context, members: list[EtcdMember]) -> None:
        strangers = [member for member in members if not set(member.peers) & set(self.members.values())]
        unfinished = [member for member in members if member.learner or not member.name]
        missing = set(self.members.values()) - {peer for member in members for peer in member.peers}
        if strangers or unfinished or missing:
            raise PermanentError(
                "etcd's members are not those that the plan was made for",
                host=on.host.name,
                seen="\n".join([*map(str, members), *(f"not there: {peer}" for peer in sorted(missing))]),
                hint="finish or take back what else changes them (`etcdctl.sh member remove ID` for what was left"
                " behind), then `cctl resume`; or `cctl rollback`",
            )


class Join(_Joining):
    """Make this host's member known to the others, as a learner. Its etcd is started after that."""

    kind: ClassVar[str] = "etcd.join"

    @property
    def title(self) -> str:
        """What it does."""
        return f"add {self.name} to etcd's members, as a learner"

    def observe(self, on: Context) -> Observation:
        """Whether it is known to the others. A host that can't ask them yet was not made one by us."""
        if any(entry.type == "absent" for entry in on.host.stat(*etcdctl.FILES)):
            return Observation(satisfied=False, before={"member": False}, reason="etcdctl is not there yet")
        known = self.own(etcdctl.members(on, self.through)) is not None
        reason = "" if known else "it is not among etcd's members"
        return Observation(satisfied=known, before={"member": known}, reason=reason)

    def apply(self, on: Context, before: Before) -> None:
        """Add it."""
        _ = before
        self.add(on)

    def undo(self, on: Context, before: Before) -> None:
        """Take it out again."""
        if not before["member"]:
            self.remove(on)


class Promote(_Joining):
    """Give the learner a vote, as soon as it has all the data.

    A vote can't be taken from a member, only the whole member can go; and it has to go while its etcd runs, for once
    stopped it counts as lost. So undo takes it out, and makes it known anew as the learner that it was before, whose
    etcd begins without data.

    Args:
        data: the folder of its etcd's data.
        unit: of its etcd.
    """

    kind: ClassVar[str] = "etcd.promote"

    data: str
    unit: str = "etcd.service"

    @property
    def title(self) -> str:
        """What it does."""
        return f"promote {self.name} to a voting member of etcd"

    def observe(self, on: Context) -> Observation:
        """Whether it votes."""
        try:
            member = self.own(etcdctl.members(on, self.through))
        except CommandFailedTemporarily as error:
            return Observation(satisfied=False, reason=error.message)
        reason = "it is not among etcd's members" if member is None else "it is a learner" if member.learner else ""
        return Observation(satisfied=not reason, reason=reason)

    def apply(self, on: Context, before: Before) -> None:
        """Ask again until it is in sync: etcd promotes no other."""
        _ = before
        if self.own(etcdctl.members(on, self.through)) is None:
            self._empty(on)
            self.add(on)
        systemctl(on, "start", "--no-block", self.unit)
        wait_until(on, self._promoted, title=self.title, hint="see `journalctl -u etcd`")

    def _empty(self, on: Context) -> None:
        """The data of a member that was taken out are good for nothing, but kept."""
        systemctl(on, "stop", self.unit)
        if old := children(on, self.data):
            set_aside(on, self.data)
            on.host.remove(*old, recursive=True)

    def _promoted(self, on: Context) -> str:
        member = self.own(etcdctl.members(on, self.through))
        if member is None:
            raise PermanentError(
                f"{self.name} is not among etcd's members any more",
                host=on.host.name,
                hint="somebody has removed it: `cctl resume` adds it again, `cctl rollback` gives it up",
            )
        if not member.learner:
            return ""
        ended = etcdctl.ask(on, self.through, "member", "promote", member.id)
        return "" if ended.ok else ended.said or "it said nothing"

    def undo(self, on: Context, before: Before) -> None:
        """Take the member out, and make it known anew, for a run that turns round again. The way back needs no more."""
        _ = before
        self.remove(on)
        self._empty(on)
        with contextlib.suppress(NotYet, PermanentError):
            self.add(replace(on, timeout=min(on.timeout, _TURNING)))


class Leave(_Member):
    """Take a member out of etcd, asked on another master than its own. Afterwards its data are good for nothing.

    It hands the leadership over if it has it, so that no writer waits for an election. It is refused where those that
    stay and are healthy would be no majority: the cluster would stand still at once.

    Args:
        client: the member's own client URL; None for one whose host is gone.
    """

    kind: ClassVar[str] = "etcd.leave"
    undoing: ClassVar[Undo] = Undo.IRREVERSIBLE

    client: str | None = None

    @property
    def title(self) -> str:
        """What it does."""
        return f"take {self.name} out of etcd's members"

    def observe(self, on: Context) -> Observation:
        """Whether it is still one."""
        member = self.own(etcdctl.members(on, self.through))
        before = {"member": member is not None}
        return Observation(satisfied=member is None, before=before, reason="it is a member" if member else "")

    def apply(self, on: Context, before: Before) -> None:
        """See that a majority stays, and that what counts as gone is gone; remove it."""
        _ = before
        self._refuse_alive(on)
        loss = loss_now(on, self.through, [self.peer])
        if loss is not None:
            raise PermanentError(
                f"without {self.name}, etcd would have no majority that works",
                host=on.host.name,
                seen=loss.seen,
                hint="bring the others up (`journalctl -u etcd` on their hosts), then `cctl resume`",
            )
        self.remove(on, at=self.client)

    def _refuse_alive(self, on: Context) -> None:
        """A run may be resumed long after it was seen that the host is gone."""
        member = None if self.client else self.own(etcdctl.members(on, self.through))
        if member is not None and etcdctl.healthy(on, member.clients):
            raise PermanentError(
                f"{self.name} counts as gone for good, but its etcd works",
                host=on.host.name,
                hint="switch its host off, then `cctl resume`; or `cctl rollback`, and delete it without --gone",
            )


class Spared(Gate):
    """Open while etcd can spare some votes: after each that goes, a majority of those that stay works.

    It stands before the first of them goes, after which there is no way back.

    Args:
        leaving: peer URLs of the members whose votes go, in this order.
        through: client URLs of the members that are asked, of those that stay and of those that leave.
    """

    kind: ClassVar[str] = "gate.spared"
    hint: ClassVar[str] = (
        "bring them up (`journalctl -u etcd` on their hosts), then `cctl resume`; if one never comes back, "
        "`cctl rollback`, and name it in the new plan, too (--gone)"
    )

    leaving: tuple[str, ...]
    through: tuple[str, ...]

    @property
    def title(self) -> str:
        """What is waited for."""
        return f"wait until etcd can spare {len(self.leaving)} of its votes"

    def missing(self, on: Context) -> str:
        """Who would have to work."""
        loss = loss_now(on, self.through, self.leaving)
        return f"{loss}: {loss.seen}" if loss else ""


@dataclass(frozen=True)
class Loss:
    """A vote that can't be spared."""

    peer: str
    """The peer URL of the member that has it."""
    votes: Sequence[EtcdMember]
    """Those that would have one without it."""
    working: Sequence[EtcdMember]
    """Of those, the ones that work."""

    def __str__(self) -> str:
        return f"{len(self.working)} of {len(self.votes)} members of etcd would work"

    @property
    def seen(self) -> str:
        """How each of them is."""
        return "; ".join(f"{each}: {'works' if each in self.working else 'does not answer'}" for each in self.votes)


def loss_now(on: Context, through: Sequence[str], leaving: Sequence[str]) -> Loss | None:
    """:func:`first_loss` of the members as they are. Raises ``CommandFailedTemporarily``."""
    members = etcdctl.members(on, through)
    healthy = etcdctl.healthy(on, through)
    working = {peer for member in members if healthy.intersection(member.clients) for peer in member.peers}
    return first_loss(members, working, leaving)


def first_loss(members: Sequence[EtcdMember], working: Collection[str], leaving: Sequence[str]) -> Loss | None:
    """The first vote that etcd can't spare, if they go in this order. One that has gone already costs nothing.

    Args:
        members: all that there are.
        working: peer URLs of those that take part in a quorum now.
        leaving: peer URLs of those whose votes go.
    """
    votes = [member for member in members if not member.learner]
    for peer in leaving:
        left = [member for member in votes if peer not in member.peers]
        up = [member for member in left if set(working).intersection(member.peers)]
        if left != votes and 2 * len(up) <= len(left):
            return Loss(peer, left, up)
        votes = left
    return None


def hand_over(on: Context, member: EtcdMember, through: tuple[str, ...], at: str) -> None:
    """If the member at this client URL leads, let another lead: writers then wait for no election."""
    ended = etcdctl.ask(on, [at], "endpoint", "status", "--write-out=json")
    if not ended.ok or f"{json.loads(ended.out)[0]['Status']['leader']:x}" != member.id:
        return
    voters = [other for other in etcdctl.members(on, through) if other.id != member.id and not other.learner]
    for voter in voters:
        if etcdctl.ask(on, [at], "move-leader", voter.id).ok:
            return
