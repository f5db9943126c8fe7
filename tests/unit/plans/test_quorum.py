"""What more masters, and fewer, mean for etcd is said before anything starts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from klusterkit.cluster import Machine
from klusterkit.plans.quorum import SeenMaster, SeenMember, losses, notice, refusals
from klusterkit.plans.reference import master
from klusterkit.tasks.etcdctl import EtcdMember

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


MACHINES = [master(f"10.0.0.{number}") for number in range(1, 8)]


def voter(machine: Machine) -> EtcdMember:
    return EtcdMember(id="a1", name=machine.name, peers=(f"https://{machine.address}:2380",), learner=False)


@given(st.data())
def test_votes_go_as_long_as_a_majority_of_the_rest_works(data: st.DataObject) -> None:
    there = MACHINES[: data.draw(st.integers(1, 7))]
    working = [machine for machine in there if data.draw(st.booleans())]
    leaving = data.draw(st.permutations(there))[: data.draw(st.integers(0, len(there)))]
    peers = [f"https://{machine.address}:2380" for machine in working]

    found = [reason.host for reason in losses([voter(machine) for machine in there], peers, leaving)]

    def stands(gone: int) -> bool:
        rest = [machine for machine in there if machine not in leaving[:gone]]
        return 2 * sum(machine in working for machine in rest) > len(rest)

    first = next((number for number in range(1, len(leaving) + 1) if not stands(number)), None)
    assert found == ([] if first is None else [leaving[first - 1].name])


def test_whoever_can_not_be_spared_is_told_with_how_the_others_are() -> None:
    members = [*map(voter, MACHINES[:3]), EtcdMember("b1", "", ("https://10.0.0.9:2380",), learner=True)]
    (reason,) = losses(members, ["https://10.0.0.1:2380", "https://10.0.0.2:2380"], [MACHINES[0]])
    assert "1 of 2 members of etcd would work" in reason.message
    assert "10.0.0.3:2380, member a1): does not answer" in str(reason.seen)
    assert "learner" not in str(reason.seen)
