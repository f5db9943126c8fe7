"""The log of a run takes in what libraries say, which is for no terminal."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest

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
