"""What is said in two places is the same in both."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[3]


def test_the_demo_takes_as_long_as_the_page_says() -> None:
    page = re.search(r"^\| `make demo` \| (.+?):", (ROOT / "README.md").read_text(), re.MULTILINE)
    script = re.search(r"the first time (.+?),", (ROOT / "scripts/demo").read_text())
    assert page is not None
    assert script is not None
    assert page[1] == script[1]
