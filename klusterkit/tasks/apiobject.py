"""Objects in the cluster's API: what names one, what is its own, and what leads from one form of it back to another."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self, cast

from pydantic import BaseModel

Object = Mapping[str, Any]

_BY_THE_SERVER = ("uid", "resourceVersion", "generation", "creationTimestamp", "managedFields", "selfLink")
"""Fields of metadata that the API server writes."""
_BY_KUBECTL = "kubectl.kubernetes.io/last-applied-configuration"
"""An annotation with all of an earlier manifest, a Secret's data too. Server-side apply has no use for it."""


class Reference(BaseModel, frozen=True, extra="forbid"):
    """What names an object.

    Args:
        version: ``apps/v1``, or ``v1``.
        kind: ``Deployment``.
        name: of the object.
        namespace: empty for an object of the whole cluster.
    """

    version: str
    kind: str
    name: str
    namespace: str = ""

    @classmethod
    def of(cls, manifest: Object) -> Self:
        """The object of a manifest."""
        metadata = manifest["metadata"]
        where = metadata.get("namespace") or ""
        return cls(version=manifest["apiVersion"], kind=manifest["kind"], name=metadata["name"], namespace=where)

    @property
    def group(self) -> str:
        """Of its API; empty for the first one, which has Pods and Services."""
        return self.version.rpartition("/")[0]

    @property
    def type(self) -> tuple[str, str]:
        """Group and kind: what an object is, in whatever version."""
        return self.group, self.kind

    @property
    def words(self) -> tuple[str, ...]:
        """As kubectl is told of it, in just this version: ``Deployment.v1.apps/server --namespace=web``."""
        word = f"{self.kind}.{self.version.rpartition('/')[2]}.{self.group}/{self.name}"
        return (word, f"--namespace={self.namespace}") if self.namespace else (word,)

    @property
    def path(self) -> str:
        """For the id of a task: ``deployment.apps/web/server``."""
        kind = f"{self.kind.lower()}.{self.group}" if self.group else self.kind.lower()
        return "/".join(filter(None, (kind, self.namespace, self.name)))

    def __str__(self) -> str:
        """``Deployment web/server``."""
        return f"{self.kind} {'/'.join(filter(None, (self.namespace, self.name)))}"


def content(live: Object) -> dict[str, Any]:
    """An object without its status, and without what the API server and kubectl write into it."""
    metadata = {name: value for name, value in live["metadata"].items() if name not in _BY_THE_SERVER}
    annotations: Object = metadata.pop("annotations", None) or {}
    if others := {name: text for name, text in annotations.items() if name != _BY_KUBECTL}:
        metadata["annotations"] = others
    return {**{name: value for name, value in live.items() if name != "status"}, "metadata": metadata}


def way_back(after: Object, before: Object) -> dict[str, Any]:
    """The merge patch (RFC 7396) that makes one object the other; nothing where they are the same."""
    patch: dict[str, Any] = {name: None for name in after if name not in before}
    for name, value in before.items():
        now = after.get(name)
        if isinstance(value, Mapping) and isinstance(now, Mapping):
            if inner := way_back(cast(Object, now), cast(Object, value)):
                patch[name] = inner
        elif name not in after or now != value:
            patch[name] = value
    return patch
