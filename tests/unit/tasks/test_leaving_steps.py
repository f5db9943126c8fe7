"""A node leaves: no new pods, no pods, no node; each way back, and what keeps it from leaving."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from step_world import World, tell_every_story, travelled

from klusterkit.engine.errors import CommandFailedTemporarily, PermanentError
from klusterkit.engine.host import Completed
from klusterkit.hosts.simulated import Machine
from klusterkit.tasks.etcdctl import ETCDCTL
from klusterkit.tasks.kubectl import KUBECTL
from klusterkit.tasks.leaving import Cordon, DeleteNode, Drain, Gone, pods_on
from tests.support.posix import said

API = "/var/lib/api.json"
"""All that the API server knows: in a file, so that a story sees whether it is as before."""

NODE = {
    "metadata": {
        "name": "w1",
        "uid": "1-2",
        "resourceVersion": "7",
        "labels": {"disk": "fast"},
        "annotations": {"team": "a"},
    },
    "spec": {"podCIDR": "192.168.3.0/24", "taints": [{"key": "dedicated", "effect": "NoSchedule"}]},
    "status": {"images": []},
}


def pod(name: str, controller: str = "ReplicaSet", **more: Any) -> dict[str, Any]:
    return {"name": name, "controller": controller, "phase": "Running", "static": False, "empty": False, **more}


class Api:
    """kubectl, and what it asks."""

    def __init__(self, *pods: dict[str, Any], there: bool = True, cordoned: bool = False) -> None:
        self.world = World()
        node = {**NODE, "spec": {**NODE["spec"], "unschedulable": True}} if cordoned else NODE
        self.write({"nodes": {"w1": node} if there else {}, "pods": list(pods), "full": []})
        self.answers = True
        self.world.host.program(KUBECTL, self._kubectl)

    def read(self) -> dict[str, Any]:
        return json.loads(self.world.tree.read(API))

    def write(self, known: dict[str, Any]) -> None:
        self.world.tree.write(API, json.dumps(known, sort_keys=True))

    def _kubectl(self, _: Machine, argv: Sequence[str], stdin: bytes) -> Completed:
        if not self.answers:
            return said(1, err="connection refused")
        words = [word for word in argv[1:] if not word.startswith("-")]
        options = dict(word.lstrip("-").partition("=")[::2] for word in argv if word.startswith("--"))
        known = self.read()
        result = getattr(self, f"_{words[0]}")(known, words[1:], options, stdin)
        self.write(known)
        return result

    def _get(self, known: dict[str, Any], words: list[str], options: dict[str, str], _: bytes) -> Completed:
        match words:
            case ["pods"]:
                return said(out="".join(_row(each) for each in known["pods"]))
            case ["poddisruptionbudgets"]:
                return said(out="".join(f"default   {name}   0\n" for name in known["full"]) + "other  roomy  1\n")
            case _:
                node = known["nodes"].get(words[0].removeprefix("node/"))
        if node is None:
            return said()
        if options["output"] == "json":
            return said(out=json.dumps(node))
        cordoned = " true" if "unschedulable" in options["output"] and node["spec"].get("unschedulable") else ""
        return said(out=f"w1{cordoned}")

    def _cordon(self, known: dict[str, Any], *_: object) -> Completed:
        known["nodes"]["w1"]["spec"]["unschedulable"] = True
        return said()

    def _uncordon(self, known: dict[str, Any], *_: object) -> Completed:
        known["nodes"]["w1"]["spec"].pop("unschedulable", None)
        return said()

    def _delete(self, known: dict[str, Any], *_: object) -> Completed:
        known["nodes"].pop("w1", None)
        return said()

    def _create(self, known: dict[str, Any], _: list[str], __: dict[str, str], stdin: bytes) -> Completed:
        made = json.loads(stdin)
        assert "uid" not in made["metadata"], "the API server would refuse it"
        known["nodes"]["w1"] = {
            "metadata": {**made["metadata"], "uid": "1-2", "resourceVersion": "7"},
            "spec": made["spec"],
            "status": {"images": []},
        }
        return said()

    def _drain(self, known: dict[str, Any], _: list[str], options: dict[str, str], __: bytes) -> Completed:
        going = [each for each in known["pods"] if not each["static"] and each["controller"] != "DaemonSet"]
        if any(not each["controller"] for each in going) and "force" not in options:
            return said(1, err="cannot delete Pods declare no controller (use --force to override)")
        if any(each["empty"] for each in going) and "delete-emptydir-data" not in options:
            return said(1, err="cannot delete Pods with local storage (use --delete-emptydir-data to override)")
        kept = [each for each in going if known["full"] and each["name"].startswith("held")]
        known["pods"] = [each for each in known["pods"] if each not in going or each in kept]
        return said(1, err="error: global timeout reached: 10s") if kept else said()


def _row(each: dict[str, Any]) -> str:
    static = "abc" if each["static"] else "<none>"
    empty = "map[medium:Memory sizeLimit:1Gi],map[]" if each["empty"] else "<none>"
    return f"default   {each['name']}   {each['controller'] or '<none>'}   {each['phase']}   {static}   {empty}\n"


def made(*pods: dict[str, Any], **options: Any) -> Callable[[], World]:
    return lambda: Api(*pods, **options).world


def test_a_node_that_takes_pods_is_cordoned_and_uncordoned_wherever_it_is_cut() -> None:
    assert tell_every_story(Cordon(node="w1"), made()) > 0


@pytest.mark.parametrize("options", [{"cordoned": True}, {"there": False}])
def test_whoever_cordoned_a_node_before_finds_it_cordoned_afterwards(options: dict[str, bool]) -> None:
    world = made(**options)()
    seen = world.observe(Cordon(node="w1"))
    assert seen.satisfied, "there is nothing to do, and so nothing to undo"


def test_a_node_comes_back_with_all_that_people_gave_it_wherever_it_is_cut() -> None:
    assert tell_every_story(DeleteNode(node="w1"), made()) > 0


def test_where_the_api_does_not_answer_nothing_is_taken_for_granted() -> None:
    api = Api()
    api.answers = False
    for step in (Cordon(node="w1"), DeleteNode(node="w1")):
        with pytest.raises(CommandFailedTemporarily, match="failed on m1"):
            step.observe(api.world.on())
    seen = Drain(node="w1").observe(api.world.on())
    assert (seen.satisfied, seen.reason) == (False, "connection refused")


def drain(api: Api, **fields: Any) -> None:
    Drain.model_validate({"node": "w1", "within": 0.05, **fields}).apply(api.world.on(), {})


@pytest.mark.parametrize(("ready", "gone"), [("True", False), ("False", True), ("Unknown", True), ("", True)])
def test_a_node_whose_kubelet_is_heard_is_not_gone_whatever_keeps_pods_off_it(ready: str, gone: bool) -> None:
    world = World()

    def kubectl(_: Machine, argv: Sequence[str], __: bytes) -> Completed:
        return said(out=f"{ready}|NoSchedule|" if "taints" in argv[-1] else ready)

    world.host.program(KUBECTL, kubectl)
    assert Gone(node="m1").observe(world.on()).satisfied is gone


def test_a_node_of_which_the_api_does_not_tell_is_not_taken_as_gone() -> None:
    world = World()
    world.host.program(KUBECTL, lambda *_: said(1, err="connection refused"))
    seen = Gone(node="w1").observe(world.on())
    assert (seen.satisfied, seen.reason) == (False, "connection refused")


def test_a_member_of_which_etcdctl_does_not_tell_is_not_taken_as_gone() -> None:
    world = World()
    world.host.program(KUBECTL, lambda *_: said(0))
    world.host.program(ETCDCTL, lambda *_: said(1, err="no such file"))
    seen = Gone(node="m1", client="https://10.0.0.5:2379").observe(world.on())
    assert (seen.satisfied, seen.reason) == (False, "no such file")


def test_all_pods_go_but_those_that_each_node_has_for_itself() -> None:
    api = Api(
        pod("web"), pod("proxy", "DaemonSet"), pod("etcd", "Node", static=True), pod("job", "Job", phase="Failed")
    )
    drain(api)
    assert [each["name"] for each in api.read()["pods"]] == ["proxy", "etcd"]
    assert Drain(node="w1").observe(api.world.on()).satisfied


def test_what_a_budget_holds_is_named_with_the_budget_when_the_time_is_up() -> None:
    api = Api(pod("held-0"), pod("web"))
    api.write({**api.read(), "full": ["keep"]})
    with pytest.raises(PermanentError, match="drain the node w1: not after 0 s") as caught:
        drain(api)
    assert "default/held-0" in str(caught.value.seen)
    assert "default/keep" in str(caught.value.seen)
    assert "roomy" not in str(caught.value.seen)
    assert "cctl rollback" in str(caught.value.hint)


def test_pods_that_nothing_makes_anew_stop_it_before_any_other_goes() -> None:
    api = Api(pod("web"), pod("alone", ""), pod("ended", "", phase="Succeeded"))
    with pytest.raises(PermanentError, match="can't be drained: it has pods that nothing would make anew") as caught:
        drain(api)
    assert caught.value.seen == "default/alone"
    assert len(api.read()["pods"]) == 3
    drain(api, force=True)
    assert api.read()["pods"] == []


def test_pods_that_keep_data_in_an_emptydir_stop_it_before_any_other_goes() -> None:
    api = Api(pod("web"), pod("cache", empty=True), pod("ended", "Job", phase="Succeeded"))
    with pytest.raises(PermanentError, match="keep data in an emptyDir") as caught:
        drain(api)
    assert caught.value.seen == "default/cache"
    assert "--drain-delete-local-data" in str(caught.value.hint)
    assert len(api.read()["pods"]) == 3
    drain(api, local_data=True)
    assert api.read()["pods"] == []


PODS = st.builds(
    pod,
    st.text("abc", min_size=1, max_size=5),
    st.sampled_from(["", "ReplicaSet", "DaemonSet", "Job"]),
    phase=st.sampled_from(["Running", "Succeeded", "Pending"]),
    static=st.booleans(),
    empty=st.booleans(),
)


@given(st.lists(PODS, max_size=6))
def test_pods_are_read_as_kubectl_shows_them(pods: list[dict[str, Any]]) -> None:
    read = pods_on(Api(*pods).world.host, "w1")
    assert [(each.name, each.controller, each.phase, each.static, each.empty_dir) for each in read] == [
        (f"default/{each['name']}", each["controller"], each["phase"], each["static"], each["empty"]) for each in pods
    ]


def test_what_is_written_into_the_plan_and_the_journal_is_small() -> None:
    world = made()()
    assert travelled(world.observe(DeleteNode(node="w1")).before) == {"there": True}
