"""What a program does besides its work."""

from __future__ import annotations

import subprocess
import sys

BEFORE = "import atexit, gc; atexit.register(lambda: print(len(gc.get_objects()) < 1000))"


def left_to_the_collector_at_the_end(begin: str) -> bool:
    program = f"{BEFORE}; import json, yaml; {begin}"
    said = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True).stdout
    return said.strip() == "False"


def test_at_its_end_a_program_leaves_nothing_to_the_collector():
    assert left_to_the_collector_at_the_end("pass")
    assert not left_to_the_collector_at_the_end("from klusterkit import lean; lean.begin()")
