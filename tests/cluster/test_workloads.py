"""Objects of an operator's own on a real cluster: deployed, resumed, rolled back, and nowhere a value of a Secret."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from klusterkit.plans.proof import PROBE_IMAGE
from tests.support.operator import Operator

pytestmark = pytest.mark.cluster

WORDS = {"old": "correct horse battery", "new": "tr0ub4dor and three"}
"""Passwords."""
KIND = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "backups.example.com"},
    "spec": {
        "group": "example.com",
        "scope": "Namespaced",
        "names": {"kind": "Backup", "plural": "backups"},
        "versions": [
            {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": {"type": "object"}}}
        ],
    },
}
BACKUP = {"apiVersion": "example.com/v1", "kind": "Backup", "metadata": {"name": "nightly", "namespace": "web"}}
SPACE = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "web"}}


def web(word: str, command: str = "sleep 600", name: str = "server", **more: Any) -> list[dict[str, Any]]:
    """A pod that needs a Secret; pods come first, as in files that people write."""
    metadata, labels = {"name": name, "namespace": "web"}, {"app": name}
    container = {
        "name": "server",
        "image": PROBE_IMAGE,
        "command": ["sh", "-c", command],
        "envFrom": [{"secretRef": {"name": name}}],
    }
    pod = {"containers": [container], "terminationGracePeriodSeconds": 0, "tolerations": [{"operator": "Exists"}]}
    template = {"metadata": {"labels": labels}, "spec": pod}
    spec = {"selector": {"matchLabels": labels}, "template": template, **more}
    service = {"selector": labels, "ports": [{"port": 80}]}
    return [
        {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": spec},
        {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": service},
        {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": {"password": WORDS[word]}},
    ]


@pytest.fixture(scope="module")
def file(cluster: Operator) -> Iterator[Path]:
    """For manifests; what they have made goes in the end, whatever happens."""
    yield cluster.folder / "web.yaml"
    cluster("rollback", "--yes", rc=None)
    for word in ("namespace/web", "customresourcedefinition/backups.example.com"):
        cluster.kubectl("delete", word, "--ignore-not-found", "--wait=false")


def write(file: Path, *objects: dict[str, Any]) -> None:
    file.write_text(yaml.safe_dump_all(objects))


def there(cluster: Operator) -> dict[str, Any]:
    """Content and managers of all objects of the operator's, but for what only counts changes or tells when."""
    kinds = "deployments,services,secrets,backups.example.com"
    listed = cluster.kubectl("get", kinds, "--namespace=web", "--output=json", "--show-managed-fields")
    return {f"{each['kind']}/{each['metadata']['name']}": _lasting(each) for each in json.loads(listed)["items"]}


def _lasting(item: dict[str, Any]) -> dict[str, Any]:
    metadata = item["metadata"]
    counting = ("resourceVersion", "generation", "annotations", "managedFields")
    managers = [
        {name: value for name, value in each.items() if name != "time"}
        for each in metadata.get("managedFields", [])
        if "subresource" not in each and each["manager"] != "kube-controller-manager"
    ]
    rest = {name: value for name, value in metadata.items() if name not in counting}
    return {"metadata": rest, "managers": managers, **{name: item.get(name) for name in ("spec", "data")}}


def password(cluster: Operator) -> str:
    """As a pod has it."""
    return cluster.kubectl("exec", "deployment/server", "--namespace=web", "--", "sh", "-c", "echo $password").strip()


def test_objects_come_in_the_order_in_which_they_are_needed_also_when_the_run_is_killed(
    cluster: Operator, file: Path
) -> None:
    write(file, BACKUP, *web("old"), KIND, SPACE)

    cluster("deploy", "-f", str(file), "--yes", crash_after=9, rc=None)
    cluster("resume")

    assert password(cluster) == WORDS["old"]
    assert set(there(cluster)) == {"Backup/nightly", "Deployment/server", "Secret/server", "Service/server"}
    assert "Nothing to do" in cluster("deploy", "-f", str(file), "--yes").err


def test_what_was_changed_is_as_before_when_it_is_taken_back_and_can_be_changed_again(
    cluster: Operator, file: Path
) -> None:
    before = there(cluster)
    write(file, *web("new", "sleep 601"))

    cluster("deploy", "-f", str(file), "--yes", crash_after=5, rc=None)
    cluster("rollback", "--yes")
    assert there(cluster) == before

    cluster("deploy", "-f", str(file), "--yes")
    assert password(cluster) == WORDS["new"]


def test_what_does_not_get_ready_says_why_and_what_was_made_for_it_goes(cluster: Operator, file: Path) -> None:
    broken = web("new", name="broken", progressDeadlineSeconds=20)
    broken[0]["spec"]["template"]["spec"]["containers"][0]["image"] = "registry.invalid/none:1"
    write(file, {**SPACE, "metadata": {"name": "other"}}, *broken)

    said = cluster("deploy", "-f", str(file), "--yes", rc=6).err
    assert "Deployment web/broken has failed" in said
    assert "ErrImagePull" in said or "ImagePullBackOff" in said

    cluster("rollback", "--yes")
    assert "Deployment/broken" not in there(cluster)
    assert "namespace/other" not in cluster.kubectl("get", "namespaces", "-o", "name").split()
    assert "broken" not in cluster.kubectl("get", "pods", "--namespace=web", "-o", "name")


def test_fields_of_somebody_else_are_a_conflict_that_changes_nothing(cluster: Operator, file: Path) -> None:
    cluster.kubectl("label", "service/server", "--namespace=web", "owner=me")
    wanted = web("new", "sleep 601")
    wanted[1]["metadata"] = {**wanted[1]["metadata"], "labels": {"owner": "you"}}
    write(file, *wanted)

    said = " ".join(cluster("deploy", "-f", str(file), "--yes", rc=3).err.split())
    assert 'conflict with "kubectl-label" using v1: .metadata.labels.owner' in said
    assert "--force-conflicts" in said
    assert cluster.records() == 0


def test_no_value_of_a_secret_is_anywhere_but_in_the_cluster(cluster: Operator) -> None:
    values = [*WORDS.values(), *(b64encode(word.encode()).decode() for word in WORDS.values())]
    texts = [path.read_text(errors="replace") for path in cluster.folder.rglob("*") if path.is_file()]

    assert cluster.kubectl("get", "secret/server", "--namespace=web", "-o", "jsonpath={.data.password}") in values
    assert any("run/1" in text for text in texts)
    assert [text for text in texts if any(value in text for value in values) and "stringData" not in text] == []
    assert cluster.lab("ssh", "c1", "--", f"grep -rlE '{'|'.join(values)}' /var/lib/klusterkit || true") == ""
