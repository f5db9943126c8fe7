"""A machine of a cluster as it is meant to be."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from enum import StrEnum
from ipaddress import IPv4Address
from typing import Annotated, Any, Literal, cast

from pydantic import AfterValidator, BeforeValidator, Field

from klusterkit.cluster.cluster import CLUSTER_NAME
from klusterkit.cluster.endpoint import check_port, not_truth
from klusterkit.cluster.errors import InvalidCluster
from klusterkit.cluster.model import Model
from klusterkit.cluster.names import NODE_NAME_LIMIT, label_value, node_label, qualified, subdomain
from klusterkit.cluster.networks import Address, parse_address, usable_address
from klusterkit.cluster.objects import (
    API_VERSION,
    CLUSTER_LABEL,
    CONTROL_PLANE_LABEL,
    RESERVED_LABELS,
    Object,
    Reader,
    annotation,
)
from klusterkit.cluster.versions import VersionText

SSH_PORT = 22

_INTERFACE = re.compile(r"[A-Za-z0-9_.:-]{1,15}")
"""Names are shorter than 16 bytes (Linux, ``IFNAMSIZ``); these characters need no quoting anywhere."""


class Role(StrEnum):
    """What a machine does in the cluster."""

    MASTER = "master"
    """Runs etcd and the control plane."""
    NODE = "node"
    """Runs workloads."""

    @classmethod
    def parse(cls, text: str) -> Role:
        """From a role's name or alias, in upper or lower case.

        Raises:
            InvalidCluster: nothing is called so.
        """
        aliases = {"worker": cls.NODE, "control-plane": cls.MASTER}
        name = text.lower()
        if name in aliases:
            return aliases[name]
        try:
            return cls(name)
        except ValueError:
            raise InvalidCluster(
                f"{text!r} is not a role",
                where="machine role",
                hint="roles are master (or control-plane) and node (or worker)",
            ) from None


class Taint(Model):
    """What keeps pods off a node."""

    key: Annotated[str, AfterValidator(lambda text: qualified(text, "taint"))]
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"]
    value: Annotated[str, AfterValidator(lambda text: label_value(text, "taint"))] = ""

    def __str__(self) -> str:
        """As kubectl and kubelet write it."""
        return f"{self.key}={self.value}:{self.effect}" if self.value else f"{self.key}:{self.effect}"


def machine_name(address: Address) -> str:
    """The name of a machine that is known by its address alone. IPv6 in full, with hyphens for the colons."""
    return str(address) if isinstance(address, IPv4Address) else address.exploded.replace(":", "-")


def _address(value: Any) -> Any:
    where = "machine address"
    return parse_address(value, where) if isinstance(value, str) else value


def _roles(value: Any) -> Any:
    if not isinstance(value, Iterable):
        return value
    words = [value] if isinstance(value, str) else cast(Iterable[Any], value)
    roles = {Role.parse(word) if isinstance(word, str) else word for word in words}
    if not roles:
        raise InvalidCluster("a machine needs a role", where="machine role", hint="roles are master and node")
    return tuple(role for role in Role if role in roles)


def _labels(labels: dict[str, str]) -> dict[str, str]:
    for key, value in labels.items():
        if key.startswith(RESERVED_LABELS):
            raise InvalidCluster(
                f"labels under {RESERVED_LABELS} are Cluster API's own, got {key!r}",
                where="machine label",
                hint="use a prefix of your own",
            )
        node_label(qualified(key, "machine label"), "machine label")
        label_value(value, "machine label")
    # In one order, so that equal machines are equal text.
    return dict(sorted(labels.items()))


def login_name(user: str) -> str:
    """The name, if it can be a login's.

    Raises:
        InvalidCluster: it can't: it is empty, holds white space, or would be taken for an option of ssh.
    """
    if not user or user[0] == "-" or any(character.isspace() or not character.isprintable() for character in user):
        raise InvalidCluster(f"{user!r} can't be a user", where="SSH user", hint="name the login, such as root")
    return user


def _interface(name: str) -> str:
    if not _INTERFACE.fullmatch(name):
        raise InvalidCluster(
            f"{name!r} can't be a network interface",
            where="machine interface",
            hint="name one that `ip link` shows, such as eth0",
        )
    return name


class Machine(Model):
    """A machine. :meth:`of` takes its address as text, and its roles as one word or several.

    Raises:
        InvalidCluster: an address that other hosts can't reach, an unknown role, a name, label or taint that Kubernetes
            doesn't take.
    """

    name: Annotated[str, AfterValidator(lambda name: subdomain(name, "machine name"))]
    address: Annotated[
        Address,
        BeforeValidator(_address),
        AfterValidator(lambda address: usable_address(address, "machine address")),
    ]
    roles: Annotated[tuple[Role, ...], BeforeValidator(_roles)]
    cluster: Annotated[str, AfterValidator(lambda name: subdomain(name, "cluster name"))] = CLUSTER_NAME
    """Name of the cluster that it belongs to."""
    port: Annotated[int, BeforeValidator(not_truth), AfterValidator(lambda port: check_port(port, "SSH port"))] = (
        SSH_PORT
    )
    """Of its sshd."""
    user: Annotated[str, AfterValidator(login_name)] = "root"
    """Whom to log in as."""
    node_name: Annotated[str, AfterValidator(lambda name: subdomain(name, "node name", NODE_NAME_LIMIT))] | None = None
    """Its name in Kubernetes; None until the host's own name is known."""
    interface: Annotated[str, AfterValidator(_interface)] | None = None
    """The network interface on which a master holds the cluster's virtual address; None where it isn't chosen."""
    version: VersionText | None = None
    """The Kubernetes that it runs, which is the cluster's except during an upgrade; None before it runs one."""
    labels: Annotated[dict[str, str], AfterValidator(_labels)] = Field(default_factory=dict[str, str])
    """Of the node."""
    taints: tuple[Taint, ...] = ()
    """Of the node."""

    @property
    def is_master(self) -> bool:
        """Whether it is part of the control plane."""
        return Role.MASTER in self.roles

    def to_object(self) -> Object:
        """As a Cluster API object."""
        belonging = {CLUSTER_LABEL: self.cluster} | ({CONTROL_PLANE_LABEL: ""} if self.is_master else {})
        notes = {"roles": ",".join(self.roles), "ssh-port": str(self.port), "ssh-user": self.user}
        notes |= {"vip-interface": self.interface} if self.interface else {}
        # Cluster API keeps taints in the shape of core/v1, with how they get to the node.
        taints = [taint.model_dump(exclude_defaults=True) | {"propagation": "Always"} for taint in self.taints]
        spec: Object = {"clusterName": self.cluster}
        spec |= {"version": self.version.tag} if self.version else {}
        spec |= {"taints": taints} if taints else {}
        status: Object = {"addresses": [{"type": "InternalIP", "address": str(self.address)}]}
        status |= {"nodeRef": {"name": self.node_name}} if self.node_name else {}
        return {
            "apiVersion": API_VERSION,
            "kind": "Machine",
            "metadata": {
                "name": self.name,
                "labels": self.labels | belonging,
                "annotations": {annotation(name): value for name, value in notes.items()},
            },
            "spec": spec,
            "status": status,
        }

    @classmethod
    def from_object(cls, data: Mapping[str, Any]) -> Machine:
        """From a Cluster API object; what it doesn't say has its default.

        Raises:
            InvalidCluster: another kind of object, something missing, or something that can't be.
        """
        read = Reader(data, "Machine")
        said = {
            "port": read.note("ssh-port"),
            "user": read.note("ssh-user"),
            "interface": read.note("vip-interface"),
            "node_name": read.find("status", "nodeRef", "name"),
            "version": read.find("spec", "version"),
        }
        labels = read.mapping("metadata", "labels")
        return cls.of(
            name=read.get("metadata", "name"),
            address=_internal_ip(read),
            roles=str(read.note("roles") or _role_by_label(labels)).split(","),
            cluster=read.get("spec", "clusterName"),
            labels={key: value for key, value in labels.items() if not key.startswith(RESERVED_LABELS)},
            taints=[_taint(item) for item in read.items("spec", "taints")],
            **{name: value for name, value in said.items() if value is not None},
        )


def _internal_ip(read: Reader) -> Any:
    for item in read.items("status", "addresses"):
        if item.get("type") == "InternalIP":
            return item.get("address")
    raise InvalidCluster("status.addresses has no InternalIP", where=read.where)


def _role_by_label(labels: Mapping[str, Any]) -> Role:
    return Role.MASTER if CONTROL_PLANE_LABEL in labels else Role.NODE


def _taint(item: Mapping[str, Any]) -> Taint:
    return Taint.model_validate({name: value for name, value in item.items() if name != "propagation"})
