"""The mirror: one folder that looks like the official download sites, made of links to kept components."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from kklab import locks, places
from kklab.artifacts import builder, catalogue
from kklab.artifacts import programs as go
from kklab.artifacts.component import Component
from kklab.artifacts.sites import Sites
from kklab.artifacts.store import Store
from kklab.errors import LabError
from kklab.hosts import basetree
from kklab.progress import say


def folder() -> Path:
    """Where the mirror is. The place depends on all recipes, so an old mirror is never taken for a new one."""
    text = "\n".join(item.source.digest for item in catalogue.items(go.MINORS, Sites()))
    return places.cache() / "mirror" / hashlib.sha256(text.encode()).hexdigest()[:12]


def store() -> Store:
    """Where finished components are kept."""
    return Store(places.cache() / "components")


def build(minors: Sequence[str] | None, origin: str, official_base: str | None) -> None:
    """Make the mirror hold all that the given minors need (all known ones without any).

    Args:
        origin: `source`, `official`, or `auto` for what is kept, else what the sites give, else the source.
        official_base: address of a mirror that has a folder for each official site; None for the sites.
    """
    kept = store()
    wanted = catalogue.items(minors or go.MINORS, Sites(official_base))
    with locks.held(places.cache() / "build.lock", "an artifact build"):
        chosen = tuple(choose(item, origin, Sites(official_base), kept) for item in wanted)
        builder.make_all(chosen, kept, basetree.ensure)
        for component in chosen:
            publish(component, kept)
        builder.discard_scratch()
    say(f"the mirror: {folder()}")


def choose(item: catalogue.Item, origin: str, sites: Sites, kept: Store) -> Component:
    """The component that is to be had: as told, else what is kept, else what the site gives, else built."""
    if origin == "source":
        return item.source
    if origin == "official":
        return item.official
    for component in (item.official, item.source):
        if kept.manifest(component):
            return component
    return item.official if sites.answers(item.site) else item.source


def publish(component: Component, kept: Store) -> None:
    """Put a component's files into the mirror."""
    manifest = kept.manifest(component)
    if manifest is None:
        raise LabError(f"{component.title} isn't made")
    for name in manifest["files"]:
        _link(kept.files(component) / name, folder() / name)


def show() -> None:
    """Print one line for each item: from where, how big, what."""
    kept = store()
    for item in catalogue.items(go.MINORS, Sites()):
        origins = {"official": item.official, "source": item.source}
        have = {origin: kept.manifest(component) for origin, component in origins.items()}
        found = [(origin, manifest) for origin, manifest in have.items() if manifest]
        if not found:
            print(f"{'-':8}  {'-':>7}  {item.title}")
        for origin, manifest in found:
            size = sum(record["size"] for record in manifest["files"].values())
            print(f"{origin:8}  {size / 1e6:5.0f}MB  {item.title}")


def _link(source: Path, target: Path) -> None:
    if target.exists() and target.samefile(source):
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f".{target.name}.part")
    part.unlink(missing_ok=True)
    try:
        os.link(source, part)
    except OSError:  # another file system
        shutil.copy2(source, part)
    part.rename(target)
