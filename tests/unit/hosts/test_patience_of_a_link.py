"""A host that stays away is waited for once, however many tasks want it."""

from __future__ import annotations

import pytest

from klusterkit.engine.errors import HostUnreachable
from klusterkit.hosts.link import Link


class Gone:
    """A host that has been there."""

    name = "m1"
    where = "root@m1"
    alive = False

    def __init__(self) -> None:
        self.attempts = 0

    def connect(self) -> None:
        self.attempts += 1
        raise HostUnreachable("m1 can't be reached", host="m1")

    def close(self) -> None: ...


def link(transport: Gone, patience: float) -> Link:
    made = Link(transport, patience=patience)  # type: ignore[arg-type]
    made._been_there = True
    return made


def refused(to: Link) -> None:
    with pytest.raises(HostUnreachable, match="m1 can't be reached"):
        to.call(b"")


def test_it_is_tried_again_until_patience_is_out_and_then_everybody_hears_so() -> None:
    transport = Gone()
    to = link(transport, patience=2.0)
    refused(to)
    tried = transport.attempts
    assert tried > 1
    for _ in range(20):
        refused(to)
    assert transport.attempts == tried


def test_later_it_is_tried_once_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("klusterkit.hosts.link.AWAY", 0.0)
    transport = Gone()
    to = link(transport, patience=0.0)
    refused(to)
    refused(to)
    assert transport.attempts == 2
