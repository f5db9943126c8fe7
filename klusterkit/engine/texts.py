"""The texts in plain data, however deep they are."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any


def each_text(data: Any, change: Callable[[str], str]) -> Any:
    """The data with each of their texts changed. Names of fields are no texts."""
    match data:
        case str():
            return change(data)
        case dict():
            return {name: each_text(value, change) for name, value in data.items()}  # pyright: ignore[reportUnknownVariableType]
        case list():
            return [each_text(value, change) for value in data]  # pyright: ignore[reportUnknownVariableType]
        case _:
            return data


def texts_of(data: Any) -> Iterator[str]:
    """All that :func:`each_text` would change."""
    match data:
        case str():
            yield data
        case dict():
            for value in data.values():  # pyright: ignore[reportUnknownVariableType]
                yield from texts_of(value)
        case list():
            for value in data:  # pyright: ignore[reportUnknownVariableType]
                yield from texts_of(value)
        case _:
            pass
