"""A model of the API server, as far as steps ask it by kubectl: objects by ``kind/name``, and who may see them."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml
from cryptography import x509

from klusterkit.engine.host import Completed
from tests.unit.tasks.step_world import said

ADMIN_NEEDS = "clusterrolebinding/kubeadm:cluster-admins"
Objects = Mapping[str, Any]


@dataclass(frozen=True)
class Answer:
    """What kubectl says, and what there is afterwards if that is something else."""

    completed: Completed
    objects: Objects | None = None


def ask_api(objects: Objects, words: Sequence[str], options: Mapping[str, str], stdin: bytes) -> Answer:
    """Run kubectl with these words and options against a server that has these objects."""
    if options["kubeconfig"] == "/dev/stdin":
        return _create_binding(objects, stdin)
    if "raw" in options:
        return Answer(said(out="ok"))
    if ADMIN_NEEDS not in objects:
        return Answer(said(1, err="Error from server (Forbidden)"))
    return _as_administrator(objects, words[0], words[1:], options, stdin)


def _as_administrator(
    objects: Objects, verb: str, words: Sequence[str], options: Mapping[str, str], stdin: bytes
) -> Answer:
    answer = Answer(said())
    match verb:
        case "get":
            answer = Answer(_get(objects, words, options))
        case "apply":
            answer = Answer(said(), {**objects, _applied(stdin): ""})
        case "diff":
            answer = Answer(said(0 if _applied(stdin) in objects else 1))
        case "cordon" | "uncordon" | "drain" | "create":
            answer = Answer(said(), {**objects, **_node_with(objects, verb, words, stdin)})
        case "annotate":
            answer = Answer(said(), {**objects, words[0]: {**objects[words[0]], "proved": True}})
        case "delete":
            gone = {*words, options.get("selector", "").replace("klusterkit.io/probe=", "probe/")}
            answer = Answer(said(), {name: value for name, value in objects.items() if name not in gone})
        case _:
            answer = Answer(said(0 if words[0].startswith("pod/") or words[0] in objects else 1))
    return answer


def _node_with(objects: Objects, verb: str, rest: Sequence[str], stdin: bytes) -> Objects:
    """The node that a verb speaks of, as it is afterwards."""
    if verb == "create":
        made = next(yaml.safe_load_all(stdin))
        return {f"node/{made['metadata']['name']}": made["spec"]} if made["kind"] == "Node" else {_applied(stdin): ""}
    known = {field: value for field, value in objects[f"node/{rest[0]}"].items() if field != "cordoned"}
    return {f"node/{rest[0]}": known if verb == "uncordon" else {**known, "cordoned": True}}


def _create_binding(objects: Objects, stdin: bytes) -> Answer:
    user = yaml.safe_load(stdin)["users"][0]["user"]
    certificate = x509.load_pem_x509_certificate(base64.b64decode(user["client-certificate-data"]))
    groups = [str(part.value) for part in certificate.subject if part.oid == x509.NameOID.ORGANIZATION_NAME]
    if groups != ["system:masters"]:
        return Answer(said(1, err="Forbidden"))
    return Answer(said(), {**objects, ADMIN_NEEDS: ""})


def _applied(manifest: bytes) -> str:
    probe = re.search(rb"klusterkit.io/probe: (\S+)", manifest)
    if probe:
        return f"probe/{probe[1].decode()}"
    return f"applied/{hashlib.sha256(manifest).hexdigest()[:8]}"


def _get(objects: Objects, words: Sequence[str], options: Mapping[str, str]) -> Completed:
    if "selector" in options:
        marked = [name for name, value in objects.items() if isinstance(value, dict) and value.get("marked")]
        return said(out="".join(f"{name}\n" for name in marked))
    if "field-selector" in options:
        return said()
    missing = [word for word in words if word not in objects]
    if missing and "ignore-not-found" not in options:
        return said(1, err="not found")
    if "jsonpath" in options.get("output", ""):
        return said(out=_field(words[0], objects[words[0]], options["output"]) if not missing else "")
    if options.get("output") == "json" and not missing:
        name = words[0].removeprefix("node/")
        return said(out=json.dumps({"metadata": {"name": name, "uid": "1"}, "spec": objects[words[0]]}))
    return said(out="".join(f"{name}\n" for name in words if name in objects))


def _field(name: str, value: Mapping[str, Any], path: str) -> str:
    if "unschedulable" in path:
        return f"{name} {'true' if value.get('cordoned') else ''}"
    if "service-reached" in path:
        return "true" if value.get("proved") else ""
    return value["address"] if "addresses" in path else "True kubelet is ready"
