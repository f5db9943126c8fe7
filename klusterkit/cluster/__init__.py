"""What a cluster is meant to be: cluster, machines, versions and what they are made of. It does no input or output."""

from klusterkit.cluster.artifacts import Architecture, Artifact, ArtifactKind, artifacts_for
from klusterkit.cluster.cluster import CLUSTER_NAME, Cluster
from klusterkit.cluster.cni import CNI
from klusterkit.cluster.credential import Credential
from klusterkit.cluster.endpoint import API_PORT, Endpoint
from klusterkit.cluster.errors import InvalidCluster
from klusterkit.cluster.machine import Machine, Role, Taint, machine_name
from klusterkit.cluster.networks import (
    Address,
    Network,
    dns_service_ip,
    host_and_port,
    is_address,
    kubernetes_service_ip,
    parse_address,
    parse_network,
    service_ip,
)
from klusterkit.cluster.releases import LATEST, RELEASES, Release, release_of
from klusterkit.cluster.versions import Version
from klusterkit.cluster.vip import Vip

__all__ = [
    "API_PORT",
    "CLUSTER_NAME",
    "CNI",
    "LATEST",
    "RELEASES",
    "Address",
    "Architecture",
    "Artifact",
    "ArtifactKind",
    "Cluster",
    "Credential",
    "Endpoint",
    "InvalidCluster",
    "Machine",
    "Network",
    "Release",
    "Role",
    "Taint",
    "Version",
    "Vip",
    "artifacts_for",
    "dns_service_ip",
    "host_and_port",
    "is_address",
    "kubernetes_service_ip",
    "machine_name",
    "parse_address",
    "parse_network",
    "release_of",
    "service_ip",
]
