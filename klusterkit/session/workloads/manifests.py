"""Manifests of an operator's own objects: read, and refused where they can't be deployed, before any host is asked."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from klusterkit.engine.errors import UsageError
from klusterkit.plans.deploy import DEFINITION, kind_of
from klusterkit.plans.owned import Owned
from klusterkit.session.errors import Refused
from klusterkit.session.workloads.kubeyaml import documents
from klusterkit.tasks.apiobject import Object, Reference, content

_SHAPE = "an object has apiVersion, kind and metadata.name; several are separated by lines of ---"
SECRET = ("", "Secret")
_NODE = ("", "Node")


@dataclass(frozen=True)
class Manifest:
    """One object as it is to be.

    Attributes:
        where: it stands, in words.
        data: all of it that isn't secret.
        values: of a Secret, by the keys of its data.
    """

    where: str
    data: dict[str, Any]
    values: Mapping[str, bytes] = field(default_factory=dict[str, bytes], repr=False)

    @property
    def target(self) -> Reference:
        """The object; without a namespace where the manifest says none."""
        return Reference.of(self.data)


def read_manifests(sources: Iterable[tuple[str, str]], namespace: str, owned: frozenset[Owned]) -> tuple[Manifest, ...]:
    """All objects of some texts.

    Args:
        sources: what to call each, and its text: YAML or JSON.
        namespace: of objects that say none.
        owned: objects that belong to the cluster itself.

    Raises:
        UsageError: a text isn't YAML, or there is nothing in it.
        Refused: objects can't be deployed; all reasons.
    """
    reasons: list[UsageError] = []
    read = [each for where, text in sources for each in _read(text, where, reasons)]
    reasons += [*_twice(read, namespace), *_not_ours_to_give(read, namespace, owned)]
    if reasons:
        raise Refused("the objects can't be deployed as they are; nothing was changed", reasons)
    return tuple(read)


def _read(text: str, where: str, reasons: list[UsageError]) -> Iterator[Manifest]:
    found = list(documents(text, where))
    if not found:
        raise UsageError(f"there is no object in {where}", hint=_SHAPE)
    for place, document in found:
        try:
            yield _manifest(place, document)
        except UsageError as error:
            reasons.append(error)


def _manifest(where: str, document: Any) -> Manifest:
    if not isinstance(document, dict):
        raise UsageError(f"{where} is no object but a {type(document).__name__}", hint=_SHAPE)
    data = cast(dict[str, Any], document)
    if str(data.get("kind")).endswith("List") and "items" in data:
        hint = "give each of its items as a document of its own, with lines of --- between them"
        raise UsageError(f"{where} is a {data['kind']}", hint=hint)
    metadata = data.get("metadata")
    named: Object = cast(Object, metadata) if isinstance(metadata, dict) else {}
    said = {"apiVersion": data.get("apiVersion"), "kind": data.get("kind"), "metadata.name": named.get("name")}
    if lacking := [name for name, value in said.items() if not (isinstance(value, str) and value)]:
        raise UsageError(f"{where} has no {' and no '.join(lacking)}", hint=_SHAPE)
    for name, wanted, what in (
        ("namespace", str, "text"),
        ("labels", dict, "mapping"),
        ("annotations", dict, "mapping"),
    ):
        if not isinstance(named.get(name), wanted | None):
            raise UsageError(f"{where}: metadata.{name} is no {what}", hint=_SHAPE)
    if "klusterkit.io/" in f"{data['apiVersion']} {named.get('annotations')}":
        hint = "what `cctl get` writes is for `cctl apply -f`, and a saved plan for `cctl apply`"
        raise UsageError(f"{where} is no object of Kubernetes, but of cctl's own: {data['kind']}", hint=hint)
    return _checked(where, content(data))


def _checked(where: str, data: dict[str, Any]) -> Manifest:
    target = Reference.of(data)
    if target.type == SECRET:
        rest = {name: value for name, value in data.items() if name not in ("data", "stringData")}
        return Manifest(where, rest, _values(f"{where}: {target}", data))
    if target.type == DEFINITION:
        _check_definition(f"{where}: {target}", data)
    return Manifest(where, data)


def _check_definition(what: str, data: Object) -> None:
    try:
        said = (*kind_of(data), *versions_of(data))
    except (KeyError, TypeError, AttributeError):
        said = (None,)
    if not all(isinstance(each, str) for each in said):
        hint = "see `kubectl explain customresourcedefinition.spec`"
        raise UsageError(f"{what} doesn't say spec.group, spec.names.kind and the names of spec.versions", hint=hint)


def versions_of(definition: Object) -> list[str]:
    """``example.com/v1``: what the objects of a kind may say."""
    return [f"{definition['spec']['group']}/{each['name']}" for each in definition["spec"]["versions"]]


def _values(what: str, data: Object) -> dict[str, bytes]:
    """What a Secret holds. It is nowhere said what that is."""
    found: dict[str, bytes] = {}
    for part in ("data", "stringData"):
        given: Any = data.get(part) or {}
        if not isinstance(given, dict):
            raise UsageError(f"{what}: {part} is no mapping", hint="write a key and a value a line")
        for key, value in cast(dict[str, Any], given).items():
            if not isinstance(value, str):
                raise UsageError(f"{what}: {part}.{key} is no text", hint="put it into quotes")
            found[key] = value.encode() if part == "stringData" else _decoded(what, key, value)
    return found


def _decoded(what: str, key: str, value: str) -> bytes:
    try:
        return b64decode("".join(value.split()), validate=True)
    except ValueError:  # binascii.Error is one, and so is what isn't ASCII
        hint = "encode it (`base64 -w0`), or write it as it is under stringData"
        raise UsageError(f"{what}: data.{key} is not base64", hint=hint) from None


def _twice(manifests: Sequence[Manifest], namespace: str) -> Iterator[UsageError]:
    first: dict[object, Manifest] = {}
    for each in manifests:
        target = each.target
        same = first.setdefault((target.type, target.namespace or namespace, target.name), each)
        if same is not each:
            hint = "leave one of them out"
            yield UsageError(f"{each.where}: {target} is there twice, in {same.where} too", hint=hint)


def _not_ours_to_give(manifests: Iterable[Manifest], namespace: str, owned: frozenset[Owned]) -> Iterator[UsageError]:
    for each in manifests:
        target = each.target
        if target.type == _NODE:
            hint = "labels and taints of nodes are changed by `cctl apply -f`"
            yield UsageError(f"{each.where}: {target}: nodes are not deployed", hint=hint)
        places = ((target.kind.lower(), where, target.name) for where in ("", target.namespace or namespace))
        if not owned.isdisjoint(places):
            hint = "leave it out: it is as KlusterKit makes it, and goes with the cluster"
            yield UsageError(f"{each.where}: {target} belongs to the cluster itself", hint=hint)
