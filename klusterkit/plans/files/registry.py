"""containerd's ``hosts.toml`` for a private registry (containerd 2.x, docs/hosts.md)."""

from __future__ import annotations

from functools import lru_cache

from klusterkit.bundle.reference import Place

OFFICIAL = ("docker.io", "ghcr.io", "registry.k8s.io")
"""Registries of all images that a cluster runs of its own."""
AUTHORITY = "/etc/containerd/registry.crt"


@lru_cache(maxsize=16)
def instead_of(official: str, place: Place, *, authority: bool) -> str:
    """For images of an official registry. It is asked for nothing: what the private one lacks isn't got elsewhere."""
    folder = "/".join(part for part in (place.prefix, official) if part)
    return _text(f"{place.url}/v2/{folder}", authority=authority, more="override_path = true\n")


@lru_cache(maxsize=16)
def itself(place: Place, *, authority: bool) -> str:
    """For images that are named by the private registry."""
    return _text(place.url, authority=authority)


def _text(server: str, *, authority: bool, more: str = "") -> str:
    trusted = f'ca = "{AUTHORITY}"\n' if authority else ""
    return f'server = "{server}"\ncapabilities = ["pull", "resolve"]\n{more}{trusted}'
