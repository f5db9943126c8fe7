"""An executor carries plain data in and out, and whatever a step does in between is an outcome."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from klusterkit.engine.errors import CommandFailed, ErrorInfo, HostLocked, HostUnreachable, KlusterKitError, UsageError
from klusterkit.engine.executor import Call, LocalExecutor, Outcome, Verb
from klusterkit.engine.step import Context, Observation
from klusterkit.pki.errors import InvalidAuthority
from klusterkit.state import SecretMissing
from tests.support.jsonexecutor import JsonExecutor, wire
from tests.unit.engine.bench import Bench, BenchHost, Cell, Short


def call(verb: Verb, name: str = "a", **fields: object) -> Call:
    return Call(**{"verb": verb, "run": "r.0", "task": name, "host": "h", "step": Cell(), "timeout": 30.0, **fields})


def executor(bench: Bench, **options: object) -> JsonExecutor:
    return JsonExecutor(LocalExecutor(lambda name: BenchHost(bench, name), **options))  # type: ignore[arg-type, return-value]


def one(bench: Bench, wanted: Call, **options: object) -> Outcome:
    return executor(bench, **options).perform([wanted])[0]


def test_a_call_is_json_and_comes_back_as_it_was() -> None:
    wanted = call(Verb.UNDO, before={"was": "x", "all": [1, None, {"é": True}]}, stop_applies=2, attempt=3)
    assert Call.model_validate_json(wire(wanted)) == wanted
    assert json.loads(wire(wanted))["step"] == {"kind": "unit.cell"}


def test_observing_tells_what_the_step_sees(bench: Bench) -> None:
    bench.cells["a"] = "half"
    expected = Observation(satisfied=False, before={"was": "half"}, partial=True, reason="it is half")
    assert one(bench, call(Verb.OBSERVE)).observation == expected


def test_applying_applies_and_verifies(bench: Bench) -> None:
    assert one(bench, call(Verb.APPLY)) == Outcome()
    assert bench.log == ["apply a", "observe a"]


def test_undoing_undoes_and_sees_that_it_is_as_before(bench: Bench) -> None:
    bench.cells["a"] = "new"
    assert one(bench, call(Verb.UNDO, before={"was": "old"})) == Outcome()
    assert bench.cells == {"a": "old"}
    assert bench.log == ["undo a", "observe a"]


def test_differing_tells_what_would_change(bench: Bench) -> None:
    outcome = one(bench, call(Verb.DIFFER))
    assert [difference.note for difference in outcome.differences] == ["it is None"]
    bench.cells["a"] = "new"
    assert one(bench, call(Verb.DIFFER)).differences == ()


def test_stopping_ends_programs_and_nothing_else(bench: Bench) -> None:
    bench.jobs = {"r.0/a/1": "running", "r.0/a/2": "running", "r.0/a/undo-1": "running", "r.0/b/1": "running"}
    assert one(bench, call(Verb.STOP, stop_applies=2, stop_undos=1)) == Outcome()
    assert bench.stopped == ["r.0/a/1", "r.0/a/2", "r.0/a/undo-1"]
    assert bench.log == []


def test_probing_tells_whether_there_is_a_record_and_not_what_the_program_said(bench: Bench) -> None:
    bench.jobs["r.0/a/2"] = "ended"
    outcome = one(bench, call(Verb.PROBE, attempt=2))
    assert outcome.job is not None
    assert (outcome.job.status, outcome.job.completed) == ("ended", None)
    assert outcome.observation is not None


@pytest.mark.parametrize(
    "error",
    [
        CommandFailed("rc 1", host="h", seen="last words", hint="look there"),
        HostUnreachable("gone"),
        HostLocked("locked", hint="wait"),
        UsageError("wrong"),
    ],
)
def test_an_error_crosses_with_all_that_the_operator_needs(bench: Bench, error: KlusterKitError) -> None:
    bench.on("apply", "a", error)
    info = one(bench, call(Verb.APPLY)).error
    assert info == error.info().model_copy(update={"host": "h"})


def test_the_host_of_an_error_is_the_one_that_it_names(bench: Bench) -> None:
    bench.on("apply", "a", CommandFailed("rc 1", host="elsewhere"))
    info = one(bench, call(Verb.APPLY)).error
    assert info is not None
    assert info.host == "elsewhere"


def test_what_a_step_raises_that_is_not_ours_is_a_bug_that_is_told(bench: Bench) -> None:
    told: list[str] = []
    bench.on("apply", "a", IndexError("list index out of range"))
    info = one(bench, call(Verb.APPLY), on_crash=told.append).error
    assert info is not None
    assert (info.type, info.temporary) == ("StepCrashed", False)
    assert "--debug" in (info.hint or "")
    assert "IndexError: list index out of range" in told[0]
    assert "Traceback" in told[0]


@pytest.mark.parametrize(
    ("error", "seen"),
    [
        (SecretMissing("there is no secret ca.key", where="cctl-state.yaml", hint="use the newest"), "cctl-state.yaml"),
        (InvalidAuthority("the certificate has ended", hint="make a new one"), None),
    ],
)
def test_errors_of_the_packages_beside_are_no_bugs(bench: Bench, error: Exception, seen: str | None) -> None:
    told: list[str] = []
    bench.on("apply", "a", error)
    info = one(bench, call(Verb.APPLY), on_crash=told.append).error
    assert info == ErrorInfo(
        type=type(error).__name__,
        message=str(error),
        host="h",
        seen=seen,
        hint=error.hint,  # type: ignore[attr-defined]
        exit_code=error.exit_code,  # type: ignore[attr-defined]
    )
    assert told == []


def test_a_host_that_cannot_be_reached_is_an_outcome_too(bench: Bench) -> None:
    def refuse(name: str) -> BenchHost:
        raise HostUnreachable(f"{name} doesn't answer", host=name)

    outcome = LocalExecutor(refuse).perform([call(Verb.OBSERVE)])[0]  # type: ignore[arg-type]
    assert outcome.error is not None
    assert (outcome.error.temporary, outcome.error.lost, outcome.error.exit_code) == (True, True, 5)


def test_all_calls_of_a_batch_that_fails_have_the_error(bench: Bench) -> None:
    bench.on("apply", "b", CommandFailed("rc 1"))
    outcomes = executor(bench).perform([call(Verb.APPLY, name, step=Short()) for name in "abc"])
    assert [outcome.error.message for outcome in outcomes if outcome.error] == ["rc 1"] * 3
    assert bench.done("apply") == ["a", "b"]


def test_an_error_says_whether_it_may_pass_whatever_its_way() -> None:
    info = HostUnreachable("gone", host="h", seen="s", hint="t").info()
    assert ErrorInfo.model_validate_json(info.model_dump_json()) == info


# Secrets ------------------------------------------------------------------------------------------------------------


def hide(text: str) -> str:
    return text.replace("hunter2", "[secret]")


def test_secrets_in_errors_are_masked(bench: Bench) -> None:
    bench.on("apply", "a", CommandFailed("login hunter2 refused", seen="password: hunter2", hint="not hunter2"))
    outcome = one(bench, call(Verb.APPLY), mask=hide)
    assert "hunter2" not in outcome.model_dump_json()
    assert outcome.error is not None
    assert outcome.error.seen == "password: [secret]"


def test_secrets_in_what_is_observed_and_would_change_are_masked(bench: Bench) -> None:
    bench.cells["a"] = "hunter2"
    for verb in (Verb.OBSERVE, Verb.DIFFER, Verb.PROBE):
        said = one(bench, call(verb), mask=hide).model_dump(exclude={"observation": {"before"}})
        assert "hunter2" not in json.dumps(said)
        assert "[secret]" in json.dumps(said)


def test_what_undo_puts_back_is_what_was_there_though_a_secret_is_the_same_word(bench: Bench) -> None:
    bench.cells["a"] = "hunter2"
    seen = one(bench, call(Verb.OBSERVE), mask=hide).observation
    assert seen is not None
    assert seen.before == {"was": "hunter2"}


def test_secrets_in_the_traceback_of_a_bug_are_masked(bench: Bench) -> None:
    told: list[str] = []
    bench.on("apply", "a", KeyError("hunter2"))
    one(bench, call(Verb.APPLY), mask=hide, on_crash=told.append)
    assert "hunter2" not in told[0]
    assert "[secret]" in told[0]


def test_a_step_asks_for_secrets_and_artifacts_by_name(bench: Bench) -> None:
    seen: list[object] = []
    bench.on("apply", "a", lambda on: seen.extend((on.secret("ca.key"), on.artifact("ab"))))
    one(bench, call(Verb.APPLY), secret=lambda name: f"value of {name}".encode(), artifact=Path)
    assert seen == [b"value of ca.key", Path("ab")]


@pytest.mark.parametrize("ask", [lambda on: on.secret("x"), lambda on: on.artifact("x")])
def test_a_secret_or_artifact_that_is_not_there_is_named(bench: Bench, ask: object) -> None:
    bench.on("apply", "a", ask)  # type: ignore[arg-type]
    error = one(bench, call(Verb.APPLY)).error
    assert error is not None
    assert "'x'" in error.message or " x " in error.message


def test_where_a_step_is_shown_its_secrets_are_not(bench: Bench) -> None:
    shown: list[str] = []
    bench.on("apply", "a", lambda on: shown.append(repr(on)))
    one(bench, call(Verb.APPLY), secret=lambda name: b"hunter2")
    assert "secret" not in shown[0]


def test_a_step_knows_run_task_attempt_and_direction(bench: Bench) -> None:
    seen: list[Context] = []
    bench.on("undo", "m1/a", seen.append)
    one(bench, call(Verb.UNDO, "m1/a", attempt=3, timeout=9.0, before={"was": None}))
    (on,) = seen
    assert (on.run, on.task, on.attempt, on.undoing, on.timeout) == ("r.0", "m1/a", 3, True, 9.0)
    assert on.key == "r.0/m1.a/undo-3"
    assert on.as_attempt(1, undoing=False).key == "r.0/m1.a/1"


@pytest.mark.parametrize("grace", [1e10, float("inf")])
def test_no_time_is_too_long_to_be_waited_for(bench: Bench, grace: float) -> None:
    outcome = one(bench, call(Verb.OBSERVE, timeout=1e9), grace=grace)
    assert outcome.error is None
    assert outcome.observation is not None


def test_a_crash_that_can_not_be_logged_is_told_as_a_crash_and_at_once(bench: Bench) -> None:
    def full(_: str) -> None:
        raise OSError(28, "No space left on device")

    bench.on("apply", "a", ZeroDivisionError())
    info = one(bench, call(Verb.APPLY, timeout=0.1), on_crash=full, grace=0.5).error
    assert info is not None
    assert info.type == "StepCrashed"
    assert "ZeroDivisionError in the step itself" in info.message
