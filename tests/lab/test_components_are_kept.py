"""What is finished is kept, whatever happens to the rest; what isn't what it was is made again."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from kklab.artifacts import builder
from kklab.artifacts.component import Bench, Component
from kklab.artifacts.store import Store
from kklab.errors import LabError

from tests.lab.conftest import LAB


class Kitchen:
    """A few components that need each other, and a record of which were made."""

    def __init__(self, folder: Path) -> None:
        self.store = Store(folder)
        self.made: list[str] = []
        self.interrupted = ""

    def component(self, name: str, *needs: Component, text: str = "") -> Component:
        def make(bench: Bench, out: Path) -> None:
            (out / "half").write_text("")
            if name == self.interrupted:
                raise KeyboardInterrupt
            self.made.append(name)
            parts = [(bench.made(need) / "text").read_text() for need in needs]
            (out / "text").write_text("+".join([*parts, text or name]))

        return Component(name, "v1", {"text": text}, 0.1, make, needs)

    def build(self, *wanted: Component) -> list[str]:
        """Make what is missing; gives the names of what was made."""
        self.made.clear()
        builder.make_all(wanted, self.store, lambda: Path("/"))
        return list(self.made)

    def text(self, component: Component) -> str:
        return (self.store.files(component) / "text").read_text()


@pytest.fixture
def kitchen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Kitchen:
    monkeypatch.setenv("KLUSTERKIT_LAB_CACHE", str(tmp_path / "cache"))
    return Kitchen(tmp_path / "store")


def test_a_component_is_made_after_what_it_needs_and_once(kitchen: Kitchen) -> None:
    flour = kitchen.component("flour")
    dough = kitchen.component("dough", flour)
    bread = kitchen.component("bread", dough, flour)
    assert kitchen.build(bread, dough) == ["flour", "dough", "bread"]
    assert kitchen.text(bread) == "flour+dough+flour+bread"
    assert kitchen.build(bread, dough) == []


def test_an_interrupted_build_goes_on_where_it_was(kitchen: Kitchen) -> None:
    flour, water = kitchen.component("flour"), kitchen.component("water")
    dough = kitchen.component("dough", flour, water)
    kitchen.interrupted = "water"
    with pytest.raises(KeyboardInterrupt):
        kitchen.build(dough)
    assert kitchen.store.manifest(water) is None
    kitchen.interrupted = ""
    assert kitchen.build(dough) == ["water", "dough"]


def test_another_recipe_of_one_makes_only_what_depends_on_it(kitchen: Kitchen) -> None:
    flour, water = kitchen.component("flour"), kitchen.component("water")
    kitchen.build(kitchen.component("dough", flour), kitchen.component("tea", water))
    rye = kitchen.component("flour", text="rye")
    assert kitchen.build(kitchen.component("dough", rye), kitchen.component("tea", water)) == ["flour", "dough"]


def test_what_nobody_misses_is_not_made(kitchen: Kitchen) -> None:
    flour = kitchen.component("flour")
    dough = kitchen.component("dough", flour)
    kitchen.build(dough)
    (kitchen.store.files(flour) / "text").unlink()
    assert kitchen.build(dough) == []


@pytest.mark.parametrize("damage", ["changed", "longer", "gone"])
def test_a_damaged_component_is_made_again(kitchen: Kitchen, damage: str) -> None:
    flour = kitchen.component("flour")
    kitchen.build(flour)
    file = kitchen.store.files(flour) / "text"
    if damage == "gone":
        file.unlink()
    else:
        file.write_text("flouX" if damage == "changed" else "flour and more")
    assert kitchen.build(flour) == ["flour"]
    assert kitchen.store.damage(flour) is None


def test_a_full_disk_is_found_before_a_long_build(kitchen: Kitchen, monkeypatch: pytest.MonkeyPatch) -> None:
    slow = Component("slow", "v1", {}, 600.0, lambda bench, out: None)
    monkeypatch.setattr(builder, "SCRATCH_BYTES", 1 << 62)
    with pytest.raises(LabError, match="KLUSTERKIT_LAB_CACHE"):
        kitchen.build(slow)


KILLED = """
import sys, time
sys.path.insert(0, {lab!r})
from pathlib import Path
from kklab.artifacts import builder
from kklab.artifacts.component import Component
from kklab.artifacts.store import Store

def slow(bench, out):
    (out / "half").write_text("")
    print("slow begins", flush=True)
    time.sleep({seconds})

def quick(bench, out):
    print("quick begins", flush=True)
    (out / "whole").write_text("")

wanted = (Component("quick", "v1", {{}}, 1.0, quick), Component("slow", "v1", {{}}, 1.0, slow))
builder.make_all(wanted, Store(Path({store!r})), lambda: Path("/"))
"""


def test_a_build_killed_at_once_keeps_what_was_finished(tmp_path: Path) -> None:
    def start(seconds: float) -> subprocess.Popen[str]:
        program = KILLED.format(lab=str(LAB), store=str(tmp_path / "store"), seconds=seconds)
        env = os.environ | {"KLUSTERKIT_LAB_CACHE": str(tmp_path / "cache")}
        return subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, env=env)

    killed = start(60.0)
    assert killed.stdout
    assert [killed.stdout.readline(), killed.stdout.readline()] == ["quick begins\n", "slow begins\n"]
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    again, _ = start(0.0).communicate()
    assert again == "slow begins\n"


def test_a_tool_ends_with_the_lab_command_that_started_it(tmp_path: Path) -> None:
    marker = f"{600 + os.getpid()}.25"
    program = (
        # A job in the background of a script ignores SIGINT, and so would its children.
        "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler); "
        f"sys.path.insert(0, {str(LAB)!r}); from kklab import command; command.run(['sleep', '{marker}'])"
    )
    child = subprocess.Popen([sys.executable, "-c", program], stderr=subprocess.DEVNULL)

    def sleeping() -> bool:
        return subprocess.run(["pgrep", "-f", f"^sleep {marker}"], capture_output=True).returncode == 0

    while not sleeping():
        time.sleep(0.02)
    child.send_signal(signal.SIGINT)
    child.wait()
    assert not sleeping()
