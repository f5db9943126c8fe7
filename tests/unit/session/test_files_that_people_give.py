"""Whatever is in a file that somebody gives, it is taken, or refused in words: it is never a bug of ours."""

from __future__ import annotations

import contextlib
import copy
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from klusterkit.cluster import CNI, Credential, InvalidCluster, Taint
from klusterkit.engine.errors import KlusterKitError
from klusterkit.foreign import words_of
from klusterkit.givenyaml import documents
from klusterkit.plans.owned import owned
from klusterkit.plans.reference import CLUSTER, master, worker
from klusterkit.session.access.kubeconfigs import Kubeconfigs
from klusterkit.session.host.nodeconfig import read_configuration
from klusterkit.session.machines.desired import changes, read_objects
from klusterkit.session.machines.wanted import read_machines
from klusterkit.session.running.plans import load_plan
from klusterkit.session.workloads.manifests import read_manifests
from tests.unit.session.test_node_configuration import INIT, JOIN

PLANS = Path(__file__).parents[3] / "plans"
CREDENTIAL = Credential.of(name="ssh-credential", user="root", key="key")
WORKER = worker("10.0.0.8").replace(labels={"a": "b"}, taints=(Taint.of(key="a", effect="NoExecute"),))
HOLD: Any = SimpleNamespace(
    cluster=CLUSTER,
    machines=[master("10.0.0.5"), WORKER],
    snapshot=SimpleNamespace(credentials=[CREDENTIAL.model_dump()]),
)


def apply_objects(path: Path) -> None:
    changes(HOLD, read_objects(path.read_text(), str(path)))


def create_machines(path: Path) -> None:
    for each in read_machines(path):
        each.machine(CLUSTER, "root")


def deploy(path: Path) -> None:
    read_manifests([(str(path), path.read_text())], "default", owned(CLUSTER))


def create_cluster(path: Path) -> None:
    owned(CLUSTER.replace(cni=CNI.manifest(path.read_text())))


def nodeadm_init(path: Path) -> None:
    read_configuration(path, "init")


def nodeadm_join(path: Path) -> None:
    read_configuration(path, "join")


def merge_kubeconfig(path: Path) -> None:
    Kubeconfigs([path]).put("users", "me", {})


MACHINES = [{"ip": "10.0.0.5", "role": "master", "port": 22, "taints": ["a=b:NoExecute"], "labels": {"a": "b"}}]
OBJECTS = [CLUSTER.to_object(), WORKER.to_object(), master("10.0.0.6").to_object(), CREDENTIAL.to_object()]
MANIFESTS = [
    {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "a"}, "data": {"a": "YQ=="}, "stringData": {"b": "c"}},
    {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "a", "namespace": "b", "labels": {"c": "d"}, "annotations": {"e": "f"}},
        "spec": {"group": "a", "names": {"kind": "B"}, "versions": [{"name": "v1"}]},
    },
]
KUBECONFIG = {
    "kind": "Config",
    **{f"{each}s": [{"name": "a", each: {"b": "c"}}] for each in ("cluster", "user", "context")},
}
GIVEN: dict[Callable[[Path], None], list[Any]] = {
    apply_objects: [{"kind": "List", "items": OBJECTS}],
    create_machines: [MACHINES, {"kind": "List", "items": [WORKER.to_object()]}],
    deploy: MANIFESTS,
    create_cluster: [{"apiVersion": "v1", "kind": "List", "items": MANIFESTS[1:]}],
    load_plan: [yaml.safe_load((PLANS / name).read_text()) for name in ("apply-objects.yaml", "deploy.yaml")],
    nodeadm_init: [yaml.safe_load(INIT)],
    nodeadm_join: [yaml.safe_load(JOIN)],
    merge_kubeconfig: [KUBECONFIG],
}
"""What reads a file of each kind, and what is right in it."""

HOSTILE = {
    "a list that holds itself": "&a [*a]",
    "a mapping that holds itself": "&a {kind: List, items: [*a], metadata: *a, outcome: *a}",
    "a key that holds itself": "&a {? *a : b}",
    "no time": "a: 2026-99-99",
    "what is called a time": "a: !!timestamp 2026-99-99",
    "what is called a number": "a: !!int abc",
    "a number without digits": "a: 0x_",
    "a number without end": f"a: {'1' * 5000}",
    "one that can't be written": f"a: 0x{'f' * 5000}",
    "bytes": 'a: !!binary "/w=="',
    "a key that is a list": "? [a]\n: b",
    "keys that are no texts": "{1: 2, ~: 3, 1.5: 4, true: 5}",
    "a program": "!!python/object/apply:os.system [id]",
    "control characters": "a: \0",
    "deep flow": "[" * 100_000,
    "deep blocks": "- " * 50_000,
    "deep by aliases": "\n".join(f"a{n}: &a{n} [{f'*a{n - 1}' if n else ''}]" for n in range(500)),
    "doubled thirty times": "a0: &a0 [b]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]\n" for n in range(1, 31)),
    "merged again and again": "a0: &a0 {b: c}\n"
    + "".join(f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 9)}]}}\n" for n in range(1, 12)),
    "several documents": "a: b\n---\na: b\n",
    "items that are none": "kind: List\nitems: 5",
    "items that are a mapping": "kind: List\nitems: {a: b}",
    "a kind that is none": "kind: {}",
    "metadata that are none": "\n---\n".join(
        f"{{kind: {kind}, apiVersion: v1, metadata: [1]}}" for kind in ("Machine", "Secret", "Plan")
    ),
}


@contextlib.contextmanager
def taken_or_refused() -> Iterator[None]:
    with contextlib.suppress(KlusterKitError, InvalidCluster):
        yield


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
@pytest.mark.parametrize("read", GIVEN, ids=lambda read: read.__name__)
def test_what_is_hostile_is_refused_soon(read: Callable[[Path], None], text: str, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text(text)
    begun = time.process_time()
    with taken_or_refused():
        read(path)
    assert time.process_time() - begun < 5


@pytest.mark.parametrize("read", GIVEN, ids=lambda read: read.__name__)
def test_what_is_right_is_taken(read: Callable[[Path], None], tmp_path: Path) -> None:
    path = tmp_path / "file"
    for each in GIVEN[read]:
        path.write_text(yaml.safe_dump(each))
        read(path)


KINDS = ["List", "SecretList", "Secret", "Machine", "Cluster", "Credential", "Plan", "Config"]
NAMES = ["name", "kind", "items", "metadata", "spec", "data", "labels", "taints", "tasks", "cls", "self"]
TEXTS = ["v1", "klusterkit.io/v1alpha1", "master", "node", "10.0.0.5", "fd00::1", "1.36.3", "\u00e9", "2026-99-99"]
WORDS = st.sampled_from(KINDS + NAMES + TEXTS)
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.dates()
    | st.binary(max_size=3)
    | st.text(max_size=5)
    | WORDS,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(WORDS | st.integers() | st.none(), inner, max_size=2),
    max_leaves=4,
)


def places(value: Any) -> Iterator[tuple[Any, Any]]:
    """All lists and mappings, each with each of its indexes or keys."""
    for key, inner in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield value, key
        yield from places(inner)


@pytest.mark.parametrize("read", GIVEN, ids=lambda read: read.__name__)
@given(data=st.data())
def test_whatever_is_in_a_file_is_taken_or_refused(read: Callable[[Path], None], data: st.DataObject) -> None:
    """Values of a right file, or all of it, are replaced by any others, renamed, left out, or hold the file."""
    file: list[Any] = [copy.deepcopy(data.draw(st.sampled_from(GIVEN[read])))]
    for _ in range(data.draw(st.integers(1, 2))):
        where, key = data.draw(st.sampled_from(list(places(file))))
        match data.draw(st.sampled_from(["other", "itself", "left out", "renamed"])):
            case "itself":
                where[key] = file[0]
                break
            case "renamed" if isinstance(where, dict):
                where[data.draw(WORDS)] = where.pop(key)
            case "left out" if where is not file:
                del where[key]
            case _:
                where[key] = data.draw(VALUES)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "file")
        path.write_text(yaml.safe_dump(file[0]))
        with taken_or_refused():
            read(path)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: b\nc: [&x [*x]]", "something holds itself in line 2"),
        ("a:\n  - !!int hunter2", "something is no int, and should be, in line 2"),
        (HOSTILE["doubled thirty times"], "aliases make too much of little in line 20"),
        (HOSTILE["deep flow"], "more than 100 values lie in each other in line 1"),
        (HOSTILE["one that can't be written"], "a number is too large in line 1"),
    ],
    ids=["itself", "number", "bomb", "deep", "large"],
)
def test_what_is_wrong_is_told_with_its_line_and_without_its_value(text: str, said: str) -> None:
    with pytest.raises(yaml.YAMLError) as refused:
        documents(text)
    assert words_of(refused.value) == said


def test_aliases_are_taken_where_they_only_save_writing() -> None:
    text = "base: &base {a: 1, b: [x]}\nfirst: *base\nsecond: {<<: *base, a: 2}\n"
    base = {"a": 1, "b": ["x"]}
    assert documents(text) == [{"base": base, "first": base, "second": {"a": 2, "b": ["x"]}}]


def test_keys_are_texts_and_times_stay_what_was_written() -> None:
    assert documents("{3: 2026-01-01, yes: 2026-99-99, ~: x}") == [
        {"3": "2026-01-01", "true": "2026-99-99", "null": "x"}
    ]
