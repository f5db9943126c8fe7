"""YAML and JSON as texts that go into plans: the same data always gives the same text."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import yaml

_DUMPER: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


def document(data: Mapping[str, Any]) -> str:
    """One document, fields in the order given."""
    return yaml.dump(data, Dumper=_DUMPER, sort_keys=False, allow_unicode=True, width=110)


def documents(several: Iterable[Mapping[str, Any]]) -> str:
    """A stream of documents."""
    return "---\n".join(document(data) for data in several)
