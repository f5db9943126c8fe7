"""Steps of Kubernetes: what each does on its own, when things aren't as they should be."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import replace

import pytest
import yaml

from klusterkit.engine.errors import Cancelled, CommandFailed, NotYet, PermanentError, StepTimeout, VerificationFailed
from klusterkit.engine.host import Completed
from klusterkit.engine.step import Context
from klusterkit.hosts.simulated import Machine, SimulatedHost
from klusterkit.plans.reference import create_one_master
from klusterkit.tasks.access import ClusterAdmins
from klusterkit.tasks.containerd import ImportImage, PullImage
from klusterkit.tasks.gates import ApiAnswers, ApiReady, Gate, NodeReady
from klusterkit.tasks.kubeadm import Phase
from klusterkit.tasks.kubectl import KUBECTL
from klusterkit.tasks.manifest import Apply
from klusterkit.tasks.preflight import Preflight
from klusterkit.tasks.probe import ServiceProbe
from tests.support.posix import said
from tests.support.supplies import secrets
from tests.unit.tasks.step_world import World

PROBE = ServiceProbe(node="m1", image="busybox:1", dns_domain="cluster.local")


class Opens(Gate):
    """A gate that opens at a given look."""

    kind = "test.opens"
    pause = 0.0
    at_look: int

    def missing(self, on: Context) -> str:
        looks = int(on.host.read("/looks")) + 1
        on.host.machine.tree.write("/looks", str(looks))  # type: ignore[attr-defined]
        if looks == 2:
            raise StepTimeout("no answer")
        return "" if looks >= self.at_look else f"closed at look {looks}"


@pytest.fixture
def world() -> World:
    made = World(secrets())
    made.tree.write("/looks", "0")
    return made


@pytest.fixture
def host(world: World) -> SimulatedHost:
    return world.host


@pytest.fixture
def on(world: World) -> Context:
    return replace(world.on(), timeout=5.0)


def calls_of(host: SimulatedHost, program: str) -> list[tuple[Sequence[str], bytes]]:
    """From now on, keep what a program is called with."""
    calls: list[tuple[Sequence[str], bytes]] = []
    real = host.machine.find_program([program]).act

    def act(machine: Machine, argv: Sequence[str], stdin: bytes) -> Completed:
        calls.append((argv, stdin))
        return real(machine, argv, stdin)

    host.program(program, act)
    return calls


def test_a_gate_waits_until_it_opens_and_no_answer_is_an_answer(on: Context) -> None:
    Opens(at_look=4).apply(on, {})
    assert on.host.read("/looks") == b"4"


def test_a_gate_that_stays_closed_says_what_was_seen_last(on: Context) -> None:
    with pytest.raises(NotYet, match="not after 0 s") as caught:
        Opens(at_look=10**6).apply(replace(on, timeout=0.05), {})
    assert "closed at look" in str(caught.value.seen)


def test_a_gate_stops_waiting_when_the_run_is_stopped(on: Context) -> None:
    stopped = threading.Event()
    stopped.set()
    with pytest.raises(Cancelled):
        Opens(at_look=10**6).apply(replace(on, cancelled=stopped), {})


def test_a_program_that_fails_without_a_word_opens_no_gate(host: SimulatedHost, on: Context) -> None:
    host.program("grep", lambda *_: said(0))
    assert not ApiReady().observe(on).satisfied
    assert not NodeReady(node="m1").observe(on).satisfied


def test_of_an_api_that_is_not_ready_only_what_fails_is_told(host: SimulatedHost, on: Context) -> None:
    checks = (
        r"[+]ping ok\n[-]etcd failed: reason withheld\n[-]etcd-readiness failed: reason withheld\nreadyz check failed"
    )
    host.program("grep", lambda *_: said(0))
    host.program(KUBECTL, lambda *_: said(1, err=f'Error from server (InternalError): an error ("{checks}")'))
    assert ApiReady().observe(on).reason == "not ready: etcd, etcd-readiness"
    assert ApiAnswers(server="https://10.0.0.100:6443").observe(on).reason == "not ready: etcd, etcd-readiness"


def test_a_node_without_a_network_has_only_to_be_registered(host: SimulatedHost, on: Context) -> None:
    host.program(KUBECTL, lambda *_: said(0, "False|NoSchedule|no network"))
    assert "no network" in NodeReady(node="m1").observe(on).reason
    assert NodeReady(node="m1", network=False).observe(on).satisfied
    assert "network of your own" in NodeReady(node="m1", network=False).title


def test_a_node_is_ready_when_the_scheduler_may_give_it_pods(host: SimulatedHost, on: Context) -> None:
    told = {"True|NoSchedule|posting": "node.kubernetes.io/not-ready", "True||posting": "", "||": "no status"}
    for text, missing in told.items():
        host.program(KUBECTL, lambda *_, text=text: said(0, text))
        seen = NodeReady(node="m1").observe(on)
        assert seen.satisfied is (not missing)
        assert missing in seen.reason


def image(sha256: str) -> ImportImage:
    return ImportImage(name="demo", reference="registry.example/demo:1", sha256=sha256)


@pytest.fixture
def store(host: SimulatedHost) -> dict[str, str]:
    """containerd's images: what is listed, by reference."""
    images: dict[str, str] = {}

    def ctr(_: Machine, argv: Sequence[str], __: bytes) -> Completed:
        if "list" in argv:
            return said(out="".join(f"{name} {labels}\n" for name, labels in images.items()))
        if "remove" in argv:
            return said() if images.pop(argv[-1], None) is not None else said(1, err="not found")
        if "pull" in argv:
            images[argv[-1]] = f"application/vnd.oci.image.index.v1+json sha256:{'c' * 64} {' '.join(argv)}"
            return said()
        images["registry.example/demo:1"] = " ".join(argv)
        return said(0 if argv[-1].endswith("a" * 64) else 1, err="no such file")

    host.program("/usr/local/bin/ctr", ctr)
    return images


def test_an_image_is_known_by_the_archive_that_it_came_from(store: dict[str, str], on: Context) -> None:
    image("a" * 64).apply(on, {"there": False})
    assert image("a" * 64).observe(on).satisfied
    assert "another one" in image("b" * 64).observe(on).reason


@pytest.mark.parametrize(
    ("says", "looks"),
    [
        ("unpacking registry.example/demo:1 (sha256:0)...done", 0),
        ("unpacking registry.example/demo:12 (sha256:0)...done", 1),
        ("done", 1),
    ],
)
def test_of_an_image_that_ctr_names_as_unpacked_the_store_is_not_asked(
    host: SimulatedHost, on: Context, says: str, looks: int
) -> None:
    asked: list[str] = []

    def ctr(_: Machine, argv: Sequence[str], __: bytes) -> Completed:
        asked.extend(word for word in argv if word == "list")
        return said(out=f"registry.example/demo:1 {'a' * 64}" if "list" in argv else says)

    host.program("/usr/local/bin/ctr", ctr)
    image("a" * 64).apply_many([image("a" * 64)], [on], [{"there": False}])
    assert len(asked) == looks


def test_what_an_earlier_attempt_has_imported_is_looked_for(store: dict[str, str], on: Context) -> None:
    image("a" * 64).apply(on, {"there": False})
    store.clear()
    with pytest.raises(VerificationFailed, match="not in containerd's store"):
        image("a" * 64).apply(on, {"there": False})


def test_images_are_pinned_against_the_kubelets_cleaning(store: dict[str, str], on: Context) -> None:
    image("a" * 64).apply(on, {"there": False})
    assert "io.cri-containerd.pinned=pinned" in store["registry.example/demo:1"]


def test_an_image_that_was_there_before_is_left_there(store: dict[str, str], on: Context) -> None:
    store["registry.example/demo:1"] = "of the operator's"
    image("a" * 64).undo(on, image("a" * 64).observe(on).before)
    assert "registry.example/demo:1" in store
    image("a" * 64).undo(on, {"there": False})
    assert store == {}
    image("a" * 64).undo(on, {"there": False})


def test_an_archive_that_cannot_be_imported_fails_in_words(store: dict[str, str], on: Context) -> None:
    with pytest.raises(CommandFailed, match=r"registry\.example/demo:1 could not be imported") as caught:
        image("b" * 64).apply(on, {"there": False})
    assert caught.value.hint


def pulled(sha256: str) -> PullImage:
    return PullImage(name="demo", reference="registry.example/demo:1", sha256=sha256, size=1)


def test_an_image_is_pulled_from_where_the_hosts_files_say_and_pinned(store: dict[str, str], on: Context) -> None:
    pulled("c" * 64).apply(on, {"there": False})

    assert pulled("c" * 64).observe(on).satisfied
    assert "--hosts-dir /etc/containerd/certs.d" in store["registry.example/demo:1"]
    assert "io.cri-containerd.pinned=pinned" in store["registry.example/demo:1"]
    assert "--user" not in store["registry.example/demo:1"]


def test_an_image_that_was_changed_since_it_was_planned_is_refused(store: dict[str, str], on: Context) -> None:
    with pytest.raises(PermanentError, match="another registry") as caught:
        pulled("b" * 64).apply(on, {"there": False})
    assert "roll back" in str(caught.value.hint)


def test_many_images_are_looked_at_in_one_look(host: SimulatedHost, store: dict[str, str], on: Context) -> None:
    calls = calls_of(host, "/usr/local/bin/ctr")
    ImportImage.observe_many([image("a" * 64), image("b" * 64)], [on, on])
    assert len(calls) == 1


PHASE = Phase(path="control-plane demo", makes=("/etc/demo.yaml",), holding=("image: demo:2", "\nstatus: {}\n"))


def test_a_file_that_was_cut_off_while_written_is_our_own_work_half_done(host: SimulatedHost, on: Context) -> None:
    host.machine.tree.write("/etc/demo.yaml", "image: demo:2\nspec")
    assert PHASE.observe(on).partial
    host.machine.tree.write("/etc/demo.yaml", "image: demo:2\nspec\nstatus: {}\n")
    assert PHASE.observe(on).satisfied


def test_undoing_a_phase_puts_back_the_file_that_was_there(host: SimulatedHost, on: Context) -> None:
    host.machine.tree.write("/etc/demo.yaml", "image: demo:1\nstatus: {}\n", 0o640)
    before = PHASE.observe(on).before

    def kubeadm(machine: Machine, *_: object) -> Completed:
        machine.tree.write("/etc/demo.yaml", "image: demo:2\nstatus: {}\n", 0o600)
        return said()

    host.program("/usr/local/bin/kubeadm", kubeadm)
    PHASE.apply(on, before)
    assert PHASE.observe(on).satisfied
    PHASE.undo(on, before)
    assert host.machine.tree.read("/etc/demo.yaml") == b"image: demo:1\nstatus: {}\n"
    assert PHASE.observe(on).before == before


def test_a_phase_that_was_killed_before_it_kept_anything_has_nothing_to_put_back(
    host: SimulatedHost, on: Context
) -> None:
    host.machine.tree.write("/etc/demo.yaml", "image: demo:1\nstatus: {}\n", 0o640)
    before = PHASE.observe(on).before
    PHASE.undo(on, before)
    assert PHASE.observe(on).before == before


def test_the_key_above_rbac_is_in_no_argument_and_no_file(host: SimulatedHost, on: Context) -> None:
    host.program(KUBECTL, lambda *_: said())
    calls = calls_of(host, KUBECTL)
    ClusterAdmins(server="https://10.0.0.5:6443").apply(on, {})
    ((argv, stdin),) = calls
    assert "--kubeconfig=/dev/stdin" in argv
    key = yaml.safe_load(stdin)["users"][0]["user"]["client-key-data"]
    assert key not in " ".join(argv)
    everything = b"".join(host.machine.tree.read(e.path) for e in host.machine.tree.walk() if e.type == "file")
    assert key.encode() not in everything
    assert secrets()["ca.key"] not in everything


def test_a_binding_that_is_there_already_will_do(host: SimulatedHost, on: Context) -> None:
    host.program(KUBECTL, lambda *_: said(1, err='"kubeadm:cluster-admins" already exists'))
    ClusterAdmins(server="https://10.0.0.5:6443").apply(on, {})


@pytest.mark.parametrize(
    ("says", "temporary"),
    [("error validating data: unknown field", False), ("etcdserver: leader changed", True)],
)
def test_a_manifest_that_is_wrong_is_not_tried_again(
    host: SimulatedHost, on: Context, says: str, temporary: bool
) -> None:
    host.program(KUBECTL, lambda *_: said(1, err=says))
    with pytest.raises((CommandFailed, Exception)) as caught:
        Apply(name="demo", manifest="kind: Demo\n").apply(on, {})
    assert caught.value.temporary is temporary  # type: ignore[attr-defined]


def test_before_there_is_an_api_the_difference_is_the_manifest_itself(on: Context) -> None:
    step = Apply(name="demo", manifest="kind: Demo\n")
    (difference,) = step.differences(on, step.observe(on))
    assert difference.new == "kind: Demo\n"


def test_a_probe_that_fails_takes_its_pods_away_and_shows_what_pods_there_are(host: SimulatedHost, on: Context) -> None:
    verbs: list[str] = []

    def kubectl(_: Machine, argv: Sequence[str], __: bytes) -> Completed:
        verb = next(word for word in argv[1:] if not word.startswith("-"))
        verbs.append(verb)
        return said(1 if verb == "wait" else 0, "coredns 0/1 Pending" if verb == "get" else "")

    host.program(KUBECTL, kubectl)
    with pytest.raises(NotYet) as caught:
        PROBE.apply(on, {})
    assert "coredns 0/1 Pending" in str(caught.value.seen)
    assert verbs[-1] == "delete"
    assert "annotate" not in verbs


def test_a_probe_waits_for_the_end_of_an_earlier_attempts_pods_and_makes_its_own(
    host: SimulatedHost, on: Context
) -> None:
    verbs: list[str] = []

    def kubectl(_: Machine, argv: Sequence[str], __: bytes) -> Completed:
        verbs.append(next(word for word in argv[1:] if not word.startswith("-")))
        going = verbs == ["create"]
        return said(1, err="object is being deleted: pods already exists") if going else said()

    host.program(KUBECTL, kubectl)
    PROBE.apply(on, {})
    assert verbs[:4] == ["create", "delete", "create", "wait"]


def test_a_probes_pods_may_do_nothing_but_what_they_are_for() -> None:
    service, *pods = yaml.safe_load_all(PROBE.manifest())
    assert service["kind"] == "Service"
    for pod in pods:
        assert pod["spec"]["automountServiceAccountToken"] is False
        security = pod["spec"]["containers"][0]["securityContext"]
        assert security["runAsNonRoot"]
        assert security["capabilities"] == {"drop": ["ALL"]}
        assert "nodeName" not in pod["spec"]  # the scheduler is a part of the proof


def test_preflight_refuses_with_all_reasons_at_once(host: SimulatedHost, on: Context) -> None:
    step = next(task.step for task in create_one_master().tasks if isinstance(task.step, Preflight))
    host.machine.facts = host.machine.facts.model_copy(update={"swap": 1 << 30, "listening": (6443,)})
    with pytest.raises(PermanentError, match="swap is on") as caught:
        step.apply(on, {})
    assert "6443" in caught.value.message
    assert "swapoff" in str(caught.value.hint)
