"""A node by itself: the plan of ``cctl``, beside an etcd that is there, and what is left to etcd when it goes."""

from __future__ import annotations

import pytest

from klusterkit.engine.record import HostRecord
from klusterkit.plans.description import PATH
from klusterkit.plans.nodereset import NodeResetRequest, compile_node_reset
from klusterkit.plans.reference import FACTS, LINEAGE, create_one_master, records
from klusterkit.plans.reference.host import etcdadm_init, nodeadm_init, nodeadm_join, nodeadm_reset
from klusterkit.plans.reset import parts


def paths(plan) -> set[str]:
    return {task.id.partition("/")[2] for task in plan.tasks}


def test_a_master_by_hand_is_the_one_of_cctl_but_for_etcd_and_authorities() -> None:
    by_hand, by_cctl = paths(nodeadm_init().checked()), paths(create_one_master())
    etcd = {path for path in by_cctl if path.startswith(("etcd/", "etcdctl/"))} - {"etcd/healthy"}
    keys = {"pki/sa.key", "pki/sa.pub", "kubeconfig/super-admin"}
    rename = {path.replace("node-m1", "node-h5").replace("service-m1", "service-h5") for path in by_cctl}
    assert by_hand == rename - etcd - keys | {"etcd/objects", "pki/sa", "kubernetes/description"}


def test_all_that_is_issued_waits_for_authorities_that_are_made_here() -> None:
    plan = nodeadm_init().checked()
    issued = [task for task in plan.tasks if task.step.kind in ("pki.certificate", "pki.kubeconfig")]
    by_etcd = {"h5/pki/apiserver-etcd-client"}  # whose authority is there
    assert issued
    assert all("h5/pki/ca" in task.needs for task in issued if task.id not in by_etcd)
    assert "h5/pki/front-proxy-ca" in plan.by_id["h5/pki/front-proxy-client"].needs


def test_what_a_first_master_writes_into_etcd_is_taken_back_when_no_api_server_runs() -> None:
    plan = nodeadm_init().checked()
    assert plan.order.index("h5/etcd/objects") < plan.order.index("h5/kubelet/pods")
    assert {task.undone_by for task in plan.tasks} == {None, "h5/etcd/objects", *_contained(plan)}


def _contained(plan) -> set[str | None]:
    """Tasks that take back what is within them on the host itself."""
    return {task.undone_by for task in plan.tasks if task.undone_by and "/etcd/" not in task.undone_by}


def test_a_joining_node_brings_nothing_to_the_master_and_no_key_of_an_authority_here() -> None:
    plan = nodeadm_join().checked()
    on_master = [task for task in plan.tasks if task.host == "h5"]
    assert {task.id for task in on_master} == {
        "h5/api/answers",
        "h5/node/h8",
        "h5/proof/node-h8",
        "h5/proof/service-h8",
        "h5/dns/spread",
    }
    assert not any(task.step.subject for task in on_master)
    written = {path for task in plan.tasks for path in task.step.writes}
    assert not any(path.startswith("/etc/kubernetes/pki/") and path.endswith(".key") for path in written)
    assert PATH not in written


def test_masters_that_were_asked_are_known_for_the_day_of_leaving() -> None:
    names = [each["metadata"]["name"] for each in nodeadm_join().outcome["machines"]]
    assert names == ["h5", "h8"]


def test_pods_leave_before_anything_is_taken_back_and_the_node_when_no_kubelet_could_register_it_again() -> None:
    order = nodeadm_reset().checked().order
    assert order.index("h5/leave/h8/drain") < min(order.index(each) for each in order if each.startswith("h8/undo"))
    assert order.index("h8/undo/kubelet/start") < order.index("h5/leave/h8/node")


def both() -> HostRecord:
    """The record of a host on which etcdadm and nodeadm have been."""
    etcd, node = records(etcdadm_init())["m1"], records(nodeadm_init())["h5"]
    later = {"run": "later.0"}
    return etcd.after([done.model_copy(update=later) for done in node.done])


def reset(record: HostRecord):
    return compile_node_reset(
        NodeResetRequest(host="m1", facts=FACTS, record=record, lineage=LINEAGE, serial=3, operation="nodeadm reset")
    )


def test_a_member_of_etcd_stays_and_so_does_its_host() -> None:
    plan = reset(both()).checked()
    assert any("/kubelet/start" in task.id for task in plan.tasks)
    assert not any("/etcd/" in task.id for task in plan.tasks)
    assert "m1" not in plan.outcome["removed"]["machines"]
    assert not plan.points_of_no_return()


def test_without_a_member_all_of_the_host_is_taken_back() -> None:
    plan = reset(records(nodeadm_join())["h8"]).checked()
    assert len(plan.tasks) == len(records(nodeadm_join())["h8"].done)
    assert plan.outcome["removed"]["machines"] == ["m1"]


@pytest.mark.parametrize("record", [HostRecord(), records(etcdadm_init())["m1"]])
def test_where_there_is_no_node_there_is_nothing_to_do(record: HostRecord) -> None:
    assert reset(record).tasks == ()


def test_the_parts_of_a_record_are_all_of_it_and_share_nothing() -> None:
    etcd, node = parts(both())
    assert len(etcd.done) + len(node.done) == len(both().done)
    assert {done.task for done in node.done}.isdisjoint(done.task for done in etcd.done)
