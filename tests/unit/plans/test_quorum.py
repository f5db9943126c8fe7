"""What more masters mean for etcd is said before anything starts."""

from __future__ import annotations

import pytest

from klusterkit.plans.quorum import SeenMaster, SeenMember, notice, refusals
from klusterkit.plans.reference import master

PEERS = {name: f"https://{name}:2380" for name in ("10.0.0.5", "10.0.0.6", "10.0.0.7")}
MEMBERS = tuple(SeenMember(told=name, peers=(peer,), votes=True) for name, peer in PEERS.items())


def masters(**changes: str) -> list[SeenMaster]:
    """Three that are well, but for the last."""
    seen = [SeenMaster(machine=master(name), members=MEMBERS) for name in PEERS]
    return [*seen[:2], seen[2].model_copy(update=changes)]


@pytest.mark.parametrize(("number", "survives"), [(2, 0), (4, 1), (6, 2)])
def test_an_even_number_of_members_is_said_with_what_it_survives(number: int, survives: int) -> None:
    said = notice(number)
    assert f"{number} voting members: it survives the loss of {survives}," in said
    assert f"make it {number + 1}" in said


@pytest.mark.parametrize("number", [1, 3, 5, 7])
def test_of_an_odd_number_nothing_is_said(number: int) -> None:
    assert notice(number) == ""


def test_members_that_are_well_take_another() -> None:
    assert list(refusals(masters())) == []


def test_a_member_that_does_not_answer_is_named_with_what_it_said() -> None:
    (reason,) = refusals(masters(etcd="connection refused"))
    assert (reason.host, reason.seen) == ("10.0.0.7", "connection refused")
    assert reason.hint


@pytest.mark.parametrize(
    "left_behind",
    [
        SeenMember(told="a learner that was never started", peers=("https://10.0.0.9:2380",), votes=False),
        SeenMember(told="somebody else's", peers=("https://10.0.0.9:2380",), votes=True),
        SeenMember(told="10.0.0.7, a learner", peers=(PEERS["10.0.0.7"],), votes=False),
    ],
)
def test_what_somebody_left_behind_is_told(left_behind: SeenMember) -> None:
    known = [member for member in MEMBERS if member.peers != left_behind.peers]
    (reason,) = refusals([SeenMaster(machine=master(name), members=(*known, left_behind)) for name in PEERS])
    assert reason.seen == left_behind.told
    assert "member remove" in str(reason.hint)
