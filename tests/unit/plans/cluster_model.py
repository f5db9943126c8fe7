"""A model of what a plan's programs do to a host: containerd, etcd, kubeadm, kubelet and the API, as far as steps see.

What they keep is in the machine's files, where the real ones keep it too, so that undo has something to take back.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import tarfile
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from cryptography import x509

from klusterkit import pki
from klusterkit.engine.host import Completed
from klusterkit.engine.plan import Plan
from klusterkit.engine.step import Context
from klusterkit.hosts.question import Question
from klusterkit.hosts.simulated import Machine, SimulatedHost
from klusterkit.plans.create import compile_create
from klusterkit.plans.host import PLUGINS, SYSCTL
from klusterkit.plans.reference import CLUSTER, MACHINE, artifacts
from klusterkit.plans.request import ArtifactFile, CreateRequest
from klusterkit.tasks import preflight
from tests.unit.tasks.step_world import new_host, said

IMAGES = "/var/lib/containerd/images.json"
OBJECTS = "/var/lib/etcd/member/objects.json"
QUESTION = Question(
    kernel_features=preflight.KERNEL_FEATURES,
    programs=preflight.PROGRAMS,
    units=preflight.UNITS,
    paths=preflight.PATHS,
)
ADMIN_NEEDS = "clusterrolebinding/kubeadm:cluster-admins"
CERTIFICATES = ("ca.crt", "apiserver.crt", "apiserver-kubelet-client.crt", "front-proxy-client.crt", "etcd/ca.crt")


class ClusterModel:
    """A host on which a cluster can come up."""

    def __init__(self) -> None:
        self.machine: Machine = new_host().machine
        self.host = SimulatedHost("m1", machine=self.machine, question=QUESTION)
        self.containers: list[str] = []
        self.machine.tree.makedirs("/usr/local/sbin")
        self.machine.tree.makedirs("/lib")
        for key in SYSCTL:
            path = f"/proc/sys/{key.replace('.', '/')}"
            self.machine.tree.makedirs(path.rpartition("/")[0])
            self.machine.tree.write(path, "0\n")
        for name in ("ctr", "kubeadm", "kubectl", "etcdctl"):
            self.host.program(f"/usr/local/bin/{name}", self._installed(name))
        self.host.program("grep", self._grep)
        for name in preflight.NEEDED:
            self.machine.programs.setdefault(name, self.machine.find_program(["true"]))
        starts = {"containerd": self._containerd, "etcd": self._etcd, "kubelet": self._kubelet}
        for name, act in starts.items():
            self.machine.systemd.on_start(f"{name}.service", act)

    # What is there ------------------------------------------------------------------------------------------------

    def has(self, *paths: str) -> bool:
        return all(self.machine.tree.find(path) is not None for path in paths)

    def active(self, name: str) -> bool:
        return f"{name}.service" in self.machine.systemd.active

    @property
    def api(self) -> bool:
        """The API server's pod was started by a kubelet that found its image, and etcd answers it."""
        return "kube-apiserver" in self.containers and self.active("etcd") and self.active("kubelet")

    def images(self) -> dict[str, str]:
        return self._kept(IMAGES)

    def objects(self) -> dict[str, Any]:
        return self._kept(OBJECTS)

    def _kept(self, path: str) -> dict[str, Any]:
        return json.loads(self.machine.tree.read(path)) if self.has(path) else {}

    def _keep(self, path: str, content: dict[str, Any]) -> None:
        self.machine.tree.write(path, json.dumps(content, sort_keys=True))

    # Units --------------------------------------------------------------------------------------------------------

    def _containerd(self, _: str) -> bool:
        if not self.has("/usr/local/bin/containerd", "/usr/local/sbin/runc", "/etc/containerd/config.toml"):
            return False
        self.machine.tree.makedirs("/etc/cni/net.d")
        self.machine.tree.makedirs("/run/containerd")
        self.machine.tree.write("/run/containerd/containerd.sock", "")
        return self.has("/var/lib/containerd")

    def _etcd(self, _: str) -> bool:
        if not self.has("/usr/local/bin/etcd", "/etc/etcd/etcd.yaml", "/etc/etcd/pki/server.key", "/var/lib/etcd"):
            return False
        self.machine.tree.makedirs("/var/lib/etcd/member")
        return True

    def _kubelet(self, _: str) -> bool:
        if not self.has("/usr/local/bin/kubelet", "/var/lib/kubelet/config.yaml", "/etc/kubernetes/kubelet.conf"):
            return False
        self.machine.tree.makedirs("/var/lib/kubelet/pods/static/volumes")
        self.machine.tree.makedirs("/lib/modules")
        folder = self.machine.tree.find("/etc/kubernetes/manifests")
        for name in sorted(folder.children if folder else ()):
            self._start_pod(name.removesuffix(".yaml"))
        return True

    def _start_pod(self, name: str) -> None:
        if any(f"/{name}:" in image for image in self.images()) and name not in self.containers:
            self.containers.append(name)
            self.machine.tree.makedirs(f"/var/log/pods/{name}")

    # Programs -----------------------------------------------------------------------------------------------------

    def _installed(self, name: str) -> Callable[[Machine, Sequence[str], bytes], Completed]:
        act = getattr(self, f"_{name}")

        def run(_: Machine, argv: Sequence[str], stdin: bytes) -> Completed:
            return act(list(argv[1:]), stdin) if self.has(f"/usr/local/bin/{name}") else said(127)

        return run

    def _grep(self, _: Machine, argv: Sequence[str], __: bytes) -> Completed:
        return said(0 if self.api and "192B" in " ".join(argv) else 1)

    def _ctr(self, argv: list[str], _: bytes) -> Completed:
        if not self.active("containerd"):
            return said(1, err="ctr: connection refused")
        what, verb, *rest = argv[1:]
        if what == "images":
            return self._ctr_images(verb, rest)
        if verb == "remove" and what == "containers":
            self.containers.clear()
        return said(out="".join(f"{name}\n" for name in self.containers) if verb == "list" else "")

    def _ctr_images(self, verb: str, rest: list[str]) -> Completed:
        images = self.images()
        if verb == "list":
            return said(out="REF TYPE\n" + "".join(f"{name} {label}\n" for name, label in images.items()))
        if verb == "remove":
            gone = images.pop(rest[0], None)
        else:
            reference = self.machine.tree.read(rest[-1]).decode()
            images[reference], gone = " ".join(rest), ""
        self._keep(IMAGES, images)
        return said() if gone is not None else said(1, err="not found")

    def _etcdctl(self, argv: list[str], _: bytes) -> Completed:
        keys = [word.split("=")[1] for word in argv if word.startswith(("--cacert=", "--cert=", "--key="))]
        return said() if self.active("etcd") and self.has(*keys) else said(1, err="context deadline exceeded")

    def _kubeadm(self, argv: list[str], _: bytes) -> Completed:
        config = next(word.split("=")[1] for word in argv if word.startswith("--config="))
        phase = " ".join(argv[2 : argv.index(f"--config={config}")])
        kubeconfigs = [
            f"/etc/kubernetes/{name}.conf"
            for name in ("admin", "super-admin", "kubelet", "controller-manager", "scheduler")
        ]
        if not self.has(config, *kubeconfigs, *(f"/etc/kubernetes/pki/{name}" for name in CERTIFICATES)):
            return said(1, err="invalid or incomplete external CA")
        if phase.startswith("control-plane "):
            return self._static_pod(config, f"kube-{phase.split()[1]}")
        if not self.api or ADMIN_NEEDS not in self.objects():
            return said(1, err="could not bootstrap the admin user")
        return self._phase_of_api(phase)

    def _static_pod(self, config: str, name: str) -> Completed:
        version = yaml.safe_load_all(self.machine.tree.read(config))
        tag = next(part["kubernetesVersion"] for part in version if part["kind"] == "ClusterConfiguration")
        text = f"spec:\n  image: registry.k8s.io/{name}:{tag}\nstatus: {{}}\n"
        self.machine.tree.write(f"/etc/kubernetes/manifests/{name}.yaml", text, 0o600)
        return said()

    def _phase_of_api(self, phase: str) -> Completed:
        plan = reference_plan()
        step: Any = next(task.step for task in plan.tasks if task.step.title == f"kubeadm init phase {phase}")
        return self._add(dict.fromkeys(step.objects, phase))

    def _add(self, objects: dict[str, Any]) -> Completed:
        self._keep(OBJECTS, {**self.objects(), **objects})
        return said()

    def _kubectl(self, argv: list[str], stdin: bytes) -> Completed:
        options = dict(word.lstrip("-").partition("=")[::2] for word in argv if word.startswith("--"))
        words = [word for word in argv if not word.startswith("-")]
        if not self.api:
            return said(1, err="The connection to the server was refused")
        if options["kubeconfig"] == "/dev/stdin":
            return self._create_binding(stdin)
        if not self.has(options["kubeconfig"]):
            return said(1, err="no such file")
        if "raw" in options:
            return said(out="ok")
        if ADMIN_NEEDS not in self.objects():
            return said(1, err="Error from server (Forbidden)")
        return getattr(self, f"_kubectl_{words[0]}")(words[1:], options, stdin)

    def _create_binding(self, stdin: bytes) -> Completed:
        user = yaml.safe_load(stdin)["users"][0]["user"]
        certificate = x509.load_pem_x509_certificate(base64.b64decode(user["client-certificate-data"]))
        groups = [str(part.value) for part in certificate.subject if part.oid == x509.NameOID.ORGANIZATION_NAME]
        return self._add({ADMIN_NEEDS: ""}) if groups == ["system:masters"] else said(1, err="Forbidden")

    def _kubectl_get(self, words: list[str], options: dict[str, str], _: bytes) -> Completed:
        objects = {"node/m1": {}, **self.objects()}
        if "jsonpath" in options.get("output", ""):
            asked = "service-reached" in options["output"]
            return said(out=("true" if "proved" in objects else "") if asked else "True kubelet is ready")
        if "selector" in options:
            return said(out="node/m1\n" if any("mark" in str(value) for value in objects.values()) else "")
        there = [word for word in words if word in objects]
        if len(there) < len(words) and "ignore-not-found" not in options:
            return said(1, err="not found")
        return said(out="".join(f"{name}\n" for name in there))

    def _kubectl_apply(self, _: list[str], __: dict[str, str], stdin: bytes) -> Completed:
        if b"flannel" in stdin:
            self.machine.tree.makedirs("/opt/cni/bin")
            self.machine.tree.write("/opt/cni/bin/flannel", "program")
            self.machine.tree.makedirs("/sys/class/net/flannel.1")
        return self._add({f"applied/{hashlib.sha256(stdin).hexdigest()[:8]}": ""})

    def _kubectl_diff(self, _: list[str], __: dict[str, str], stdin: bytes) -> Completed:
        return said(0 if f"applied/{hashlib.sha256(stdin).hexdigest()[:8]}" in self.objects() else 1)

    def _kubectl_annotate(self, *_: object) -> Completed:
        return self._add({"proved": ""})

    def _kubectl_wait(self, *_: object) -> Completed:
        return said()

    _kubectl_delete = _kubectl_wait

    def power_cycle(self) -> None:
        """Pull the plug, and put it in again."""
        self.machine.power_off()
        self.containers.clear()
        self.machine.tree.remove("/run/containerd", recursive=True)
        self.machine.power_on()


# What the control machine has -----------------------------------------------------------------------------------


@cache
def secrets() -> dict[str, bytes]:
    """Authorities and keys, as in a state file."""
    found: dict[str, str] = {}
    for name in pki.AuthorityName:
        authority = pki.Authority.create(name.common_name)
        found |= {f"{name}.crt": authority.cert_pem, f"{name}.key": authority.key_pem}
    found["sa.key"], found["sa.pub"] = pki.create_service_account_key()
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
    return {name: _archive(archives[name]) if name in archives else name.encode() for name in artifacts(CLUSTER)}


def _archive(members: list[str]) -> bytes:
    held = io.BytesIO()
    with tarfile.open(fileobj=held, mode="w") as opened:
        for name in members:
            info = tarfile.TarInfo(name)
            info.size = len(name)
            opened.addfile(info, io.BytesIO(name.encode()))
    return held.getvalue()


@cache
def reference_plan() -> Plan:
    """The creation of one master with artifacts that are really there."""
    files = {
        name: ArtifactFile(sha256=hashlib.sha256(content).hexdigest(), size=len(content))
        for name, content in contents().items()
    }
    facts = ClusterModel().machine.facts
    return compile_create(
        CreateRequest(
            cluster=CLUSTER, machines=(MACHINE,), facts={MACHINE.name: facts}, artifacts=files, lineage="l", serial=1
        )
    )


def context(model: ClusterModel, task: str, folder: Path, *, attempt: int = 1, undoing: bool = False) -> Context:
    """Where a task acts. Artifacts are written to ``folder`` when they are first asked for."""

    def artifact(sha256: str) -> Path:
        path = folder / sha256
        if not path.exists():
            path.write_bytes(next(c for c in contents().values() if hashlib.sha256(c).hexdigest() == sha256))
        return path

    return Context(
        host=model.host,
        run="r1.1",
        task=task,
        attempt=attempt,
        undoing=undoing,
        timeout=5.0,
        secret=secrets().__getitem__,
        artifact=artifact,
    )
