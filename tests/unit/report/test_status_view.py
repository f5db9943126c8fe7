"""How a cluster stands, as it is looked at."""

from __future__ import annotations

import io

import pytest
from example_runs import paper, said
from rich.text import Text

from klusterkit.report.screen import screen
from klusterkit.report.statusview import picture
from klusterkit.report.statuswatch import Changes, Redrawn
from klusterkit.session.status import Component, StatusReport

QUORUM = Component.right("", "quorum", "more than half", "3 of 3 voting members answer; 2 are needed")
GOOD = [
    QUORUM,
    *(
        Component.right(machine, name, wanted, brief=brief)
        for machine, role in (("m1", "leads"), ("m2", "follows"))
        for name, wanted, brief in (("ssh", "reachable", "up"), ("clock", "right", ""), ("etcd", "active", role))
    ),
    Component.right("w1", "ssh", "reachable", brief="up"),
]
FAILED = Component.wrong("m2", "etcd", "active", "failed (failed)", "on m2: journalctl -u etcd", "failed")


def report(*components: Component) -> StatusReport:
    return StatusReport(
        cluster="blue", version="v1.36.3", endpoint="https://10.0.0.9:6443", run=None, components=components
    )


def drawn(found: StatusReport, *, wide: bool = False) -> str:
    console = paper()
    console.print(picture(found, wide=wide))
    return said(console)


def with_failure() -> list[Component]:
    return [FAILED if (each.machine, each.name) == ("m2", "etcd") else each for each in GOOD]


def test_a_healthy_cluster_is_a_row_a_machine():
    assert (
        drawn(report(*GOOD))
        == """\
blue: Kubernetes v1.36.3, API at https://10.0.0.9:6443
quorum: 3 of 3 voting members answer; 2 are needed

MACHINE  HOST  ETCD
m1       up    leads
m2       up    follows
w1       up    -

all as it should be
"""
    )


def test_what_is_wrong_is_told_with_what_is_wanted_and_what_to_do():
    text = drawn(report(*with_failure()))
    assert "m2       up    failed\n" in text
    assert text.endswith(
        """
m2: etcd: failed (failed)
  wanted:     active
  what to do: on m2: journalctl -u etcd

1 thing on 1 machine not as it should be
"""
    )


def test_what_is_several_things_is_told_line_by_line():
    drift = Component.wrong("m1", "drift", "as left", "/etc/a: other content\n/etc/b: not there", "see who", "2 of 40")
    assert (
        drawn(report(drift)).partition("m1       2 of 40\n")[2].partition("\n1 thing")[0]
        == """
m1: drift:
  seen:       /etc/a: other content
              /etc/b: not there
  wanted:     as left
  what to do: see who
"""
    )
    assert watched(report(drift))[1] == "m1 drift: /etc/a: other content; /etc/b: not there (wanted: as left)"


def test_what_several_machines_have_alike_is_told_once():
    same = [
        Component.wrong(f"m{number}", "etcd", "active", "failed (failed)", f"on m{number}: journalctl", "failed")
        for number in (1, 2, 3)
    ]
    text = drawn(report(*same))
    assert text.count("what to do") == 1
    assert "m1, m2 and m3: etcd: failed (failed)\n" in text
    assert "what to do: on m1: journalctl\n" in text
    assert "3 things on 3 machines not as it should be" in text


def test_a_fault_of_the_cluster_names_no_machine():
    lost = Component.wrong("", "quorum", "more than half", "LOST: 1 of 3 answers", "bring back m2")
    assert "\nquorum: LOST: 1 of 3 answers\n" in drawn(report(lost))
    assert "1 thing not as it should be" in drawn(report(lost))


def test_wide_lists_every_component_with_what_is_wanted():
    lines = drawn(report(*with_failure()), wide=True).splitlines()
    assert lines[2].split() == ["MACHINE", "COMPONENT", "WANTED", "SEEN"]
    assert lines[3].split()[:3] == ["the", "cluster", "quorum"]
    rows = [line.split() for line in lines]
    assert ["m1", "ssh", "reachable", "reachable"] in rows
    assert ["clock", "right", "right"] in rows
    assert ["etcd", "active", "failed", "(failed)"] in rows


def test_without_machines_that_is_said():
    assert "no machines yet" in drawn(report())
    assert drawn(StatusReport(cluster=None, version=None, run=None, components=())).startswith("no cluster yet\n")


def test_it_fits_a_terminal_of_80_columns():
    components = [
        Component.right("10.200.100.200", name, "active", brief=brief)
        for name, brief in (
            *(("ssh", "up"), ("etcd", "follows"), ("apiserver", "ready"), ("containerd", "v2.3.17")),
            *(("kubelet", "v1.36.13"), ("node", "Ready"), ("certificates", "364 d"), ("drift", "2 of 57")),
        )
    ]
    assert max(map(len, drawn(report(*components)).splitlines())) <= 80
    assert "2 of 57" in drawn(report(*components))


def watched(*reports: StatusReport, run: Text | None = None) -> list[str]:
    console = paper()
    view = Changes(console)
    for each in reports:
        view.show(each, run)
    view.close()
    return [line.partition(" ")[2] for line in said(console).splitlines()]


def test_watched_in_a_file_it_says_first_how_things_stand_and_then_what_changes():
    assert watched(report(*GOOD), report(*GOOD), report(*with_failure()), report(*with_failure()), report(*GOOD)) == [
        f"{len(GOOD)} components as they should be",
        "m2 etcd: failed (failed) (wanted: active)",
        "m2 etcd: active, as it should be",
    ]


def test_watched_in_a_file_what_is_wrong_from_the_beginning_is_told():
    assert watched(report(*with_failure()))[1:] == ["m2 etcd: failed (failed) (wanted: active)"]


def test_watched_in_a_file_a_run_is_told_when_it_comes_on():
    run = Text("Run in progress: create machine")
    assert watched(report(*GOOD), report(*GOOD), run=run)[1:] == [run.plain]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_watched_on_a_terminal_the_last_picture_stays(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("TERM", "xterm")
    file = Terminal()
    view = Redrawn(screen(file), 2.0)
    view.show(report(*GOOD), None)
    view.show(report(*with_failure()), None)
    view.close()
    last = file.getvalue().rpartition("MACHINE")[2]
    assert "failed" in last
    assert "again every 2 s; Ctrl-C ends this" in last
