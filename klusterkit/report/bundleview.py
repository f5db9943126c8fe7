"""Bundles in the terminal: what one holds, and what two differ in."""

from __future__ import annotations

import threading
from collections.abc import Iterable

from rich.console import Console
from rich.table import Table

from klusterkit.bundle.delta import Change
from klusterkit.bundle.manifest import Entry, Manifest
from klusterkit.report.screen import columns

_NONE = "-"
_OFTEN = 100_000_000
"""Bytes between two lines about how much has come."""


def megabytes(size: int) -> str:
    """A size in words."""
    return f"{size / 1e6:.1f} MB" if size >= 100_000 else f"{size / 1e3:.1f} kB"


def entries(manifest: Manifest, *, wide: bool = False) -> Table:
    """What is in a bundle."""
    table = columns("KIND", "NAME", "VERSION", "SIZE", *(("SHA-256", "PATH") if wide else ("SHA-256",)))
    for entry in sorted(manifest.entries, key=lambda entry: (entry.kind, entry.name, entry.version)):
        digest = (entry.sha256, entry.path) if wide else (entry.sha256[:16],)
        table.add_row(entry.kind, _component(entry), entry.version, megabytes(entry.size), *digest)
    return table


def summary(screen: Console, manifest: Manifest, size: int) -> None:
    """One line about a bundle."""
    count = f"{len(manifest.entries)} files, {len(manifest.blobs)} different ones"
    screen.print(f"bundle {manifest.summary}, {manifest.architecture}: {count}, {megabytes(size)}")


def differences(found: Iterable[Change]) -> Table:
    """What two bundles differ in."""
    table = columns("", "KIND", "NAME", "OLD", "NEW", "SIZE")
    for change in found:
        sign = "~" if change.old and change.new else "+" if change.new else "-"
        old, new = (item.version if item else _NONE for item in (change.old, change.new))
        if change.old and change.new and old == new:
            old, new = (f"{item.version} {item.sha256[:8]}" for item in (change.old, change.new))
        table.add_row(sign, change.entry.kind, _component(change.entry), old, new, megabytes(change.entry.size))
    return table


def _component(entry: Entry) -> str:
    return entry.name.removesuffix(f":{entry.version}")


class Arrivals:
    """Tells what comes while a bundle is built: each name once, and how much came, now and then."""

    def __init__(self, screen: Console) -> None:
        self._screen = screen
        self._lock = threading.Lock()
        self._names: set[str] = set()
        self._bytes = self._told = 0

    def tell(self, name: str, size: int) -> None:
        """So many bytes of this one have come."""
        with self._lock:
            self._bytes += size
            if name not in self._names:
                self._names.add(name)
                self._screen.print(f"fetching {name}")
            elif self._bytes - self._told > _OFTEN:
                self._told = self._bytes
                self._screen.print(f"{megabytes(self._bytes)} have come")
