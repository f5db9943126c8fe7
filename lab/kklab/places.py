"""Where the lab keeps things: a cache shared by all checkouts, and a folder for each instance."""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path

from kklab.errors import LabError

CHECKOUT = Path(__file__).resolve().parents[2]
STATE = Path("/var/lib/klusterkit-lab")
NAME = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?")


def cache() -> Path:
    """The cache: never needed, only a speed-up; safe to delete while no lab host runs."""
    if named := os.environ.get("KLUSTERKIT_LAB_CACHE"):
        return Path(named).absolute()
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "klusterkit-lab"


def build() -> Path:
    """Scratch space of artifact builds, deleted when a build has made everything."""
    return cache() / "build"


def default_instance() -> str:
    """An instance name that two checkouts on one machine don't share."""
    digest = hashlib.sha256(str(CHECKOUT).encode()).hexdigest()[:6]
    word = re.sub(r"[^a-z0-9]", "", CHECKOUT.name.lower())[:8] or "lab"
    return f"{word}-{digest}"


def locks() -> Path:
    """Where lock files are."""
    return STATE / ".locks"


def instance_folder(instance: str) -> Path:
    """The folder of one instance: its hosts, keys and network."""
    if not NAME.fullmatch(instance) or len(instance) > 24:
        raise LabError(
            f"{instance!r} can't name an instance",
            "use up to 24 lower-case letters, digits and inner hyphens",
        )
    return STATE / instance
