"""Objects of the operator's own: brought to the API one by one, and given back as they were, managers of fields too."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from step_world import World, tell_every_story, travelled

from klusterkit.engine.errors import CommandFailed, CommandFailedTemporarily
from klusterkit.engine.host import HOME, Completed
from klusterkit.hosts.simulated import Machine
from klusterkit.tasks.apiobject import content, way_back
from klusterkit.tasks.deploying import Deploy
from klusterkit.tasks.kubectl import KUBECTL
from tests.support.apiserver import ApiServer, applied, merged
from tests.support.posix import said

API = "/var/lib/objects.json"
"""All objects, in a file, so that a story sees whether they are as before."""
SECRETS = {"ca.key": b"can't be guessed", "run/1": b"correct horse battery"}

MAP = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings", "namespace": "default"}}
DEPLOYMENT = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "server", "namespace": "default", "labels": {"app": "server"}},
    "spec": {"template": {"spec": {"containers": [{"name": "server", "image": "server:1"}]}}},
}
SECRET = {**MAP, "kind": "Secret", "metadata": {"name": "login", "namespace": "default"}}


def kubectl(machine: Machine, argv: Sequence[str], stdin: bytes) -> Completed:
    objects = json.loads(machine.tree.read(API))
    options = dict(word.lstrip("-").partition("=")[::2] for word in argv if word.startswith("--"))
    verb, *words = [word for word in argv[1:] if not word.startswith("-")]
    ended = ApiServer(objects)(verb, words, options, stdin)
    machine.tree.write(API, json.dumps(objects, sort_keys=True))
    return ended


def made(*there: tuple[dict[str, Any], str]) -> Callable[[], World]:
    """A host with objects that some managers have applied."""

    def make() -> World:
        world, objects = World(SECRETS), dict[str, Any]()
        world.host.program(KUBECTL, kubectl)
        for item, manager in there:
            options = {"field-manager": manager, "force-conflicts": ""}
            assert ApiServer(objects)("apply", [], options, json.dumps(item).encode()).ok
        world.tree.write(API, json.dumps(objects, sort_keys=True))
        return world

    return make


def objects(world: World) -> dict[str, Any]:
    return {path: found["object"] for path, found in json.loads(world.tree.read(API)).items()}


def with_data(**data: str) -> dict[str, Any]:
    return {**MAP, "data": data}


# What leads back ------------------------------------------------------------------------------------------------------

plain = st.recursive(
    st.one_of(st.booleans(), st.integers(0, 3), st.sampled_from(["", "a", "b"]), st.lists(st.integers(0, 2))),
    lambda inner: st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
)
trees = st.dictionaries(st.sampled_from("abc"), plain, max_size=3)


@given(after=trees, before=trees)
def test_the_way_back_leads_from_any_object_to_any_other(after: dict[str, Any], before: dict[str, Any]) -> None:
    assert merged(after, way_back(after, before)) == before
    assert way_back(before, before) == {}


def test_what_the_api_server_writes_is_no_part_of_an_object() -> None:
    metadata = {
        "name": "a",
        "uid": "0",
        "resourceVersion": "1",
        "generation": 2,
        "managedFields": [],
        "labels": {"b": "c"},
    }
    kubectl_wrote = {"kubectl.kubernetes.io/last-applied-configuration": '{"data":{"password":"aHVudGVyMg=="}}'}
    live = {"kind": "Secret", "metadata": {**metadata, "annotations": kubectl_wrote}, "status": {"x": 1}}
    assert content(live) == {"kind": "Secret", "metadata": {"name": "a", "labels": {"b": "c"}}}


# Stories --------------------------------------------------------------------------------------------------------------

pieces = st.dictionaries(st.sampled_from("abc"), st.sampled_from("xyz"))
managers = st.sampled_from(["klusterkit-deploy", "somebody"])


@settings(max_examples=25, deadline=None)
@given(there=st.one_of(st.none(), st.tuples(pieces, managers)), wanted=pieces)
def test_whatever_is_there_it_is_given_back_with_its_managers_wherever_it_is_cut(
    there: tuple[dict[str, str], str] | None, wanted: dict[str, str]
) -> None:
    make = made(*([(with_data(**there[0]), there[1])] if there else []))
    step = Deploy(manifest=with_data(**wanted), force=True)
    if not make().observe(step).satisfied:
        assert tell_every_story(step, make) > 0


@pytest.mark.parametrize("there", [None, "b2xkIHBhc3N3b3Jk"])
def test_a_secret_is_given_back_wherever_it_is_cut(there: str | None) -> None:
    make = made(*([({**SECRET, "data": {"password": there}}, "somebody")] if there else []))
    assert tell_every_story(Deploy(manifest=SECRET, secrets={"password": "run/1"}, force=True), make) > 0


def test_after_an_undo_the_next_apply_is_no_conflict_with_it() -> None:
    world = made((with_data(a="x"), "klusterkit-deploy"))()
    first, second = Deploy(manifest=with_data(a="y")), Deploy(manifest=with_data(a="z"))
    before = world.do(first)
    world.undo(first, before)
    world.do(second)
    assert objects(world)["configmap/default/settings"]["data"] == {"a": "z"}


def test_what_others_have_changed_meanwhile_stays_when_it_is_undone() -> None:
    world = made((DEPLOYMENT, "klusterkit-deploy"))()
    step = Deploy(manifest={**DEPLOYMENT, "metadata": {**DEPLOYMENT["metadata"], "labels": {"app": "other"}}})
    before = world.do(step)
    there = json.loads(world.tree.read(API))
    there["deployment.apps/default/server"]["object"]["spec"]["replicas"] = 5
    world.tree.write(API, json.dumps(there))
    world.undo(step, before)
    found = objects(world)["deployment.apps/default/server"]
    assert (found["spec"]["replicas"], found["metadata"]["labels"]) == (5, {"app": "server"})


def test_what_is_as_the_manifest_says_is_left_alone_whoever_made_it() -> None:
    world = made(({**DEPLOYMENT, "spec": {**DEPLOYMENT["spec"], "replicas": 1}}, "somebody"))()
    assert world.observe(Deploy(manifest=DEPLOYMENT)).satisfied


# Conflicts and errors -------------------------------------------------------------------------------------------------


def test_fields_that_others_manage_are_a_conflict_that_names_them_and_what_to_do() -> None:
    world = made((with_data(a="x", b="y"), "somebody"))()
    with pytest.raises(CommandFailed, match="ConfigMap default/settings can't be applied") as caught:
        world.observe(Deploy(manifest=with_data(a="other", b="y")))
    assert 'conflict with "somebody": .data.a' in str(caught.value.seen)
    assert "Please review" not in str(caught.value.seen)
    assert "--force-conflicts" in str(caught.value.hint)
    assert world.observe(Deploy(manifest=with_data(a="other", b="y"), force=True)).reason == "it is different"


def test_what_the_api_server_refuses_is_found_by_looking() -> None:
    manifest = {**MAP, "data": {"port": 80}}
    with pytest.raises(CommandFailed) as caught:
        made()().observe(Deploy(manifest=manifest))
    assert ".data.port: expected string" in str(caught.value.seen)
    assert "correct the manifest" in str(caught.value.hint)


@pytest.mark.parametrize(
    "manifest",
    [
        {**MAP, "metadata": {"name": "a", "namespace": "to-come"}},
        {"apiVersion": "example.com/v1", "kind": "Backup", "metadata": {"name": "a", "namespace": "default"}},
    ],
)
def test_what_needs_a_namespace_or_kind_that_is_yet_to_come_is_not_there(manifest: dict[str, Any]) -> None:
    seen = made()().observe(Deploy(manifest=manifest))
    assert (seen.satisfied, seen.before) == (False, {"there": False})


def test_an_api_that_does_not_answer_is_not_taken_for_an_empty_one() -> None:
    world = made()()
    world.host.program(KUBECTL, lambda *_: said(1, err="The connection to the server was refused"))
    with pytest.raises(CommandFailedTemporarily, match="doesn't tell"):
        world.observe(Deploy(manifest=MAP))


def test_an_object_that_is_too_large_to_be_told_of_is_refused_in_words() -> None:
    world = made()()
    world.host.program(KUBECTL, lambda *_: said(out='"of it": "the end"}'))
    with pytest.raises(CommandFailed, match="too much to be read"):
        world.observe(Deploy(manifest=MAP))


def test_an_object_that_is_on_its_way_out_is_waited_for() -> None:
    world = made((MAP, "somebody"))()
    there = json.loads(world.tree.read(API))
    there["configmap/default/settings"]["object"]["metadata"] |= {"deletionTimestamp": "now", "finalizers": ["a/b"]}
    world.tree.write(API, json.dumps(there))
    with pytest.raises(CommandFailedTemporarily, match="is being deleted") as caught:
        world.observe(Deploy(manifest=MAP))
    assert caught.value.seen == "its finalizers: a/b"


# Secrets --------------------------------------------------------------------------------------------------------------


def test_the_values_of_a_secret_are_in_no_observation_difference_or_argument() -> None:
    world = made(({**SECRET, "data": {"password": "b2xkIHBhc3N3b3Jk"}}, "klusterkit-deploy"))()
    arguments: list[str] = []

    def watched(machine: Machine, argv: Sequence[str], stdin: bytes) -> Completed:
        arguments.extend(argv)
        return kubectl(machine, argv, stdin)

    world.host.program(KUBECTL, watched)
    step = Deploy(manifest=SECRET, secrets={"password": "run/1"})
    looked = world.observe(step)
    told = [looked.model_dump_json(), repr(step.differences(world.on(), looked)), json.dumps(step.spec()), *arguments]
    before = world.do(step)
    world.undo(step, before)
    for value in ("correct horse battery", "Y29ycmVjdCBob3JzZSBiYXR0ZXJ5", "old password", "b2xkIHBhc3N3b3Jk"):
        assert not any(value in text for text in [*told, *arguments])


def test_what_leads_back_is_kept_for_root_alone() -> None:
    world = made((with_data(a="x"), "klusterkit-deploy"))()
    world.do(Deploy(manifest=with_data(a="y")))
    (note,) = [entry for entry in world.tree.walk() if entry.path.startswith(f"{HOME}/kept/") and entry.type == "file"]
    assert note.mode == 0o600


def test_differences_are_texts_of_both_without_what_the_server_adds() -> None:
    world = made((with_data(a="x"), "klusterkit-deploy"))()
    step = Deploy(manifest=with_data(a="y"))
    (difference,) = step.differences(world.on(), world.observe(step))
    assert "a: x" in str(difference.old)
    assert "a: y" in str(difference.new)
    assert "managedFields" not in f"{difference.old}{difference.new}"


def test_an_object_that_is_new_is_shown_whole() -> None:
    world = made()()
    step = Deploy(manifest=with_data(a="y"))
    (difference,) = step.differences(world.on(), world.observe(step))
    assert difference.old is None
    assert "a: y" in str(difference.new)


def test_a_plan_reads_the_step_back_as_it_was() -> None:
    step = Deploy(manifest=SECRET, secrets={"password": "run/1"}, force=True)
    assert Deploy.parse(travelled(step.spec())) == step
    assert "secrets" not in Deploy(manifest=MAP).spec()


def test_the_model_itself_knows_what_a_manager_gives_up() -> None:
    first = applied(None, with_data(a="x", b="y"), "one", force=False)
    second = applied(first, with_data(a="x"), "one", force=False)
    assert second["data"] == {"a": "x"}
