"""What a cluster has is looked at before a deploy is planned: what differs becomes a plan, what can't be is refused."""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import pytest

from klusterkit.engine.errors import HostUnreachable, UsageError
from klusterkit.engine.host import Completed
from klusterkit.engine.journal import Journal, Record
from klusterkit.engine.plan import Plan
from klusterkit.engine.runner import Report
from klusterkit.hosts.simulated import Machine, SimulatedHost
from klusterkit.plans.reference import FACTS
from klusterkit.session.errors import Refused
from klusterkit.session.hold import Hold
from klusterkit.session.onlooker import Nobody
from klusterkit.session.running.runs import fold
from klusterkit.session.workloads import deploying
from klusterkit.session.workloads.deploying import WantedDeploy, plan_deploy
from klusterkit.tasks.deploying import Deploy
from klusterkit.tasks.kubectl import KUBECTL
from tests.support.apiserver import ApiServer
from tests.support.posix import said

Opened = Callable[[], AbstractContextManager[Hold]]

KINDS = """\
configmaps      cm  v1                                     true   ConfigMap
namespaces      ns  v1                                     false  Namespace
secrets             v1                                     true   Secret
deployments     deploy  apps/v1                            true   Deployment
clusterroles        rbac.authorization.k8s.io/v1           false  ClusterRole
customresourcedefinitions crd apiextensions.k8s.io/v1      false  CustomResourceDefinition
"""
VERSIONS = "v1\napps/v1\nrbac.authorization.k8s.io/v1\napiextensions.k8s.io/v1\n"
SPACE = "apiVersion: v1\nkind: Namespace\nmetadata: {name: web}\n"
MAP = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings}\ndata: {a: x}\n"
SERVER = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: server}\nspec: {replicas: 2}\n"
SECRET = "apiVersion: v1\nkind: Secret\nmetadata: {name: login}\nstringData: {password: correct horse battery}\n"
DEFINITION = """\
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: backups.example.com}
spec: {group: example.com, scope: Namespaced, names: {kind: Backup}, versions: [{name: v1}]}
"""
BACKUP = "apiVersion: example.com/v1\nkind: Backup\nmetadata: {name: nightly}\n"


class Cluster:
    """The master's host, with kubectl for an API server of its own."""

    def __init__(self) -> None:
        self.objects: dict[str, Any] = {}
        self.host = SimulatedHost("10.0.0.5")
        self.host.machine.facts = FACTS
        self.host.program(KUBECTL, self._kubectl)
        self.unready: set[str] = set()
        self.lost = False

    def __getitem__(self, name: str) -> SimulatedHost:
        assert name == "10.0.0.5"
        return self.host

    __call__ = __getitem__

    def _kubectl(self, _: Machine, argv: Sequence[str], stdin: bytes) -> Completed:
        options = dict(word.lstrip("-").partition("=")[::2] for word in argv if word.startswith("--"))
        match [word for word in argv[1:] if not word.startswith("--")]:
            case ["api-resources"]:
                return said(1, out=KINDS, err="error: unable to retrieve metrics.k8s.io/v1beta1")
            case ["api-versions"]:
                return said(out=VERSIONS)
            case ["get", "namespaces"]:
                return said(out="namespace/default\nnamespace/kube-system\n")
            case [verb, *words]:
                if self.lost:
                    raise HostUnreachable("the connection is lost", host="10.0.0.5")
                return self._shown(ApiServer(self.objects)(verb, words, options, stdin), words)
        raise AssertionError(argv)

    def _shown(self, ended: Completed, words: Sequence[str]) -> Completed:
        if not words or words[0] not in self.unready:
            return ended
        return said(out=json.dumps({**json.loads(ended.out), "status": {"availableReplicas": 0}}))

    def has(self, text: str, manager: str = "somebody") -> None:
        import yaml

        item = yaml.safe_load(text)
        item["metadata"].setdefault("namespace", "default")
        assert ApiServer(self.objects)("apply", [], {"field-manager": manager}, json.dumps(item).encode()).ok


@pytest.fixture(name="cluster")
def _cluster(monkeypatch: pytest.MonkeyPatch) -> Cluster:
    made = Cluster()

    @contextmanager
    def fleet(*_: object) -> Generator[Cluster]:
        yield made

    monkeypatch.setattr(deploying, "fleet_for_meeting", fleet)
    monkeypatch.setattr(deploying, "look_at_masters", lambda _, __, masters: masters)
    monkeypatch.setattr(deploying, "answering", lambda masters: masters[0].name)
    return made


@pytest.fixture(name="hold")
def _hold(opened: Opened, cluster: Cluster) -> Generator[Hold]:
    with opened() as hold:
        yield hold


def planned(hold: Hold, *texts: str, **more: Any) -> Plan:
    return plan_deploy(hold, WantedDeploy(sources=(("web.yaml", "---\n".join(texts)),), **more), Nobody())


def objects(plan: Plan) -> list[str]:
    return [str(task.step.target) for task in plan.tasks if isinstance(task.step, Deploy)]


def refused(hold: Hold, *texts: str, **more: Any) -> str:
    state = hold.state.path.read_bytes()
    with pytest.raises(Refused) as caught:
        planned(hold, *texts, **more)
    assert hold.state.path.read_bytes() == state
    assert all(reason.hint for reason in caught.value.reasons)
    return "\n".join(f"{reason.message}: {reason.seen}: {reason.hint}" for reason in caught.value.reasons)


# What becomes a plan --------------------------------------------------------------------------------------------------


def test_objects_that_are_new_are_applied_and_waited_for(hold: Hold) -> None:
    plan = planned(hold, SPACE, MAP, SERVER, namespace="web")
    assert [task.id for task in plan.tasks] == [
        "10.0.0.5/objects/namespace/web",
        "10.0.0.5/objects/configmap/web/settings",
        "10.0.0.5/objects/deployment.apps/web/server",
        "10.0.0.5/ready/deployment.apps/web/server",
    ]
    assert plan.operation == "deploy web.yaml"
    assert plan.outcome == {}


def test_what_is_as_it_should_be_is_left_out_and_told(hold: Hold, cluster: Cluster) -> None:
    cluster.has(MAP)
    cluster.has(SERVER, "klusterkit-deploy")
    plan = planned(hold, MAP, SERVER.replace("2", "3"))
    assert objects(plan) == ["Deployment default/server"]
    assert "1 of 2 objects are as they should be already" in hold.notices


def test_where_all_is_as_it_should_be_nothing_is_to_do(hold: Hold, cluster: Cluster) -> None:
    cluster.has(MAP)
    cluster.has(SERVER)
    assert planned(hold, MAP, SERVER).empty


def test_what_is_there_and_not_ready_is_waited_for_unless_nobody_wants_to(hold: Hold, cluster: Cluster) -> None:
    cluster.has(SERVER)
    cluster.unready.add("Deployment.v1.apps/server")
    assert [task.id for task in planned(hold, SERVER).tasks] == ["10.0.0.5/ready/deployment.apps/default/server"]
    assert planned(hold, SERVER, within=None).empty


def test_a_plan_says_each_objects_namespace_and_none_where_there_is_none(hold: Hold) -> None:
    role = "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: {name: reader, namespace: odd}\n"
    assert objects(planned(hold, MAP, role)) == ["ConfigMap default/settings", "ClusterRole reader"]


def test_objects_of_a_kind_that_comes_with_them_are_taken(hold: Hold) -> None:
    assert objects(planned(hold, BACKUP, DEFINITION))[-1] == "Backup default/nightly"


# What is refused ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "why", "what_to_do"),
    [
        (
            MAP.replace("settings", "settings, namespace: web"),
            "there is no namespace web",
            "kubectl create namespace web",
        ),
        (BACKUP, "knows no Backup of example.com/v1", "CustomResourceDefinition"),
        (SERVER.replace("apps/v1", "apps/v1beta1"), "has no apps/v1beta1", "the version that it has: apps/v1"),
        (MAP.replace("a: x", "a: 1"), "expected string", "correct the manifest"),
    ],
)
def test_what_the_cluster_would_not_take_is_refused_before_anything_is_changed(
    hold: Hold, text: str, why: str, what_to_do: str
) -> None:
    told = refused(hold, SPACE.replace("web", "other"), text)
    assert "web.yaml, document 2" in told
    assert why in told
    assert what_to_do in told


def test_fields_of_somebody_else_are_refused_unless_they_are_to_be_taken_over(hold: Hold, cluster: Cluster) -> None:
    cluster.has(MAP)
    changed = MAP.replace("a: x", "a: y")
    assert 'conflict with "somebody": .data.a' in refused(hold, changed)
    (task,) = planned(hold, changed, force=True).tasks
    assert isinstance(task.step, Deploy)
    assert task.step.force


def test_a_host_that_is_lost_meanwhile_is_told_as_such(hold: Hold, cluster: Cluster) -> None:
    cluster.lost = True
    with pytest.raises(HostUnreachable, match="connection is lost"):
        planned(hold, MAP)


def test_a_cluster_without_a_master_has_nobody_to_ask(hold: Hold) -> None:
    hold.state.fold(hold.snapshot.model_copy(update={"machines": []}))
    with pytest.raises(UsageError, match="no master yet") as caught:
        planned(hold, MAP)
    assert "cctl create machine" in str(caught.value.hint)


# Secrets --------------------------------------------------------------------------------------------------------------


def inputs(hold: Hold) -> dict[str, bytes]:
    return {name: hold.secret(name) for name in hold.snapshot.secrets if name.startswith("run/")}


def test_the_values_of_secrets_are_sealed_in_the_state_and_in_no_plan(hold: Hold) -> None:
    plan = planned(hold, SECRET)
    assert inputs(hold) == {"run/1": b"correct horse battery"}
    assert plan.serial == hold.snapshot.serial
    for text in (plan.to_yaml(), hold.state.path.read_text()):
        assert "correct horse battery" not in text
        assert "Y29ycmVjdCBob3JzZSBiYXR0ZXJ5" not in text
    assert "password: run/1" in plan.to_yaml()


def test_planning_the_same_again_leaves_the_state_as_it_is(hold: Hold) -> None:
    planned(hold, SECRET)
    before = hold.state.path.read_bytes()
    planned(hold, SECRET)
    assert hold.state.path.read_bytes() == before


def test_the_values_of_an_earlier_plan_go_with_the_next_one(hold: Hold) -> None:
    planned(hold, SECRET)
    planned(hold, SECRET.replace("correct", "other"))
    assert inputs(hold) == {"run/1": b"other horse battery"}
    planned(hold, MAP)
    assert inputs(hold) == {}


@pytest.mark.parametrize("outcome", ["done", "undone"])
def test_no_value_outlives_the_run_that_needed_it(hold: Hold, outcome: Any) -> None:
    plan = planned(hold, SECRET)
    journal = Journal.open(hold.state, plan, run="r", who="me")
    journal.write(Record(record="begin", at=1.0, task=plan.tasks[0].id, attempt=1, before={"there": False}))
    fold(hold, journal, Report(outcome=outcome, states=journal.states))
    assert inputs(hold) == {}
    assert hold.secret("ca.key")


def test_what_the_api_server_says_is_masked(hold: Hold, monkeypatch: pytest.MonkeyPatch, cluster: Cluster) -> None:
    def quoting(*_: object) -> Completed:
        return said(1, err='The Secret "login" is invalid: Y29ycmVjdCBob3JzZSBiYXR0ZXJ5, correct horse battery')

    monkeypatch.setattr(ApiServer, "apply", quoting)
    told = refused(hold, SECRET)
    assert 'The Secret "login" is invalid' in told
    assert "horse" not in told
    assert "Y29y" not in told
