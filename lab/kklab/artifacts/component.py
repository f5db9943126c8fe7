"""A component: something that is made once, from a recipe, and kept under the recipe's digest."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


class Bench(Protocol):
    """What a component is made with."""

    @property
    def scratch(self) -> Path:
        """A folder that outlives an interruption, for what this component is made of."""
        ...

    @property
    def log(self) -> Path:
        """Where the output of tools goes."""
        ...

    def made(self, component: Component) -> Path:
        """The files of a component that this one needs."""
        ...

    def go(self) -> Path:
        """The Go command."""
        ...

    def base_tree(self) -> Path:
        """The root folder of the hosts' base tree."""
        ...


Make = Callable[[Bench, Path], None]


@dataclass(frozen=True)
class Component:
    """One component and how it is made.

    Attributes:
        name: what it is; with `version`, unique in a catalogue.
        recipe: everything that the result depends on, as JSON-like data. The digest of this is the key under
            which the result is kept, so code may be rearranged without anything being made again.
        seconds: how long making it takes on two cores, measured.
        make: fills an empty folder with the files. For a published component their paths are those of the mirror.
        needs: components whose files `make` reads.
        published: whether its files belong to the mirror.
    """

    name: str
    version: str
    recipe: Mapping[str, object]
    seconds: float
    make: Make
    needs: tuple[Component, ...] = ()
    published: bool = True

    @property
    def digest(self) -> str:
        """Digest of the recipe and of everything that it needs."""
        text = json.dumps([self.name, self.version, self.recipe, [need.digest for need in self.needs]], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()

    @property
    def title(self) -> str:
        """How it is called in front of people."""
        return f"{self.name} {self.version}"


def in_order(wanted: tuple[Component, ...]) -> list[Component]:
    """The wanted components and all they need, each once, needs first."""
    ordered: dict[str, Component] = {}

    def visit(component: Component) -> None:
        for need in component.needs:
            visit(need)
        ordered.setdefault(component.digest, component)

    for component in wanted:
        visit(component)
    return list(ordered.values())
