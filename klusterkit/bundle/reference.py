"""Full names of images, ``registry.k8s.io/coredns/coredns:v1.14.2``, and of private registries."""

from __future__ import annotations

import re
from dataclasses import dataclass

from klusterkit.engine.errors import UsageError

_HOST = re.compile(r"[A-Za-z0-9.-]+(:(?P<port>\d{1,5}))?|\[[0-9A-Fa-f:]+\](:(?P<port6>\d{1,5}))?")
_PART = re.compile(r"[a-z0-9]+([._-]+[a-z0-9]+)*(/[a-z0-9]+([._-]+[a-z0-9]+)*)*")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
_DOCKER_HUB = "registry-1.docker.io"
"""Where images of docker.io really are."""


def _names_host(text: str) -> bool:
    """Whether it is ``HOST[:PORT]``, with a port that there is."""
    found = _HOST.fullmatch(text)
    return found is not None and 1 <= int(found["port"] or found["port6"] or 443) <= 65535


@dataclass(frozen=True)
class Reference:
    """An image's full name, in parts."""

    registry: str
    repository: str
    tag: str

    @classmethod
    def parse(cls, text: str) -> Reference:
        """From its name, which has to be full. Raises ``UsageError``."""
        rest, colon, tag = text.rpartition(":")
        registry, slash, repository = rest.partition("/")
        named = colon and slash and _names_host(registry) and _PART.fullmatch(repository)
        if not named or not _TAG.fullmatch(tag):
            raise UsageError(f"{text!r} is no full name of an image", hint="such as registry.k8s.io/pause:3.10.2")
        return cls(registry, repository, tag)

    @property
    def text(self) -> str:
        """The full name."""
        return f"{self.registry}/{self.repository}:{self.tag}"


@dataclass(frozen=True)
class Place:
    """Where images are pulled from: an address, and what stands before the names of repositories there."""

    url: str
    prefix: str = ""

    @classmethod
    def parse(cls, text: str) -> Place:
        """From ``HOST[:PORT][/PREFIX]``, with ``http://`` before it where there is no TLS. Raises ``UsageError``."""
        scheme = "http" if text.startswith("http://") else "https"
        host, _, prefix = text.removeprefix(f"{scheme}://").strip("/").partition("/")
        if not _names_host(host) or (prefix and not _PART.fullmatch(prefix)):
            raise UsageError(
                f"{text!r} names no registry",
                hint="--registry HOST[:PORT][/PREFIX], such as registry.example.com/mirror",
            )
        return cls(f"{scheme}://{host}", prefix)

    @property
    def host(self) -> str:
        """``HOST[:PORT]``: how images are named that are there."""
        return self.url.partition("://")[2]

    @classmethod
    def official(cls, reference: Reference) -> Place:
        """Of an image's own registry."""
        host = _DOCKER_HUB if reference.registry == "docker.io" else reference.registry
        return cls(f"https://{host}")

    def repository(self, reference: Reference, *, official: bool = False) -> str:
        """Name of an image's repository there. A private registry has one folder for each official one, as a mirror."""
        if official:
            return reference.repository
        return "/".join(
            part for part in (self.prefix, reference.registry.replace(":", "-"), reference.repository) if part
        )
