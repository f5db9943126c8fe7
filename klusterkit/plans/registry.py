"""A private registry made known to containerd on a host."""

from __future__ import annotations

from collections.abc import Iterator

from klusterkit.bundle.reference import Place
from klusterkit.cluster.registry import PrivateRegistry
from klusterkit.engine.step import Step
from klusterkit.plans.draft import HostDraft
from klusterkit.plans.files import registry as files
from klusterkit.plans.shared import directory, text_file
from klusterkit.tasks.containerd import REGISTRIES
from klusterkit.tasks.registry import RegistryFile

AUTHORITY = "containerd/registry-authority"
"""The task that brings the authority."""


def know_registry(tasks: HostDraft, registry: PrivateRegistry | None, folder: str, registries: str) -> list[str]:
    """Where images come from and who may have them; nothing for a cluster that images are brought to."""
    found: list[str] = []
    if registry and (authority := authority_file(registry)):
        found.append(tasks.add(AUTHORITY, authority, folder))
    for name, step in hosts_files(registry).items() if registry else ():
        own = tasks.add(f"containerd/registry-{name}", directory(f"{REGISTRIES}/{name}"), registries)
        found.append(tasks.add(hosts_task(name), step, own))
    return found


def hosts_task(name: str) -> str:
    """The task that brings the file of a registry."""
    return f"containerd/registry-{name}-hosts"


def authority_file(registry: PrivateRegistry) -> Step | None:
    """What hosts know the registry by; None where they trust it anyway."""
    return text_file(files.AUTHORITY, registry.authority) if registry.authority else None


def hosts_files(registry: PrivateRegistry) -> dict[str, Step]:
    """containerd's files, by the registries whose folders they are in."""
    texts = _texts(Place.parse(registry.place), authority=registry.authority is not None)
    return {name: _file(f"{REGISTRIES}/{name}/hosts.toml", text, registry.account) for name, text in texts}


def _file(path: str, text: str, account: str | None) -> Step:
    return RegistryFile(path=path, content=text, secret=account) if account else text_file(path, text)


def _texts(place: Place, *, authority: bool) -> Iterator[tuple[str, str]]:
    """By the registries' folders."""
    for official in files.OFFICIAL:
        yield official, files.instead_of(official, place, authority=authority)
    yield place.host, files.itself(place, authority=authority)
