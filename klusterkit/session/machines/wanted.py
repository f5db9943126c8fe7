"""Machines as an operator asks for them: by options, or in a file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Self, cast

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError, field_validator

from klusterkit.cluster import Cluster, InvalidCluster, Machine, Taint, Version, machine_name, parse_address
from klusterkit.cluster.endpoint import not_truth
from klusterkit.cluster.objects import Reader, listed
from klusterkit.engine.errors import UsageError
from klusterkit.foreign import misfit, words_of
from klusterkit.givenyaml import documents

_HINT = """a list with one entry for each machine, such as
- ip: 10.0.0.5
  role: master
- {ip: 10.0.0.8, role: node, labels: {disk: fast}, taints: [dedicated=db:NoSchedule]}"""


_SHORT = {"ip": "address", "role": "roles", "iface": "interface"}
"""What is written by hand, and what it means."""


class WantedMachine(BaseModel):
    """One machine. What isn't said has its default."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    address: str
    roles: tuple[str, ...]
    port: Annotated[int, BeforeValidator(not_truth)] = 22
    user: str | None = None
    """Whom to log in as; by default the user of the credential."""
    name: str | None = None
    """By default a machine is called by its address."""
    node_name: str | None = None
    """By default a node is called by the host's own name."""
    cluster: str | None = None
    """Its name, where it is said: it can only be this one."""
    version: str | None = None
    """Of Kubernetes, where it is said: it can only be the cluster's."""
    labels: dict[str, str] = {}
    taints: tuple[str, ...] = ()
    interface: str | None = None

    @field_validator("labels", mode="before")
    @classmethod
    def _as_text(cls, labels: Any) -> Any:
        """YAML takes ``true`` and ``1`` for something else than text."""
        if not isinstance(labels, Mapping):
            return labels
        return {key: _text(value) for key, value in cast(Mapping[str, Any], labels).items()}

    def machine(self, cluster: Cluster, user: str) -> Machine:
        """As part of a cluster, with a user where none is said. Raises ``InvalidCluster`` for what can't be."""
        self.refuse_elsewhere(cluster)
        return Machine.of(
            name=self.name or machine_name(parse_address(self.address, "machine address")),
            address=self.address,
            roles=self.roles,
            cluster=cluster.name,
            port=self.port,
            user=self.user or user,
            node_name=self.node_name,
            labels=self.labels,
            taints=tuple(taint(text) for text in self.taints),
            interface=self.interface,
            version=cluster.kubernetes_version,
        )

    def refuse_elsewhere(self, cluster: Cluster) -> None:
        """Raise ``InvalidCluster`` where it says that it is of another cluster, or of another version."""
        if self.cluster not in (None, cluster.name):
            raise InvalidCluster(
                f"it is a machine of the cluster {self.cluster}, and this one is {cluster.name}",
                where=f"machine {self.name or self.address}",
                hint="name the state file of its own cluster (--state), or say this cluster's name (spec.clusterName)",
            )
        if self.version is not None and Version.parse(self.version) != cluster.kubernetes_version:
            raise InvalidCluster(
                f"it is to have Kubernetes {self.version}, and the cluster has {cluster.kubernetes_version.tag}",
                where=f"machine {self.name or self.address}",
                hint="leave its version out (spec.version): a new machine gets that of the cluster",
            )

    @classmethod
    def of_object(cls, data: Mapping[str, Any]) -> Self:
        """From a Cluster API object."""
        machine = Machine.from_object(data)
        return cls(
            address=str(machine.address),
            roles=tuple(machine.roles),
            port=machine.port,
            user=machine.user if Reader(data, "Machine").note("ssh-user") is not None else None,
            name=machine.name,
            node_name=machine.node_name,
            cluster=machine.cluster,
            version=machine.version.tag if machine.version else None,
            labels=machine.labels,
            taints=tuple(str(taint) for taint in machine.taints),
            interface=machine.interface,
        )


def taint(text: str) -> Taint:
    """From ``KEY[=VALUE]:EFFECT``. Raises ``InvalidCluster``."""
    body, colon, effect = text.rpartition(":")
    if not (colon and body):
        hint = "a taint is KEY[=VALUE]:EFFECT, such as dedicated=db:NoSchedule"
        raise InvalidCluster(f"{text!r} can't be a taint", where="machine taint", hint=hint)
    key, _, value = body.partition("=")
    return Taint.of(key=key, value=value, effect=effect)


def read_machines(path: Path) -> tuple[WantedMachine, ...]:
    """The machines of a file: a list of ``{ip, role, …}``, or Cluster API objects of kind Machine, in YAML or JSON.

    Raises:
        UsageError: it can't be read, or says something else.
        InvalidCluster: an object that can't be.
    """
    try:
        found = documents(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise UsageError(f"the machines in {path} can't be read: {words_of(error)}", hint=_HINT) from None
    try:
        machines = tuple(_wanted(entry) for entry in _entries(found))
    except ValidationError as error:
        raise UsageError(f"the machines in {path}: {misfit(error)}", hint=_HINT) from None
    except InvalidCluster as error:
        raise UsageError(f"the machines in {path}: {error}", hint=error.hint or _HINT) from None
    if not machines:
        raise UsageError(f"there is no machine in {path}", hint=_HINT)
    return machines


def _entries(found: list[Any]) -> Iterator[Mapping[str, Any]]:
    """Lists are opened, those of Kubernetes (``kind: List``) too."""
    for each in found:
        if isinstance(each, list):
            yield from _entries(cast(list[Any], each))
        elif isinstance(each, Mapping):
            entry = cast(Mapping[str, Any], each)
            items = listed(entry)
            yield from [entry] if items is None else _entries(items)
        elif each is not None:
            raise InvalidCluster(f"{each!r} is not a machine")


def _wanted(entry: Mapping[str, Any]) -> WantedMachine:
    if "kind" in entry:
        return WantedMachine.of_object(entry)
    twice = [f"both {short} and {full}" for short, full in _SHORT.items() if short in entry and full in entry]
    if twice:
        raise InvalidCluster(f"an entry has {', '.join(twice)}: {entry!r}", hint="leave one of them out")
    fields = {_SHORT.get(word, word): value for word, value in entry.items()}
    missing = [short for short, full in _SHORT.items() if short != "iface" and not fields.get(full)]
    if missing:
        raise InvalidCluster(f"an entry has no {' and no '.join(missing)}: {entry!r}")
    return WantedMachine.model_validate({**fields, "roles": _roles(fields["roles"])})


def _text(value: Any) -> Any:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, int | float) else value


def _roles(value: Any) -> Any:
    return (value,) if isinstance(value, str) else value
