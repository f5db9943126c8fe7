"""Members come to etcd and leave it: whatever the others say, whenever an answer is lost, whoever was there before."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

import pytest

from klusterkit.engine.errors import CommandFailedTemporarily, NotYet, PermanentError
from klusterkit.engine.host import Completed
from klusterkit.engine.step import Context
from klusterkit.hosts.simulated import Machine, SimulatedHost
from klusterkit.plans.files.etcd import DATA, configuration
from klusterkit.tasks.etcdctl import ETCDCTL, FILES
from klusterkit.tasks.membership import Join, Leave, Promote, Spared
from tests.simulation.real.programs.cluster import ClusterModel
from tests.simulation.real.programs.ensemble import Ensemble
from tests.simulation.real.programs.etcd import CONFIGURATION, Log, Seat
from tests.simulation.real.programs.node import Node
from tests.support.posix import said

ADDRESSES = {"m1": "10.0.0.5", "m2": "10.0.0.6", "m3": "10.0.0.7"}
PEERS = {name: f"https://{address}:2380" for name, address in ADDRESSES.items()}
THROUGH = tuple(f"https://{ADDRESSES[name]}:2379" for name in ("m1", "m2"))
OTHERS = {name: PEERS[name] for name in ("m1", "m2")}
JOIN = Join(name="m3", peer=PEERS["m3"], through=THROUGH, members=OTHERS)
PROMOTE = Promote(name="m3", peer=PEERS["m3"], through=THROUGH, members=OTHERS, data=DATA)
UNIT = "[Service]\nExecStart=/usr/local/bin/etcd\n"
PKI_FILES = ("ca.crt", *(f"{name}.{ending}" for name in ("server", "peer") for ending in ("crt", "key")))


Run = Callable[[], Completed]


def lost(_: Completed) -> Completed:
    """Whoever asked learns nothing of what was done."""
    return said(1, err="context deadline exceeded")


@dataclass
class Site:
    """Two members, m1 and m2, and a host m3 that is to be the third."""

    model: ClusterModel
    on: Context
    calls: list[Sequence[str]] = field(default_factory=list[Sequence[str]])

    @property
    def etcd(self) -> Ensemble:
        return self.model.etcd

    @property
    def peers(self) -> dict[str, bool]:
        """The members by their URLs, and whether they are learners."""
        return {seat.peer: seat.learner for seat in self.etcd.seats()}

    def node(self, name: str) -> Node:
        return self.model.nodes[ADDRESSES[name]]

    def start(self, name: str) -> None:
        assert self.node(name).machine.systemd.systemctl(["start", "etcd"]).ok

    def have(self, *members: tuple[str, str, bool]) -> None:
        """Have members by name, URL and whether they are learners, in the logs of those that run."""
        seats = tuple(Seat(number, peer, name, learner) for number, (name, peer, learner) in enumerate(members, 1))
        for number, name in enumerate(("m1", "m2"), 1):
            self.node(name).etcd.write(Log("c", number, 0, seats), {})
            self.node(name).machine.systemd.systemctl(["start", "etcd"])  # the first one waits for the second
        self.etcd.settle()

    def answering(self, change: Callable[[list[str], Run], Completed], name: str = "m3") -> None:
        """Have somebody between etcdctl and what it says."""
        machine = self.node(name).machine
        real = machine.find_program([ETCDCTL]).act

        def act(machine: Machine, argv: Sequence[str], stdin: bytes) -> Completed:
            self.calls.append(argv)
            return change(list(argv), lambda: real(machine, argv, stdin))

        machine.program(ETCDCTL, act)


MEMBERS = tuple((name, PEERS[name], False) for name in ("m1", "m2"))


def prepare(node: Node, name: str) -> None:
    """As the plan has it before etcd is started."""
    tree, members = node.machine.tree, {each: ADDRESSES[each] for each in PEERS}
    for path in (*FILES, "/usr/local/bin/etcd", *(f"/etc/etcd/pki/{each}" for each in PKI_FILES)):
        tree.makedirs(path.rpartition("/")[0])
        tree.write(path, "")
    tree.write(CONFIGURATION, configuration(name, members, "token", 1 << 33, joins=True))
    tree.makedirs(DATA)
    tree.write("/etc/systemd/system/etcd.service", UNIT)


def on(node: Node) -> Context:
    return Context(host=SimulatedHost(node.machine.name, machine=node.machine), run="r1.1", task="task", timeout=0.3)


@pytest.fixture
def site() -> Site:
    model = ClusterModel({address: name for name, address in ADDRESSES.items()})
    made = Site(model, on(model.nodes[ADDRESSES["m3"]]))
    for name in ADDRESSES:
        prepare(made.node(name), name)
    made.have(*MEMBERS)
    return made


def test_without_etcdctl_nobody_is_asked_and_the_phase_that_brings_it_is_named(site: Site) -> None:
    site.node("m3").machine.tree.remove(ETCDCTL)

    with pytest.raises(PermanentError, match="is not on") as refused:
        JOIN.apply(site.on, {"member": False})
    assert "`install` before `membership`" in refused.value.hint


def become_third(site: Site) -> None:
    JOIN.apply(site.on, {"member": False})
    site.start("m3")
    PROMOTE.apply(site.on, {})


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
    site.answering(lambda argv, run: lost(run()) if "add" in argv else run())
    JOIN.apply(site.on, {"member": False})
    assert site.etcd.changes == [f"add {PEERS['m3']}"]
    assert sum("add" in argv for argv in site.calls) == 1


def test_etcd_is_asked_again_while_it_takes_nobody(site: Site) -> None:
    refusals = iter(["etcdserver: unhealthy cluster", "etcdserver: leader changed"])

    def twice(argv: list[str], run: Run) -> Completed:
        words = next(refusals, "") if "add" in argv else ""
        return said(1, err=words) if words else run()

    site.answering(twice)
    JOIN.apply(replace(site.on, timeout=30.0), {"member": False})
    assert sum("add" in argv for argv in site.calls) == 3


def test_a_learner_that_lags_is_not_promoted_and_the_reason_is_said(site: Site) -> None:
    JOIN.apply(site.on, {"member": False})
    lags = said(1, err="etcdserver: can only promote a learner member which is in sync with leader")
    site.answering(lambda argv, run: lags if "promote" in argv else run())
    with pytest.raises(NotYet, match="not after") as caught:
        PROMOTE.apply(site.on, {})
    assert "in sync" in str(caught.value.seen)


def test_one_of_two_members_is_enough_to_look_and_not_enough_to_act(site: Site) -> None:
    site.node("m1").machine.power_off()
    with pytest.raises(CommandFailedTemporarily):
        JOIN.observe(site.on)
    with pytest.raises(NotYet):
        JOIN.apply(site.on, {"member": False})


@pytest.mark.parametrize(
    ("there", "told"),
    [
        (("other", "https://10.0.0.9:2380", False), "other (https://10.0.0.9:2380, member 3)"),
        (("", "https://10.0.0.9:2380", True), "a learner that was never started"),
        (("m2", PEERS["m2"], True), "m2 (https://10.0.0.6:2380, learner 2)"),
    ],
)
def test_members_that_the_plan_knows_nothing_of_are_told_and_left_alone(
    site: Site, there: tuple[str, str, bool], told: str
) -> None:
    site.have(*(member for member in MEMBERS if member[1] != there[1]), there)
    before = site.etcd.seats()
    with pytest.raises(PermanentError, match="not those that the plan was made for") as caught:
        JOIN.apply(site.on, {"member": False})
    assert told in str(caught.value.seen)
    assert site.etcd.seats() == before


def test_a_member_that_has_gone_meanwhile_is_named(site: Site) -> None:
    site.have(MEMBERS[0])
    with pytest.raises(PermanentError) as caught:
        JOIN.apply(site.on, {"member": False})
    assert f"not there: {PEERS['m2']}" in str(caught.value.seen)


def test_taken_back_before_it_votes_the_learner_is_gone(site: Site) -> None:
    JOIN.apply(site.on, {"member": False})
    JOIN.undo(site.on, {"member": False})
    assert set(site.peers) == {PEERS["m1"], PEERS["m2"]}
    assert JOIN.observe(site.on).before == {"member": False}


def test_taken_back_after_it_voted_the_member_leaves_while_it_still_runs(site: Site) -> None:
    become_third(site)
    PROMOTE.undo(site.on, {})
    assert site.peers == {**dict.fromkeys(OTHERS.values(), False), PEERS["m3"]: True}, "it is a learner again"
    assert site.etcd.changes[-2:] == [f"remove {PEERS['m3']}", f"add {PEERS['m3']}"]
    JOIN.undo(site.on, {"member": False})
    assert set(site.peers) == set(OTHERS.values())


def test_a_run_that_turns_round_once_it_has_left_has_it_back_with_a_vote(site: Site) -> None:
    become_third(site)
    for _ in range(2):
        PROMOTE.undo(site.on, {})
        PROMOTE.apply(site.on, {})
        assert site.peers == dict.fromkeys(PEERS.values(), False)
        assert site.node("m3").etcd.alive


def test_the_way_back_does_not_wait_for_a_learner_that_etcd_does_not_take(site: Site) -> None:
    become_third(site)
    refused = said(1, err="etcdserver: unhealthy cluster")
    site.answering(lambda argv, run: refused if "add" in argv else run())
    PROMOTE.undo(site.on, {})
    JOIN.undo(site.on, {"member": False})
    assert set(site.peers) == set(OTHERS.values())


def test_the_data_of_a_member_that_has_left_are_set_aside(site: Site) -> None:
    become_third(site)
    PROMOTE.undo(site.on, {})
    kept = [entry.path for entry in site.node("m3").machine.tree.walk() if "/set-aside/" in entry.path]
    assert any(path.endswith("/member/snap/db") for path in kept)


def test_a_member_that_was_there_before_stays(site: Site) -> None:
    JOIN.apply(site.on, {"member": False})
    JOIN.undo(site.on, {"member": True})
    assert PEERS["m3"] in site.peers


def test_a_leader_hands_over_before_it_leaves(site: Site) -> None:
    become_third(site)
    own = next(seat for seat in site.etcd.seats() if seat.peer == PEERS["m3"])
    site.etcd.lead(site.node("m1").etcd, own)
    PROMOTE.undo(site.on, {})
    assert site.etcd.changes[-3:-1] == [f"lead {PEERS['m1']}", f"remove {PEERS['m3']}"]


def test_nobody_leaves_while_that_would_cost_the_quorum(site: Site) -> None:
    become_third(site)
    site.node("m1").machine.power_off()
    with pytest.raises(NotYet) as caught:
        PROMOTE.undo(site.on, {})
    assert "unhealthy" in str(caught.value.seen)
    assert "bring its other members up" in str(caught.value.hint)
    assert len(site.peers) == 3


def bare(site: Site) -> Iterator[str]:
    for path in FILES:
        site.node("m3").machine.tree.remove(path)
        yield path


def test_a_host_without_etcdctl_is_no_member_and_can_be_looked_at(site: Site) -> None:
    for _ in bare(site):
        seen = JOIN.observe(site.on)
        assert (seen.satisfied, seen.before) == (False, {"member": False})
        assert not PROMOTE.observe(site.on).satisfied


# Leaving --------------------------------------------------------------------------------------------------------------

LEAVE = Leave(name="m3", peer=PEERS["m3"], through=THROUGH, client=f"https://{ADDRESSES['m3']}:2379")


@pytest.fixture
def three(site: Site) -> Site:
    """Three members that vote. It is m1 that is asked."""
    become_third(site)
    site.etcd.changes.clear()
    return replace(site, on=on(site.node("m1")))


def test_a_member_that_leads_hands_over_before_it_leaves(three: Site) -> None:
    client = f"https://{ADDRESSES['m1']}:2379"
    through = tuple(f"https://{ADDRESSES[name]}:2379" for name in ("m2", "m3"))
    leader = Leave(name="m1", peer=PEERS["m1"], through=through, client=client)
    leader.apply(three.on, leader.observe(three.on).before)
    assert three.etcd.changes == [f"lead {PEERS['m2']}", f"remove {PEERS['m1']}"]


def test_one_that_does_not_lead_just_leaves_and_its_etcd_stops(three: Site) -> None:
    LEAVE.apply(three.on, LEAVE.observe(three.on).before)
    assert three.etcd.changes == [f"remove {PEERS['m3']}"]
    assert "etcd.service" not in three.node("m3").machine.systemd.active
    assert LEAVE.observe(three.on).satisfied


def test_one_whose_host_is_gone_is_not_asked(three: Site) -> None:
    three.node("m3").machine.power_off()
    gone = LEAVE.model_copy(update={"client": None})
    gone.apply(three.on, gone.observe(three.on).before)
    assert three.peers == {PEERS["m1"]: False, PEERS["m2"]: False}


def test_one_that_counts_as_gone_and_works_keeps_its_vote(three: Site) -> None:
    gone = LEAVE.model_copy(update={"client": None})
    with pytest.raises(PermanentError, match="m3 counts as gone for good, but its etcd works"):
        gone.apply(three.on, gone.observe(three.on).before)
    assert three.etcd.changes == []


def test_one_keeps_its_vote_while_etcdctl_does_not_tell_whether_it_works(three: Site) -> None:
    gone = LEAVE.model_copy(update={"client": None})
    three.node("m3").machine.power_off()
    before = gone.observe(three.on).before
    three.answering(lambda argv, run: said(1, err="no such file") if "health" in argv else run(), "m1")
    with pytest.raises(CommandFailedTemporarily, match="etcdctl doesn't say which members") as caught:
        gone.apply(three.on, before)
    assert caught.value.seen == "no such file"
    assert three.etcd.changes == []


def test_it_stays_where_the_others_would_be_no_majority_that_works(three: Site) -> None:
    three.node("m2").machine.power_off()
    with pytest.raises(PermanentError, match="no majority") as caught:
        LEAVE.apply(three.on, LEAVE.observe(three.on).before)
    assert "m1 (https://10.0.0.5:2380, member 1): works" in str(caught.value.seen)
    assert "does not answer" in str(caught.value.seen)
    assert three.etcd.changes == []


def spared(*leaving: str) -> Spared:
    through = tuple(f"https://{address}:2379" for address in ADDRESSES.values())
    return Spared(leaving=tuple(PEERS[name] for name in leaving), through=through)


def test_of_three_that_work_two_votes_can_go_one_after_the_other(three: Site) -> None:
    assert spared("m3", "m2").observe(three.on).satisfied


def test_votes_that_would_be_missed_wait_for_the_others_and_say_what_to_do(three: Site) -> None:
    three.node("m2").machine.power_off()
    with pytest.raises(NotYet, match="wait until etcd can spare 1 of its votes") as caught:
        spared("m3").apply(three.on, {})
    assert str(caught.value.seen).startswith("1 of 2 members of etcd would work: m1 (")
    assert "m2 (https://10.0.0.6:2380, member 2): does not answer" in str(caught.value.seen)
    assert "bring them up" in str(caught.value.hint)
    assert "`cctl rollback`" in str(caught.value.hint)
    three.node("m2").machine.power_on()
    three.start("m2")
    spared("m3").apply(three.on, {})


def test_a_vote_of_the_dead_goes_first_and_the_rest_is_counted_without_it(three: Site) -> None:
    three.node("m2").machine.power_off()
    assert spared("m2").observe(three.on).satisfied
    assert spared("m2", "m3").observe(three.on).satisfied
    assert not spared("m3", "m2").observe(three.on).satisfied


def test_a_removal_whose_answer_is_lost_is_found_again(three: Site) -> None:
    losing = iter([True])
    three.answering(lambda argv, run: lost(run()) if "remove" in argv and next(losing, False) else run(), "m1")
    LEAVE.apply(three.on, {"member": True})
    assert three.etcd.changes == [f"remove {PEERS['m3']}"]


def test_done_already_it_asks_nobody_whether_it_may(three: Site) -> None:
    """A run that was killed after the removal sees two members, and must not think that it takes one of them away."""
    LEAVE.apply(three.on, {"member": True})
    LEAVE.apply(three.on, {"member": True})
    assert three.etcd.changes == [f"remove {PEERS['m3']}"]
    assert three.peers == {PEERS["m1"]: False, PEERS["m2"]: False}
