"""What the demo tells its reader to type in the end can be typed: the demo itself takes half an hour to say it."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.command_lines import in_blocks, parse

ROOT = Path(__file__).parents[3]
DEMO = (ROOT / "scripts" / "demo").read_text()
PUT_TOGETHER = re.compile(r"^(?:create_cluster|machines|kubectl)=.*\n", re.MULTILINE)
"""Calls that the script has made before, and tells again."""
LAST_WORDS = re.compile(r"^cat <<END\n.*?^END$", re.MULTILINE | re.DOTALL)
TOLD = {
    "vip": "10.0.0.9",
    "folder": "/demo",
    "lab": "lab",
    "PATH": "/bin:/usr/bin",
    "LAB_INSTANCE": "demo",
    "LAB_SSH_KEY": "/lab/key",
    "LAB_KNOWN_HOSTS": "/lab/known_hosts",
    "CCTL_STATE": "/demo/cctl-state.yaml",
    "KLUSTERKIT_BUNDLE": "/demo/k8s.bundle",
    "KLUSTERKIT_CACHE": "/demo/cache",
}
"""What the script knows by then."""


def typed() -> list[str]:
    """The lines to type, as a shell prints them."""
    (last,) = LAST_WORDS.findall(DEMO)
    script = "".join(["set -eu\n", *PUT_TOGETHER.findall(DEMO), last])
    said = subprocess.run(["/bin/sh", "-c", script], env=TOLD, capture_output=True, check=True, text=True).stdout
    return [found[1] for line in said.splitlines() if (found := re.match(r"(?:  |.*:  )(\S.*)", line))]


LINES = typed()
OURS = {" ".join(words): words for words in in_blocks("```\n{}\n```\n".format("\n".join(LINES)))}
OF_THE_LAB = [line.partition(";")[0] for line in LINES if line.startswith("lab ")]


def test_every_line_is_a_call_of_what_is_there() -> None:
    assert {line.split()[0] for line in LINES} == {"cd", "export", "cctl", "./kubectl", "lab"}
    named = {re.sub(r" -.*", "", call) for call in OURS}
    assert {"cctl status", "cctl create machine", "cctl resume", "cctl rollback"} <= named
    assert {call.split()[1] for call in OF_THE_LAB} >= {"power-off", "power-on", "reset", "down"}


@pytest.mark.parametrize("call", OURS)
def test_our_commands_are_understood(call: str) -> None:
    parse(OURS[call])


@pytest.mark.parametrize("call", OF_THE_LAB)
def test_commands_of_the_lab_are_understood(call: str) -> None:
    reads = "import sys; sys.path.insert(0, sys.argv[1]); from kklab import cli; cli._parser().parse_args(sys.argv[2:])"
    _, *words = call.split()
    read = subprocess.run([sys.executable, "-c", reads, ROOT / "lab", *words], capture_output=True, text=True)
    assert read.returncode == 0, read.stderr
