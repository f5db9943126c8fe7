"""Where an operator's objects belong in a cluster: whether it has their kinds, and the namespaces that they are for."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from klusterkit.engine.errors import CommandFailedTemporarily, UsageError
from klusterkit.engine.step import Context
from klusterkit.plans.deploy import DEFINITION, NAMESPACE, kind_of
from klusterkit.session.errors import Refused
from klusterkit.session.workloads.manifests import Manifest, versions_of
from klusterkit.tasks import kubectl


@dataclass(frozen=True)
class Api:
    """What a cluster has.

    Attributes:
        namespaced: by group and kind, whether such objects are in namespaces.
        versions: ``apps/v1``, ``v1``, …
        namespaces: by their names.
    """

    namespaced: dict[tuple[str, str], bool]
    versions: frozenset[str]
    namespaces: frozenset[str]

    def with_what_comes(self, manifests: Iterable[Manifest]) -> Api:
        """The same with what these objects bring themselves."""
        definitions = [each.data for each in manifests if each.target.type == DEFINITION]
        spaces = [each.target.name for each in manifests if each.target.type == NAMESPACE]
        scopes = {kind_of(data): data["spec"].get("scope") == "Namespaced" for data in definitions}
        served = [version for data in definitions for version in versions_of(data)]
        return Api({**self.namespaced, **scopes}, self.versions.union(served), self.namespaces.union(spaces))


def look_at_api(on: Context) -> Api:
    """Ask on a master. An API of somebody else's that is down hides its own kinds alone."""
    resources = kubectl.ask(on, "api-resources", "--no-headers")
    if not resources.text:
        raise CommandFailedTemporarily(
            "the API doesn't tell what kinds it has", host=on.host.name, seen=resources.said, hint="try it again"
        )
    # NAME, SHORTNAMES (which may be missing), APIVERSION, NAMESPACED, KIND
    rows = [line.split()[-3:] for line in resources.text.splitlines()]
    kinds = {(version.rpartition("/")[0], kind): scoped == "true" for version, scoped, kind in rows}
    spaces = kubectl.answer(on, "get", "namespaces", "--output=name").split()
    return Api(
        namespaced=kinds,
        versions=frozenset(kubectl.answer(on, "api-versions").split()),
        namespaces=frozenset(name.partition("/")[2] for name in spaces),
    )


def placed(manifests: Sequence[Manifest], there: Api, namespace: str) -> list[Manifest]:
    """The objects, each with its namespace, if it has one.

    Args:
        manifests: as they were read.
        there: what the cluster has.
        namespace: of objects that say none.

    Raises:
        Refused: there is no such kind, version or namespace, and none comes; all reasons.
    """
    api, reasons = there.with_what_comes(manifests), list[UsageError]()
    found: list[Manifest] = []
    for each in manifests:
        try:
            found.append(_placed(each, api, namespace))
        except UsageError as error:
            reasons.append(error)
    if reasons:
        raise Refused("the cluster has no place for some objects; nothing was changed", reasons)
    return found


def _placed(manifest: Manifest, api: Api, namespace: str) -> Manifest:
    target = manifest.target
    what = f"{manifest.where}: {target}"
    if target.type not in api.namespaced:
        hint = "see `kubectl api-resources`; a kind of your own comes with its CustomResourceDefinition, here or before"
        raise UsageError(f"{what}: the cluster knows no {target.kind} of {target.version}", hint=hint)
    if target.version not in api.versions:
        others = sorted(version for version in api.versions if version.rpartition("/")[0] == target.group)
        hint = f"write the version that it has: {', '.join(others)}"
        raise UsageError(f"{what}: the cluster has no {target.version}", hint=hint)
    metadata = {name: value for name, value in manifest.data["metadata"].items() if name != "namespace"}
    if api.namespaced[target.type]:
        wanted = target.namespace or namespace
        if wanted not in api.namespaces:
            hint = f"deploy the Namespace with it, or make it before: kubectl create namespace {wanted}"
            raise UsageError(f"{what}: there is no namespace {wanted}", hint=hint)
        metadata = {"name": metadata.pop("name"), "namespace": wanted, **metadata}
    return replace(manifest, data={**manifest.data, "metadata": metadata})
