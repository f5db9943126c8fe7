"""What the control machine has in tests of whole plans: secrets and artifacts."""

from __future__ import annotations

import hashlib
import io
import tarfile
from functools import cache

from klusterkit import pki
from klusterkit.plans.host import PLUGINS
from klusterkit.plans.reference import CLUSTER, HIGHLY_AVAILABLE, artifacts
from klusterkit.plans.request import ArtifactFile
from klusterkit.session.supply.registry import ACCOUNT
from klusterkit.tasks.peers import SECRET as PEERS

NEW_ACCOUNT = b"cHVsbGVyOmFub3RoZXIgaG9yc2U="
"""What the private registry takes beside the account that a cluster begins with."""


@cache
def secrets() -> dict[str, bytes]:
    """Authorities and keys, as in a state file."""
    found: dict[str, str] = {}
    for name in pki.AuthorityName:
        authority = pki.Authority.create(name.common_name)
        found |= {f"{name}.crt": authority.cert_pem, f"{name}.key": authority.key_pem}
    found["sa.key"], found["sa.pub"] = pki.create_service_account_key()
    found |= {PEERS: "made up", ACCOUNT: "cHVsbGVyOmNvcnJlY3QgaG9yc2U="}
    return {name: value.encode() for name, value in found.items()}


@cache
def contents() -> dict[str, bytes]:
    """Artifacts by their names: archives hold what is unpacked from them, images say their reference."""
    release = CLUSTER.release
    archives = {
        "containerd": [f"bin/{name}" for name in ("containerd", "ctr", "containerd-shim-runc-v2")],
        "etcd": [f"etcd-{release.etcd}-linux-amd64/{name}" for name in ("etcd", "etcdctl", "etcdutl")],
        "cni-plugins": [f"./{name}" for name in PLUGINS],
    }
    names = artifacts(HIGHLY_AVAILABLE)
    return {name: _archive(archives[name]) if name in archives else name.encode() for name in names}


def _archive(members: list[str]) -> bytes:
    held = io.BytesIO()
    with tarfile.open(fileobj=held, mode="w") as opened:
        for name in members:
            info = tarfile.TarInfo(name)
            info.size = len(name)
            opened.addfile(info, io.BytesIO(name.encode()))
    return held.getvalue()


@cache
def files() -> dict[str, ArtifactFile]:
    """The artifacts as a mirror has them."""
    return {
        name: ArtifactFile(sha256=hashlib.sha256(content).hexdigest(), size=len(content))
        for name, content in contents().items()
    }
