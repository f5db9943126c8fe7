"""Bad input gets an error that says what and what to do, and changes nothing."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from kklab import cli
from kklab.errors import LabError
from kklab.host_commands import link_changes
from kklab.hosts.basetree import mirror_in
from kklab.hosts.instance import Instance

from tests.lab.conftest import Lab


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["up", "Master_1"], 1, "can't name a host"),
        (["up", "-x"], 2, "usage"),
        (["down", "m9"], 1, "no host m9"),
        (["reset", "m9"], 1, "no host m9"),
        (["power-on", "m9"], 1, "no host m9"),
        (["ssh", "m9", "--", "true"], 1, "no host m9"),
        (["digest", "m9"], 1, "no host m9"),
        (["link", "m9", "down"], 1, "no host m9"),
        (["limit", "m9", "--memory", "lots"], 2, "no size"),
        (["limit", "m9", "--memory", "0"], 2, "no size"),
        (["limit", "m9", "--cpus", "-1"], 2, "no number"),
        (["limit", "m9", "--cpus", "0"], 2, "no number"),
        (["artifacts", "build", "--minor", "1.12"], 1, "known: 1.36, 1.37"),
        (["artifacts", "build", "--from", "there"], 2, "invalid choice"),
        (["fly"], 2, "invalid choice"),
        ([], 2, "required"),
    ],
)
def test_a_command_that_cant_be_done_says_why(
    words: list[str], code: int, says: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert ended(["--instance", "test-nobody", *words], monkeypatch) == code
    said = capsys.readouterr().err
    assert says in said
    assert not (Path("/var/lib/klusterkit-lab") / "test-nobody").exists()


def ended(words: list[str], monkeypatch: pytest.MonkeyPatch) -> int | str | None:
    """The exit code of the lab's command."""
    monkeypatch.setattr(sys, "argv", ["lab", *words])
    try:
        return cli.main()
    except SystemExit as usage:
        return usage.code


@pytest.mark.parametrize("name", ["a/b", "..", "A", "", "x" * 25])
def test_an_instance_name_that_could_lead_elsewhere_is_refused(name: str) -> None:
    with pytest.raises(LabError, match="can't name an instance"):
        Instance(name)


def test_an_error_is_words_and_no_traceback() -> None:
    refused = Lab("A/b").try_("list")
    assert refused.returncode == 1
    assert refused.stderr.startswith("lab: 'A/b' can't name an instance")
    assert "Traceback" not in refused.stderr


@pytest.mark.parametrize(
    "words", [["delay"], ["delay", "50"], ["delay", "-5ms"], ["loss", "101%"], ["loss", "5"], ["cut"]]
)
def test_a_cable_refuses_what_it_cant_do(words: list[str]) -> None:
    with pytest.raises(LabError, match="delay 50ms"):
        link_changes(words)


@pytest.mark.parametrize(
    ("words", "changes"),
    [
        (["up"], {"up": True}),
        (["down"], {"up": False}),
        (["delay", "1.5s"], {"delay_ms": 1500.0}),
        (["delay", "0ms"], {"delay_ms": 0.0}),
        (["loss", "0.5%"], {"loss_percent": 0.5}),
    ],
)
def test_a_cable_understands(words: list[str], changes: dict[str, object]) -> None:
    assert link_changes(words) == changes


STANZAS = """\
Types: deb
URIs: http://security.example/debian-security
Suites: bookworm-security
Components: main

Types: deb
URIs: http://mirror.example/debian http://second.example/debian
Suites: bookworm bookworm-updates
Components: main contrib
"""


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (STANZAS, "http://mirror.example/debian"),
        ("deb http://mirror.example/debian bookworm main contrib\n", "http://mirror.example/debian"),
        ("deb [signed-by=/k arch=amd64] http://m.example/d bookworm contrib main\n", "http://m.example/d"),
        ("# deb http://no.example/debian bookworm main\n", None),
        ("deb-src http://no.example/debian bookworm main\n", None),
        ("deb http://no.example/debian bookworm-updates main\n", None),
        ("deb http://no.example/debian trixie main\n", None),
        ("", None),
    ],
)
def test_the_mirror_is_read_from_the_machines_own_sources(text: str, found: str | None) -> None:
    assert mirror_in(text, "bookworm") == found
