"""Masters come and go while cctl is killed after every single record, or taken back from wherever it was.

One cluster of one master: two masters and a worker join it, one of them leaves, and in the end all of it.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator

import pytest

from tests.cluster.agreement import in_order
from tests.cluster.machines import Machines
from tests.support.lab import Lab

pytestmark = [pytest.mark.cluster, pytest.mark.sweep]

FIRST, NEW = "k1", ("k2", "wk1", "k3")
HOSTS = (FIRST, *NEW)

Record = Callable[[str, object], None]

KINDS = "nodes,namespaces,configmaps,secrets,serviceaccounts,services,daemonsets,deployments,roles,rolebindings"
"""What may be left behind in the API. Leases and pods come and go by themselves."""


@pytest.fixture(scope="module")
def one(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machines]:
    made = Machines.prepared(lab, tmp_path_factory.mktemp("killed"), HOSTS, 203)
    made.create(FIRST)
    in_order(made, FIRST)
    yield made
    lab("down", *HOSTS)


SHARES = 6
"""Of the moments that a join is taken back from: all together take hours, and each tells what it has shown."""


def held(machines: Machines) -> set[str]:
    """All that may be otherwise when somebody has joined: objects of the API, members of etcd, peers of keepalived."""
    objects = machines.kubectl(
        "get",
        KINDS,
        "--all-namespaces",
        "-o",
        "custom-columns=:kind,:metadata.namespace,:metadata.name",
        "--no-headers",
    )
    roles = machines.kubectl("get", "clusterroles,clusterrolebindings", "-o", "name")
    members = {str(member) for member in machines.members(FIRST)}
    keepalived = machines.on(FIRST, "cat /etc/keepalived/keepalived.conf")
    return {" ".join(line.split()) for line in (objects + roles + keepalived).splitlines()} | members


@pytest.fixture
def all_of_them(one: Machines) -> Machines:
    """The cluster with all of its machines, whichever tests ran before."""
    if missing := [host for host in HOSTS if one.lab.address(host) not in one.known()]:
        one.create(*missing)
    return one


def to_its_end(machines: Machines, *command: str) -> int:
    """Run a command that is killed after each record, and resumed. Returns how often that was."""
    kills = 0
    ended = machines.operator(*command, "--yes", rc=None, crash_after=1)
    while ended.rc == -9:
        kills += 1
        assert kills < 3000
        assert '"record":"ask"' not in machines.operator.state.read_text(), "nothing here needs a person"
        ended = machines.operator("resume", rc=None, crash_after=1)
    assert ended.rc == 0, ended.err
    assert kills >= machines.operator.records_of_last_run() - 1, "each record was one's last"
    return kills


@pytest.mark.parametrize("share", range(SHARES), ids=lambda share: f"share{share + 1}")
def test_rolled_back_from_a_random_third_of_the_records_of_a_join(
    one: Machines, record_property: Record, share: int
) -> None:
    before = held(one)
    one.create(*NEW)
    records = one.operator.records_of_last_run()
    one.delete(*NEW)
    of_this_share = range(2 + share, records, SHARES)
    moments = random.Random(time.time_ns()).sample(of_this_share, len(of_this_share) // 3)
    for moment in moments:
        print(f"killed after {moment} records", flush=True)

        one.create(*NEW, rc=-9, crash_after=moment)
        one.operator("rollback", "--yes")

        assert held(one) == before
        for host in NEW:
            assert one.is_bare(host)
        assert one.known() == {one.lab.address(FIRST)}
    in_order(one, FIRST)
    record_property("figures", f"from {len(moments)} of {records} records")


def test_two_masters_and_a_worker_join_though_cctl_is_killed_after_every_record(
    one: Machines, record_property: Record
) -> None:
    one.write_machines(*NEW)

    kills = to_its_end(one, "create", "machine", "--file", "machines.yaml")

    in_order(one, *HOSTS)
    record_property("figures", f"killed {kills} times")


def test_a_masters_removal_is_taken_back_from_a_third_of_its_records_until_its_vote_is_given_up(
    all_of_them: Machines, record_property: Record
) -> None:
    """From there on the run says that it can only go forward."""
    one = all_of_them
    before, leaving = held(one), f"--ip={one.lab.address(FIRST)}"
    turned = 0
    for moment in range(random.Random(time.time_ns()).randrange(2, 5), 200, 3):
        print(f"killed after {moment} records")
        assert one.operator("delete", "machine", leaving, "--yes", rc=None, crash_after=moment).rc == -9
        ended = one.operator("rollback", "--yes", rc=None)
        if ended.rc == 6:
            break
        assert ended.rc == 0, ended.err
        assert held(one) == before
        in_order(one, *HOSTS)
        turned += 1
    assert turned > 1
    assert one.operator("resume", rc=None).rc == 0
    in_order(one, *NEW)
    assert one.is_bare(FIRST)
    one.create(FIRST)
    in_order(one, *HOSTS)
    record_property("figures", f"from {turned} moments")


def test_a_master_leaves_though_cctl_is_killed_after_every_record(
    all_of_them: Machines, record_property: Record
) -> None:
    one = all_of_them
    kills = to_its_end(one, "delete", "machine", "--ip", one.lab.address(FIRST))

    in_order(one, *NEW)
    assert one.is_bare(FIRST)
    record_property("figures", f"killed {kills} times")


def test_the_cluster_ends_though_cctl_is_killed_after_every_record(one: Machines, record_property: Record) -> None:
    kills = to_its_end(one, "delete", "cluster", "--confirm", "cctl-cluster")

    assert one.known() == set()
    for host in NEW:
        assert one.is_bare(host)
    record_property("figures", f"killed {kills} times")
