"""The log of a run takes in what libraries say, which is for no terminal."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest

from klusterkit.engine.errors import ErrorInfo
from klusterkit.engine.events import Event
from klusterkit.session.masking import Mask
from klusterkit.session.running.log import RunLog


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
