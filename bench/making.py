"""Making clusters with `cctl` and with bare scripts, from the same artifacts on this machine."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.figure import largest_resident_size
from klusterkit.bundle import ArtifactStore, Mirror
from klusterkit.bundle.building import bring_all
from klusterkit.cluster import Cluster, Role, artifacts_for
from klusterkit.cluster.artifacts import images_for
from klusterkit.plans.create import extra_artifacts
from klusterkit.plans.files import flannel

PODS, SERVICES = "192.168.0.0/16", "192.169.0.0/24"
CLUSTER = Cluster.of(pod_network=PODS, service_network=SERVICES, cni={"kind": "flannel"})
VERSION = CLUSTER.kubernetes_version


@dataclass(frozen=True)
class Made:
    """What a creation by cctl tells of itself."""

    memory: float
    """Largest resident size of the process, in MB (10^6 bytes)."""
    run: Mapping[str, Any]
    """Its run in brief, with the times of its tasks."""


def cache(environment: Mapping[str, str], *roles: Role, vip: bool = False) -> Path:
    """Our own store of artifacts, filled beforehand: a script needs no download either."""
    mirror = environment["LAB_MIRROR"]
    folder = Path(mirror).parent / "control-machine"
    wanted = artifacts_for(roles, VERSION, CLUSTER.cni, vip=vip)
    bring_all((*wanted, *extra_artifacts(CLUSTER.cni)), Mirror(mirror), ArtifactStore(folder))
    return folder


def ours(environment: Mapping[str, str], cache: Path, roles: Mapping[str, Role], *cluster_options: str) -> Made:
    """A cluster of these hosts by their roles, with `cctl`, in one plan."""
    cctl = str(Path(sys.executable).with_name("cctl"))
    Path("build").mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir="build") as folder:
        machines = [{"ip": environment[f"LAB_HOST_{host}"], "role": str(role)} for host, role in roles.items()]
        Path(folder, "machines.yaml").write_text(json.dumps(machines))
        theirs = {
            "HOME": folder,
            "CCTL_STATE": f"{folder}/cctl-state.yaml",
            "KLUSTERKIT_MIRROR": environment["LAB_MIRROR"],
            "PATH": os.environ["PATH"],
            "KLUSTERKIT_CACHE": str(cache),
        }
        networks = ["--pod-network", PODS, "--service-network", SERVICES]
        known = ["--known-hosts", environment["LAB_KNOWN_HOSTS"]]
        run([cctl, "create", "credential", "--user", "root", "--private-key", environment["LAB_SSH_KEY"]], theirs)
        run([cctl, "create", "cluster", *networks, *cluster_options], theirs)
        create = [cctl, "create", "machine", "--file", f"{folder}/machines.yaml", *known, "--yes"]
        memory = _largest(create, theirs)
        history = run([cctl, "history", "--timing", "-o", "json"], theirs)
        return Made(memory, json.loads(history)[-1])


def _largest(command: list[str], environment: dict[str, str]) -> float:
    """Run a program; returns what :class:`Made` says of its memory, asked for all the while."""
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=said, stderr=said)
        largest = 0.0
        while process.poll() is None:
            largest = max(largest, largest_resident_size(process.pid))
            try:
                process.wait(0.2)
            except subprocess.TimeoutExpired:
                continue
        if process.returncode:
            said.seek(0)
            raise RuntimeError(f"{' '.join(command)} failed:\n{said.read().decode()[-3000:]}")
    return largest


def bare(environment: Mapping[str, str], script: str, at: str, *arguments: str, **more: str) -> None:
    """A cluster by a script of this folder.

    Args:
        environment: of the lab.
        script: its name.
        at: where clients find the API: an address.
        arguments: the script's.
        more: what else it finds in its environment.
    """
    with tempfile.TemporaryDirectory(prefix="kkb") as folder:
        manifest = Path(folder) / "flannel.yaml"
        manifest.write_text(flannel.manifest(PODS, *images(Role.MASTER)[-2:], at, 6443))
        theirs = {
            **os.environ,
            "MIRROR": environment["LAB_MIRROR"],
            "SSH_KEY": environment["LAB_SSH_KEY"],
            "KNOWN_HOSTS": environment["LAB_KNOWN_HOSTS"],
            "FLANNEL": str(manifest),
            **more,
        }
        run([str(Path(__file__).with_name(script)), *arguments], theirs)


def images(role: Role) -> tuple[str, ...]:
    """What a host of this role needs; flannel's two come last."""
    return images_for(role, VERSION, CLUSTER.cni)


def run(command: list[str], environment: Mapping[str, str]) -> str:
    """Run a program; returns what it printed. Raises with its last words when it fails."""
    ended = subprocess.run(
        command, env=dict(environment), stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    if ended.returncode:
        raise RuntimeError(f"{' '.join(command)} failed:\n{ended.stdout[-2000:]}\n{ended.stderr[-3000:]}")
    return ended.stdout
