"""The configuration files of the original ``nodeadm``: what in them means something today, as options of now."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, cast

import yaml
from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from klusterkit.cluster import API_PORT
from klusterkit.engine.errors import UsageError
from klusterkit.foreign import misfit, words_of
from klusterkit.givenyaml import document

_MASTER = {
    "kubernetesVersion": "cluster.kubernetes_version",
    "clusterName": "cluster.name",
    "networking.podSubnet": "cluster.pod_network",
    "networking.serviceSubnet": "cluster.service_network",
    "networking.dnsDomain": "cluster.dns_domain",
    "api.advertiseAddress": "node.address",
    "nodeRegistration.name": "node.name",
    "nodeRegistration.taints": "node.taints",
}
_NODE = {"nodeRegistration.name": "node.name", "nodeRegistration.taints": "node.taints"}
_VIP = {"ip": "vip.address", "routerID": "vip.router_id", "networkInterface": "node.interface"}
_MEANT = {
    "init": {
        f"{top}.{path}": meant
        for top, known in (("masterConfiguration", _MASTER), ("vipConfiguration", _VIP))
        for path, meant in known.items()
    },
    "join": {f"nodeConfiguration.{path}": meant for path, meant in _NODE.items()},
}
"""For each command, paths in its file, and the option that each one means."""

_SO_ANYWAY = (
    *(f"masterConfiguration.{path}" for path in ("apiVersion", "kind", "etcd.", "apiServerCertSANs")),
    *("masterConfiguration.api.controlPlaneEndpoint", "nodeConfiguration.apiVersion", "nodeConfiguration.kind"),
    *("nodeConfiguration.token", "nodeConfiguration.discoveryTokenCACertHashes"),
    *("nodeConfiguration.discoveryTokenAPIServers", "nodeConfiguration.discoveryTokenUnsafeSkipCAVerification"),
)
"""What is as it has to be without being said: etcd is the host's own, the endpoint the virtual address, and what joins
is vouched for by the master that it names, not by a token."""


_PORTS = {"masterConfiguration.api.bindPort": API_PORT}
"""Values that there is one of."""


class Configured(BaseModel):
    """What a file says."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    cluster: dict[str, Any] = {}
    node: dict[str, Any] = {}
    master: str | None = None
    """Address of the API server that was to be asked."""


def read_configuration(path: Path, command: str) -> Configured:
    """What the file of ``init`` or ``join`` says.

    Raises:
        UsageError: it can't be read, is none, or asks for what there isn't.
    """
    try:
        data = document(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise UsageError(
            f"the configuration {path} can't be read: {words_of(error)}", hint="name another with --cfg"
        ) from None
    said: dict[str, dict[str, Any]] = {"cluster": {}, "node": {}, "vip": {}}
    unknown: list[str] = []
    for place, value in _leaves(data if isinstance(data, Mapping) else {"": data}):
        meant = _MEANT[command].get(place)
        if meant:
            group, _, name = meant.partition(".")
            said[group][name] = _taints(value, f"{path}: {place}") if name == "taints" else value
        elif value not in (None, "", [], {}, _PORTS.get(place)) and not place.startswith(_SO_ANYWAY):
            unknown.append(place)
    if unknown:
        raise UsageError(
            f"the configuration {path} asks for what nodeadm doesn't do: {', '.join(unknown)}",
            hint=f"leave it out; `nodeadm {command} --help` says what there is",
        )
    vip = {"vip": said["vip"]} if said["vip"] else {}
    return Configured(cluster={**said["cluster"], **vip}, node=said["node"], master=_api_server(data))


def _leaves(data: Any, place: str = "") -> Iterator[tuple[str, Any]]:
    """All values with their paths; a list is one value."""
    if not isinstance(data, Mapping) or not data:
        yield place, data
        return
    for key, value in cast(Mapping[str, Any], data).items():
        yield from _leaves(value, f"{place}.{key}" if place else str(key))


class _Taint(BaseModel):
    key: str
    value: str = ""
    effect: str

    def __str__(self) -> str:
        """As kubectl writes it."""
        return f"{self.key}{'=' if self.value else ''}{self.value}:{self.effect}"


def _taints(value: Any, where: str) -> tuple[str, ...]:
    try:
        return tuple(map(str, TypeAdapter(list[_Taint]).validate_python(value or [])))
    except ValidationError as error:
        raise UsageError(f"{where}: {misfit(error)}", hint="a taint is such as {key: a, effect: NoSchedule}") from None


def _api_server(data: Any) -> str | None:
    """The host of the first, which is a master."""
    try:
        return str(data["nodeConfiguration"]["discoveryTokenAPIServers"][0]).rpartition(":")[0] or None
    except (KeyError, IndexError, TypeError):
        return None
