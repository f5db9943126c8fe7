"""Whoever waits while a plan is prepared, and wants to know for what."""

from __future__ import annotations

from typing import Protocol


class Onlooker(Protocol):
    """Told from several threads; a view implements it."""

    def stage(self, what: str) -> None:
        """Something else is done from now on."""
        ...

    def came(self, name: str, size: int) -> None:
        """So many bytes more of an artifact are here."""
        ...

    def ended(self, name: str) -> None:
        """An artifact is here and verified."""
        ...


class Nobody:
    """Looks on, and wants to know nothing."""

    def stage(self, what: str) -> None:
        """Nothing to tell."""

    def came(self, name: str, size: int) -> None:
        """Nothing to tell."""

    def ended(self, name: str) -> None:
        """Nothing to tell."""
