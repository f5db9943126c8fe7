"""Commands on the mirror of components."""

from __future__ import annotations

from collections.abc import Sequence

from kklab.artifacts import mirror


def build(minors: Sequence[str] | None, origin: str, official_base: str | None) -> None:
    """Make or download what the mirror lacks for the given minors (all without one)."""
    mirror.build(minors, origin, official_base)


def path() -> None:
    """Print the mirror's folder."""
    print(mirror.folder())


def show() -> None:
    """Print one line for each component of the mirror."""
    mirror.show()
