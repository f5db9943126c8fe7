"""``--proof FILE`` keeps what a run of the tests has shown as a table for readers: a part of ``docs/proof.md``."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# A machine that others use too says nothing about the code by being slow.
settings.register_profile("shared machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("shared machine")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--proof", metavar="FILE", type=Path, help="write what was shown, and how long it took, to a file")


def pytest_configure(config: pytest.Config) -> None:
    if page := config.getoption("--proof"):
        config.pluginmanager.register(Proof(page))


def pytest_sessionstart(session: pytest.Session) -> None:
    """Where nobody looks, the summary has room to say why a test failed beside its name."""
    if session.config.pluginmanager.has_plugin("terminalreporter") and not sys.stdout.isatty():
        session.config.get_terminal_writer().fullwidth = 200


@dataclass
class Shown:
    """What was shown of one statement: of one in several variants, all of them."""

    file: str
    statement: str
    outcomes: list[str] = field(default_factory=list)
    figures: dict[str, None] = field(default_factory=dict)
    took: float = 0.0

    def row(self) -> str:
        """In the table."""
        wrong = [outcome for outcome in self.outcomes if outcome != "passed"]
        shown = f"{len(wrong)} {wrong[0]}" if wrong else "shown"
        variants = f"shown in {len(self.outcomes)} variants" if len(self.outcomes) > 1 and not wrong else shown
        return f"| {self.statement} | {variants} | {'; '.join(self.figures)} | {self.took:.0f} s | `{self.file}` |"


class Proof:
    """A row for each test: its name is the statement, and what it recorded as ``figures`` is told beside it.

    Variants whose parameters begin alike share one: ``test_x[one master-forward]`` and ``test_x[one master-back]``.
    """

    def __init__(self, page: Path) -> None:
        self._page = page
        self._shown: dict[str, Shown] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when != "call" and report.passed:
            return
        file, _, name = report.nodeid.partition("::")
        test, _, variant = name.rstrip("]").partition("[")
        of = variant.split("-")[0]
        statement = test.removeprefix("test_").replace("_", " ") + (f": {of}" if of else "")
        shown = self._shown.setdefault(f"{file} {statement}", Shown(file, statement))
        shown.outcomes.append(report.outcome)
        shown.figures |= {str(value): None for key, value in report.user_properties if key == "figures"}
        shown.took += report.duration

    def pytest_sessionfinish(self) -> None:
        rows = "\n".join(
            [
                "| statement | | figures | took | test |",
                "| --- | --- | --- | ---: | --- |",
                *(one.row() for one in self._shown.values()),
            ]
        )
        commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], check=False, capture_output=True, text=True)
        self._page.write_text(f"""{rows}

{time.strftime("%Y-%m-%d", time.gmtime())}, `{" ".join(["pytest", *sys.argv[1:]])}`
at {commit.stdout.strip()}, on {os.cpu_count()} processors, Linux {platform.release()},
Python {platform.python_version()}.
""")
