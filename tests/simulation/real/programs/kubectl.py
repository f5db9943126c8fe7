"""kubectl, as far as steps ask it."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from cryptography import x509

from klusterkit.engine.host import Completed
from tests.simulation.real.programs import pods
from tests.simulation.real.programs.kubeadm import ADMINISTRATORS
from tests.simulation.real.programs.node import API_SERVER, Node
from tests.simulation.real.programs.texts import documents
from tests.support.apiserver import ApiServer
from tests.support.posix import said

if TYPE_CHECKING:
    from tests.simulation.real.programs.cluster import ClusterModel

TIMED_OUT = said(1, err="error: timed out waiting for the condition")
NOT_FOUND = said(1, err="Error from server (NotFound)")

Options = dict[str, str]


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
        path = options["kubeconfig"]
        if path != "/dev/stdin" and self._tree.find(path) is None:
            return said(1, err=f"error: stat {path}: no such file or directory")
        config = documents(stdin if path == "/dev/stdin" else self._tree.read(path))[0]
        url = options.get("server") or config["clusters"][0]["cluster"]["server"]
        server = self._cluster.server(url)
        if server is None:
            return said(1, err=f"The connection to the server {url} was refused")
        if options.get("raw"):
            return _ready(server)
        if not (_is_master(config) if path == "/dev/stdin" else ADMINISTRATORS in self._cluster.objects_at(server)):
            return said(1, err="Error from server (Forbidden)")
        if _is_of_one(words, options):
            with self._cluster.changing(server) as objects:
                return ApiServer(objects)(verb, words, options, stdin)
        return getattr(_Client(self._cluster, server), verb)(words, options, stdin)


def _is_of_one(words: list[str], options: Options) -> bool:
    """Whether it is about one object of an operator's own: ``KIND.VERSION.GROUP/NAME``, or what is applied for him."""
    return "." in (words or [""])[0].partition("/")[0] or options.get("field-manager") == "klusterkit-deploy"


def _ready(server: Node) -> Completed:
    """Not at once: the API server's own first objects have to be made."""
    roles = f"{server.containerd.memory(API_SERVER)}-of-roles"
    if server.machine.tree.find(roles) is None:
        server.machine.tree.write(roles, "")
        return said(1, err="[-]poststarthook/rbac/bootstrap-roles failed: not finished")
    return said(out="ok")


class _Client:
    """An administrator at an API server."""

    def __init__(self, cluster: ClusterModel, server: Node) -> None:
        self._cluster = cluster
        self._server = server

    @property
    def _objects(self) -> dict[str, Any]:
        return self._cluster.objects_at(self._server)

    def create(self, words: list[str], options: Options, stdin: bytes) -> Completed:
        made = {_name(item): _made(item) for item in documents(stdin)} if "filename" in options else {}
        wanted = made or {f"{words[0]}/{words[1]}": {}}
        with self._cluster.changing(self._server) as objects:
            there = [name for name in wanted if name in objects]
            objects |= {name: value for name, value in wanted.items() if name not in there}
        if there:
            return said(1, err=f"Error from server (AlreadyExists): {', '.join(there)} already exists")
        return said(out="".join(f"{name} created\n" for name in wanted))

    def get(self, words: list[str], options: Options, _: bytes) -> Completed:
        output, objects = options.get("output", ""), self._objects
        if options.get("field-selector", "").startswith("spec.nodeName"):
            return self._get_pods(options["field-selector"].partition("=")[2], output)
        if output.startswith("custom-columns"):
            return said()  # budgets for disruptions
        if "selector" in options:
            return said(out=_lines(_selected(words[0], options["selector"], objects)))
        there = [word for word in words if word in objects]
        if len(there) < len(words):
            return said(out=_lines(there)) if "ignore-not-found" in options else NOT_FOUND
        if "jsonpath" in output:
            return said(out=self._field(words[0], output))
        return said(out=json.dumps(_as_json(there[0], objects[there[0]])) if output == "json" else _lines(there))

    def _get_pods(self, node: str, output: str) -> Completed:
        host = self._cluster.by_name[node]
        if output.startswith("custom-columns"):
            return said(out=pods.table(self._objects, node, host))
        return said(out=_lines([f"pod/{pod}" for pod in pods.pods_on(self._objects, node)]))

    def _field(self, name: str, path: str) -> str:
        found = self._objects[name]
        if "annotations" in path:
            return next((str(value) for value in found["annotations"].values()), "")
        if "addresses" in path:
            return found.get("address", "")
        if "unschedulable" in path:
            return f"{name.removeprefix('node/')} {'true' if found['spec'].get('unschedulable') else ''}"
        ready = self._cluster.by_name[name.removeprefix("node/")].kubelet.ready
        if "taints" not in path:
            return str(ready)
        return "True||kubelet is posting ready status" if ready else "False||cni plugin not initialized"

    def apply(self, _: list[str], __: Options, stdin: bytes) -> Completed:
        with self._cluster.changing(self._server) as objects:
            for item in documents(stdin):
                objects[_name(item)] = {**objects.get(_name(item), {}), **_kept(item)}
        return said()

    def diff(self, _: list[str], __: Options, stdin: bytes) -> Completed:
        objects = self._objects
        same = all(objects.get(_name(item), {}).get("applied") == item for item in documents(stdin))
        return said() if same else said(1, out="+ something\n")

    def annotate(self, words: list[str], _: Options, __: bytes) -> Completed:
        with self._cluster.changing(self._server) as objects:
            key, _, value = words[1].partition("=")
            objects[words[0]]["annotations"][key] = value
        return said()

    def label(self, words: list[str], _: Options, __: bytes) -> Completed:
        with self._cluster.changing(self._server) as objects:
            labels = dict(each.partition("=")[::2] for each in objects[words[0]]["labels"])
            for word in words[1:]:
                key, equals, value = word.partition("=")
                labels.pop(key.removesuffix("-"), None)
                labels |= {key: value} if equals else {}
            objects[words[0]]["labels"] = _labels(labels)
        return said()

    def taint(self, words: list[str], _: Options, __: bytes) -> Completed:
        """Of a kind (``node``) and a name: ``KEY[=VALUE]:EFFECT``, with ``-`` behind it to take it away."""
        with self._cluster.changing(self._server) as objects:
            spec = objects["/".join(words[:2])]["spec"]
            for word in words[2:]:
                body, _, effect = word.removesuffix("-").rpartition(":")
                key, _, value = body.partition("=")
                there = [each for each in spec.pop("taints", []) if (each["key"], each["effect"]) != (key, effect)]
                new = {"key": key, **({"value": value} if value else {}), "effect": effect}
                there += [] if word.endswith("-") else [new]
                spec |= {"taints": there} if there else {}
        return said()

    def cordon(self, words: list[str], _: Options, __: bytes) -> Completed:
        with self._cluster.changing(self._server) as objects:
            if f"node/{words[0]}" not in objects:
                return NOT_FOUND
            objects[f"node/{words[0]}"]["spec"]["unschedulable"] = True
        return said()

    def uncordon(self, words: list[str], _: Options, __: bytes) -> Completed:
        with self._cluster.changing(self._server) as objects:
            objects[f"node/{words[0]}"]["spec"].pop("unschedulable", None)
        return said()

    def drain(self, words: list[str], options: Options, stdin: bytes) -> Completed:
        ended = self.cordon(words, options, stdin)
        if ended.ok:
            with self._cluster.changing(self._server) as objects:
                for pod in pods.pods_on(objects, words[0]):
                    del objects[f"pod/{pod}"]
        return ended

    def rollout(self, *_: object) -> Completed:
        """``status``: pods are made as soon as they are missing."""
        return said()

    def wait(self, words: list[str], _: Options, __: bytes) -> Completed:
        """For a node to be Ready, or for the client of a probe to have reached its server."""
        kind, _, name = words[0].partition("/")
        found = self._objects.get(words[0])
        if found is None:
            return NOT_FOUND
        if kind == "node":
            return said() if self._cluster.by_name[name].kubelet.ready else TIMED_OUT
        node = self._cluster.by_name[found["node"]]
        run = all(node.containerd.running(one) for one in (name, name.removesuffix("-client")))
        return said() if run and self._cluster.reaches(node) else TIMED_OUT

    def delete(self, words: list[str], options: Options, _: bytes) -> Completed:
        with self._cluster.changing(self._server) as objects:
            if "field-selector" in options:
                node = options["field-selector"].partition("=")[2]
                gone = [f"pod/{pod}" for pod in pods.pods_on(objects, node)]
            elif "selector" in options:
                gone = [name for name, item in objects.items() if options["selector"] in item.get("labels", ())]
            else:
                gone = [word for word in words if word in objects]
            for name in gone:
                del objects[name]
        return said()

    def logs(self, *_: object) -> Completed:
        return said(out="")


def _selected(kind: str, selector: str, objects: dict[str, Any]) -> list[str]:
    """Names of objects; of pods, those of cluster DNS are meant, and told with their nodes."""
    if kind == "pods":
        return [f"{pod}|{objects[f'pod/{pod}']['node']}|True|" for pod in pods.REPLICAS if f"pod/{pod}" in objects]
    return [
        name for name, item in objects.items() if name.startswith(f"{kind}/") and selector in item.get("labels", ())
    ]


def _is_master(kubeconfig: dict[str, Any]) -> bool:
    """Whether this client is above RBAC."""
    data = kubeconfig["users"][0]["user"]["client-certificate-data"]
    subject = x509.load_pem_x509_certificate(base64.b64decode(data)).subject
    groups = [str(part.value) for part in subject if part.oid == x509.NameOID.ORGANIZATION_NAME]
    return groups == ["system:masters"]


def _lines(names: list[str]) -> str:
    return "".join(f"{name}\n" for name in names)


def _name(item: dict[str, Any]) -> str:
    return f"{item['kind'].lower()}/{item['metadata']['name']}"


def _kept(item: dict[str, Any]) -> dict[str, Any]:
    """Of an object, what the model goes by."""
    kept: dict[str, Any] = {"applied": item, "labels": _labels(item["metadata"].get("labels", {}))}
    if item["kind"] == "Pod":
        terms = item["spec"]["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
        kept["node"] = terms["nodeSelectorTerms"][0]["matchFields"][0]["values"][0]
        kept["image"] = item["spec"]["containers"][0]["image"]
    return kept


def _labels(labels: Mapping[str, str]) -> list[str]:
    """As the model has them: ``KEY=VALUE``, or ``KEY`` for one without a value."""
    return sorted(f"{key}={value}" if value else key for key, value in labels.items())


def _as_json(name: str, node: dict[str, Any]) -> dict[str, Any]:
    """A node as the API server gives it."""
    metadata = {
        "name": name.removeprefix("node/"),
        "uid": "0c6f",
        "resourceVersion": "7",
        "labels": dict(each.partition("=")[::2] for each in node["labels"]),
        "annotations": node["annotations"],
    }
    return {"apiVersion": "v1", "kind": "Node", "metadata": metadata, "spec": node["spec"], "status": {}}


def _made(item: dict[str, Any]) -> dict[str, Any]:
    """An object as somebody makes it. A node's address only its kubelet tells."""
    if item["kind"] != "Node":
        return _kept(item)
    metadata = item["metadata"]
    return {
        "labels": _labels(metadata["labels"]),
        "annotations": dict(metadata["annotations"]),
        "spec": dict(item["spec"]),
    }
