"""YAML as programs read it."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import yaml


@lru_cache(maxsize=256)
def documents(content: bytes) -> tuple[Any, ...]:
    """What a YAML text holds. Nobody changes it: the same few texts are read over and over."""
    return tuple(yaml.load_all(content, Loader=yaml.CSafeLoader))
