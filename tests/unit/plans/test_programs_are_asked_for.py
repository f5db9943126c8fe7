"""A host that lacks a program is refused before the work begins, and doesn't fail in the middle of it."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from klusterkit.tasks.asked import NEEDED, PROGRAMS
from klusterkit.tasks.preflight import check
from tests.unit.plans.test_preflight import FACTS, WANTED

PACKAGE = Path(__file__).parents[3] / "klusterkit"
WITHOUT = {"logger", "modprobe", "nft", "openssl", "perl"}
"""Asked for where they are used, and done without where they are not there."""
BUILT_IN = {"echo", "false", "kill", "printf", "pwd", "sh", "test", "true"}
"""In every shell, or the shell itself."""

SHELL = re.compile(
    r"(?:^|[;&|({!]|\bthen|\bdo|\belse|\bif|\$\(|\btimeout -k \S+ \S+)\s*([a-z][a-z0-9]+)(?=\s|$|\))", re.MULTILINE
)
"""A word where a shell looks for a command."""
INLINE = re.compile(r"""b["'](?:[^"']*(?:&& |; |\| |then |else ))?([a-z][a-z0-9]+) """)
"""The same in scripts that Python puts together."""
STEP = re.compile(r"""\[\s*"([a-z][a-z0-9]+)",""")
"""The first word of a step's command."""


def called() -> dict[str, str]:
    """Programs that this machine has, and where they are called."""
    sources = {
        **dict.fromkeys(PACKAGE.glob("hosts/shell/*.sh"), SHELL),
        **dict.fromkeys(PACKAGE.glob("hosts/*.py"), INLINE),
        **dict.fromkeys(PACKAGE.glob("tasks/*.py"), STEP),
    }
    found: dict[str, str] = {}
    for path, pattern in sources.items():
        text = "\n".join(line.partition(" # ")[0] for line in path.read_text().splitlines() if line.lstrip()[:1] != "#")
        found |= {name: path.name for name in pattern.findall(text) if shutil.which(name)}
    return found


def test_every_program_that_is_called_is_one_that_preflight_looks_for() -> None:
    unknown = {name: where for name, where in called().items() if name not in {*NEEDED, *WITHOUT, *BUILT_IN}}
    assert unknown == {}


def test_the_search_finds_what_scripts_and_steps_call() -> None:
    assert {"flock", "setsid", "timeout", "base64", "sha256sum", "sync", "stat", "readlink", "tar"} <= called().keys()


def test_a_host_without_flock_is_refused() -> None:
    there = tuple(name for name in PROGRAMS if name != "flock")
    (refusal,) = check(FACTS.model_copy(update={"programs": there}), WANTED)
    assert refusal.seen == "flock"
    assert "util-linux" in refusal.hint
