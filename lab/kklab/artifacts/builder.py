"""Making what a mirror needs, component by component; what is finished survives any interruption."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

from kklab import places
from kklab.artifacts import golang
from kklab.artifacts.component import Component, in_order
from kklab.artifacts.store import Store
from kklab.errors import LabError
from kklab.progress import Progress, say, span

NICE = 10
SCRATCH_BYTES = 16 * 10**9
"""Module and build caches of all programs, and the programs."""


class Workbench:
    """What one component is made with; see `component.Bench`."""

    def __init__(self, store: Store, component: Component, base_tree: Callable[[], Path]) -> None:
        self._store = store
        self._component = component
        self.base_tree = base_tree

    @property
    def scratch(self) -> Path:
        """Kept when the component isn't finished, so that tools go on from what they had."""
        folder = places.build() / f"{self._component.name}-{self._component.digest[:12]}"
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    @property
    def log(self) -> Path:
        """One file a component, appended to."""
        folder = places.cache() / "logs"
        folder.mkdir(parents=True, exist_ok=True)
        return folder / f"{self._component.name}-{self._component.version}.log"

    def made(self, component: Component) -> Path:
        """From the store."""
        return self._store.files(component)

    def go(self) -> Path:
        """New enough for all modules."""
        return golang.toolchain()


def make_all(wanted: tuple[Component, ...], store: Store, base_tree: Callable[[], Path]) -> None:
    """Make the wanted components and what they need, except what is kept and undamaged.

    A needed component is made only when something that needs it has to be made.
    """
    missing = _missing(wanted, store)
    if not missing:
        say("all components are there, checksums verified")
        return
    _need_room(missing)
    say(f"{len(missing)} components to make, about {span(sum(item.seconds for item in missing))} on two cores")
    # The machine's own work and running lab hosts go first.
    os.nice(max(0, NICE - os.nice(0)))
    progress = Progress({component.title: component.seconds for component in missing})
    for component in missing:
        with progress.step(component.title):
            _make(component, store, base_tree)


def discard_scratch() -> None:
    """Delete build caches: they are more than ten times as big as what they make."""
    if places.build().exists():
        say("deleting build caches")
        shutil.rmtree(places.build())


def _missing(wanted: tuple[Component, ...], store: Store) -> list[Component]:
    missing: set[str] = set()

    def visit(component: Component) -> None:
        damage = None if component.digest in missing else store.damage(component)
        if damage is None:
            return
        if damage != "not there":
            say(f"{component.title} will be made again: {damage}")
        missing.add(component.digest)
        for need in component.needs:
            visit(need)

    for component in wanted:
        visit(component)
    return [component for component in in_order(wanted) if component.digest in missing]


def _need_room(missing: list[Component]) -> None:
    needed = SCRATCH_BYTES if any(component.seconds >= 60 for component in missing) else 0
    places.cache().mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(places.cache()).free
    if free < needed:
        raise LabError(
            f"building takes up to {needed / 1e9:.0f} GB for a while; {places.cache()} has {free / 1e9:.0f} GB",
            "make room, or name another place in KLUSTERKIT_LAB_CACHE",
        )


def _make(component: Component, store: Store, base_tree: Callable[[], Path]) -> None:
    began = time.monotonic()
    component.make(Workbench(store, component, base_tree), store.begin(component))
    store.finish(component, time.monotonic() - began)
