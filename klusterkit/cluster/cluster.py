"""A cluster as it is meant to be."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Self, cast

from pydantic import AfterValidator, BeforeValidator, model_validator

from klusterkit.cluster.cni import CNI
from klusterkit.cluster.endpoint import Endpoint
from klusterkit.cluster.errors import InvalidCluster
from klusterkit.cluster.model import Model
from klusterkit.cluster.names import subdomain
from klusterkit.cluster.networks import (
    POD_NETWORK,
    SERVICE_NETWORK,
    Address,
    Network,
    check_apart,
    check_pod_network,
    check_service_network,
    dns_service_ip,
    kubernetes_service_ip,
    node_capacity,
    parse_network,
)
from klusterkit.cluster.objects import API_VERSION, Object, Reader, annotation
from klusterkit.cluster.registry import PrivateRegistry
from klusterkit.cluster.releases import LATEST, Release, release_of
from klusterkit.cluster.versions import Version, VersionText
from klusterkit.cluster.vip import Vip

CLUSTER_NAME = "cctl-cluster"
"""The name where none is given: what cctl has always called its cluster."""


def _network(where: str) -> BeforeValidator:
    return BeforeValidator(lambda value: parse_network(value, where) if isinstance(value, str) else value)


def _version(version: Version) -> Version:
    release_of(version)
    return version


class Cluster(Model):
    """A cluster. :meth:`of` takes networks and versions as text.

    Raises:
        InvalidCluster: networks that overlap, are too small, too large or no networks; a version that isn't known.
    """

    name: Annotated[str, AfterValidator(lambda name: subdomain(name, "cluster name"))] = CLUSTER_NAME
    pod_network: Annotated[Network, _network(POD_NETWORK)]
    service_network: Annotated[Network, _network(SERVICE_NETWORK)]
    dns_domain: Annotated[str, AfterValidator(lambda name: subdomain(name, "DNS domain"))] = "cluster.local"
    kubernetes_version: Annotated[VersionText, AfterValidator(_version)] = LATEST
    endpoint: Endpoint | None = None
    """Where the API is reached; None before there is a master."""
    cni: CNI = CNI()
    vip: Vip | None = None
    """What the endpoint's address is held by; None for a cluster that stays at one master."""
    registry: PrivateRegistry | None = None
    """Where hosts pull images from; None where they are brought to them."""

    @model_validator(mode="before")
    @classmethod
    def _endpoint_is_virtual(cls, data: Any) -> Any:
        """A virtual address is the endpoint: it need not be said twice."""
        if not isinstance(data, Mapping):
            return data
        fields = dict(cast(Mapping[str, Any], data))
        if fields.get("vip") is not None and fields.get("endpoint") is None:
            vip = Vip.model_validate(fields["vip"])
            fields |= {"vip": vip, "endpoint": Endpoint(host=str(vip.address))}
        return fields

    @model_validator(mode="after")
    def _networks_fit(self) -> Self:
        check_pod_network(self.pod_network)
        check_service_network(self.service_network)
        check_apart(self.pod_network, self.service_network)
        if self.endpoint and self.endpoint.address:
            self._check_reachable(self.endpoint.address, f"endpoint {self.endpoint.address}")
        if self.vip and (self.endpoint is None or self.endpoint.address != self.vip.address):
            raise InvalidCluster(
                f"the virtual address is {self.vip.address}, the endpoint {self.endpoint}",
                where="control plane endpoint",
                hint="leave the endpoint out: it is the virtual address",
            )
        return self

    @property
    def release(self) -> Release:
        """The components that go with the cluster's version."""
        return release_of(self.kubernetes_version)

    @property
    def kubernetes_service_ip(self) -> Address:
        """Where pods reach the API: it has to be in the API server's certificate."""
        return kubernetes_service_ip(self.service_network)

    @property
    def dns_service_ip(self) -> Address:
        """Where pods ask for names."""
        return dns_service_ip(self.service_network)

    @property
    def node_capacity(self) -> int:
        """How many nodes the pod network has room for."""
        return node_capacity(self.pod_network)

    def check_address(self, address: Address) -> None:
        """Refuse the address of a host that the cluster doesn't let it keep.

        Raises:
            InvalidCluster: a network of the cluster holds it, it is of the other IP version, or the virtual one.
        """
        where = f"host {address}"
        if self.vip and address == self.vip.address:
            raise InvalidCluster(
                "it is the cluster's virtual address, which moves from host to host",
                where=where,
                hint="give the host's own address",
            )
        self._check_reachable(address, where)

    def _check_reachable(self, address: Address, where: str) -> None:
        if address.version != self.pod_network.version:
            raise InvalidCluster(
                f"the host has an IPv{address.version} address, the cluster's networks are "
                f"IPv{self.pod_network.version}",
                where=where,
                hint=f"give an IPv{self.pod_network.version} address of the host",
            )
        for name, network in ((POD_NETWORK, self.pod_network), (SERVICE_NETWORK, self.service_network)):
            if address in network:
                raise InvalidCluster(
                    f"the {name} {network} holds the host's address: other hosts could not reach it any more",
                    where=where,
                    hint=f"choose a {name} that no host's address is in: `cctl create cluster --state NEW-FILE`",
                )

    def check_node_count(self, count: int) -> None:
        """Refuse more nodes than the pod network has room for.

        Raises:
            InvalidCluster: there is no room.
        """
        if count > self.node_capacity:
            raise InvalidCluster(
                f"{self.pod_network} has room for {self.node_capacity} nodes, not for {count}",
                where=POD_NETWORK,
                hint="the pod network of a cluster can't be changed: make a new one with a larger network",
            )

    def to_object(self) -> Object:
        """As a Cluster API object."""
        notes = {
            "kubernetes-version": self.kubernetes_version.tag,
            "cni": self.cni.kind,
            "cni-manifest": self.cni.text,
            "cni-manifest-sha256": self.cni.digest,
            "vip-router-id": str(self.vip.router_id) if self.vip else None,
            **_registry_notes(self.registry),
        }
        endpoint = {"controlPlaneEndpoint": self.endpoint.model_dump()} if self.endpoint else {}
        return {
            "apiVersion": API_VERSION,
            "kind": "Cluster",
            "metadata": {
                "name": self.name,
                "annotations": {annotation(name): value for name, value in notes.items() if value is not None},
            },
            "spec": {
                "clusterNetwork": {
                    "pods": {"cidrBlocks": [str(self.pod_network)]},
                    "services": {"cidrBlocks": [str(self.service_network)]},
                    "serviceDomain": self.dns_domain,
                },
                **endpoint,
            },
        }

    @classmethod
    def from_object(cls, data: Mapping[str, Any]) -> Cluster:
        """From a Cluster API object; what it doesn't say has its default.

        Raises:
            InvalidCluster: another kind of object, something missing, or something that can't be.
        """
        read = Reader(data, "Cluster")
        cni = {"kind": read.note("cni"), "text": read.note("cni-manifest"), "digest": read.note("cni-manifest-sha256")}
        said = {
            "dns_domain": read.find("spec", "clusterNetwork", "serviceDomain"),
            "kubernetes_version": read.note("kubernetes-version"),
            "endpoint": read.find("spec", "controlPlaneEndpoint"),
            "cni": {name: value for name, value in cni.items() if value is not None} or None,
            "vip": _vip(read),
            "registry": _registry(read),
        }
        return cls.of(
            name=read.get("metadata", "name"),
            pod_network=read.one("spec", "clusterNetwork", "pods", "cidrBlocks"),
            service_network=read.one("spec", "clusterNetwork", "services", "cidrBlocks"),
            **{name: value for name, value in said.items() if value is not None},
        )


def _vip(read: Reader) -> dict[str, Any] | None:
    """The address is the endpoint's."""
    router_id = read.note("vip-router-id")
    return router_id and {"address": read.get("spec", "controlPlaneEndpoint", "host"), "router_id": router_id}


def _registry_notes(registry: PrivateRegistry | None) -> dict[str, str | None]:
    if registry is None:
        return {}
    return {
        "registry": registry.place,
        "registry-authority": registry.authority,
        "registry-account-secret": registry.account,
    }


def _registry(read: Reader) -> dict[str, Any] | None:
    place = read.note("registry")
    fields = {"authority": read.note("registry-authority"), "account": read.note("registry-account-secret")}
    return {"place": place, **fields} if place else None
