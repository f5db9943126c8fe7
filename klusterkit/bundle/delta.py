"""What two bundles differ in, and a file that turns the older one into the newer one, byte for byte.

A delta is a bundle that lacks the blobs that the older one has, and begins with ``delta.json``, which says so. It holds
the newer one's manifest and signature, so that no more has to be trusted than with a bundle.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from klusterkit.bundle.bundle import Bundle
from klusterkit.bundle.errors import BundleLacks
from klusterkit.bundle.manifest import DeltaNote, Entry, Manifest
from klusterkit.bundle.writing import write


@dataclass(frozen=True)
class Change:
    """An entry that only one of two bundles has, or that has other content or another version in the newer one."""

    old: Entry | None
    new: Entry | None

    @property
    def entry(self) -> Entry:
        """The newer one, or the one there is."""
        found = self.new or self.old
        assert found is not None  # noqa: S101 - changes have one at least
        return found


def changes(old: Manifest, new: Manifest) -> Iterator[Change]:
    """What differs, in the order of kinds and names. A component that has gone for another version is one change."""
    before = {entry.path: entry for entry in old.entries}
    after = {entry.path: entry for entry in new.entries}
    gone = [entry for path, entry in before.items() if path not in after]
    found: list[Change] = []
    for path, entry in after.items():
        earlier = before.get(path)
        if earlier is None:
            earlier = _predecessor(gone, entry)
        elif earlier.sha256 == entry.sha256:
            continue
        found.append(Change(earlier, entry))
    found += [Change(entry, None) for entry in gone]
    yield from sorted(found, key=lambda change: (change.entry.kind, change.entry.name, change.entry.version))


def _predecessor(gone: list[Entry], entry: Entry) -> Entry | None:
    """The entry that was the same component in another version. Taken from ``gone``."""
    for earlier in gone:
        if (earlier.kind, _component(earlier)) == (entry.kind, _component(entry)):
            gone.remove(earlier)
            return earlier
    return None


def _component(entry: Entry) -> str:
    return entry.name.removesuffix(f":{entry.version}")


def make(old: Bundle, new: Bundle, out: Path, tell: Callable[[int], None] = lambda _: None) -> int:
    """Write the delta from one bundle to the other. Returns its size in bytes."""
    wanted = new.manifest.blobs
    lacks = tuple(sha256 for sha256 in wanted if sha256 in old.blobs)
    sent = {sha256: size for sha256, size in wanted.items() if sha256 not in old.blobs}
    note = DeltaNote(base=old.manifest.id, lacks=lacks)
    return write(out, replace(new.head, delta=note.content), sent, new.pieces, tell)


def combine(old: Bundle, delta: Bundle, out: Path, tell: Callable[[int], None] = lambda _: None) -> None:
    """Write the bundle that a delta was made from. Raises ``BundleLacks`` when ``old`` isn't what it needs."""
    missing = [sha256 for sha256 in delta.manifest.blobs if sha256 not in delta.blobs and sha256 not in old.blobs]
    if missing:
        raise BundleLacks(
            f"it lacks {len(missing)} of the files that {delta.path} builds on",
            seen=f"it is {old.manifest.id}; the delta was made for {delta.delta.base if delta.delta else 'none'}",
            hint="name the older bundle that the delta was made with",
        ).about(old.path)
    write(out, delta.head, delta.manifest.blobs, lambda sha256: _either(old, delta, sha256), tell)


def _either(old: Bundle, delta: Bundle, sha256: str) -> Iterator[bytes]:
    return (delta if sha256 in delta.blobs else old).pieces(sha256)
