"""What a command was told besides its own arguments: where the state is, what opens it, where artifacts come from."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, SecretStr

OFFICIAL_SITES = "https://"
"""A path below a mirror begins with the site's name, so the official sites are a mirror too: of themselves."""


class RegistryAccess(BaseModel):
    """A private registry that images come from, and how to be let in."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    place: str
    """``HOST[:PORT][/PREFIX]``, with ``http://`` before it where there is no TLS."""
    ca: Path | None = None
    """Its authority, in PEM; None for those that this machine trusts."""
    username: str | None = None
    password: SecretStr = SecretStr("")


class Settings(BaseModel):
    """Set once per command, from options first and the environment second."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)

    state: Path
    identity: Path | None = None
    """The age identity that opens the state file's secrets; by default the user's own."""
    prefer_passphrase: bool = False
    """Whether a new state file is sealed by a passphrase that is asked for, and not by the identity."""
    plaintext: bool = False
    """Whether a new state file keeps its secrets in clear (``--insecure-plaintext-state``)."""
    recipients: tuple[str, ...] = ()
    """More age recipients for a new state file."""
    mirror: str = OFFICIAL_SITES
    """A folder, ``file://`` or ``http(s)://`` address that holds the official sites' paths, one folder a site."""
    bundle: Path | None = None
    """Has all artifacts, instead of mirror and registries."""
    bundle_keys: tuple[str, ...] = ()
    """Public keys, as their lines of base64, whose bundles are trusted besides those of keys that the state pins."""
    allow_older_bundle: bool = False
    """Whether a bundle may be older than the last one that was used."""
    bandwidth: int | None = None
    """Bytes a second that are sent to all hosts together; None for all that the link gives."""
    registry: RegistryAccess | None = None
    """Has the images, instead of the mirror."""
    cache: Path
    """Where verified artifacts are kept on this machine, by SHA-256."""
    ssh_jump: str | None = None
    known_hosts: tuple[Path, ...] = ()
    host_keys: tuple[str, ...] = ()
    """Fingerprints (``SHA256:…``) of host keys that are accepted when they are met for the first time."""
    patience: float = 120.0
    """Seconds that a run waits for a host whose link is gone before its task fails."""
    debug: bool = False
    ask_host_key: Callable[[Any], bool] | None = None
    """Asks on the terminal whether a host is the right one; given a ``klusterkit.hosts.UnknownHostKey``."""
    ask_passphrase: Callable[[bool], str] | None = None
    before_hosts: Callable[[], None] = lambda: None
    """Raises where the command could not be gone through with. Called when all is known to be right that is so without
    asking a host, and before any is met."""

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] = os.environ, **options: object) -> Settings:
        """Options that are None or empty give way to the environment, and that to the defaults."""
        home = Path(environ.get("HOME") or str(Path.home()))
        cache = Path(environ.get("XDG_CACHE_HOME") or home / ".cache") / "klusterkit"
        found: dict[str, object] = {
            "state": environ.get("CCTL_STATE") or "cctl-state.yaml",
            "mirror": environ.get("KLUSTERKIT_MIRROR") or OFFICIAL_SITES,
            "bundle": environ.get("KLUSTERKIT_BUNDLE") or None,
            "cache": environ.get("KLUSTERKIT_CACHE") or cache,
            "known_hosts": (home / ".ssh" / "known_hosts",),
        }
        return cls.model_validate(found | {name: value for name, value in options.items() if value not in (None, ())})
