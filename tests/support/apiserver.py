"""Objects as an API server keeps them, as far as kubectl handles single ones: get, apply on the server, patch, delete.

Who manages which field is kept as KEP-555 has it, so that a test sees conflicts, and what an undo leaves of them. Lists
are taken as a whole.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator, Mapping
from typing import Any

from klusterkit.engine.host import Completed
from klusterkit.tasks.apiobject import Reference
from tests.support.posix import said

Object = dict[str, Any]
Path = tuple[str, ...]
Options = Mapping[str, str]

DEFAULTS = {"Deployment": {"spec": {"replicas": 1}}, "Service": {"spec": {"type": "ClusterIP"}}}
"""What the API server fills in, by kind."""
SPACES = ("", "default", "kube-system")
"""Namespaces that are there from the first."""
_DEFINED = "customresourcedefinition.apiextensions.k8s.io/"
_HEAD = (("apiVersion",), ("kind",), ("metadata", "name"), ("metadata", "namespace"), ("metadata", "managedFields"))


class Refusal(Exception):
    """What kubectl says of a request that the API server refuses."""


class ApiServer:
    """Works on objects by the paths of their references; a mapping that its owner keeps."""

    def __init__(self, objects: dict[str, Any]) -> None:
        self.objects = objects

    def __call__(self, verb: str, words: list[str], options: Options, stdin: bytes) -> Completed:
        """What kubectl says."""
        try:
            return getattr(self, verb)(words, options, stdin)
        except Refusal as refusal:
            return said(1, err=str(refusal))

    def get(self, words: list[str], options: Options, _: bytes) -> Completed:
        """One object by ``KIND.VERSION.GROUP/NAME``."""
        target = self._named(words[0], options)
        found = self.objects.get(target.path)
        if found is None:
            return said() if "ignore-not-found" in options else said(1, err="Error from server (NotFound)")
        return said(out=json.dumps({**found["object"], **_status(found["object"])}))

    def apply(self, _: list[str], options: Options, stdin: bytes) -> Completed:
        """One object, on the server; with ``--dry-run`` nothing is kept."""
        item: Object = json.loads(stdin)
        target = Reference.of(item)
        self._refuse_unknown(target)
        if target.namespace not in (*SPACES, *self._spaces()):
            raise Refusal(f'Error from server (NotFound): namespaces "{target.namespace}" not found')
        _refuse_numbers(item)
        live = self.objects.get(target.path, {}).get("object")
        made = applied(live, item, options["field-manager"], force="force-conflicts" in options)
        if "dry-run" not in options:
            self.objects[target.path] = {"object": made}
        return said(out=json.dumps(made))

    def patch(self, words: list[str], options: Options, stdin: bytes) -> Completed:
        """By a merge patch, or one JSON patch operation that sets ``managedFields``."""
        target, patch = self._named(words[0], options), json.loads(stdin)
        if target.path not in self.objects:
            raise Refusal("Error from server (NotFound)")
        live = self.objects[target.path]["object"]
        if options["type"] == "json":
            (operation,) = patch
            assert (operation["op"], operation["path"]) == ("add", "/metadata/managedFields")
            patch = {"metadata": {"managedFields": operation["value"]}}
        made = updated(live, merged(live, patch), options["field-manager"])
        self.objects[target.path] = {"object": made}
        return said()

    def delete(self, words: list[str], options: Options, _: bytes) -> Completed:
        """With all that goes with it: what is in a namespace, what is of a kind."""
        target = self._named(words[0], options)
        gone = self.objects.pop(target.path, None)
        if gone is None:
            return said() if "ignore-not-found" in options else said(1, err="Error from server (NotFound)")
        for path, found in list(self.objects.items()):
            if "object" in found and self._goes_with(Reference.of(found["object"]), gone["object"]):
                del self.objects[path]
        return said()

    def _named(self, word: str, options: Options) -> Reference:
        kind, _, name = word.partition("/")
        kind, version, group = kind.split(".", 2)
        api = f"{group}/{version}" if group else version
        target = Reference(version=api, kind=kind, name=name, namespace=options.get("namespace", ""))
        self._refuse_unknown(target)
        return target

    def _refuse_unknown(self, target: Reference) -> None:
        defined = [found["object"]["spec"] for path, found in self.objects.items() if path.startswith(_DEFINED)]
        own = "." not in target.group or target.group.endswith(".k8s.io")
        if not own and target.type not in [(spec["group"], spec["names"]["kind"]) for spec in defined]:
            raise Refusal(f'error: no matches for kind "{target.kind}" in version "{target.version}"')

    def _spaces(self) -> list[str]:
        return [path.removeprefix("namespace/") for path in self.objects if path.startswith("namespace/")]

    @staticmethod
    def _goes_with(other: Reference, gone: Object) -> bool:
        match gone["kind"]:
            case "Namespace":
                return other.namespace == gone["metadata"]["name"]
            case "CustomResourceDefinition":
                return other.type == (gone["spec"]["group"], gone["spec"]["names"]["kind"])
            case _:
                return False


def applied(live: Object | None, item: Object, manager: str, *, force: bool) -> Object:
    """An object after a server-side apply. Raises ``Refusal`` for fields that others manage and have otherwise."""
    mine, wanted = f"{manager}/Apply", leaves(item)
    if live is None:
        made = merged(copy.deepcopy(DEFAULTS.get(item["kind"], {})), item)
        return _managed(made, {mine: set(wanted)})
    now, managers = leaves(live), managers_of(live)
    conflicts = {
        (who, path)
        for who, paths in managers.items()
        for path in paths
        if who != mine and now.get(path) != wanted.get(path, now.get(path))
    }
    if conflicts and not force:
        raise Refusal(_conflict(conflicts))
    others = {who: {path for path in paths if (who, path) not in conflicts} for who, paths in managers.items()}
    kept = {path for who, paths in others.items() if who != mine for path in paths}
    made = copy.deepcopy(live)
    for path in managers.get(mine, set()) - set(wanted) - kept:
        _set(made, path, None)
    for path, value in wanted.items():
        _set(made, path, value)
    return _managed(made, {**others, mine: set(wanted)})


def updated(live: Object, new: Object, manager: str) -> Object:
    """An object after another change: whoever changes a field manages it. Managers that come with it count."""
    before, after, managers = leaves(live), leaves(new), managers_of(new)
    changed = {path for path in {*before, *after} if before.get(path) != after.get(path)}
    mine = f"{manager}/Update"
    others = {who: paths - changed for who, paths in managers.items()}
    return _managed(new, {**others, mine: others.get(mine, set()) | {path for path in changed if path in after}})


def merged(live: Any, patch: Any) -> Any:
    """A merge patch applied (RFC 7396)."""
    if not isinstance(patch, dict):
        return patch
    made = dict(live) if isinstance(live, dict) else {}
    for name, value in patch.items():
        if value is None:
            made.pop(name, None)
        else:
            made[name] = merged(made.get(name), value)
    return made


def leaves(item: Object) -> dict[Path, Any]:
    """The fields of an object that somebody manages."""
    return {path: value for path, value in _leaves(item) if path[:2] not in _HEAD and path[:1] not in _HEAD}


def _leaves(item: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    if isinstance(item, dict) and item:
        for name, value in item.items():
            yield from _leaves(value, (*path, name))
    else:
        yield path, item


def managers_of(item: Object) -> dict[str, set[Path]]:
    """Who manages which fields."""
    given = item["metadata"].get("managedFields", [])
    return {f"{each['manager']}/{each['operation']}": {tuple(path) for path in each["fields"]} for each in given}


def _managed(item: Object, managers: Mapping[str, set[Path]]) -> Object:
    given = [
        {"manager": who.partition("/")[0], "operation": who.partition("/")[2], "fields": sorted(map(list, paths))}
        for who, paths in sorted(managers.items())
        if paths
    ]
    return {**item, "metadata": {**item["metadata"], "managedFields": given}}


def _set(item: Object, path: Path, value: Any) -> None:
    *above, last = path
    for name in above:
        item = item.setdefault(name, {})
    if value is None:
        item.pop(last, None)
    else:
        item[last] = value


def _conflict(conflicts: set[tuple[str, Path]]) -> str:
    told = [f'conflict with "{who.partition("/")[0]}": .{".".join(path)}' for who, path in sorted(conflicts)]
    advice = "Please review the fields above--they currently have other managers. Here\nare the ways you can resolve"
    return f"error: Apply failed with {len(told)} conflict: {', '.join(told)}\n{advice} this warning:\n" + "* …\n" * 9


def _refuse_numbers(item: Object) -> None:
    for part in ("data", "labels", "annotations"):
        for key, value in {**(item.get(part) or {}), **(item["metadata"].get(part) or {})}.items():
            if not isinstance(value, str):
                where = f"({item['metadata']['name']}; {item['apiVersion']}, Kind={item['kind']})"
                said = f"failed to create typed patch object {where}: .{part}.{key}: expected string, got {value!r}"
                raise Refusal(f"Error from server: {said}")


def _status(item: Object) -> Object:
    """What controllers say, who have done all that they would."""
    match item["kind"]:
        case "Deployment":
            count = item["spec"]["replicas"]
            return {"status": {"replicas": count, "updatedReplicas": count, "availableReplicas": count}}
        case "CustomResourceDefinition":
            return {"status": {"conditions": [{"type": "Established", "status": "True"}]}}
        case _:
            return {}
