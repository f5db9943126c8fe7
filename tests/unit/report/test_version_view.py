"""Versions of all parts: what machines have alike is told once."""

from __future__ import annotations

from example_runs import paper, said

from klusterkit.report.versionview import versions
from klusterkit.session.versions import MachineVersions

WANTED = {"kubelet": "v1.36.3", "etcd": "v3.6.16"}


def drawn(*machines: MachineVersions) -> str:
    console = paper()
    console.print(versions(WANTED, machines))
    return said(console)


def machine(name: str, **parts: str) -> MachineVersions:
    return MachineVersions(machine=name, parts=parts)


def test_parts_are_rows_and_machines_that_differ_are_named():
    assert (
        drawn(
            machine("m1", kubelet="v1.36.3", etcd="v3.6.16", kernel="6.1"),
            machine("w1", kubelet="v1.36.2", kernel="6.1"),
        )
        == """\
PART     VERSION  WANTED   ON
kubelet  v1.36.3  v1.36.3  m1
         v1.36.2  v1.36.3  w1
etcd     v3.6.16  v3.6.16  m1
kernel   6.1      -        all machines
"""
    )


def test_a_machine_that_does_not_answer_is_told_with_why():
    gone = MachineVersions(machine="m2", error="m2 can't be reached")
    assert drawn(machine("m1", etcd="v3.6.16"), gone).splitlines()[-1].split(maxsplit=1) == [
        "?",
        "m2: m2 can't be reached",
    ]
