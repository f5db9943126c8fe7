"""Versions of Kubernetes, and which of them may be together.

The rules are those of the Kubernetes "Version Skew Policy" and of kubeadm ("Upgrading kubeadm clusters").
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import total_ordering
from typing import Annotated, Any

from pydantic import BeforeValidator, PlainSerializer

from klusterkit.cluster.errors import InvalidCluster

_NUMBER = r"(0|[1-9]\d*)"
_RELEASE = re.compile(rf"v?{_NUMBER}\.{_NUMBER}\.{_NUMBER}(?:-((?:alpha|beta|rc)\.{_NUMBER}))?")

KUBELET_SKEW = 3
"""Minors that a kubelet may be older than an API server."""


@total_ordering
@dataclass(frozen=True)
class Version:
    """A release of Kubernetes. Ordered as semantic versions are: ``1.37.0-rc.1`` comes before ``1.37.0``."""

    major: int
    minor_number: int
    patch: int
    prerelease: str = ""
    """``alpha.N``, ``beta.N``, ``rc.N``; empty for a release proper."""

    @classmethod
    def parse(cls, text: str) -> Version:
        """From ``1.36.3`` or ``v1.36.3``.

        Raises:
            InvalidCluster: it is no release of Kubernetes.
        """
        found = _RELEASE.fullmatch(text)
        if not found:
            raise InvalidCluster(
                f"{text!r} is not a version", where="Kubernetes version", hint="write all three numbers, as in 1.36.3"
            )
        major, minor, patch, prerelease = found.group(1, 2, 3, 4)
        return cls(int(major), int(minor), int(patch), prerelease or "")

    @property
    def minor(self) -> str:
        """Major and minor, such as ``1.36``."""
        return f"{self.major}.{self.minor_number}"

    @property
    def tag(self) -> str:
        """As download sites and image tags have it: ``v1.36.3``."""
        return f"v{self}"

    def __str__(self) -> str:
        suffix = f"-{self.prerelease}" if self.prerelease else ""
        return f"{self.minor}.{self.patch}{suffix}"

    def __lt__(self, other: Version) -> bool:
        return self._key() < other._key()

    def _key(self) -> tuple[int, int, int, bool, str, int]:
        # alpha, beta, rc are in the order of the alphabet; a release proper comes after them all.
        stage, _, number = self.prerelease.partition(".")
        return (self.major, self.minor_number, self.patch, not self.prerelease, stage, int(number or 0))


def _from_text(value: Any) -> Any:
    return Version.parse(value) if isinstance(value, str) else value


VersionText = Annotated[Version, BeforeValidator(_from_text), PlainSerializer(str)]
"""A version as a field of a model: text outside, :class:`Version` inside."""


class VersionSkew(InvalidCluster):
    """Versions that may not be together, or not follow each other."""


def minors_between(older: Version, newer: Version) -> int | None:
    """Minors from one to the other, negative when `older` is the newer; None across major versions."""
    return newer.minor_number - older.minor_number if newer.major == older.major else None


def check_kubelet(kubelet: Version, api_server: Version) -> None:
    """A kubelet is never newer than the API servers, and at most three minors older.

    Raises:
        VersionSkew: it is.
    """
    behind = minors_between(kubelet, api_server)
    if behind is None or behind < 0:
        raise VersionSkew(
            f"kubelet {kubelet} is newer than the API server {api_server}", hint="upgrade the control plane first"
        )
    if behind > KUBELET_SKEW:
        raise VersionSkew(
            f"kubelet {kubelet} is {behind} minors older than the API server {api_server}; {KUBELET_SKEW} are allowed",
            hint="upgrade the nodes before the control plane goes on",
        )


def check_api_servers(versions: Iterable[Version]) -> None:
    """All API servers of a cluster are within one minor.

    Raises:
        VersionSkew: they aren't.
    """
    ordered = sorted(versions)
    if ordered and minors_between(ordered[0], ordered[-1]) not in (0, 1):
        raise VersionSkew(
            f"API servers {ordered[0]} and {ordered[-1]} can't serve one cluster: they may be one minor apart",
            hint=f"bring {ordered[0]} up first",
        )


def check_upgrade(current: Version, target: Version) -> None:
    """A control plane goes to a later patch of its minor, or to the next minor; never back, and past none.

    Raises:
        VersionSkew: the step is another one.
    """
    if target <= current:
        raise VersionSkew(
            f"{target} is not newer than {current}", hint="to go back to the version before an upgrade, roll it back"
        )
    if minors_between(current, target) not in (0, 1):
        following = f"{current.major}.{current.minor_number + 1}"
        raise VersionSkew(f"from {current} to {target} is more than one minor", hint=f"upgrade to {following} first")


def check_kubeadm(kubeadm: Version, target: Version) -> None:
    """kubeadm installs and upgrades to its own minor, and to no patch after its own.

    Raises:
        VersionSkew: the target is another one.
    """
    if kubeadm.minor != target.minor or target > kubeadm:
        raise VersionSkew(f"kubeadm {kubeadm} can't set up Kubernetes {target}", hint=f"use kubeadm {target}")
