"""A member of etcd by itself: what is in its plan, and what each phase of it is."""

from __future__ import annotations

import pytest

from klusterkit.cluster import Machine, Role
from klusterkit.plans.etcd import SNAPSHOT
from klusterkit.plans.member import INIT_PHASES, JOIN_PHASES, compile_member
from klusterkit.plans.reference import FACTS, member_request
from klusterkit.plans.request import ArtifactFile

OTHERS = {"m2": "10.0.0.6", "m3": "10.0.0.7"}


def paths(plan) -> list[str]:
    return [task.id.partition("/")[2] for task in plan.tasks]


@pytest.mark.parametrize(("others", "phases"), [({}, INIT_PHASES), (OTHERS, JOIN_PHASES)])
def test_the_phases_together_are_the_whole_and_share_nothing(others, phases):
    whole = paths(compile_member(member_request(), others))
    parts = [path for name in phases for path in paths(compile_member(member_request(), others, [name]).checked())]
    assert sorted(parts) == sorted(whole)


def test_phases_that_are_asked_for_together_keep_their_order():
    plan = compile_member(member_request(), {}, ["start", "configure"]).checked()
    assert plan.by_id["m1/etcd/start"].needs == ("m1/etcd/configuration", "m1/etcd/unit")


def test_a_new_cluster_makes_its_authority_and_one_that_joins_needs_it():
    assert compile_member(member_request(), {}).by_id["m1/etcd/pki/ca"].step.spec()["kind"] == "pki.authority"
    assert "make" not in compile_member(member_request(), {}).by_id["m1/etcd/pki/ca"].step.spec()
    assert compile_member(member_request(), OTHERS).by_id["m1/etcd/pki/ca"].step.spec()["make"] is False


def test_no_secret_of_a_state_file_is_named_but_the_authority_that_is_on_the_host():
    text = compile_member(member_request(), OTHERS).to_yaml()
    assert "secret:" not in text


def test_a_member_joins_before_it_starts_and_votes_before_it_counts_as_healthy():
    plan = compile_member(member_request(), OTHERS).checked()
    order = plan.order
    joined, started, promoted, healthy = (
        order.index(f"m1/etcd/{name}") for name in ("join", "start", "promote", "healthy")
    )
    assert joined < started < promoted < healthy


def test_a_snapshot_is_restored_into_claimed_data_before_the_first_start():
    options = {"snapshot": "ab" * 32}
    request = member_request(**options)
    request = request.model_copy(
        update={"artifacts": {**request.artifacts, SNAPSHOT: ArtifactFile(sha256="ab" * 32, size=1)}}
    )
    plan = compile_member(request, {}).checked()
    assert plan.by_id["m1/etcd/restore"].undone_by == "m1/etcd/data"
    assert plan.order.index("m1/etcd/restore") < plan.order.index("m1/etcd/start")


def test_disk_priorities_come_before_the_first_start():
    plan = compile_member(member_request(priorities=("Nice=-5",)), {}).checked()
    assert "m1/etcd/priorities" in plan.by_id["m1/etcd/start"].needs
    assert "Nice=-5" in plan.by_id["m1/etcd/priorities"].step.spec()["content"]


def test_a_host_of_etcd_alone_needs_nothing_that_only_pods_need():
    from klusterkit.plans.member import member_requirements
    from klusterkit.tasks.preflight import check

    poor = FACTS.model_copy(
        update={"kernel_features": (), "swap": 1 << 30, "memory": 1 << 30, "listening": (22, 6443, 10250), "cpus": 1}
    )
    assert check(poor, member_requirements(member_request())) == []
    taken = FACTS.model_copy(update={"listening": (2379,), "services": ("etcd.service",)})
    assert len(check(taken, member_requirements(member_request()))) == 2


def test_the_machine_is_a_master_so_that_its_certificates_are():
    assert member_request().machines == (Machine.of(name="m1", address="10.0.0.5", roles=Role.MASTER, node_name="m1"),)
