"""What a plan would change, as it is read."""

from __future__ import annotations

from example_runs import SMALL, paper, said

from klusterkit.engine.errors import NotYet
from klusterkit.engine.executor import Outcome
from klusterkit.engine.step import Difference, Observation
from klusterkit.plans.files.dns import configuration
from klusterkit.report.diffview import differences_of, show_differences
from klusterkit.tasks.manifest import Apply

NOT_SO = Observation(satisfied=False, reason="missing")


def shown(**outcomes: Outcome) -> str:
    console = paper()
    so = Outcome(observation=Observation(satisfied=True))
    ids = {"preflight": "m1/preflight", "unit": "m1/etcd/unit", "start": "m1/etcd/start"}
    show_differences(console, SMALL, {task: outcomes.get(name, so) for name, task in ids.items()})
    return said(console)


def test_a_changed_file_is_a_unified_diff():
    difference = Difference(what="/etc/x", old="a\nb\nc\n", new="a\nB\nc\n")
    text = shown(unit=Outcome(observation=NOT_SO, differences=(difference,)))
    assert (
        """\
m1
  etcd/unit  make the unit
    --- /etc/x
    +++ /etc/x
    @@ -1,3 +1,3 @@
     a
    -b
    +B
     c
  2 tasks: the host is so already
"""
        in text
    )


def test_a_new_file_is_told_against_nothing():
    text = shown(unit=Outcome(observation=NOT_SO, differences=(Difference(what="/etc/x", new="a\n"),)))
    assert "    --- /dev/null\n    +++ /etc/x\n    @@ -0,0 +1 @@\n    +a\n" in text


def test_a_file_that_goes_is_told_against_nothing():
    text = shown(unit=Outcome(observation=NOT_SO, differences=(Difference(what="/etc/x", old="a\n"),)))
    assert "    --- /etc/x\n    +++ /dev/null\n    @@ -1 +0,0 @@\n    -a\n" in text


def test_a_masked_secret_is_shown_as_what_is_said_of_it():
    difference = Difference(what="/etc/ca.key", note="a secret, not shown: differs")
    text = shown(unit=Outcome(observation=NOT_SO, differences=(difference,)))
    assert "  etcd/unit  make the unit: a secret, not shown: differs\n    /etc/ca.key\n" in text


def test_several_reasons_are_each_told_with_what_they_are_about():
    differences = (Difference(what="/etc/a", note="not there"), Difference(what="/etc/b", new="x\n", note="mode 644"))
    text = shown(unit=Outcome(observation=NOT_SO, differences=differences))
    assert "  etcd/unit  make the unit\n    /etc/a: not there\n    --- /dev/null\n" in text
    assert "    +x\n    (mode 644)\n" in text


def test_what_can_not_be_told_before_earlier_tasks_are_done_says_so():
    text = shown(start=Outcome(error=NotYet("etcd is not installed").info()))
    assert "  etcd/start  make etcd: can't be told yet: etcd is not installed\n" in text


def test_long_lines_of_a_file_are_not_broken():
    difference = Difference(what="/etc/x", new="x" * 300 + "\n")
    assert "+" + "x" * 300 + "\n" in shown(unit=Outcome(observation=NOT_SO, differences=(difference,)))


def test_a_file_within_a_manifest_is_shown_line_by_line():
    step = Apply(name="CoreDNS", manifest=configuration("cluster.local", forward=True))
    text = shown(unit=Outcome(observation=NOT_SO, differences=(Difference(what=step.name, new=step.manifest),)))
    assert "    +  Corefile: |\n    +    .:53 {\n    +        errors\n" in text


def test_what_the_api_server_compares_is_shown_as_the_diff_that_it_is():
    note = "--- LIVE\n+++ MERGED\n@@ -5 +5 @@\n-       ttl 30\n+       ttl 60\n"
    text = shown(unit=Outcome(observation=NOT_SO, differences=(Difference(what="CoreDNS", note=note),)))
    assert "  etcd/unit  make the unit\n    --- LIVE\n    +++ MERGED\n    @@ -5 +5 @@\n    -       ttl 30\n" in text


def test_programs_get_what_people_read():
    outcomes = {
        "m1/preflight": Outcome(observation=Observation(satisfied=True)),
        "m1/etcd/unit": Outcome(observation=NOT_SO, differences=(Difference(what="/etc/x", old="a\n", new="b\n"),)),
        "m1/etcd/start": Outcome(error=NotYet("etcd is not installed").info()),
    }
    assert differences_of(SMALL, outcomes) == [
        {"task": "m1/etcd/unit", "host": "m1", "differences": [{"what": "/etc/x", "old": "a\n", "new": "b\n"}]},
        {"task": "m1/etcd/start", "host": "m1", "differences": [], "error": "etcd is not installed"},
    ]
