"""``scripts/setup`` where Python's ``venv`` and pip only say what they would do."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PACKAGES = 40
PYTHON = f"""#!/bin/sh
case $1 in
-c) exec {sys.executable} "$@" ;;
esac
echo venv >>log
mkdir -p .venv/bin
[ "$HANGS" != venv ] || {{ touch hangs; exec sleep 60; }}
cp pip .venv/bin/pip
"""
PIP = f"""#!/bin/sh
case $* in
*--editable*) echo project >>log; [ "$HANGS" != project ] || {{ touch hangs; exec sleep 60; }}; exit ;;
esac
echo packages >>log
for number in $(seq {PACKAGES}); do
    echo "Collecting p$number==1 (from -r requirements.lock (line $number))"
    [ "$HANGS$number" != packages25 ] || {{ touch hangs; exec sleep 60; }}
    [ "$FAILS$number" != packages25 ] || exit 1
done
echo "Installing collected packages: p1, p2"
"""


class Checkout:
    """What setup needs of one, and what it has called there."""

    def __init__(self, root: Path) -> None:
        self.root = root
        (root / "scripts").mkdir()
        shutil.copy(ROOT / "scripts/setup", root / "scripts")
        (root / "pyproject.toml").touch()
        (root / "requirements.lock").write_text("".join(f"p{n}==1 \\\n    --hash=x\n" for n in range(PACKAGES)))
        for name, text in (("python3", PYTHON), ("pip", PIP)):
            (root / name).write_text(text)
            (root / name).chmod(0o755)

    def start(self, **env: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            ["scripts/setup"],
            cwd=self.root,
            env={**os.environ, "PATH": f"{self.root}:{os.environ['PATH']}", "PYTHON": "python3", **env},
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def set_up(self, **env: str) -> tuple[int, list[str], str]:
        """Its exit code, what it called, and what it said."""
        (self.root / "log").write_text("")
        process = self.start(**env)
        _, said = process.communicate(timeout=50)
        return process.returncode, (self.root / "log").read_text().split(), said

    def stop_amid(self, step: str, asked: int) -> None:
        process, end = self.start(HANGS=step), time.monotonic() + 50
        while not (self.root / "hangs").exists():
            assert time.monotonic() < end
            time.sleep(0.02)
        os.killpg(process.pid, asked)
        process.communicate(timeout=20)
        assert process.returncode != 0


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    return Checkout(tmp_path)


def test_what_is_set_up_is_left_alone_until_the_lock_changes(checkout: Checkout) -> None:
    assert checkout.set_up()[:2] == (0, ["venv", "packages", "project"])
    assert checkout.set_up() == (0, [], "")
    (checkout.root / "requirements.lock").write_text("p==2 --hash=x\n")
    assert checkout.set_up()[:2] == (0, ["packages", "project"])


@pytest.mark.parametrize("asked", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
@pytest.mark.parametrize(
    ("step", "left"),
    [
        ("venv", ["venv", "packages", "project"]),
        ("packages", ["packages", "project"]),
        ("project", ["packages", "project"]),
    ],
)
def test_stopped_anywhere_it_goes_on_from_there(
    checkout: Checkout, step: str, left: list[str], asked: signal.Signals
) -> None:
    checkout.stop_amid(step, asked)
    assert checkout.set_up()[:2] == (0, left)
    assert checkout.set_up()[:2] == (0, [])


def test_it_fails_when_pip_does(checkout: Checkout) -> None:
    code, called, _ = checkout.set_up(FAILS="packages")
    assert (code != 0, called) == (True, ["venv", "packages"])
    assert checkout.set_up()[:2] == (0, ["packages", "project"])


def test_it_says_how_far_pip_is(checkout: Checkout) -> None:
    _, _, said = checkout.set_up()
    assert said.splitlines()[1:] == [
        "setup: package 20 of 40",
        "setup: package 40 of 40",
        "setup: 40 packages are there, installing them",
    ]
