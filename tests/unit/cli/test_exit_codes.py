"""Errors become words and exit codes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import typer
from pydantic import ValidationError
from typer.core import TyperGroup

import klusterkit.cluster.errors
import klusterkit.engine.errors
import klusterkit.engine.runner
import klusterkit.pki.errors
import klusterkit.session.errors
import klusterkit.state.errors
from klusterkit.cli.exit_codes import ExitCode
from klusterkit.cli.guard import exit_code_of, guarded
from klusterkit.session.host.node import WantedNode
from klusterkit.session.masking import Mask

ROOT = Path(__file__).parents[3]


def test_exit_codes_in_the_documentation_are_those_in_the_code():
    rows = re.findall(r"^\| (\d+) \| (\w+) \|", (ROOT / "docs/exit-codes.md").read_text(), re.MULTILINE)
    names = {
        "done",
        "error",
        "changes",
        "usage",
        "locked",
        "unreachable",
        "resumable",
        "decision",
        "drift",
        "interrupted",
    }
    assert {name for _, name in rows} == names
    assert [(int(code), name.upper()) for code, name in rows] == [(code.value, code.name) for code in ExitCode]


def every_error() -> list[type[Exception]]:
    roots: list[type[Exception]] = [
        klusterkit.engine.errors.KlusterKitError,
        klusterkit.state.errors.StateError,
        klusterkit.cluster.errors.InvalidCluster,
        klusterkit.pki.errors.PKIError,
    ]
    for root in roots:
        roots.extend(kind for kind in root.__subclasses__() if kind not in roots)
    return roots


@pytest.mark.parametrize("kind", every_error(), ids=lambda kind: kind.__name__)
def test_every_error_has_an_exit_code_of_the_table(kind: type[Exception]):
    error = kind.__new__(kind)
    error.message = error.hint = error.host = error.seen = "x"  # type: ignore[attr-defined]
    assert exit_code_of(error) in set(ExitCode)


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        (klusterkit.engine.errors.UsageError, ExitCode.USAGE),
        (klusterkit.engine.errors.HostLocked, ExitCode.LOCKED),
        (klusterkit.engine.errors.HostUnreachable, ExitCode.UNREACHABLE),
        (klusterkit.engine.errors.HostRefused, ExitCode.UNREACHABLE),
        (klusterkit.engine.errors.DecisionNeeded, ExitCode.DECISION),
        (klusterkit.engine.errors.VerificationFailed, ExitCode.DRIFT),
        (klusterkit.engine.errors.CommandFailed, ExitCode.ERROR),
        (klusterkit.session.errors.RunInProgress, ExitCode.RESUMABLE),
        (klusterkit.engine.runner.PointOfNoReturn, ExitCode.RESUMABLE),
    ],
)
def test_errors_that_end_a_command_have_their_own_exit_codes(kind: type[Exception], code: ExitCode):
    assert exit_code_of(kind("x")) == code


@pytest.mark.parametrize(
    "kind",
    [
        klusterkit.state.errors.StateMissing,
        klusterkit.state.errors.StateNotRecognised,
        klusterkit.state.errors.StateVersionUnknown,
        klusterkit.state.errors.StateDamaged,
        klusterkit.state.errors.StateNotReadable,
        klusterkit.state.errors.StateKeyMissing,
        klusterkit.state.errors.SecretMissing,
        klusterkit.state.errors.SecretDamaged,
    ],
)
def test_a_state_file_that_can_not_be_used_is_a_usage_error_whatever_is_wrong_with_it(
    kind: type[klusterkit.state.errors.StateError],
):
    assert kind.exit_code == ExitCode.USAGE


def test_an_invalid_description_is_a_usage_error():
    assert exit_code_of(klusterkit.cluster.errors.InvalidCluster("x")) == ExitCode.USAGE


def raising(error: BaseException) -> TyperGroup:
    """A command line whose only command raises this."""
    app = typer.Typer(add_completion=False, rich_markup_mode=None)

    @app.callback()
    def root() -> None: ...

    @app.command()
    def fail(debug: bool = False) -> None:
        raise error

    group = typer.main.get_command(app)
    assert isinstance(group, TyperGroup)
    return group


def test_a_bug_is_words_and_a_traceback_only_with_debug(capsys: pytest.CaptureFixture[str]):
    assert guarded(raising(KeyError("x")), ["fail"]) == ExitCode.ERROR
    quiet = capsys.readouterr().err
    assert "error: KeyError: 'x'" in quiet
    assert "bug in KlusterKit" in quiet
    assert "Traceback" not in quiet
    assert guarded(raising(KeyError("x")), ["fail", "--debug"]) == ExitCode.ERROR
    assert "Traceback" in capsys.readouterr().err


def test_a_value_that_does_not_fit_is_told_without_the_words_of_a_library(capsys: pytest.CaptureFixture[str]):
    with pytest.raises(ValidationError) as caught:
        WantedNode.model_validate({"name": ["x"], "labels": 1})
    assert guarded(raising(caught.value), ["fail"]) == ExitCode.USAGE
    said = " ".join(capsys.readouterr().err.split())
    assert said.startswith("error: what is asked for can't be used: name should be text what to do: correct it")
    assert "Input" not in said


def test_errors_of_the_system_name_their_file_and_what_to_do(capsys: pytest.CaptureFixture[str]):
    assert guarded(raising(PermissionError(13, "Permission denied", "/etc/x")), ["fail"]) == ExitCode.ERROR
    said = capsys.readouterr().err.split()
    assert said[:5] == ["error:", "Permission", "denied", "where:", "/etc/x"]
    assert said[5:8] == ["what", "to", "do:"]


def test_all_reasons_of_a_refusal_are_listed(capsys: pytest.CaptureFixture[str]):
    reasons = [
        klusterkit.engine.errors.UsageError("swap is on", host="m1", hint="swapoff -a"),
        klusterkit.engine.errors.UsageError("port 6443 is taken", host="m1", seen="nginx"),
    ]
    refused = klusterkit.session.errors.Refused("m1 can't be used", reasons)
    assert guarded(raising(refused), ["fail"]) == ExitCode.USAGE
    said = capsys.readouterr().err
    for words in ("error: m1 can't be used", "1. swap is on", "swapoff -a", "2. port 6443 is taken", "nginx"):
        assert words in said


def test_state_errors_say_their_place(capsys: pytest.CaptureFixture[str]):
    error = klusterkit.state.errors.StateDamaged("record 17 was changed", where="x, record 17", hint="y", record=17)
    assert guarded(raising(error), ["fail"]) == ExitCode.USAGE
    said = capsys.readouterr().err
    assert "where:      x, record 17" in said
    assert "what to do: y" in said


@pytest.mark.parametrize("secret", ["correct horse", r"back\slash\ed", "quo\"ta'tion"])
def test_no_secret_that_was_opened_is_in_what_is_told_of_an_error_also_with_debug(
    secret: str, capsys: pytest.CaptureFixture[str]
):
    mask = Mask()
    mask.learn(secret.encode())
    bug = KeyError(secret)
    reason = klusterkit.engine.errors.UsageError(f"not {secret}", seen=f"it is {secret}", hint=f"give {secret}")
    for error in (bug, reason, klusterkit.session.errors.Refused("m1 can't be used", [reason])):
        guarded(raising(error), ["fail", "--debug"])
        said = capsys.readouterr().err
        assert "Traceback" in said
        assert "[secret]" in said.partition("\nerror: ")[2]
        assert secret not in said
        assert repr(secret)[1:-1] not in said
