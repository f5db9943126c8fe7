"""A private registry made known to containerd on a host."""

from __future__ import annotations

from collections.abc import Iterator

from klusterkit.bundle.reference import Place
from klusterkit.plans.files import registry as files
from klusterkit.plans.request import Target
from klusterkit.plans.shared import directory, text_file
from klusterkit.tasks.containerd import REGISTRIES
from klusterkit.tasks.registry import RegistryFile


def know_registry(target: Target, folder: str, registries: str) -> list[str]:
    """Where images come from and who may have them; nothing for a cluster that images are brought to."""
    registry = target.cluster.registry
    if registry is None:
        return []
    add, trusted = target.tasks.add, registry.authority is not None
    found: list[str] = []
    if registry.authority:
        found.append(add("containerd/registry-authority", text_file(files.AUTHORITY, registry.authority), folder))
    for name, text in _texts(Place.parse(registry.place), authority=trusted):
        own = add(f"containerd/registry-{name}", directory(f"{REGISTRIES}/{name}"), registries)
        path = f"{REGISTRIES}/{name}/hosts.toml"
        if registry.account:
            step = RegistryFile(path=path, content=text, secret=registry.account)
        else:
            step = text_file(path, text)
        found.append(add(f"containerd/registry-{name}-hosts", step, own))
    return found


def _texts(place: Place, *, authority: bool) -> Iterator[tuple[str, str]]:
    """By the registries' folders."""
    for official in files.OFFICIAL:
        yield official, files.instead_of(official, place, authority=authority)
    yield place.host, files.itself(place, authority=authority)
