"""YAML in files that people give: read within bounds. Whatever is wrong with it is one kind of error, with its line.

What comes out is what JSON has: mappings with texts as keys, lists, texts, numbers, booleans, null. A date is a text.
"""

from __future__ import annotations

import re
from typing import Any, ClassVar, cast

import yaml

DEPTH = 100
"""So many values may lie in each other. The deepest definitions of Kubernetes' extensions have about 50."""
GROWTH = 16 << 20
"""By so much may aliases make a document larger than it is written: in characters, and 16 for each value."""
_BITS = 1024
"""Of a whole number. Python refuses to write those of more than 4300 digits."""

_TAG = "tag:yaml.org,2002:"
_KNOWN = ("null", "bool", "int", "float", "str", "seq", "map", "merge")


_Safe: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class Unusable(yaml.YAMLError):
    """YAML that is none for us: ``something holds itself in line 3``."""

    def __init__(self, why: str, at: yaml.Node | yaml.Event | None = None) -> None:
        mark = at.start_mark if at else None
        super().__init__(f"{why} in line {mark.line + 1}" if mark else why)


class Loader(_Safe):
    """PyYAML's safe one, which by itself lets ``ValueError`` and its like out, and knows what JSON doesn't."""

    aliased: bool = True
    """Whether there are aliases in the text."""
    yaml_implicit_resolvers: ClassVar[dict[str, list[tuple[str, re.Pattern[str]]]]] = {
        first: [(tag, pattern) for tag, pattern in known if tag.removeprefix(_TAG) in _KNOWN]
        for first, known in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }
    yaml_constructors: ClassVar[dict[str | None, Any]] = {
        tag: construct
        for tag, construct in yaml.SafeLoader.yaml_constructors.items()
        if tag is None or tag.removeprefix(_TAG) in _KNOWN
    }

    def construct_document(self, node: yaml.Node) -> Any:
        """One document, if it isn't much larger than it looks."""
        if self.aliased:
            _measure(node)
        safe: Any = super()
        return safe.construct_document(node)

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        """One value. What it is isn't told where it can't be: it may be a secret."""
        safe: Any = super()
        try:
            value: Any = safe.construct_object(node, deep=deep)
        except (ValueError, TypeError, OverflowError, LookupError, AttributeError):
            raise Unusable(f"something is no {node.tag.removeprefix(_TAG)}, and should be,", node) from None
        if isinstance(value, int) and value.bit_length() > _BITS:
            raise Unusable("a number is too large", node)
        return value

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[str, Any]:
        """Keys are texts, as in JSON."""
        safe: Any = super()
        pairs: dict[Any, Any] = safe.construct_mapping(node, deep=deep)
        return {_key(key): value for key, value in pairs.items()}


def documents(text: str, loader: type[Loader] = Loader) -> list[Any]:
    """All documents of a text; None for an empty one.

    Raises:
        yaml.YAMLError: it is no YAML, or nothing that JSON could say, or its aliases make too much of it.
    """
    try:
        reader = loader(text)
        reader.aliased = _has_aliases(text, loader)
        found: list[Any] = []
        while reader.check_data():
            found.append(reader.get_data())
    except UnicodeError:
        raise yaml.YAMLError from None
    return found


def document(text: str) -> Any:
    """The only document of a text; None where there is none. Raises as :func:`documents` does, and for several."""
    found = documents(text)
    if len(found) > 1:
        raise Unusable("there are several documents in it")
    return found[0] if found else None


def _key(key: Any) -> str:
    if key is None or isinstance(key, bool):
        return {True: "true", False: "false", None: "null"}[key]
    return str(key)


def _has_aliases(text: str, loader: type[Loader]) -> bool:
    """Whether it has. Raises for what is too deep: composed by libyaml, 40,000 levels would end the process."""
    found, depth = False, 0
    for event in yaml.parse(text, Loader=loader):
        match event:
            case yaml.CollectionStartEvent():
                depth += 1
                if depth > DEPTH:
                    raise _too_deep(event)
            case yaml.CollectionEndEvent():
                depth -= 1
            case yaml.AliasEvent():
                found = True
            case _:
                pass
    return found


def _measure(root: yaml.Node) -> None:
    """Raise for what holds itself, is too deep, or is much larger than it is written.

    Each node is measured once, after all below it, however many aliases lead to it.
    """
    known: dict[yaml.Node, tuple[int, int] | None] = {}
    """Size and depth; None while those below are being measured."""
    written, waiting = 0, [root]
    while waiting:
        node = waiting[-1]
        below = _below(node)
        if node not in known:
            known[node] = None
            if any(each in known and known[each] is None for each in below):
                raise Unusable("something holds itself", node)
            waiting += [each for each in below if each not in known]
            continue
        waiting.pop()
        if known[node] is None:
            measured = [known[each] or (0, 0) for each in below]
            own = 16 + (len(node.value) if isinstance(node, yaml.ScalarNode) else 0)
            written += own
            size = own + sum(each for each, _ in measured)
            depth = isinstance(node, yaml.CollectionNode) + max((each for _, each in measured), default=0)
            known[node] = size, depth
            if depth > DEPTH:
                raise _too_deep(node)
            if size - written > GROWTH:
                raise Unusable("aliases make too much of little", node)


def _below(node: yaml.Node) -> list[yaml.Node]:
    match node:
        case yaml.SequenceNode():
            return node.value
        case yaml.MappingNode():
            return [each for pair in cast(list[tuple[yaml.Node, yaml.Node]], node.value) for each in pair]
        case _:
            return []


def _too_deep(at: yaml.Node | yaml.Event) -> Unusable:
    return Unusable(f"more than {DEPTH} values lie in each other", at)
