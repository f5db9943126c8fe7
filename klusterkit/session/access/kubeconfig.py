"""How to reach the cluster's API: a kubeconfig, with a certificate that is issued when it is asked for."""

from __future__ import annotations

from base64 import b64decode, b64encode
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from klusterkit import pki
from klusterkit.cluster import API_PORT, host_and_port
from klusterkit.engine.errors import UsageError
from klusterkit.pki import leaves
from klusterkit.pki.leaf import ONE_YEAR
from klusterkit.session.access.kubeconfigs import Kubeconfigs, user_paths
from klusterkit.session.hold import Hold


class WantedAccess(BaseModel):
    """What the operator asks for."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    out: Path | None = None
    """The file; None where it is merged into those of the user."""
    merge: bool = False
    """Whether the file may hold other clusters, which stay."""
    use: bool = False
    """Whether kubectl uses this cluster from now on where nothing else is said."""
    rotate: bool = False
    """Whether there will be a new certificate even where the one that is there is good."""
    context: str | None = None
    """Name of the context and of what it consists of; by default made from the cluster's."""
    days: int = ONE_YEAR
    """Of the certificate's life."""


@dataclass(frozen=True)
class Given:
    """What was done about a kubeconfig.

    Attributes:
        path: the file that holds the certificate.
        context: how kubectl is told to use it.
        until: the end of the certificate's life.
        new: whether the certificate is new.
        former: serial number and end of the certificate that it replaces, where that can still be used.
        backups: files as they were before.
    """

    path: Path
    context: str
    until: datetime
    new: bool
    former: pki.Life | None
    backups: tuple[Path, ...]


@dataclass(frozen=True)
class _Cluster:
    """What a kubeconfig says of the cluster."""

    server: str
    authority: str
    cluster: str
    user: str
    context: str


def admin_kubeconfig(hold: Hold, wanted: WantedAccess) -> str:
    """A kubeconfig with a new administrator's certificate. It is a secret."""
    to = _cluster(hold, wanted)
    issued = _issue(hold, to, wanted)
    return pki.kubeconfig(to.server, to.authority, issued.cert_pem, issued.key_pem, to.cluster, to.user, to.context)


def give_access(hold: Hold, wanted: WantedAccess) -> Given:
    """Write the cluster into a kubeconfig of the user. A certificate that is there and good stays.

    Raises:
        UsageError: a file that holds something else, or can't be read or written; no master yet.
    """
    to = _cluster(hold, wanted)
    files = Kubeconfigs([wanted.out] if wanted.out else user_paths())
    _refuse_others(files, to, wanted)
    present = _present(files, to)
    good = present is not None and not wanted.rotate and _is_good(present, to)
    pair = present if present and good else _issue(hold, to, wanted)
    data = {"client-certificate-data": _base64(pair.cert_pem), "client-key-data": _base64(pair.key_pem)}
    path = files.put("users", to.user, data)
    _describe(files, to)
    if wanted.use or not wanted.merge:
        files.use(to.context)
    backups = files.write(backup=wanted.merge)
    former = None if present is None or good else pki.life(present.cert_pem)
    usable = None if former is None or former.over() else former
    return Given(path, to.context, pki.life(pair.cert_pem).ends, not good, usable, tuple(backups))


def _describe(files: Kubeconfigs, to: _Cluster) -> None:
    """What the user has added there, such as a proxy or a namespace, stays."""
    insecure = ("certificate-authority", "insecure-skip-tls-verify")
    kept = {name: value for name, value in (files.find("clusters", to.cluster) or {}).items() if name not in insecure}
    trusted = {"certificate-authority-data": _base64(to.authority), "server": to.server}
    files.put("clusters", to.cluster, {**kept, **trusted})
    context = files.find("contexts", to.context) or {}
    files.put("contexts", to.context, {**context, "cluster": to.cluster, "user": to.user})


def _cluster(hold: Hold, wanted: WantedAccess) -> _Cluster:
    cluster = hold.the_cluster()
    masters = [machine for machine in hold.machines if machine.is_master]
    if not masters:
        raise UsageError("the cluster has no master yet", hint="cctl create machine --ip ADDRESS --role master")
    server = str(cluster.endpoint) if cluster.endpoint else host_and_port(masters[0].address, API_PORT)
    admin = wanted.context or f"{cluster.name}-admin"
    authority = hold.secret("ca.crt").decode()
    return _Cluster(f"https://{server}", authority, wanted.context or cluster.name, admin, admin)


def _issue(hold: Hold, to: _Cluster, wanted: WantedAccess) -> pki.Issued:
    authority = pki.Authority.load(to.authority, hold.secret("ca.key").decode())
    return authority.issue(leaves.admin().model_copy(update={"days": wanted.days}))


def _refuse_others(files: Kubeconfigs, to: _Cluster, wanted: WantedAccess) -> None:
    """Nothing of the user's is overwritten: neither a whole file nor an entry that only has the same name."""
    others = [name for name in files.names("clusters") if name != to.cluster]
    if others and not wanted.merge:
        raise UsageError(
            f"{wanted.out} holds other clusters: {', '.join(others)}; it was left as it is",
            hint=f"--merge keeps them: cctl kubeconfig --merge --out {wanted.out}",
        )
    there = files.find("clusters", to.cluster)
    if there is not None and _text(there.get("certificate-authority-data")).strip() != to.authority.strip():
        raise UsageError(
            f"the kubeconfig has another cluster that is called {to.cluster}; it was left as it is",
            hint="give this one another name (--context NAME), or, if the other is gone, remove it: "
            + (f"kubectl config delete-cluster {to.cluster}" if wanted.merge else f"rm {wanted.out}"),
        )


def _present(files: Kubeconfigs, to: _Cluster) -> pki.Issued | None:
    """The certificate and key that are there for us."""
    user = files.find("users", to.user) or {}
    pair = pki.Issued(_text(user.get("client-certificate-data")), _text(user.get("client-key-data")))
    try:
        pki.life(pair.cert_pem)
    except ValueError:
        return None
    return pair


def _is_good(pair: pki.Issued, to: _Cluster) -> bool:
    return not pki.check(pair.cert_pem, pair.key_pem, to.authority, leaves.admin(), datetime.now(UTC))


def _base64(text: str) -> str:
    return b64encode(text.encode()).decode("ascii")


def _text(data: Any) -> str:
    try:
        return b64decode(str(data or "")).decode()
    except ValueError:
        return ""
