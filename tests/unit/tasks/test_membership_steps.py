"""Members come to etcd and leave it: whatever the others say, whenever an answer is lost, whoever was there before."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from klusterkit.engine.errors import CommandFailedTemporarily, NotYet, PermanentError
from klusterkit.engine.host import Completed
from klusterkit.engine.step import Context
from klusterkit.hosts.simulated import Machine
from klusterkit.tasks.etcdctl import ETCDCTL, FILES
from klusterkit.tasks.membership import Join, Leave, Promote
from tests.unit.plans.etcd_model import CONFIGURATION, EtcdModel, Seat
from tests.unit.plans.host_model import ClusterModel, HostModel
from tests.unit.plans.supplies import context
from tests.unit.tasks.step_world import said

ADDRESSES = {"m1": "10.0.0.5", "m2": "10.0.0.6", "m3": "10.0.0.7"}
PEERS = {name: f"https://{address}:2380" for name, address in ADDRESSES.items()}
THROUGH = tuple(f"https://{ADDRESSES[name]}:2379" for name in ("m1", "m2"))
JOIN = Join(name="m3", peer=PEERS["m3"], through=THROUGH, members={name: PEERS[name] for name in ("m1", "m2")})
PROMOTE = Promote(name="m3", peer=PEERS["m3"], through=THROUGH)
UNIT = "[Service]\nExecStart=/usr/local/bin/etcd\n"
TEXT = "initial-cluster-state: existing\nname: {name}\ninitial-cluster: {members}\n"


@dataclass
class Site:
    """Two members, m1 and m2, and a host m3 that is to be the third."""

    model: ClusterModel
    on: Context
    calls: list[Sequence[str]] = field(default_factory=list[Sequence[str]])

    @property
    def etcd(self) -> EtcdModel:
        return self.model.etcd

    @property
    def peers(self) -> dict[str, bool]:
        """The members by their URLs, and whether they are learners."""
        return {seat.peer: seat.learner for seat in self.etcd.seats}

    def start(self, name: str) -> None:
        assert self.model[name].machine.systemd.systemctl(["start", "etcd"]).ok

    def answering(self, change: Callable[[list[str], Completed], Completed]) -> None:
        """Have somebody between etcdctl and what it says."""
        real = self.model["m3"].machine.find_program([ETCDCTL]).act

        def act(machine: Machine, argv: Sequence[str], stdin: bytes) -> Completed:
            self.calls.append(argv)
            return change(list(argv), real(machine, argv, stdin))

        self.model["m3"].host.program(ETCDCTL, act)


def prepare(host: HostModel, name: str) -> None:
    tree = host.machine.tree
    for path in (*FILES, "/etc/etcd/pki/ca.crt", "/usr/local/bin/etcd", "/etc/etcd/pki/server.key", CONFIGURATION):
        tree.makedirs(path.rpartition("/")[0])
        tree.write(path, TEXT.format(name=name, members=",".join(f"{each}={PEERS[each]}" for each in PEERS)))
    tree.makedirs("/var/lib/etcd")
    tree.write("/etc/systemd/system/etcd.service", UNIT)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    model = ClusterModel(ADDRESSES, {})
    for name, host in model.hosts.items():
        prepare(host, name)
    model.etcd.seats = [Seat(number, PEERS[name], name) for number, name in enumerate(("m1", "m2"), 1)]
    made = Site(model, replace(context(model["m3"], "m3/task", tmp_path), timeout=0.3))
    for name in ("m1", "m2"):
        model[name].machine.tree.makedirs("/var/lib/etcd/member")
        made.start(name)
    return made


def test_a_member_comes_as_a_learner_and_votes_when_it_has_the_data(site: Site) -> None:
    JOIN.apply(site.on, JOIN.observe(site.on).before)
    assert site.peers[PEERS["m3"]] is True
    site.start("m3")
    PROMOTE.apply(site.on, {})
    assert site.peers == dict.fromkeys(PEERS.values(), False)
    assert JOIN.observe(site.on).satisfied
    assert PROMOTE.observe(site.on).satisfied


def test_both_can_be_done_twice(site: Site) -> None:
    for _ in range(2):
        JOIN.apply(site.on, {"member": False})
    site.start("m3")
    for _ in range(2):
        PROMOTE.apply(site.on, {})
    assert site.etcd.changes == [f"add {PEERS['m3']}", f"promote {PEERS['m3']}"]


def test_an_addition_whose_answer_is_lost_is_found_again(site: Site) -> None:
    site.answering(lambda argv, ended: said(1, err="context deadline exceeded") if "add" in argv else ended)
    JOIN.apply(site.on, {"member": False})
    assert site.etcd.changes == [f"add {PEERS['m3']}"]
    assert sum("add" in argv for argv in site.calls) == 1


def test_etcd_is_asked_again_while_it_takes_nobody(site: Site) -> None:
    refusals = iter(["etcdserver: unhealthy cluster", "etcdserver: leader changed"])

    def twice(argv: list[str], ended: Completed) -> Completed:
        words = next(refusals, "") if "add" in argv else ""
        if words:
            site.etcd.seats = [seat for seat in site.etcd.seats if seat.peer != PEERS["m3"]]
        return said(1, err=words) if words else ended

    site.answering(twice)
    JOIN.apply(site.on, {"member": False})
    assert sum("add" in argv for argv in site.calls) == 3


def test_a_learner_that_lags_is_not_promoted_and_the_reason_is_said(site: Site) -> None:
    JOIN.apply(site.on, {"member": False})
    with pytest.raises(NotYet, match="not after") as caught:
        PROMOTE.apply(site.on, {})  # it was never started
    assert "in sync" in str(caught.value.seen)


def test_one_of_two_members_is_enough_to_look_and_not_enough_to_act(site: Site) -> None:
    site.model["m1"].machine.power_off()
    with pytest.raises(CommandFailedTemporarily):
        JOIN.observe(site.on)
    with pytest.raises(NotYet):
        JOIN.apply(site.on, {"member": False})


@pytest.mark.parametrize(
    ("there", "told"),
    [
        (Seat(9, "https://10.0.0.9:2380", "other"), "other (https://10.0.0.9:2380, member 9)"),
        (Seat(9, "https://10.0.0.9:2380", learner=True), "a learner that was never started"),
        (Seat(9, PEERS["m2"], "m2", learner=True), "m2 (https://10.0.0.6:2380, learner 9)"),
    ],
)
def test_members_that_the_plan_knows_nothing_of_are_told_and_left_alone(site: Site, there: Seat, told: str) -> None:
    site.etcd.seats = [*(seat for seat in site.etcd.seats if seat.peer != there.peer), there]
    before = [*site.etcd.seats]
    with pytest.raises(PermanentError, match="not those that the plan was made for") as caught:
        JOIN.apply(site.on, {"member": False})
    assert told in str(caught.value.seen)
    assert site.etcd.seats == before


def test_a_member_that_has_gone_meanwhile_is_named(site: Site) -> None:
    site.etcd.seats = site.etcd.seats[:1]
    with pytest.raises(PermanentError) as caught:
        JOIN.apply(site.on, {"member": False})
    assert f"not there: {PEERS['m2']}" in str(caught.value.seen)


def test_taken_back_before_it_votes_the_learner_is_gone(site: Site) -> None:
    JOIN.apply(site.on, {"member": False})
    JOIN.undo(site.on, {"member": False})
    assert set(site.peers) == {PEERS["m1"], PEERS["m2"]}
    assert JOIN.observe(site.on).before == {"member": False}


def test_taken_back_after_it_voted_the_member_leaves_while_it_still_runs(site: Site) -> None:
    JOIN.apply(site.on, {"member": False})
    site.start("m3")
    PROMOTE.apply(site.on, {})
    PROMOTE.undo(site.on, {})
    assert set(site.peers) == {PEERS["m1"], PEERS["m2"]}
    JOIN.undo(site.on, {"member": False})
    assert site.etcd.changes[-1] == f"remove {PEERS['m3']}"


def test_a_member_that_was_there_before_stays(site: Site) -> None:
    JOIN.apply(site.on, {"member": False})
    JOIN.undo(site.on, {"member": True})
    assert PEERS["m3"] in site.peers


def test_a_leader_hands_over_before_it_leaves(site: Site) -> None:
    JOIN.apply(site.on, {"member": False})
    site.start("m3")
    PROMOTE.apply(site.on, {})
    own = next(seat for seat in site.etcd.seats if seat.peer == PEERS["m3"])
    site.etcd.seats = [own, *(seat for seat in site.etcd.seats if seat is not own)]  # the model's first one leads
    site.answering(lambda argv, ended: said() if "move-leader" in argv else ended)
    PROMOTE.undo(site.on, {})
    verbs = [next(word for word in argv if word in ("move-leader", "remove", "list", "status")) for argv in site.calls]
    assert verbs.index("move-leader") < verbs.index("remove")


def test_nobody_leaves_while_that_would_cost_the_quorum(site: Site) -> None:
    JOIN.apply(site.on, {"member": False})
    site.start("m3")
    PROMOTE.apply(site.on, {})
    site.model["m1"].machine.power_off()
    with pytest.raises(NotYet) as caught:
        PROMOTE.undo(site.on, {})
    assert "unhealthy" in str(caught.value.seen)
    assert "bring its other members up" in str(caught.value.hint)
    assert site.etcd.has_quorum()


def bare(site: Site) -> Iterator[str]:
    for path in FILES:
        site.model["m3"].machine.tree.remove(path)
        yield path


def test_a_host_without_etcdctl_is_no_member_and_can_be_looked_at(site: Site) -> None:
    for _ in bare(site):
        seen = JOIN.observe(site.on)
        assert (seen.satisfied, seen.before) == (False, {"member": False})
        assert not PROMOTE.observe(site.on).satisfied


# Leaving --------------------------------------------------------------------------------------------------------------

LEAVE = Leave(name="m3", peer=PEERS["m3"], through=THROUGH, client=f"https://{ADDRESSES['m3']}:2379")


@pytest.fixture
def three(site: Site, tmp_path: Path) -> Site:
    """Three members that vote. It is m1 that is asked."""
    JOIN.apply(site.on, {"member": False})
    site.start("m3")
    PROMOTE.apply(site.on, {})
    site.etcd.changes.clear()
    return replace(site, on=replace(context(site.model["m1"], "m1/leave", tmp_path), timeout=0.3))


def test_a_member_that_leads_hands_over_before_it_leaves(three: Site) -> None:
    client = f"https://{ADDRESSES['m1']}:2379"
    leader = LEAVE.model_copy(update={"name": "m1", "peer": PEERS["m1"], "client": client})
    leader.apply(three.on, leader.observe(three.on).before)
    assert three.etcd.changes == [f"lead {PEERS['m2']}", f"remove {PEERS['m1']}"]


def test_one_that_does_not_lead_just_leaves_and_its_etcd_stops(three: Site) -> None:
    LEAVE.apply(three.on, LEAVE.observe(three.on).before)
    assert three.etcd.changes == [f"remove {PEERS['m3']}"]
    assert not three.model["m3"].active("etcd")
    assert LEAVE.observe(three.on).satisfied


def test_one_whose_host_is_gone_is_not_asked(three: Site) -> None:
    three.model["m3"].machine.power_off()
    gone = LEAVE.model_copy(update={"client": None})
    gone.apply(three.on, gone.observe(three.on).before)
    assert three.peers == {PEERS["m1"]: False, PEERS["m2"]: False}


def test_it_stays_where_the_others_would_be_no_majority_that_works(three: Site) -> None:
    three.model["m2"].machine.power_off()
    with pytest.raises(PermanentError, match="no majority") as caught:
        LEAVE.apply(three.on, LEAVE.observe(three.on).before)
    assert "1 healthy of 2" in str(caught.value.seen)
    assert three.etcd.changes == []


def test_a_removal_whose_answer_is_lost_is_found_again(three: Site) -> None:
    real = three.model["m1"].machine.find_program([ETCDCTL]).act
    lost = iter([True])

    def act(machine: Machine, argv: Sequence[str], stdin: bytes) -> Completed:
        ended = real(machine, argv, stdin)
        return said(1, err="context deadline exceeded") if "remove" in argv and next(lost, False) else ended

    three.model["m1"].host.program(ETCDCTL, act)
    LEAVE.apply(three.on, {"member": True})
    assert three.etcd.changes == [f"remove {PEERS['m3']}"]


def test_done_already_it_asks_nobody_whether_it_may(three: Site) -> None:
    """A run that was killed after the removal sees two members, and must not think that it takes one of them away."""
    LEAVE.apply(three.on, {"member": True})
    LEAVE.apply(three.on, {"member": True})
    assert three.etcd.changes == [f"remove {PEERS['m3']}"]
    assert three.peers == {PEERS["m1"]: False, PEERS["m2"]: False}
