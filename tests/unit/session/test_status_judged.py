"""What is seen against what is wanted: everything that isn't as it should be is told, and nothing else."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sights import (
    GONE,
    NEW,
    RECORD,
    RUNS,
    VERSION,
    WITH_VIP,
    healthy,
    healthy_api,
    judged,
    listed,
    master,
    worker,
    wrong,
)

from klusterkit.cluster import Machine
from klusterkit.engine.record import HostRecord
from klusterkit.pki import Life
from klusterkit.plans.reference import FACTS
from klusterkit.session.status import drift
from klusterkit.session.status.certificates import CertificateSeen, lasting
from klusterkit.session.status.drift import DriftSeen
from klusterkit.session.status.seen import ApiSeen, EtcdSeen, MachineSeen, Node, UnitState, Workload

M1, M2, M3, W1 = master(1), master(2), master(3), worker(1)
ALL = [M1, M2, M3, W1]


def all_healthy() -> dict[str, MachineSeen]:
    return {machine.name: healthy(machine, ALL) for machine in ALL}


def test_nothing_is_wrong_with_a_healthy_cluster() -> None:
    state, components = judged(ALL, all_healthy(), healthy_api(ALL))

    assert wrong(components) == {}
    assert state is not None
    assert (state.voting, state.answering, state.quorum, state.kept) == (3, 3, 2, True)
    briefs = {(each.machine, each.name): each.brief for each in components}
    assert (briefs["m1", "etcd"], briefs["m2", "etcd"]) == ("leads", "follows")
    assert (briefs["w1", "kubelet"], briefs["w1", "node"]) == (VERSION, "Ready")
    assert ("w1", "etcd") not in briefs


def test_a_machine_that_is_gone_is_told_with_why_and_the_rest_is_judged() -> None:
    _, components = judged(ALL, {**all_healthy(), "m2": GONE}, healthy_api(ALL))

    found = wrong(components)
    assert set(found) == {("m2", "ssh")}
    assert "no answer in time" in found["m2", "ssh"].seen
    assert found["m2", "ssh"].hint == "see that the host is on"


def test_two_of_three_down_is_a_lost_quorum_and_says_what_to_do() -> None:
    alone = EtcdSeen(1, 0, "3.6.16", 20_000_000, False, ("etcdserver: no leader",), listed(ALL))
    seen = {**all_healthy(), "m1": healthy(M1, ALL, etcd=alone, api="not ready: etcd"), "m2": GONE, "m3": GONE}
    state, components = judged(ALL, seen, None)

    assert state is not None
    assert (state.answering, state.up, state.quorum, state.kept) == (0, 1, 2, False)
    quorum = wrong(components)["", "quorum"]
    assert quorum.seen == "LOST: 1 of 3 voting members are up; 2 are needed"
    assert "bring etcd back on 1 of m2, m3" in quorum.hint
    assert "Remove no member" in quorum.hint
    assert wrong(components)["m1", "etcd"].brief == "no leader"


def test_members_that_are_up_and_know_no_leader_are_not_said_to_be_down() -> None:
    seen = {machine.name: healthy(machine, ALL, leader=0, api="not ready: etcd") for machine in ALL}
    _, components = judged(ALL, seen, None)

    quorum = wrong(components)["", "quorum"]
    assert quorum.seen == "LOST: 3 of 3 voting members are up, but 0 know a leader"
    assert "links between the masters" in quorum.hint


def test_one_of_three_down_keeps_the_quorum() -> None:
    state, components = judged(ALL, {**all_healthy(), "m2": GONE}, healthy_api(ALL))

    assert state is not None
    assert state.kept
    assert ("", "quorum") not in wrong(components)


@given(count=st.integers(1, 7), data=st.data())
def test_quorum_is_kept_exactly_while_more_than_half_of_the_voters_answer(count: int, data: st.DataObject) -> None:
    machines = [master(number) for number in range(1, count + 1)]
    down = data.draw(st.sets(st.integers(1, count), max_size=count))
    left = count - len(down)
    leader = min(set(range(1, count + 1)) - down, default=0) if left > count / 2 else 0
    seen = {each.name: healthy(each, machines, leader) for number, each in enumerate(machines, 1) if number not in down}
    seen |= {f"m{number}": GONE for number in down}
    state, components = judged(machines, seen, None)

    assert (("", "quorum") in wrong(components)) == (2 * left <= count)
    if state is not None:
        assert state.kept == (2 * left > count)


def test_learners_have_no_vote_and_are_told() -> None:
    members = listed(ALL, learners=(3,))
    seen = {
        each.name: healthy(each, ALL, etcd=EtcdSeen(number, 1, "3.6.16", 1, number == 3, (), members))
        for number, each in enumerate((M1, M2, M3), 1)
    }
    state, components = judged([M1, M2, M3], seen, healthy_api(ALL))

    assert state is not None
    assert (state.voting, state.answering, state.quorum) == (2, 2, 2)
    assert wrong(components)["m3", "etcd"].brief == "learner"


def test_a_member_that_is_nobodys_is_told_with_how_to_remove_it() -> None:
    members = (*listed(ALL), *listed([master(9)]))
    first = healthy(M1, ALL, etcd=EtcdSeen(1, 1, "3.6.16", 1, False, (), members))
    _, components = judged(ALL, {**all_healthy(), "m1": first}, healthy_api(ALL))

    assert "etcdctl.sh member remove 1" in wrong(components)["", "members"].hint


def test_a_master_that_is_no_member_is_told() -> None:
    members = listed([M1, M2])
    seen = {
        each.name: healthy(each, ALL, etcd=EtcdSeen(number, 1, "3.6.16", 1, False, (), members))
        for number, each in enumerate((M1, M2, M3), 1)
    }
    _, components = judged([M1, M2, M3], seen, healthy_api(ALL))

    assert wrong(components)["m3", "etcd"].brief == "no member"


def test_an_alarm_of_etcd_is_told() -> None:
    full = EtcdSeen(2, 1, "3.6.16", 2_000_000_000, False, ("etcdserver: mvcc: database space exceeded",), listed(ALL))
    _, components = judged(ALL, {**all_healthy(), "m2": healthy(M2, ALL, etcd=full)}, healthy_api(ALL))

    assert "space exceeded" in wrong(components)["m2", "etcd"].seen
    assert "alarm disarm" in wrong(components)["m2", "etcd"].hint


@pytest.mark.parametrize(
    ("unit", "seen"),
    [
        (UnitState("failed", "failed", "enabled"), "failed (failed)"),
        (UnitState("activating", "auto-restart", "enabled", 12), "activating (auto-restart), started again 12 times"),
        (UnitState("active", "running", "disabled"), "active, but disabled: it won't start at a boot"),
        (UnitState("inactive", "dead", ""), "missing: systemd knows no such unit"),
    ],
)
def test_a_unit_that_does_not_run_or_would_not_after_a_boot_is_told(unit: UnitState, seen: str) -> None:
    for name in ("etcd", "containerd", "kubelet"):
        units = {f"{other}.service": RUNS for other in ("etcd", "containerd", "kubelet")} | {f"{name}.service": unit}
        _, components = judged(ALL, {**all_healthy(), "m1": healthy(M1, ALL, units=units)}, healthy_api(ALL))

        assert set(wrong(components)) == {("m1", name)}
        assert wrong(components)["m1", name].seen == seen
        assert f"journalctl -u {name}" in wrong(components)["m1", name].hint


@pytest.mark.parametrize(
    ("node", "name", "brief"),
    [
        (Node("False", "no network", False, VERSION, "2.3.7"), "node", "NotReady"),
        (Node("Unknown", "", False, VERSION, "2.3.7"), "node", "NotReady"),
        (Node("True", "", True, VERSION, "2.3.7"), "node", "cordoned"),
        (Node("True", "", False, "v1.35.0", "2.3.7"), "kubelet", "v1.35.0"),
        (Node("True", "", False, VERSION, "1.7.1"), "containerd", "v1.7.1"),
    ],
)
def test_a_node_that_is_not_as_wanted_is_told(node: Node, name: str, brief: str) -> None:
    _, components = judged(ALL, all_healthy(), healthy_api(ALL, x1=node))

    assert {key: each.brief for key, each in wrong(components).items()} == {("w1", name): brief}


def test_a_node_that_the_api_does_not_know_is_told() -> None:
    api = healthy_api([M1, M2, M3])
    _, components = judged(ALL, all_healthy(), api)

    assert set(wrong(components)) == {("w1", "node")}


def test_without_an_api_nothing_is_said_of_what_only_it_knows() -> None:
    seen = {each.name: healthy(each, ALL, api="not ready: etcd" if each.is_master else None) for each in ALL}
    _, components = judged(ALL, seen, None)

    assert set(wrong(components)) == {("", "api"), *((each.name, "apiserver") for each in (M1, M2, M3))}


def test_pods_that_are_lacking_are_counted() -> None:
    api = healthy_api(ALL)
    short = ApiSeen(api.nodes, {**api.ready_pods, "kube-scheduler-n2": False}, {"daemonset/kube-proxy": Workload(4, 3)})
    _, components = judged(ALL, all_healthy(), short)

    assert set(wrong(components)) == {("", "pods"), ("m2", "kube-scheduler")}
    assert wrong(components)["", "pods"].seen == "daemonset/kube-proxy: 3 of 4 ready"


def with_address(machine: Machine, **changes: Any) -> MachineSeen:
    interfaces = {"eth0": (f"{machine.address}/24", "10.0.0.100/32")}
    return healthy(machine, ALL, facts=FACTS.model_copy(update={"interfaces": interfaces}), **changes)


def test_the_one_that_holds_the_virtual_address_is_named() -> None:
    _, components = judged(ALL, {**all_healthy(), "m2": with_address(M2)}, healthy_api(ALL), WITH_VIP)

    assert wrong(components) == {}
    assert {each.machine: each.brief for each in components if each.name == "keepalived"} == {
        "m1": "waits",
        "m2": "holds",
        "m3": "waits",
    }
    assert next(each.seen for each in components if each.name == "address") == "m2 holds 10.0.0.100"


def test_an_address_that_nobody_or_more_than_one_holds_is_told() -> None:
    _, nobody = judged(ALL, all_healthy(), healthy_api(ALL), WITH_VIP)
    both = {**all_healthy(), "m1": with_address(M1), "m3": with_address(M3)}
    _, several = judged(ALL, both, healthy_api(ALL), WITH_VIP)

    assert wrong(nobody)["", "address"].seen == "none that answers holds it"
    assert wrong(several)["", "address"].seen == "m1, m3 hold it at once"


def test_keepalived_that_does_not_run_is_told() -> None:
    units = {**healthy(M1, ALL).units, "keepalived.service": UnitState("failed", "failed", "enabled")}
    seen = {**all_healthy(), "m1": healthy(M1, ALL, units=units), "m2": with_address(M2)}
    _, components = judged(ALL, seen, healthy_api(ALL), WITH_VIP)

    assert set(wrong(components)) == {("m1", "keepalived")}


def test_a_clock_that_is_off_is_told() -> None:
    late = replace(healthy(M1, ALL), facts=FACTS.model_copy(update={"clock_offset": -7.2}))
    _, components = judged(ALL, {**all_healthy(), "m1": late}, healthy_api(ALL))

    assert wrong(components)["m1", "clock"].seen == "7 s behind"


@given(gone=st.integers(-30, 400))
def test_the_certificate_that_ends_first_is_the_one_that_is_told(gone: int) -> None:
    now = NEW.begins + timedelta(days=gone)
    later = Life("def", NEW.begins, NEW.ends + timedelta(days=900))
    found = lasting(M1, [CertificateSeen("later.crt", later, ()), CertificateSeen("first.crt", NEW, ())], now)

    assert "first.crt" in found.seen
    assert found.brief == ("ended" if gone > 365 else f"{365 - gone} d")


def test_a_certificate_that_is_missing_or_not_the_wanted_one_is_told() -> None:
    gone = CertificateSeen("b.crt", None, ("missing or damaged",))
    other = CertificateSeen("c.crt", NEW, ("it is due for renewal: it expires on 2026-11-25",))
    found = lasting(M1, [CertificateSeen("a.crt", NEW, ()), gone, other])

    assert not found.ok
    assert found.seen == "b.crt: missing or damaged\nc.crt: it is due for renewal: it expires on 2026-11-25"


def test_what_is_not_as_it_was_left_is_told_with_why_a_few_of_many() -> None:
    many = {f"/etc/{number}": "other content" for number in range(13)}
    found = drift.judged(M1, RECORD, DriftSeen(40, many))

    assert (found.ok, found.brief) == (False, "13 of 40")
    assert found.seen.splitlines()[0] == "/etc/0: other content"
    assert found.seen.splitlines()[-1] == "and 3 more"


def test_a_machine_without_its_record_is_told() -> None:
    for record in (None, HostRecord()):
        assert drift.judged(M1, record, None).brief == "no record"


def test_drift_that_could_not_be_looked_at_is_not_taken_for_none() -> None:
    for unseen in (None, GONE):
        found = drift.judged(M1, RECORD, unseen)
        assert (found.ok, found.brief) == (False, "unknown")


def test_a_cluster_without_machines_has_nothing_wrong() -> None:
    assert judged([], {}, None) == (None, [])
