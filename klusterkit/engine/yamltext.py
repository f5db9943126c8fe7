"""YAML as texts that go into plans and files: the same data always gives the same text, and one that can be read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import yaml


class _Dumper(getattr(yaml, "CSafeDumper", yaml.SafeDumper)):  # type: ignore[misc]
    """Texts of several lines as literal blocks: a file in a plan, or in a ConfigMap, reads as the file does."""


def _represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = "|" if "\n" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)  # pyright: ignore[reportUnknownMemberType]


_Dumper.add_representer(str, _represent_text)  # pyright: ignore[reportUnknownMemberType]


def document(data: Mapping[str, Any]) -> str:
    """One document, fields in the order given."""
    return yaml.dump(data, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=110)


def documents(several: Iterable[Mapping[str, Any]]) -> str:
    """A stream of documents."""
    return "---\n".join(document(data) for data in several)
