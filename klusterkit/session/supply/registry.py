"""A private registry that a cluster runs from: kept in the state, and asked what its images are."""

from __future__ import annotations

import ssl
from base64 import b64decode, b64encode
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from klusterkit.bundle.images import ImageSource
from klusterkit.bundle.reference import Place, Reference
from klusterkit.bundle.registry import Account
from klusterkit.bundle.web import Web
from klusterkit.cluster import Architecture, Artifact
from klusterkit.cluster.registry import PrivateRegistry
from klusterkit.engine.errors import UsageError
from klusterkit.foreign import words_of
from klusterkit.plans.request import ArtifactFile
from klusterkit.session.hold import Hold, expanded
from klusterkit.session.onlooker import Onlooker
from klusterkit.session.settings import RegistryAccess

ACCOUNT = "registry.account"
"""Name of the secret that lets hosts in."""
AT_ONCE = 4


def described(access: RegistryAccess) -> tuple[PrivateRegistry, dict[str, bytes]]:
    """The registry as the cluster's description has it, and the secrets that it names.

    Raises:
        UsageError: an address that is none, an authority that can't be used, or a password that would go in clear.
    """
    place = Place.parse(access.place)
    if access.username and place.url.startswith("http://"):
        raise UsageError(
            f"{place.url} would be told the password of {access.username} in the clear",
            hint="name a registry with TLS (https), or one that lets everybody in",
        )
    authority = _authority(access.ca) if access.ca else None
    secrets: dict[str, bytes] = {}
    if access.username:
        secrets[ACCOUNT] = b64encode(f"{access.username}:{access.password.get_secret_value()}".encode())
    registry = PrivateRegistry(place=access.place, authority=authority, account=ACCOUNT if secrets else None)
    return registry, secrets


def _authority(path: Path) -> str:
    try:
        text = expanded(path).read_text(encoding="ascii")
        ssl.create_default_context(cadata=text)
    except (ssl.SSLError, ValueError):
        why = "it holds no certificate in PEM"
    except OSError as error:
        why = words_of(error)
    else:
        return text
    raise UsageError(f"the authority {path} can't be used: {why}", hint="name another with --registry-ca")


def look_up(
    registry: PrivateRegistry,
    account: Account | None,
    architecture: Architecture,
    images: Iterable[Artifact],
    onlooker: Onlooker,
) -> Mapping[str, ArtifactFile]:
    """What images are in the registry, by their names: hosts are to pull these and no others.

    Raises:
        ArtifactMissing, RegistryRefused, MirrorUnreachable, ImageUnusable.
    """
    wanted = [image.name for image in images]
    onlooker.stage(f"asking {registry.place} for {len(wanted)} images")
    source = ImageSource(architecture, Place.parse(registry.place), Web(authority=registry.authority), account)

    def asked(name: str) -> ArtifactFile:
        found = source.look_up(Reference.parse(name))
        return ArtifactFile(sha256=found.sha256, size=found.size)

    with ThreadPoolExecutor(AT_ONCE) as pool:
        return dict(zip(wanted, pool.map(asked, wanted), strict=True))


def present_account(hold: Hold, registry: PrivateRegistry) -> Account | None:
    """The account that the state has; None where the registry lets everybody in."""
    return account_in(hold, hold.secret(registry.account)) if registry.account else None


def account_in(hold: Hold, secret: bytes) -> Account:
    """The account in the value of a secret. From now on both are masked in all that this command writes or shows."""
    username, _, password = b64decode(secret).decode().partition(":")
    for value in (secret, password.encode()):
        hold.mask.learn(value)
    return Account(username, password)
