"""What changes the state file alone: the credential and the cluster. No host is touched."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from klusterkit import pki
from klusterkit.cluster import CNI, Cluster
from klusterkit.cluster.machine import login_name
from klusterkit.engine.errors import UsageError
from klusterkit.foreign import words_of
from klusterkit.session.hold import Hold, expanded
from klusterkit.session.settings import RegistryAccess
from klusterkit.session.supply.registry import described
from klusterkit.session.supply.trust import public_key
from klusterkit.state import Snapshot

CREDENTIAL = "ssh-credential"
"""Name of the credential, and of the secret that holds its private key."""

KEY_SECRET = f"{CREDENTIAL}.key"


def create_credential(
    hold: Hold, user: str, private_key: Path, passphrase: Callable[[], str] | None, *, replace: bool = False
) -> None:
    """Keep the login for all machines. Raises ``UsageError`` for a key that can't be used, or a second credential.

    Args:
        hold: opened for writing.
        user: whom to log in as: root, or somebody who may use sudo without a password.
        private_key: an OpenSSH or PEM private key file.
        passphrase: asks for the key's passphrase; the key is kept without it, encrypted as all secrets are.
        replace: take the place of the one that is there. Machines that are there keep the user that they have.
    """
    from klusterkit.hosts.credentials import load_private_key  # paramiko takes 100 ms to import

    hold.refuse_run_in_progress()
    content = check_credential(user, private_key)
    if hold.snapshot.credentials and not replace:
        raise UsageError(
            f"{hold.state.path} has a credential already (user {hold.snapshot.credentials[0]['user']})",
            hint="`cctl get credential` shows it; --replace puts this one in its place",
        )
    key = load_private_key(content, passphrase, where=str(private_key))
    snapshot = hold.state.with_secret(hold.snapshot, KEY_SECRET, key.content)
    credential = {"name": CREDENTIAL, "user": user, "key": KEY_SECRET, "fingerprint": key.fingerprint}
    hold.state.fold(_with(snapshot, credentials=[credential]))


def check_credential(user: str, private_key: Path) -> bytes:
    """The key's file, for a user that there can be. Raises ``UsageError``, ``InvalidCluster``."""
    login_name(user)
    return _read_key(expanded(private_key))


def _read_key(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UsageError(
            f"the private key {path} can't be read: {words_of(error)}",
            hint="name the file with --private-key; make one with ssh-keygen",
        ) from None


class WantedCluster(BaseModel):
    """What the operator asks for, as text."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    pod_network: str = "10.2.0.0/16"
    service_network: str = "10.1.0.0/16"
    kubernetes_version: str | None = None
    dns_domain: str | None = None
    cni: str = "flannel"
    """``flannel``, ``none``, or the path of a manifest."""
    name: str | None = None
    bundle_keys: tuple[str, ...] = ()
    """Public keys whose bundles are trusted: files, or the lines themselves."""
    vip: dict[str, Any] | None = None
    """``address`` and ``router_id``."""
    registry: RegistryAccess | None = None
    """Where hosts pull images from."""


def create_cluster(hold: Hold, wanted: WantedCluster) -> Cluster:
    """Keep the cluster and make its authorities. Raises ``UsageError`` when there is one, ``InvalidCluster``."""
    hold.refuse_run_in_progress()
    if hold.snapshot.cluster is not None:
        raise UsageError(
            f"{hold.state.path} has a cluster already: {hold.the_cluster().name}",
            hint="each cluster has its own state file: name another one with --state",
        )
    cluster, accounts, trusted = described_cluster(wanted)
    keys = [*hold.snapshot.bundle_keys, *trusted]
    snapshot = hold.snapshot
    for name, value in {**_authorities(), **accounts}.items():
        snapshot = hold.state.with_secret(snapshot, name, value)
    hold.state.fold(_with(snapshot, cluster=cluster.to_object(), bundle_keys=list(dict.fromkeys(keys))))
    return cluster


def described_cluster(wanted: WantedCluster) -> tuple[Cluster, dict[str, bytes], list[str]]:
    """The cluster, its registry's secrets, and the keys of bundles. Raises ``UsageError``, ``InvalidCluster``.

    It needs no state file: what is refused here is refused before one is made.
    """
    registry, accounts = described(wanted.registry) if wanted.registry else (None, {})
    cluster = cluster_wanted(wanted).replace(registry=registry)
    return cluster, accounts, [public_key(text).text for text in wanted.bundle_keys]


def cluster_wanted(wanted: WantedCluster) -> Cluster:
    """What is asked for as a cluster. Raises ``InvalidCluster``, ``UsageError``."""
    given = wanted.model_dump(exclude_none=True, exclude={"cni", "bundle_keys", "registry"})
    return Cluster.of(**given, cni=_cni(wanted.cni))


def _cni(word: str) -> CNI:
    match word:
        case "flannel":
            return CNI()
        case "none":
            return CNI(kind="none")
        case _:
            try:
                return CNI.manifest(expanded(Path(word)).read_text(encoding="utf-8"))
            except (OSError, UnicodeDecodeError) as error:
                raise UsageError(
                    f"the CNI manifest {word} can't be read: {words_of(error)}",
                    hint="--cni takes flannel, none, or a manifest's path",
                ) from None


def _authorities() -> dict[str, bytes]:
    secrets: dict[str, str] = {}
    for name in pki.AuthorityName:
        authority = pki.Authority.create(name.common_name)
        secrets |= {f"{name}.crt": authority.cert_pem, f"{name}.key": authority.key_pem}
    private, public = pki.create_service_account_key()
    secrets |= {"sa.key": private, "sa.pub": public}
    return {name: text.encode() for name, text in secrets.items()}


def _with(snapshot: Snapshot, **fields: object) -> Snapshot:
    return snapshot.model_copy(update=fields)
