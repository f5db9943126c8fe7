"""One master, from a pristine host to a cluster that works: `cctl` against ``bare.sh``, in turn, on the same host.

Both have the same artifacts on this machine, and end when the node is Ready and cluster DNS is up; KlusterKit also
looks before it acts, verifies every checksum and step, and proves a Service from within a pod.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from statistics import median

from bench import lab
from bench.figure import Figure, progress, spread, took
from klusterkit.bundle import ArtifactStore, Mirror
from klusterkit.bundle.building import bring_all
from klusterkit.cluster import Cluster, Role, artifacts_for
from klusterkit.cluster.artifacts import images_for
from klusterkit.plans.create import extra_artifacts
from klusterkit.plans.files import flannel

HOST = "m1"
TURNS = 3
PODS, SERVICES = "192.168.0.0/16", "192.169.0.0/24"
CLUSTER = Cluster.of(pod_network=PODS, service_network=SERVICES, cni={"kind": "flannel"})
VERSION = CLUSTER.kubernetes_version


def figures() -> Iterator[Figure]:
    """Ours against the script's."""
    with lab.hosts(HOST) as made, tempfile.TemporaryDirectory(prefix="kkb") as folder:
        environment = made.environment
        contenders = {
            "KlusterKit": partial(_ours, environment, _cache(environment)),
            "script": partial(_bare, environment, Path(folder)),
        }
        times: dict[str, list[float]] = {name: [] for name in contenders}
        for number in range(TURNS):
            for name in [*contenders][:: -1 if number % 2 else 1]:
                times[name].append(_turn(made, name, contenders[name]))
    us, them = times["KlusterKit"], times["script"]
    yield Figure(
        f"creation of one master ({VERSION.tag}), against a bare script",
        median(us) / median(them),
        1.1,
        note=f"{spread(us)} against {spread(them)}, {TURNS} each in turn",
    )


def _turn(made: lab.Lab, name: str, create: Callable[[], None]) -> float:
    made("reset", HOST)
    taken = took(create)
    progress(f"creation by {name}: {taken:.1f} s")
    return taken


def _cache(environment: dict[str, str]) -> Path:
    """Our own store of artifacts, filled beforehand: the script needs no download either."""
    mirror = environment["LAB_MIRROR"]
    cache = Path(mirror).parent / "control-machine"
    wanted = artifacts_for([Role.MASTER], VERSION, CLUSTER.cni)
    bring_all((*wanted, *extra_artifacts(CLUSTER.cni)), Mirror(mirror), ArtifactStore(cache))
    return cache


def _ours(environment: dict[str, str], cache: Path) -> None:
    cctl = str(Path(sys.executable).with_name("cctl"))
    with tempfile.TemporaryDirectory(dir="build") as folder:
        ours = {
            "HOME": folder,
            "CCTL_STATE": f"{folder}/cctl-state.yaml",
            "KLUSTERKIT_MIRROR": environment["LAB_MIRROR"],
        }
        ours |= {"PATH": os.environ["PATH"], "KLUSTERKIT_CACHE": str(cache)}
        known = ["--known-hosts", environment["LAB_KNOWN_HOSTS"]]
        for command in (
            ["create", "credential", "--user", "root", "--private-key", environment["LAB_SSH_KEY"]],
            ["create", "cluster", "--pod-network", PODS, "--service-network", SERVICES],
            ["create", "machine", "--ip", environment[f"LAB_HOST_{HOST}"], "--role", "master", *known, "--yes"],
        ):
            _run([cctl, *command], ours)


def _bare(environment: dict[str, str], folder: Path) -> None:
    address, images = environment[f"LAB_HOST_{HOST}"], images_for(Role.MASTER, VERSION, CLUSTER.cni)
    manifest = folder / "flannel.yaml"
    manifest.write_text(flannel.manifest(PODS, *images[-2:], address, 6443))
    theirs = {
        **os.environ,
        "MIRROR": environment["LAB_MIRROR"],
        "SSH_KEY": environment["LAB_SSH_KEY"],
        "KNOWN_HOSTS": environment["LAB_KNOWN_HOSTS"],
        "IMAGES": " ".join(images),
        "FLANNEL": str(manifest),
    }
    _run([str(Path(__file__).with_name("bare.sh")), address, VERSION.tag, PODS, SERVICES], theirs)


def _run(command: list[str], environment: dict[str, str]) -> None:
    ended = subprocess.run(
        command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    if ended.returncode:
        raise RuntimeError(f"{' '.join(command)} failed:\n{ended.stdout[-2000:]}\n{ended.stderr[-3000:]}")
