"""A time that somebody may come back to is told in UTC, whoever tells it and wherever it is read."""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone

import pytest

from klusterkit.engine.journal import Direction
from klusterkit.hosts.lease import Holder
from klusterkit.moments import moment
from klusterkit.report.history import runs
from klusterkit.report.screen import screen
from klusterkit.report.statusview import run_line
from klusterkit.state.lock import LockInfo

AT = 1_790_000_000.0
TOLD = "2026-09-21T14:13:20Z"
SINCE = datetime.fromtimestamp(AT, timezone(timedelta(hours=-4)))


@pytest.fixture(autouse=True)
def _far_from_utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "NZST-12")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def history() -> str:
    file = io.StringIO()
    brief = {"name": "r1", "began": AT - 12, "ended": AT, "outcome": "done", "operation": "create machine"}
    screen(file).print(runs([brief]))
    return file.getvalue()


@pytest.mark.parametrize(
    "tell",
    [
        lambda: moment(AT),
        history,
        lambda: run_line("create machine", Direction.FORWARD, AT, "ada@vm", {}).plain,
        lambda: str(Holder(who="ada@vm", since=AT)),
        lambda: str(LockInfo(id="1", who="ada@vm", pid=1, boot_id="", op="resume", since=SINCE)),
    ],
    ids=["moment", "history", "status", "lock of a host", "lock of a state file"],
)
def test_a_time_is_told_in_utc_and_says_so(tell: Callable[[], str]) -> None:
    assert TOLD in tell()
