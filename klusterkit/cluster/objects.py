"""Reading and writing objects in the shape of Cluster API v1beta2 (https://cluster-api.sigs.k8s.io).

What Cluster API has no field for is in annotations. References to infrastructure and bootstrap objects are left out:
there is nothing here that they could refer to.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, cast

from klusterkit.cluster.errors import InvalidCluster

API_VERSION = "cluster.x-k8s.io/v1beta2"
OWN_API_VERSION = "klusterkit.io/v1alpha1"
"""Of kinds that Cluster API has not."""
CLUSTER_LABEL = "cluster.x-k8s.io/cluster-name"
CONTROL_PLANE_LABEL = "cluster.x-k8s.io/control-plane"
RESERVED_LABELS = "cluster.x-k8s.io/"

Object = dict[str, Any]

_MAPPINGS = (("metadata",), ("metadata", "labels"), ("metadata", "annotations"), ("spec",), ("status",))
"""What is one in every object, where it is there."""


def annotation(name: str) -> str:
    """The full key of an annotation of ours."""
    return f"klusterkit.io/{name}"


def unkept(given: Any, kept: Any, path: str = "") -> Iterator[str]:
    """Paths in an object that say something of which nothing was kept when it was read.

    What is empty says nothing. ``kept`` is what the object that was read from it is written as.
    """
    if given in (None, "", [], {}):
        return
    match given, kept:
        case dict(), dict():
            for name, value in cast(Object, given).items():
                yield from unkept(value, cast(Object, kept).get(name), f"{path}.{name}" if path else str(name))
        case list(), list():
            items = cast(list[Any], kept)
            for number, value in enumerate(cast(list[Any], given)):
                yield from unkept(value, items[number] if number < len(items) else None, f"{path}[{number}]")
        case _ if kept is None:
            yield path
        case _:
            pass


def listed(data: Mapping[str, Any]) -> list[Any] | None:
    """The items of an object whose kind says that it is a list (``List``, ``SecretList``); None for another object.

    Raises:
        InvalidCluster: its items are none.
    """
    kind, items = data.get("kind"), data.get("items")
    if not (isinstance(kind, str) and (kind == "List" or (kind.endswith("List") and "items" in data))):
        return None
    if not isinstance(items, list | None):
        raise InvalidCluster("items must be a list", where=kind, hint="each item begins with - on a line of its own")
    return cast(list[Any], items or [])


class Reader:
    """An object of a known kind, read path by path; what is wrong is said with the path."""

    def __init__(self, data: Mapping[str, Any], kind: str, api_version: str = API_VERSION) -> None:
        self._data = data
        self._kind = kind
        for field, expected in (("apiVersion", api_version), ("kind", kind)):
            if self.find(field) != expected:
                raise InvalidCluster(
                    f"it has {field} {self.find(field)!r}, expected {expected!r}", where=f"{kind} object"
                )
        for path in _MAPPINGS:
            self.mapping(*path)

    def find(self, *path: str) -> Any:
        """The value at a path; None where there is none."""
        value: Any = self._data
        for part in path:
            if not isinstance(value, Mapping):
                return None
            value = cast(Mapping[str, Any], value).get(part)
        return value

    def get(self, *path: str) -> Any:
        """The value at a path.

        Raises:
            InvalidCluster: there is none.
        """
        value = self.find(*path)
        if value is None:
            raise InvalidCluster(f"{'.'.join(path)} is missing", where=self.where)
        return value

    def one(self, *path: str) -> Any:
        """The only item of the list at a path.

        Raises:
            InvalidCluster: there is no list of one item.
        """
        value = self.get(*path)
        items = cast(list[Any], value) if isinstance(value, list) else []
        if len(items) != 1:
            raise InvalidCluster(f"{'.'.join(path)} must be a list of one item, got {value!r}", where=self.where)
        return items[0]

    def items(self, *path: str) -> list[Mapping[str, Any]]:
        """The objects of the list at a path; none where there is no list.

        Raises:
            InvalidCluster: there is something else.
        """
        value = self.find(*path)
        listed: list[Any] = [] if value is None else cast(list[Any], value) if isinstance(value, list) else [None]
        if not all(isinstance(item, Mapping) for item in listed):
            raise InvalidCluster(f"{'.'.join(path)} must be a list of objects, got {value!r}", where=self.where)
        return listed

    def mapping(self, *path: str) -> Mapping[str, Any]:
        """The object at a path; an empty one where there is none.

        Raises:
            InvalidCluster: there is something else.
        """
        value = self.find(*path)
        if value is not None and not isinstance(value, Mapping):
            raise InvalidCluster(f"{'.'.join(path)} must be an object, got {value!r}", where=self.where)
        return cast(Mapping[str, Any], value or {})

    def note(self, name: str) -> Any:
        """One of our annotations; None where there is none."""
        return self.find("metadata", "annotations", annotation(name))

    @property
    def where(self) -> str:
        """The object, for messages."""
        return f"{self._kind} {self.find('metadata', 'name')!r}"
