"""kubectl, as far as steps ask it."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

from cryptography import x509

from klusterkit.engine.host import Completed
from tests.simulation.real.programs.kubeadm import ADMINISTRATORS
from tests.simulation.real.programs.node import Node
from tests.simulation.real.programs.texts import documents
from tests.unit.tasks.step_world import said

if TYPE_CHECKING:
    from tests.simulation.real.programs.cluster import ClusterModel

TIMED_OUT = said(1, err="error: timed out waiting for the condition")
NOT_FOUND = said(1, err="Error from server (NotFound)")


class Kubectl:
    """``kubectl --kubeconfig=FILE --cache-dir=FOLDER VERB …``, run on a node."""

    def __init__(self, cluster: ClusterModel, node: Node) -> None:
        self._cluster = cluster
        self._tree = node.machine.tree

    def __call__(self, argv: list[str], stdin: bytes) -> Completed:
        """Run it."""
        options = dict(word.lstrip("-").partition("=")[::2] for word in argv if word.startswith("--"))
        verb, *words = [word for word in argv if not word.startswith("-")]
        self._tree.makedirs(options["cache-dir"])
        config = options["kubeconfig"]
        if config != "/dev/stdin" and self._tree.find(config) is None:
            return said(1, err=f"error: stat {config}: no such file or directory")
        if not self._cluster.answers:
            return said(1, err="The connection to the server 10.0.0.5:6443 was refused")
        if options.get("raw"):
            return self._ready()
        if not (_is_master(documents(stdin)[0]) if config == "/dev/stdin" else ADMINISTRATORS in self._cluster.objects):
            return said(1, err="Error from server (Forbidden)")
        return getattr(self, f"_{verb}")(words, options, stdin)

    def _ready(self) -> Completed:
        """Not at once: the API server's own first objects have to be made."""
        memory = self._cluster.master.containerd.memory("kube-apiserver")
        if self._cluster.master.machine.tree.find(f"{memory}-of-roles") is None:
            self._cluster.master.machine.tree.write(f"{memory}-of-roles", "")
            return said(1, err="[-]poststarthook/rbac/bootstrap-roles failed: not finished")
        return said(out="ok")

    def _create(self, words: list[str], options: dict[str, str], stdin: bytes) -> Completed:
        wanted = {_name(item): _kept(item) for item in documents(stdin)} if "filename" in options else {}
        wanted = wanted or {f"{words[0]}/{words[1]}": {}}
        with self._cluster.changing() as objects:
            there = [name for name in wanted if name in objects]
            objects |= {name: value for name, value in wanted.items() if name not in there}
        if there:
            return said(1, err=f"Error from server (AlreadyExists): {', '.join(there)} already exists")
        return said(out="".join(f"{name} created\n" for name in wanted))

    def _get(self, words: list[str], options: dict[str, str], _: bytes) -> Completed:
        objects = self._cluster.objects
        if words[0] == "pods":
            return said(out="".join(f"{node}\n" for node in self._nodes_of_dns()))
        if "jsonpath" in options.get("output", ""):
            return self._get_field(words[0], options["output"])
        if "selector" in options:
            named = [name for name, value in objects.items() if options["selector"] in value.get("labels", ())]
            return said(out="".join(f"{name}\n" for name in named if name.startswith(f"{words[0]}/")))
        there = [word for word in words if word in objects]
        if len(there) < len(words) and "ignore-not-found" not in options:
            return NOT_FOUND
        return said(out="".join(f"{name}\n" for name in there))

    def _get_field(self, name: str, path: str) -> Completed:
        found = self._cluster.objects.get(name)
        if found is None:
            return NOT_FOUND
        if "annotations" in path:
            return said(out=next((str(value) for value in found["annotations"].values()), ""))
        ready = self._cluster.node(name.removeprefix("node/")).kubelet.ready
        return said(out="True kubelet is posting ready status" if ready else "False cni plugin not initialized")

    def _apply(self, _: list[str], __: dict[str, str], stdin: bytes) -> Completed:
        with self._cluster.changing() as objects:
            for item in documents(stdin):
                objects[_name(item)] = {**objects.get(_name(item), {}), **_kept(item)}
        return said()

    def _diff(self, _: list[str], __: dict[str, str], stdin: bytes) -> Completed:
        objects = self._cluster.objects
        same = all(objects.get(_name(item), {}).get("applied") == item for item in documents(stdin))
        return said() if same else said(1, out="+ something\n")

    def _annotate(self, words: list[str], _: dict[str, str], __: bytes) -> Completed:
        with self._cluster.changing() as objects:
            key, _, value = words[1].partition("=")
            objects[words[0]]["annotations"][key] = value
        return said()

    def _wait(self, words: list[str], _: dict[str, str], __: bytes) -> Completed:
        """For a node to be Ready, or for the client of a probe to have reached its server."""
        kind, _, name = words[0].partition("/")
        if kind == "node":
            return said() if self._cluster.node(name).kubelet.ready else TIMED_OUT
        pod = self._cluster.objects.get(words[0])
        if pod is None:
            return NOT_FOUND
        node = self._cluster.node(pod["node"])
        run = all(node.containerd.running(one) for one in (name, name.removesuffix("-client")))
        return said() if run and self._cluster.reaches(node) else TIMED_OUT

    def _nodes_of_dns(self) -> list[str]:
        """Its two pods stay on the node that was there when they were made, until they are replaced."""
        dns = self._cluster.objects.get("deployment/coredns")
        if dns is None:
            return []
        nodes = list(self._cluster.nodes)
        return [nodes[0], nodes[-1] if dns.get("replaced") else nodes[0]]

    def _rollout(self, words: list[str], _: dict[str, str], __: bytes) -> Completed:
        with self._cluster.changing() as objects:
            if words[0] == "restart":
                objects[words[1]]["replaced"] = True
        return said()

    def _delete(self, _: list[str], options: dict[str, str], __: bytes) -> Completed:
        with self._cluster.changing() as objects:
            gone = [name for name, item in objects.items() if options["selector"] in item.get("labels", ())]
            ended = {name: objects.pop(name) for name in gone}
        for name, item in ended.items():
            if name.startswith("pod/") and self._cluster.node(item["node"]).kubelet.runs("kubelet"):
                self._cluster.node(item["node"]).kubelet.end(name.removeprefix("pod/"))
        return said()

    def _logs(self, *_: object) -> Completed:
        return said(out="")


def _is_master(kubeconfig: dict[str, Any]) -> bool:
    """Whether this client is above RBAC."""
    data = kubeconfig["users"][0]["user"]["client-certificate-data"]
    subject = x509.load_pem_x509_certificate(base64.b64decode(data)).subject
    groups = [str(part.value) for part in subject if part.oid == x509.NameOID.ORGANIZATION_NAME]
    return groups == ["system:masters"]


def _name(item: dict[str, Any]) -> str:
    return f"{item['kind'].lower()}/{item['metadata']['name']}"


def _kept(item: dict[str, Any]) -> dict[str, Any]:
    """Of an object, what the model goes by."""
    labels = [f"{key}={value}" for key, value in item["metadata"].get("labels", {}).items()]
    kept: dict[str, Any] = {"applied": item, "labels": labels}
    if item["kind"] == "Pod":
        terms = item["spec"]["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
        kept["node"] = terms["nodeSelectorTerms"][0]["matchFields"][0]["values"][0]
        kept["image"] = item["spec"]["containers"][0]["image"]
    return kept
