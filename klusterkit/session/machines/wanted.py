"""Machines as an operator asks for them: by options, or in a file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Self, cast

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError, field_validator

from klusterkit.cluster import Cluster, InvalidCluster, Machine, Taint, machine_name, parse_address
from klusterkit.cluster.objects import listed
from klusterkit.engine.errors import UsageError
from klusterkit.foreign import misfit, words_of
from klusterkit.givenyaml import documents

_HINT = """a list with one entry for each machine, such as
- ip: 10.0.0.5
  role: master
- {ip: 10.0.0.8, role: node, labels: {disk: fast}, taints: [dedicated=db:NoSchedule]}"""


class WantedMachine(BaseModel):
    """One machine. What isn't said has its default."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    address: str
    roles: tuple[str, ...]
    port: int = 22
    name: str | None = None
    """By default a machine is called by its address."""
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
        """As part of a cluster. Raises ``InvalidCluster`` for what can't be."""
        return Machine.of(
            name=self.name or machine_name(parse_address(self.address, "machine address")),
            address=self.address,
            roles=self.roles,
            cluster=cluster.name,
            port=self.port,
            user=user,
            labels=self.labels,
            taints=tuple(taint(text) for text in self.taints),
            interface=self.interface,
            version=cluster.kubernetes_version,
        )

    @classmethod
    def of_object(cls, data: Mapping[str, Any]) -> Self:
        """From a Cluster API object. What only KlusterKit can know (user, node, version) isn't taken from it."""
        machine = Machine.from_object(data)
        return cls(
            address=str(machine.address),
            roles=tuple(machine.roles),
            port=machine.port,
            name=machine.name,
            labels=machine.labels,
            taints=tuple(str(taint) for taint in machine.taints),
            interface=machine.interface,
        )


def taint(text: str) -> Taint:
    """From ``KEY[=VALUE]:EFFECT``. Raises ``InvalidCluster``."""
    body, _, effect = text.rpartition(":")
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
    fields = dict(entry)
    known = {"address": fields.pop("ip", None), "roles": _roles(fields.pop("role", None))}
    missing = [word for word, value in (("ip", known["address"]), ("role", known["roles"])) if not value]
    if missing:
        raise InvalidCluster(f"an entry has no {' and no '.join(missing)}: {dict(entry)!r}")
    renamed = {"iface": "interface"}
    return WantedMachine.model_validate({renamed.get(key, key): value for key, value in fields.items()} | known)


def _text(value: Any) -> Any:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, int | float) else value


def _roles(value: Any) -> Any:
    return (value,) if isinstance(value, str) else value
