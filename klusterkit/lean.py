"""What makes a short command short: nothing is imported, or looked for, that isn't needed."""

from __future__ import annotations

import gc
import sys
from collections.abc import Generator
from contextlib import contextmanager
from types import ModuleType
from typing import cast

OBJECTS = 50_000
"""New objects after which Python looks for those that only hold each other: 700 by default."""


def collect_rarely() -> None:
    """For a program, when it begins: while modules are imported, everything lives, and is looked at in vain.

    It is an eighth of the time that it takes to import what a run needs.
    """
    gc.set_threshold(OBJECTS)


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
