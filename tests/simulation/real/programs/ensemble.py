"""All members of etcd: a quorum of them agrees on members and objects, and writes both to those that are up."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Any

from tests.simulation.real.programs.etcd import UNIT, Etcd, Log, Seat


class Ensemble:
    """Members on some hosts. All that they know is in their own files.

    Args:
        members: one a host, whether it is started or not.
    """

    def __init__(self, members: Sequence[Etcd]) -> None:
        self.members = members
        self.changes: list[str] = []
        """What became of the membership, and of who leads, in words."""

    def agreed(self, asked: Etcd) -> Etcd | None:
        """One that knows what a quorum agrees on, if the one that is asked takes part in it."""
        log = asked.log if asked.alive else None
        if log is None:
            return None
        up = self._up(log)
        newest = max(up, key=lambda member: _of(member).index)
        seats, voters = _of(newest).seats, _of(newest).voters
        voting = [member for member in up if _of(member).own in voters]
        known = any(seat.id == log.own for seat in seats)
        return newest if known and 2 * len(voting) > len(voters) else None

    def answers(self, member: Etcd) -> bool:
        """Whether it answers its clients, which a learner doesn't."""
        newest = self.agreed(member)
        return newest is not None and _of(member).own in _of(newest).voters

    def objects(self, asked: Etcd) -> dict[str, Any]:
        """All objects, by kind and name, as a client of this member gets them."""
        newest = self.agreed(asked)
        if newest is None:
            raise AssertionError("nobody can read there")
        return newest.objects

    def seats(self) -> tuple[Seat, ...]:
        """The members, as those that answer say; none where nobody does."""
        return next((_of(member).seats for member in map(self.agreed, self.members) if member), ())

    def is_up(self, log: Log, seat: Seat) -> bool:
        """Whether a member of that cluster is up."""
        return any(_of(member).own == seat.id for member in self._up(log))

    def leader(self, log: Log) -> int:
        """The id of the member that leads."""
        able = [seat.id for seat in log.seats if not seat.learner and self.is_up(log, seat)]
        return log.leader if log.leader in able else next(iter(able), 0)

    def _up(self, log: Log) -> list[Etcd]:
        return [each for each in self.members if each.alive and (known := each.log) and known.cluster == log.cluster]

    # What changes -----------------------------------------------------------------------------------------------------

    def start(self, member: Etcd) -> bool | None:
        """Its unit is being started: whether it comes up, or None as long as there is no quorum (``Type=notify``)."""
        if not member.can_start():
            return False
        if member.log is None and not member.begin(self._known_to):
            return False
        member.machine.systemd.becomes(UNIT, "activating")
        self.settle()
        return True if self.agreed(member) else None

    def _known_to(self, peers: Collection[str]) -> Log | None:
        found = (self.agreed(member) for member in self.members if member.peer in peers)
        return next((_of(member) for member in found if member), None)

    def settle(self) -> None:
        """Let members that are up learn what they don't know yet, and be ready where there is a quorum."""
        for member in self.members:
            newest = self.agreed(member) if member.alive else None
            if newest is None:
                continue
            if _of(newest).index > _of(member).index:
                member.write(replace(_of(newest), own=_of(member).own), newest.objects)
            member.machine.systemd.becomes(UNIT, "active")
            seat = next(seat for seat in _of(member).seats if seat.id == _of(member).own)
            if not seat.name:
                self.seat(member, replace(seat, name=member.name))

    def keep(self, asked: Etcd, objects: dict[str, Any]) -> None:
        """Have these objects, by a client of this member."""
        self._commit(asked, objects=objects)

    def seat(self, asked: Etcd, new: Seat, change: str = "") -> None:
        """Have a member, or have one be something else."""
        log = _of(self._newest(asked))
        others = [seat for seat in log.seats if seat.id != new.id]
        self._commit(asked, seats=tuple(sorted((*others, new), key=lambda seat: seat.peer)))
        self._note(change, new)

    def unseat(self, asked: Etcd, gone: Seat) -> None:
        """Have one member less. Its process ends, and is started again and again."""
        log = _of(self._newest(asked))
        self._commit(asked, seats=tuple(seat for seat in log.seats if seat.id != gone.id))
        self._note("remove", gone)
        for member in self._up(log):
            if _of(member).own == gone.id:
                member.machine.systemd.becomes(UNIT, "activating")

    def lead(self, asked: Etcd, seat: Seat) -> None:
        """Have a member lead."""
        self._commit(asked, leader=seat.id)
        self._note("lead", seat)

    def _note(self, change: str, seat: Seat) -> None:
        if change:
            self.changes.append(f"{change} {seat.peer}")

    def _commit(self, asked: Etcd, *, objects: dict[str, Any] | None = None, **changes: Any) -> None:
        newest = self._newest(asked)
        log = replace(_of(newest), index=_of(newest).index + 1, **changes)
        everything = newest.objects if objects is None else objects
        for member in self._up(log):
            if any(seat.id == _of(member).own for seat in log.seats):
                member.write(replace(log, own=_of(member).own), everything)

    def _newest(self, asked: Etcd) -> Etcd:
        newest = self.agreed(asked)
        if newest is None:
            raise AssertionError("there is no quorum to write by")
        return newest


def _of(member: Etcd) -> Log:
    if member.log is None:
        raise AssertionError("it was never started")
    return member.log
