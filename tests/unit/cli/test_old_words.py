"""Command lines of the tools that KlusterKit replaces: each runs, or says what to type instead."""

from __future__ import annotations

import pytest

from klusterkit.cli.guard import guarded
from klusterkit.cli.old_words import OLD_WORDS, instead_of
from klusterkit.cli.tools.phases import as_options
from tests.support.command_lines import PROGRAMS, parse
from tests.support.originals import lines_that


@pytest.mark.parametrize("line", lines_that("run"))
def test_what_runs_is_understood(line: str) -> None:
    parse(line.replace("$MACHINE_IP", "10.0.0.5").split())


@pytest.mark.parametrize("line", lines_that("tell"))
def test_what_does_not_run_says_what_to_type_instead(line: str, capsys: pytest.CaptureFixture[str]) -> None:
    tool, *words = line.split()
    arguments = as_options(words) if tool == "etcdadm" else words
    assert guarded(PROGRAMS[tool](), arguments) == 3
    said = capsys.readouterr().err
    # Of an option with another value than the one that there is now, the error itself says it.
    assert instead_of(tool, arguments) in said if instead_of(tool, arguments) else said.count(":") > 2, said


@pytest.mark.parametrize(
    ("tool", "line"), [(tool, line) for tool, old in OLD_WORDS.items() for line in old], ids=lambda part: str(part)
)
def test_every_old_line_is_known_by_its_own_words(tool: str, line: str) -> None:
    assert instead_of(tool, line.split()) == OLD_WORDS[tool][line]


def test_the_line_that_says_more_counts() -> None:
    assert instead_of("cctl", ["snapshot", "etcd", "--ip", "10.0.0.5"]) == OLD_WORDS["cctl"]["snapshot etcd"]
    assert instead_of("cctl", ["create", "cluster", "--etcd-ca-cert=x"]) is not None
    assert instead_of("cctl", ["create", "cluster"]) is None
    assert instead_of("cctl", []) is None


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("init phase install", "init --phase install"),
        ("join phase start https://10.0.0.5:2379 --name m2", "join --phase start https://10.0.0.5:2379 --name m2"),
        ("--debug init phase health -y", "--debug init --phase health -y"),
        ("init phase", "init --help"),
        ("join phase --help", "join --help"),
        ("init --name phase", "init --name phase"),
        ("info", "info"),
    ],
)
def test_a_phase_is_an_option_in_other_words(given: str, meant: str) -> None:
    assert as_options(given.split()) == meant.split()
