"""What makes a short command short: nothing is imported, or looked for, that isn't needed."""

from __future__ import annotations

import atexit
import gc
import os
import sys
from collections.abc import Generator
from contextlib import contextmanager
from types import ModuleType
from typing import cast

OBJECTS = 200_000
"""New objects after which Python looks for those that only hold each other: 700 by default."""


def begin() -> None:
    """For a program, when it begins.

    While modules are imported, everything lives, and is looked at by the collector in vain: an eighth of the time that
    it takes to import what a run needs. Another twelfth is pydantic's search for plugins among all packages that are
    installed; and what is installed beside KlusterKit shouldn't have a say in how a plan is read. At the end, the
    collector would go through all objects once more, 90 ms after a run, where the system takes the memory back anyhow.
    """
    gc.set_threshold(OBJECTS)
    atexit.register(gc.freeze)
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")


@contextmanager
def without(name: str) -> Generator[None]:
    """A package that libraries imported meanwhile don't find, unless it has been imported before.

    Args:
        name: of the package. It must be one that these libraries can do without.
    """
    # What the import system takes for "there is none" (its reference, 5.3.1, "The module cache").
    with _cached(name, None):
        yield


@contextmanager
def standing_in(name: str, **attributes: object) -> Generator[None]:
    """A module that libraries imported meanwhile get in place of one, unless that has been imported before.

    Args:
        name: of the module.
        attributes: what it has.
    """
    module = ModuleType(name)
    vars(module).update(attributes)
    with _cached(name, module):
        yield


@contextmanager
def _cached(name: str, module: ModuleType | None) -> Generator[None]:
    if name in sys.modules:
        yield
        return
    cast("dict[str, ModuleType | None]", sys.modules)[name] = module
    try:
        yield
    finally:
        del sys.modules[name]
