"""How pods get their network."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any, Literal, Self, cast

import yaml
from pydantic import model_validator

from klusterkit.cluster.errors import InvalidCluster
from klusterkit.cluster.model import Model
from klusterkit.cluster.objects import Object, listed
from klusterkit.foreign import words_of
from klusterkit.givenyaml import documents

_WHERE = "CNI"


class CNI(Model):
    """flannel, which KlusterKit brings along; a manifest of the operator's own; or nothing."""

    kind: Literal["flannel", "none", "manifest"] = "flannel"
    text: str | None = None
    """The operator's manifest, YAML."""
    digest: str | None = None
    """SHA-256 of the manifest's UTF-8 text in hex; found out where it isn't given."""

    @classmethod
    def manifest(cls, text: str) -> CNI:
        """A manifest of the operator's own.

        Raises:
            InvalidCluster: the text holds no Kubernetes objects.
        """
        return cls(kind="manifest", text=text)

    @property
    def objects(self) -> list[Object]:
        """What the manifest brings, with its lists opened; none where it isn't the operator's own."""
        return list(_opened(documents(self.text or "")))

    @model_validator(mode="before")
    @classmethod
    def _with_digest(cls, data: Any) -> Any:
        if not isinstance(data, Mapping):
            return cast(object, data)
        fields = dict(cast(Mapping[str, Any], data))
        text = fields.get("text")
        if isinstance(text, str) and fields.get("digest") is None:
            fields["digest"] = hashlib.sha256(text.encode()).hexdigest()
        return fields

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if (self.kind == "manifest") != (self.text is not None):
            raise InvalidCluster(f"kind {self.kind} and a manifest don't go together", where=_WHERE)
        if self.text is None:
            return self
        if self.digest != hashlib.sha256(self.text.encode()).hexdigest():
            raise InvalidCluster(
                f"the manifest is not the one with the digest {self.digest}",
                where=_WHERE,
                hint="the description has been changed by hand: give the manifest again",
            )
        _check_manifest(self.text)
        return self


def _check_manifest(text: str) -> None:
    try:
        found = [document for document in documents(text) if document is not None]
    except yaml.YAMLError as error:
        raise InvalidCluster(
            f"the manifest can't be used: {words_of(error)}",
            where=_WHERE,
            hint="check it with kubectl apply --dry-run=client -f FILE",
        ) from None
    for number, document in enumerate(found, start=1):
        if not _is_object(document):
            raise InvalidCluster(
                f"document {number} of the manifest is no Kubernetes object: it has no apiVersion and kind",
                where=_WHERE,
            )
        secrets = [_name(each) for each in _opened([document]) if each["kind"] == "Secret"]
        if secrets:
            raise InvalidCluster(
                f"document {number} of the manifest has a Secret: {secrets[0]}",
                where=_WHERE,
                hint="a manifest can be read in state, plan and journal: use --cni none, and bring the network with "
                "`cctl deploy`, which seals Secrets, or with kubectl",
            )
    if not found:
        raise InvalidCluster("the manifest is empty", where=_WHERE, hint="use --cni none for no CNI")


def _name(fields: Object) -> str:
    metadata = fields.get("metadata")
    name = cast(Object, metadata).get("name") if isinstance(metadata, dict) else None
    return str(name or "without a name")


def _opened(found: list[Any]) -> Iterator[Object]:
    """Lists of lists, too, whatever their items lack: one of a ``SecretList`` needn't say that it is a Secret."""
    for each in found:
        if not isinstance(each, dict):
            continue
        fields = cast(Object, each)
        items = listed(fields)
        if items is None:
            yield fields
        else:
            kind = fields["kind"].removesuffix("List")
            yield from _opened([_of_kind(item, kind) for item in items])


def _of_kind(item: Any, kind: str) -> Any:
    fields = cast(Object, item) if isinstance(item, dict) else {}
    said = fields.get("kind")
    return {**fields, "kind": said if isinstance(said, str) and said else kind}


def _is_object(document: object) -> bool:
    if not isinstance(document, dict):
        return False
    fields = cast(dict[object, object], document)
    return all(isinstance(fields.get(name), str) for name in ("apiVersion", "kind"))
