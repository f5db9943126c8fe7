"""Command lines of the tools that KlusterKit replaces, as the document for those who come from them lists them."""

from __future__ import annotations

import re
from pathlib import Path

TABLE = Path(__file__).parents[2] / "docs" / "from-the-originals.md"


def lines_that(what: str) -> list[str]:
    """Those that do what they did (``run``), or those that say what to type instead (``tell``)."""
    rows = re.findall(r"^\| `([^`]+)` \| (.*?) \|$", TABLE.read_text(), re.MULTILINE)
    assert len(rows) > 60, "the document has its tables"
    return [line for line, today in rows if today.startswith("runs") == (what == "run")]
