"""The lab knows nothing of what is tested on it: it can be used, and believed, without."""

from __future__ import annotations

import re
from pathlib import Path

LAB = Path(__file__).parents[2] / "lab"
PACKAGE = re.compile(r"\bklusterkit\b(?!-lab)")
"""Its name, as an import, a program or a string has it; but for the folders that are called after the lab."""


def test_nothing_of_the_lab_names_the_package() -> None:
    files = [path for path in LAB.rglob("*") if path.is_file() and "__pycache__" not in path.parts]

    assert {LAB / "lab", LAB / "kklab" / "cli.py"} <= {*files}
    assert [str(path) for path in files if PACKAGE.search(path.read_text())] == []
