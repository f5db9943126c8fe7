"""``--proof FILE`` keeps what a run of the tests has shown as a table for readers: a part of ``docs/proof.md``."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# A machine that others use too says nothing about the code by being slow.
settings.register_profile("shared machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("shared machine")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--proof", metavar="FILE", type=Path, help="write what was shown, and how long it took, to a file")
    parser.addoption(
        "--rollbacks", metavar="N", type=int, help="of a sweep that goes back from many moments: how many [a third]"
    )


def pytest_configure(config: pytest.Config) -> None:
    if page := config.getoption("--proof"):
        config.pluginmanager.register(Proof(page))


class Proof:
    """A row for each test: its name is the statement, and what it recorded as ``figures`` is told beside it."""

    def __init__(self, page: Path) -> None:
        self._page = page
        self._rows: list[str] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when != "call" and report.passed:
            return
        file, _, name = report.nodeid.partition("::")
        statement = name.removeprefix("test_").replace("_", " ")
        figures = "; ".join(str(value) for key, value in report.user_properties if key == "figures")
        shown = "shown" if report.passed else report.outcome
        self._rows.append(f"| {statement} | {shown} | {figures} | {report.duration:.0f} s | `{file}` |")

    def pytest_sessionfinish(self) -> None:
        rows = "\n".join(["| statement | | figures | took | test |", "| --- | --- | --- | ---: | --- |", *self._rows])
        commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], check=False, capture_output=True, text=True)
        self._page.write_text(f"""{rows}

{time.strftime("%Y-%m-%d", time.gmtime())}, `{" ".join(["pytest", *sys.argv[1:]])}`
at {commit.stdout.strip()}, on {os.cpu_count()} processors, Linux {platform.release()},
Python {platform.python_version()}.
""")
