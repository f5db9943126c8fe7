"""YAML as kubectl reads it: other programs' files, which mean to us what they mean there."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, cast

import yaml

from klusterkit import givenyaml
from klusterkit.engine.errors import UsageError
from klusterkit.foreign import words_of

_CHECK = "check it: kubectl apply --dry-run=client -f FILE"
_TAG = "tag:yaml.org,2002:"
_INT = re.compile(r"[-+]?(0b[01_]+|0x[0-9A-Fa-f_]+|0[0-7_]*|[1-9][0-9_]*)$")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?$|[-+]?\.(inf|Inf|INF)$|\.(nan|NaN|NAN)$")
_NUMBERS = list("-+.0123456789")


class _Loader(givenyaml.Loader):
    """PyYAML takes 22:22 for a number of seconds; to kubectl's parser it is a text."""

    yaml_implicit_resolvers: ClassVar[dict[str, list[tuple[str, re.Pattern[str]]]]] = {
        first: [(tag, pattern) for tag, pattern in known if tag in (f"{_TAG}bool", f"{_TAG}merge", f"{_TAG}null")]
        for first, known in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


for _name, _pattern in (("int", _INT), ("float", _FLOAT)):
    _Loader.add_implicit_resolver(f"{_TAG}{_name}", _pattern, _NUMBERS)  # pyright: ignore[reportUnknownMemberType]


def documents(text: str, where: str) -> Iterator[tuple[str, Any]]:
    """What is in a stream, as JSON has it, each with where it is: ``web.yaml, document 2``. Empty ones are left out.

    Raises:
        UsageError: it isn't YAML, or says something that JSON can't.
    """
    try:
        found = givenyaml.documents(text, _Loader)
        for number, document in enumerate(found, start=1):
            if document is not None:
                yield (where if len(found) == 1 else f"{where}, document {number}"), _as_json(document)
    except (yaml.YAMLError, TypeError) as error:
        raise UsageError(f"{where} can't be read: {words_of(error)}", hint=_CHECK) from None


def _as_json(value: Any) -> Any:
    match value:
        case Mapping():
            return {key: _as_json(each) for key, each in cast(Mapping[str, Any], value).items()}
        case list():
            return [_as_json(each) for each in cast(list[Any], value)]
        case float() if math.isfinite(value):
            return int(value) if value.is_integer() else value  # as Go writes it
        case str() | int() | None:
            return value
        case _:
            raise TypeError(f"a {type(value).__name__} is nothing that JSON knows")
