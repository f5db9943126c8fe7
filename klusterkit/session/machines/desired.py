"""What a file of objects wants, against what the state has: what is new, what changes, and what can't."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import yaml

from klusterkit.cluster import Cluster, Credential, InvalidCluster, Machine
from klusterkit.cluster.objects import annotation, listed, unkept
from klusterkit.engine.errors import UsageError
from klusterkit.foreign import words_of
from klusterkit.givenyaml import documents
from klusterkit.session.errors import Refused
from klusterkit.session.hold import Hold
from klusterkit.session.listed import CHANGED_BY
from klusterkit.session.machines.wanted import WantedMachine

Object = Mapping[str, Any]

_CLASSES: Mapping[str, type[Cluster] | type[Machine] | type[Credential]] = {
    "Cluster": Cluster,
    "Machine": Machine,
    "Credential": Credential,
}

CLUSTER_FIXED = {
    "name": ("metadata.name", "certificates and kubeconfigs carry it"),
    "pod_network": ("spec.clusterNetwork.pods.cidrBlocks", "every node has a part of it"),
    "service_network": ("spec.clusterNetwork.services.cidrBlocks", "Services and certificates have addresses of it"),
    "dns_domain": ("spec.clusterNetwork.serviceDomain", "every pod looks names up in it"),
    "endpoint": ("spec.controlPlaneEndpoint", "certificates, kubelets and kubeconfigs carry it"),
    "vip": ("spec.controlPlaneEndpoint", "certificates, kubelets and kubeconfigs carry it"),
    "cni": (f"metadata.annotations.{annotation('cni')}", "all pods are connected by it"),
    "kubernetes_version": (
        f"metadata.annotations.{annotation('kubernetes-version')}",
        "another version is an upgrade, which is an operation of its own",
    ),
    "registry": (
        f"metadata.annotations.{annotation('registry')}",
        "files on every host say so; `cctl update registry` changes its account and authority",
    ),
}
"""What a cluster keeps: where it stands, and why."""

CLUSTER_CHANGEABLE: frozenset[str] = frozenset()
"""What a file may change of a cluster: nothing yet."""

MACHINE_FIXED = {
    "address": ("status.addresses", "certificates and etcd's members carry it"),
    "roles": (f"metadata.annotations.{annotation('roles')}", "it was made for them"),
    "cluster": ("spec.clusterName", "it belongs to this one"),
    "node_name": ("status.nodeRef.name", "Kubernetes and its certificate know the machine by it"),
    "interface": (f"metadata.annotations.{annotation('vip-interface')}", "it holds the virtual address there"),
    "version": ("spec.version", "another version is an upgrade, which is an operation of its own"),
}
"""What a machine keeps as long as it is one."""

MACHINE_CHANGEABLE = frozenset({"labels", "taints", "port", "user"})
"""What a file may change of a machine."""


@dataclass(frozen=True)
class Changes:
    """What has to happen.

    Attributes:
        created: machines that are new.
        changed: machines with other labels, taints or login, before and after.
        left_out: machines of the state that the file doesn't name, if it names any.
    """

    created: tuple[WantedMachine, ...]
    changed: tuple[tuple[Machine, Machine], ...]
    left_out: tuple[str, ...]


def read_objects(text: str, where: str) -> list[Object]:
    """The objects in a YAML or JSON text, lists opened.

    Raises:
        UsageError: it is none, or holds something else.
    """
    try:
        objects = list(_opened([document for document in documents(text) if document is not None], where))
    except (yaml.YAMLError, InvalidCluster) as error:
        hint = "`cctl get all -o yaml` writes what can be"
        raise UsageError(f"{where} can't be read: {words_of(error)}", hint=hint) from None
    if not objects:
        raise UsageError(f"there is no object in {where}", hint="`cctl get all -o yaml` shows what objects look like")
    return objects


def _opened(found: Sequence[Any], where: str) -> Iterator[Object]:
    for each in found:
        data: Object = cast(Object, each) if isinstance(each, Mapping) else {}
        kind, items = data.get("kind"), listed(data)
        if items is not None:
            yield from _opened(items, where)
        elif kind == "Plan":
            raise UsageError(f"{where} is a saved plan", hint=f"a plan is done without -f: cctl apply {where}")
        elif instead := CHANGED_BY.get(str(kind)):
            hint = f"leave it out: {instead}"
            raise UsageError(f"{where} holds a {kind}, which is shown and can't be applied", hint=hint)
        elif not isinstance(kind, str) or kind not in _CLASSES:
            hint = f"kinds are {', '.join(_CLASSES)}; objects of Kubernetes are for `cctl deploy -f`"
            raise UsageError(f"{where} holds something of the kind {kind!r}", hint=hint)
        else:
            yield data


def changes(hold: Hold, objects: Sequence[Object]) -> Changes:
    """Compare.

    Raises:
        Refused: fields that aren't known, or can't be changed; all of them, each with its path and why.
    """
    reasons: list[UsageError] = []
    read = [(data, _read(data, reasons)) for data in objects]
    if reasons:
        raise Refused("the objects can't be taken as they are; nothing was changed", reasons)
    found = _Comparison(hold, reasons)
    for data, each in read:
        found.take(data, each)
    if reasons:
        raise Refused("the objects can't be applied as they are; nothing was changed", reasons)
    return found.result()


def _read(data: Object, reasons: list[UsageError]) -> Cluster | Machine | Credential | None:
    name = _name(data)
    try:
        read = _CLASSES[data["kind"]].from_object(data)
    except InvalidCluster as error:
        reasons.append(UsageError(f"{name}: {error.message}", hint=error.hint))
        return None
    hint = (
        "see what `cctl get -o yaml` writes; labels are labels of the node, annotations of other programs aren't kept"
    )
    reasons += [UsageError(f"{name}: {path} is not known", hint=hint) for path in unkept(data, read.to_object())]
    return read


def _name(data: Object) -> str:
    metadata = data.get("metadata")
    name = cast(Object, metadata).get("name") if isinstance(metadata, Mapping) else None
    return f"{str(data['kind']).lower()}/{name}"


class _Comparison:
    """Goes through the objects of a file. What is wrong is collected, so that one visit mends all."""

    def __init__(self, hold: Hold, reasons: list[UsageError]) -> None:
        self._there = hold.cluster
        self._machines = {machine.name: machine for machine in hold.machines}
        self._credentials = [Credential.of(**each) for each in hold.snapshot.credentials]
        self._reasons = reasons
        self._cluster_named = False
        self._named: dict[str, None] = {}
        self._created: list[WantedMachine] = []
        self._changed: list[tuple[Machine, Machine]] = []

    def take(self, data: Object, wanted: Cluster | Machine | Credential | None) -> None:
        """One object."""
        match wanted:
            case Cluster():
                self._take_cluster(data, wanted)
            case Machine():
                self._take_machine(data, wanted)
            case Credential() if wanted not in self._credentials:
                hint = "its key isn't in the file: cctl create credential --user USER --private-key FILE"
                self._refuse(data, "a credential can't be changed by a file", hint)
            case _:
                pass

    def result(self) -> Changes:
        """When all were taken."""
        left_out = tuple(name for name in self._machines if name not in self._named) if self._named else ()
        return Changes(tuple(self._created), tuple(self._changed), left_out)

    def _take_cluster(self, data: Object, wanted: Cluster) -> None:
        if self._cluster_named:
            self._refuse(data, "a second cluster", "each cluster has its own state file")
        elif self._there is None:
            self._refuse(
                data, "no cluster is described yet", "cctl create cluster describes it, and makes its authorities"
            )
        else:
            said = wanted if wanted.endpoint else wanted.replace(endpoint=self._there.endpoint, vip=self._there.vip)
            self._refuse_changes(data, self._there, said, CLUSTER_FIXED, CLUSTER_CHANGEABLE)
        self._cluster_named = True

    def _take_machine(self, data: Object, wanted: Machine) -> None:
        if wanted.name in self._named:
            self._refuse(data, "it is in the file twice", "leave one of them out")
        self._named[wanted.name] = None
        there = self._machines.get(wanted.name)
        if there is None:
            self._take_new(data)
            return
        after = _said(data, there, wanted)
        self._refuse_changes(data, there, after, MACHINE_FIXED, MACHINE_CHANGEABLE)
        if after != there:
            self._changed.append((there, after))

    def _take_new(self, data: Object) -> None:
        created = WantedMachine.of_object(data)
        try:
            if self._there:
                created.refuse_elsewhere(self._there)
        except InvalidCluster as error:
            self._refuse(data, error.message, error.hint)
        self._created.append(created)

    def _refuse_changes(
        self,
        data: Object,
        there: Cluster | Machine,
        wanted: Cluster | Machine,
        fixed: Mapping[str, tuple[str, str]],
        changeable: Collection[str],
    ) -> None:
        """All fields are gone through: one that nobody thought of is refused, and not passed over in silence."""
        for field in type(there).model_fields:
            before, after = getattr(there, field), getattr(wanted, field)
            if before != after and field not in changeable:
                path, why = fixed.get(field, (field, "nothing changes it"))
                self._refuse(data, f"{path} can't be changed from {_text(before)} to {_text(after)}: {why}", None)

    def _refuse(self, data: Object, what: str, hint: str | None) -> None:
        self._reasons.append(UsageError(f"{_name(data)}: {what}", hint=hint))


def _said(data: Object, there: Machine, wanted: Machine) -> Machine:
    """The machine with what the object says of it. Labels and taints are said in full; the rest may be left out."""
    metadata: Object = data.get("metadata") or {}
    annotations: Object = metadata.get("annotations") or {}
    said: dict[str, Any] = {name: getattr(wanted, name) for name in ("address", "roles", "cluster", "labels", "taints")}
    for field, note in (("port", "ssh-port"), ("user", "ssh-user"), ("interface", "vip-interface")):
        if annotation(note) in annotations:
            said[field] = getattr(wanted, field)
    for field in ("node_name", "version"):
        if getattr(wanted, field) is not None:
            said[field] = getattr(wanted, field)
    return there.replace(**said)


def _text(value: object) -> str:
    if value is None:
        return "none"
    return ",".join(map(str, cast(tuple[object, ...], value))) if isinstance(value, tuple) else str(value)
