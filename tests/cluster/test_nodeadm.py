"""A cluster made by hand, with the single file on hosts without Python: etcd, a master, a worker, one more master.

Killed, gone on with, taken back, until each host is what it was.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator

import pytest

from tests.cluster.byhand import LOGIN, ByHand, by_hand
from tests.support.lab import Lab

pytestmark = pytest.mark.cluster


@pytest.fixture(scope="module")
def hosts() -> Iterator[tuple[ByHand, ByHand, ByHand]]:
    """Two masters and a worker to be."""
    with by_hand(Lab(f"byhand-{os.getpid()}"), "n1", "n2", "nw") as (first, second, worker):
        yield first, second, worker


def test_without_etcd_there_is_no_master(hosts: tuple[ByHand, ByHand, ByHand]) -> None:
    first = hosts[0]
    assert "etcdadm init" in first("nodeadm init --yes", rc=8).err
    assert first.left_behind() == set()


def test_etcdadm_and_nodeadm_make_a_cluster_and_again_change_nothing(hosts: tuple[ByHand, ByHand, ByHand]) -> None:
    first, _, worker = hosts
    first("etcdadm init --yes")
    vip = f"{first.lab.env['LAB_SUBNET'].rpartition('.')[0]}.201"
    init = f"nodeadm init --vip {vip} --router-id 78 --yes"
    first(init)
    assert first.nodes() == {"n1": "True"}
    worker(f"nodeadm join {first.address} {LOGIN} --label disk=fast --yes")
    assert first.nodes() == {"n1": "True", "nw": "True"}
    assert worker("ls /etc/kubernetes/pki").out.split() == ["ca.crt"], "no authority's key is on a worker"

    started = first("systemctl show --property=InvocationID etcd kubelet containerd keepalived").out
    first(init)
    assert first("systemctl show --property=InvocationID etcd kubelet containerd keepalived").out == started
    assert "nodeadm reset" in first("etcdadm reset --yes", rc=3).err


def test_a_second_master_joins_and_leaves_and_the_first_knows(hosts: tuple[ByHand, ByHand, ByHand]) -> None:
    first, second, _ = hosts
    second.bring_authority(first)
    second(f"etcdadm join https://{first.address}:2379 --yes")
    second(f"nodeadm join root@{first.address} --role master {LOGIN} --yes")
    assert first.nodes() == second.nodes() == {"n1": "True", "n2": "True", "nw": "True"}
    assert second.address in first("cat /etc/keepalived/keepalived.conf").out

    second(f"nodeadm reset {LOGIN} --yes")
    assert first.nodes() == {"n1": "True", "nw": "True"}
    assert second.address not in first("cat /etc/keepalived/keepalived.conf").out
    second("etcdadm reset --yes && rm -r /etc/etcd")
    assert second.left_behind() == set()


def test_a_worker_leaves_and_comes_and_goes_the_same_from_another_machine(hosts: tuple[ByHand, ByHand, ByHand]) -> None:
    first, control, worker = hosts
    worker(f"nodeadm reset {LOGIN} --yes")
    assert worker.left_behind() == set()
    assert first.nodes() == {"n1": "True"}

    there = f"nodeadm --host root@{worker.address} {LOGIN}"
    control(f"{there} join {first.address} --yes")
    assert first.nodes() == {"n1": "True", "nw": "True"}
    assert "belongs to another cluster" in worker(f"nodeadm reset {LOGIN} --yes", rc=5).err
    control(f"{there} reset --yes")
    assert first.nodes() == {"n1": "True"}
    assert worker.left_behind() == set()
    control("rm -r /root/.local /root/.cache/klusterkit && rmdir --ignore-fail-on-non-empty /root/.cache")
    assert control.left_behind() == set(), "but for its state and what it fetched, nothing was its own"


def test_a_worker_is_killed_while_it_joins_goes_on_and_is_taken_back(hosts: tuple[ByHand, ByHand, ByHand]) -> None:
    first, _, worker = hosts
    join = f"nodeadm join {first.address} {LOGIN} --yes"
    worker.killed(join, "kubelet/start")
    assert "nodeadm resume" in worker("nodeadm status", rc=6).out
    worker(f"nodeadm rollback {LOGIN} --yes")
    assert worker.left_behind() == set()
    assert first.nodes() == {"n1": "True"}

    worker.killed(join, "containerd/start")
    worker(f"nodeadm resume {LOGIN}")
    assert first.nodes() == {"n1": "True", "nw": "True"}


def test_the_last_master_takes_more_than_yes_and_leaves_its_host_as_it_was(
    hosts: tuple[ByHand, ByHand, ByHand],
) -> None:
    first, _, worker = hosts
    worker(f"nodeadm reset {LOGIN} --yes")
    assert "--confirm cctl-cluster" in first("nodeadm reset --yes", rc=3).err
    first("nodeadm reset --yes --confirm cctl-cluster --skip-drain")
    assert json.loads(first("etcdadm info").out)["members"] == {"n1": "voting"}
    first("etcdadm reset --yes")
    assert first.left_behind() == set()
    assert worker.left_behind() == set()
