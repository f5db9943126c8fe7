"""The log of a run tells of each task, and takes in what libraries say, which is for no terminal; it has no secret."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from klusterkit.engine.errors import CommandFailed, ErrorInfo
from klusterkit.engine.events import Event
from klusterkit.session.masking import Mask
from klusterkit.session.running.log import RunLog, tee
from tests.unit.engine.bench import Bench, plan, task

SECRETS = ('say "open sesame"', r"back\slash\ed", "hunter2hunter2")


@pytest.fixture(name="bench")
def _bench() -> Iterator[Bench]:
    made = Bench()
    yield made
    made.settle()


@pytest.fixture(name="mask")
def _mask() -> Mask:
    mask = Mask()
    for secret in SECRETS:
        mask.learn(secret.encode())
    return mask


def entries(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def run(bench: Bench, log: RunLog) -> str:
    """A run in which b fails, told to the log and to another beside it; returns the log."""
    bench.on("apply", "b", CommandFailed(f"no: {SECRETS[0]}", host="h", seen=f"{SECRETS[1]}\n{SECRETS[2]}"))
    tell = tee(log.event, bench.events.append)
    bench.runner(bench.open(plan(task("a"), task("b", "a"), task("c", "b"))), tell=tell).forward()
    log.close()
    return log.path.read_text()


def test_each_event_of_a_run_is_a_line_with_the_run_and_the_task(tmp_path: Path, bench: Bench, mask: Mask) -> None:
    logged = entries(run(bench, RunLog(tmp_path / "state.yaml", "r", mask)))

    assert [(entry["event"], entry.get("task")) for entry in logged] == [
        ("run", None),
        ("started", "a"),
        ("done", "a"),
        ("started", "b"),
        ("failed", "b"),
        ("finished", None),
    ]
    assert [(entry["event"], entry.get("task")) for entry in logged] == [
        (told.event, told.task) for told in bench.events
    ]
    assert {entry["run"] for entry in logged} == {"r"}
    assert {entry["host"] for entry in logged if "task" in entry} == {"h"}
    assert [entry["event"] for entry in logged if entry["level"] == "error"] == ["failed"]


def test_why_a_task_failed_is_in_the_log_without_any_secret(tmp_path: Path, bench: Bench, mask: Mask) -> None:
    text = run(bench, RunLog(tmp_path / "state.yaml", "r", mask))
    error = next(entry for entry in entries(text) if entry["event"] == "failed")["error"]

    assert (error["message"], error["seen"]) == ("no: [secret]", "[secret]\n[secret]")
    for secret in SECRETS:
        assert secret not in text
        assert json.dumps(secret)[1:-1] not in text


def test_with_debug_the_same_lines_go_to_standard_error(
    tmp_path: Path, bench: Bench, mask: Mask, capsys: pytest.CaptureFixture[str]
) -> None:
    text = run(bench, RunLog(tmp_path / "state.yaml", "r", mask, debug=True))

    assert "done" in {entry["event"] for entry in entries(text)}
    assert capsys.readouterr() == ("", text)


def test_a_log_that_fails_keeps_the_others_from_nothing() -> None:
    heard: list[Event] = []

    def full(_: Event) -> None:
        raise OSError(28, "No space left on device")

    tee(full, heard.append)(Event(event="done", task="a"))

    assert [event.task for event in heard] == ["a"]


def test_what_the_ssh_library_says_is_in_the_runs_log_and_masked(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    mask = Mask()
    mask.learn(b"hunter2hunter2")
    log = RunLog(tmp_path / "state.yaml", "r", mask)
    said = logging.getLogger("paramiko.transport")
    said.error("Exception (client): hunter2hunter2 and the rest")
    said.info("Connected (version 2.0)")
    log.close()
    said.error("after the run")
    entries = [json.loads(line) for line in log.path.read_text().splitlines()]
    assert [(entry["event"], entry["said"], entry["run"]) for entry in entries] == [
        ("ssh", "Exception (client): [secret] and the rest", "r")
    ]
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("secret", ['say "open sesame"', r"back\slash\ed", 'C:\\keys\\"mine"', "first line\nsecond"])
def test_a_secret_is_masked_before_json_escapes_what_is_in_it(tmp_path: Path, secret: str) -> None:
    mask = Mask()
    mask.learn(secret.encode())
    log = RunLog(tmp_path / "state.yaml", "r", mask)
    failure = ErrorInfo(type="CommandFailed", message=f"no: {secret}", seen=f"{secret} isn't it")
    log.event(Event(event="failed", task="a", title=f"try {secret}", error=failure))
    log.note("crash", traceback=secret)
    log.close()

    failed, crash = (json.loads(line) for line in log.path.read_text().splitlines())

    assert (failed["event"], failed["task"], failed["title"]) == ("failed", "a", "try [secret]")
    assert (failed["error"]["message"], failed["error"]["seen"]) == ("no: [secret]", "[secret] isn't it")
    assert crash["traceback"] == "[secret]"


def test_a_private_key_that_is_cut_off_takes_nothing_else_with_it(tmp_path: Path) -> None:
    log = RunLog(tmp_path / "state.yaml", "r", Mask())
    log.event(Event(event="started", task="a", title="-----BEGIN PRIVATE KEY-----\nMIIEv", host="h"))
    log.close()

    entry = json.loads(log.path.read_text())

    assert (entry["title"], entry["host"]) == ("[secret]", "h")
