"""etcdctl, as far as steps ask it."""

from __future__ import annotations

import json
import secrets
from collections.abc import Sequence
from dataclasses import replace

from klusterkit.engine.host import Completed
from tests.simulation.real.programs.ensemble import Ensemble
from tests.simulation.real.programs.etcd import Etcd, Log, Seat
from tests.support.posix import said

NOBODY = said(1, err="context deadline exceeded")


class Etcdctl:
    """``etcdctl --endpoints=… --cacert=… --cert=… --key=… WORDS``, run on a host."""

    def __init__(self, ensemble: Ensemble, here: Etcd) -> None:
        self._ensemble = ensemble
        self._here = here

    def __call__(self, argv: list[str], _: bytes) -> Completed:
        """Run it."""
        options = dict(word.lstrip("-").partition("=")[::2] for word in argv if word.startswith("--"))
        if not self._here.has(*(options[file] for file in ("cacert", "cert", "key"))):
            return said(1, err="open: no such file or directory")
        words = [word for word in argv if not word.startswith("-")]
        endpoints = options["endpoints"].split(",")
        asked = [member for member in map(self._at, endpoints) if member is not None]
        match words:
            case ["endpoint", "health"]:
                return self._health(endpoints, as_json="write-out" in options)
            case ["endpoint", "status"]:
                return self._status(asked)
            case ["move-leader", identity]:
                return self._move_leader(asked, int(identity, 16))
            case ["member", *rest]:
                return self._member(rest, options, self._able(asked))
            case _:
                return self._objects(words[0], self._able(asked))

    def _able(self, asked: Sequence[Etcd]) -> Etcd | None:
        return next(filter(self._ensemble.answers, asked), None)

    def _objects(self, verb: str, asked: Etcd | None) -> Completed:
        """``get`` or ``del /registry/ --prefix``: what API servers keep."""
        if asked is None:
            return NOBODY
        if verb == "del":
            self._ensemble.keep(asked, {})
        return said(out="".join(f"/registry/{name}\n" for name in self._ensemble.objects(asked)))

    def _at(self, url: str) -> Etcd | None:
        address = url.removeprefix("https://").rpartition(":")[0]
        if address == "127.0.0.1":
            return self._here
        return next((member for member in self._ensemble.members if member.address == address), None)

    def _health(self, endpoints: Sequence[str], *, as_json: bool) -> Completed:
        members = {url: self._at(url) for url in endpoints}
        told = [
            {"endpoint": url, "health": member is not None and self._ensemble.answers(member)}
            for url, member in members.items()
        ]
        healthy = all(each["health"] for each in told)
        if as_json:
            return said(0 if healthy else 1, out=json.dumps(told))
        return said(out="is healthy\n") if healthy else NOBODY

    def _status(self, asked: Sequence[Etcd]) -> Completed:
        logs = [member.log for member in asked if member.log and member.alive]
        if not logs:
            return said(1, err="connection refused")
        return said(out=json.dumps([{"Status": {"leader": self._ensemble.leader(log)}} for log in logs]))

    def _move_leader(self, asked: Sequence[Etcd], identity: int) -> Completed:
        leads = [member for member in asked if self._ensemble.answers(member) and self._leads(member)]
        if not leads:
            return said(1, err="no leader endpoint given")
        log = self._log(leads[0])
        self._ensemble.lead(leads[0], next(seat for seat in log.seats if seat.id == identity))
        return said()

    def _leads(self, member: Etcd) -> bool:
        return member.log is not None and self._ensemble.leader(member.log) == member.log.own

    def _log(self, member: Etcd) -> Log:
        newest = self._ensemble.agreed(member)
        if newest is None or newest.log is None:
            raise AssertionError("it doesn't answer")
        return newest.log

    def _member(self, words: list[str], options: dict[str, str], asked: Etcd | None) -> Completed:
        if asked is None:
            return NOBODY
        match words:
            case ["list"]:
                return self._list(asked)
            case ["add", _]:
                return self._add(asked, options["peer-urls"], learner="learner" in options)
            case ["promote", identity]:
                return self._promote(asked, int(identity, 16))
            case _:
                return self._remove(asked, int(words[-1], 16))

    def _list(self, asked: Etcd) -> Completed:
        listed = [
            {
                "ID": seat.id,
                "name": seat.name,
                "peerURLs": [seat.peer],
                "clientURLs": [seat.peer.replace(":2380", ":2379")] if seat.name else [],
                "isLearner": seat.learner,
            }
            for seat in self._log(asked).seats
        ]
        return said(out=json.dumps({"members": listed}))

    def _add(self, asked: Etcd, peer: str, *, learner: bool) -> Completed:
        log = self._log(asked)
        if any(seat.learner for seat in log.seats):
            return said(1, err="etcdserver: too many learner members in cluster")
        if log.seat(peer):
            return said(1, err="etcdserver: Peer URLs already exists")
        if not all(self._ensemble.is_up(log, seat) for seat in log.seats):
            return said(1, err="etcdserver: unhealthy cluster")
        self._ensemble.seat(asked, Seat(secrets.randbits(60), peer, learner=learner), "add")
        return said()

    def _promote(self, asked: Etcd, identity: int) -> Completed:
        log = self._log(asked)
        seat = next(seat for seat in log.seats if seat.id == identity)
        if not self._ensemble.is_up(log, seat):
            return said(1, err="etcdserver: can only promote a learner member which is in sync with leader")
        self._ensemble.seat(asked, replace(seat, learner=False), "promote")
        return said()

    def _remove(self, asked: Etcd, identity: int) -> Completed:
        log = self._log(asked)
        gone = next((seat for seat in log.seats if seat.id == identity), None)
        if gone is None:
            return said(1, err="etcdserver: member not found")
        left = [self._ensemble.is_up(log, seat) for seat in log.seats if seat != gone and not seat.learner]
        if not gone.learner and 2 * sum(left) <= len(left):
            return said(1, err="etcdserver: unhealthy cluster")
        self._ensemble.unseat(asked, gone)
        return said()
