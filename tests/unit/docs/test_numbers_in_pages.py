"""What is said in two places is the same in both."""

from __future__ import annotations

import re
from io import StringIO
from pathlib import Path

from rich.console import Console

from klusterkit.report.planview import show_plan
from klusterkit.session.running.plans import load_plan

ROOT = Path(__file__).parents[3]


def test_the_demo_takes_as_long_as_the_page_says() -> None:
    page = re.search(r"^\| `make demo` \| (.+?):", (ROOT / "README.md").read_text(), re.MULTILINE)
    script = re.search(r"the first time (.+?),", (ROOT / "scripts/demo").read_text())
    assert page is not None
    assert script is not None
    assert page[1] == script[1]


def test_a_plan_looks_as_the_page_about_reading_it_says() -> None:
    screen = Console(width=200, file=StringIO(), no_color=True)
    show_plan(screen, load_plan(ROOT / "plans" / "create-one-master.yaml"))
    assert isinstance(screen.file, StringIO)
    shown = {" ".join(line.split()) for line in screen.file.getvalue().splitlines()}

    page = (ROOT / "docs" / "cctl.md").read_text().partition("## Reading a plan")[2]
    sample = [" ".join(line.split()) for line in page.split("```")[1].splitlines() if line.strip(" …")]
    assert len(sample) > 5
    assert set(sample) <= shown
