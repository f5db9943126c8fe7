"""Each artifact is sent from here once, whatever hosts there are, and no host's failure holds another one up."""

from __future__ import annotations

from collections import Counter

import networkx as nx
from hypothesis import given
from hypothesis import strategies as st

from klusterkit.cluster import Machine, Role
from klusterkit.engine.plan import Plan, Task
from klusterkit.hosts.simulated.machine import default_facts
from klusterkit.plans.create import compile_create
from klusterkit.plans.reference import CLUSTER, FACTS, MACHINE, artifacts
from klusterkit.plans.request import CreateRequest, Options
from klusterkit.plans.sharing import BRANCHES, Peer, share
from klusterkit.tasks.artifacts import Upload
from klusterkit.tasks.asked import PEER_CLIENTS, PEER_SERVER
from klusterkit.tasks.peers import PORT, EndServing, Fetch, Serve
from klusterkit.tasks.preflight import Preflight, Requirements

Hosts = list[Peer]


def peer(number: int, *, serves: bool = True, fetches: bool = True) -> Peer:
    return Peer(f"h{number}", f"10.0.0.{number}", serves=serves, fetches=fetches)


def upload(host: str, artifact: str) -> Task:
    step = Upload(name=artifact, sha256=artifact * 64, size=1000)
    budgets = ("uploads", f"uploads/{host}")
    return Task(id=f"{host}/{artifact}", host=host, step=step, needs=(f"{host}/look",), budgets=budgets)


def look(host: str) -> Task:
    wanted = Requirements(control_plane=False, memory=1, disk=1, networks={})
    return Task(id=f"{host}/look", host=host, step=Preflight(wanted=wanted, mark=""))


def plan_of(tasks: list[Task]) -> Plan:
    budgets = {budget: 2 for task in tasks for budget in task.budgets}
    return Plan(operation="test", lineage="l", serial=1, tasks=tuple(tasks), budgets=budgets).checked()


def alike(count: int, artifacts: str = "abcd") -> list[Task]:
    return [task for n in range(count) for task in (look(f"h{n}"), *(upload(f"h{n}", name) for name in artifacts))]


@st.composite
def cases(draw: st.DrawFn) -> tuple[list[Task], Hosts, dict[str, list[str]]]:
    hosts = [peer(n, serves=draw(st.booleans()), fetches=draw(st.booleans())) for n in range(draw(st.integers(1, 9)))]
    tasks: list[Task] = []
    holders: dict[str, list[str]] = {}
    for each in hosts:
        tasks.append(look(each.name))
        for artifact in draw(st.permutations("abc")):
            match draw(st.sampled_from(["wants", "has", "needs none"])):
                case "wants":
                    tasks.append(upload(each.name, artifact))
                case "has":
                    holders.setdefault(artifact * 64, []).append(each.name)
                case _:
                    pass
    return tasks, hosts, holders


@given(cases(), st.one_of(st.none(), st.integers(1, 3)))
def test_every_host_gets_what_it_got_before_and_the_plan_can_be_run(
    case: tuple[list[Task], Hosts, dict[str, list[str]]], seeds: int | None
) -> None:
    tasks, hosts, holders = case
    shared = share(tasks, hosts, seeds=seeds, holders=holders)
    plan = plan_of(shared)

    def brought(some: list[Task]) -> set[tuple[str, str, str]]:
        return {(task.id, task.host, task.step.sha256) for task in some if isinstance(task.step, Upload)}

    assert brought(shared) == brought(tasks)
    assert {task.id: plan.by_id[task.id].needs for task in tasks} == {task.id: task.needs for task in tasks}


@given(cases())
def test_from_here_goes_only_what_no_other_host_can_give(
    case: tuple[list[Task], Hosts, dict[str, list[str]]],
) -> None:
    tasks, hosts, holders = case
    known = {each.name: each for each in hosts}
    shared = share(tasks, hosts, holders=holders)
    sent = [task for task in shared if type(task.step) is Upload]

    for sha256 in {task.step.sha256 for task in sent if isinstance(task.step, Upload)}:
        wanting = [known[task.host] for task in tasks if isinstance(task.step, Upload) and task.step.sha256 == sha256]
        there = any(known[name].serves for name in holders.get(sha256, ()))
        sources = there or any(each.serves for each in wanting)
        deaf = sum(not each.fetches for each in wanting)
        allowed = deaf + (0 if there else 1) if sources else len(wanting)
        count = sum(isinstance(task.step, Upload) and task.step.sha256 == sha256 for task in sent)
        assert count <= allowed


@given(cases())
def test_whoever_is_fetched_from_serves_and_has_it_or_will_have_it_first(
    case: tuple[list[Task], Hosts, dict[str, list[str]]],
) -> None:
    tasks, hosts, holders = case
    shared = share(tasks, hosts, holders=holders)
    places = {each.place: each for each in hosts}
    order = list(plan_of(shared).order)
    for task in shared:
        if not isinstance(task.step, Fetch):
            continue
        for source in (places[place] for place in task.step.peers):
            assert source.serves
            assert source.name != task.host
            assert f"{source.name}/peers/serve" in order
            earlier = f"{source.name}/{task.step.name}"
            assert source.name in holders.get(task.step.sha256, ()) or order.index(earlier) < order.index(task.id)


@given(cases())
def test_servers_are_started_once_and_ended_when_all_have_fetched(
    case: tuple[list[Task], Hosts, dict[str, list[str]]],
) -> None:
    tasks, hosts, holders = case
    shared = share(tasks, hosts, holders=holders)
    places = {each.place: each.name for each in hosts}
    fetched: dict[str, set[str]] = {}
    for task in shared:
        if isinstance(task.step, Fetch):
            for place in task.step.peers:
                fetched.setdefault(places[place], set()).add(task.id)

    assert {task.host for task in shared if isinstance(task.step, Serve)} == set(fetched)
    assert {task.host: set(task.after) for task in shared if isinstance(task.step, EndServing)} == fetched


@given(cases())
def test_nothing_comes_to_a_host_that_serves_before_its_server_was_tried(
    case: tuple[list[Task], Hosts, dict[str, list[str]]],
) -> None:
    tasks, hosts, holders = case
    shared = share(tasks, hosts, holders=holders)
    servers = {task.host: task.id for task in shared if isinstance(task.step, Serve)}
    for task in shared:
        if isinstance(task.step, Upload) and task.host in servers:
            assert servers[task.host] in task.after


def test_a_server_that_does_not_start_holds_its_host_up_once_and_not_for_long() -> None:
    hosts = [peer(1), peer(2)]
    for task in share([task for host in hosts for task in (look(host.name), upload(host.name, "a"))], hosts):
        if isinstance(task.step, Serve):
            assert task.retry.attempts == 1
            assert task.timeout <= 20


@given(st.integers(2, 100))
def test_the_way_to_the_last_host_is_short_and_no_host_serves_too_many(count: int) -> None:
    shared = share(alike(count), [peer(number) for number in range(count)])
    longest = nx.DiGraph()
    served: Counter[tuple[str, str]] = Counter()
    for task in shared:
        if isinstance(task.step, Fetch):
            longest.add_edge(task.after[0], task.id)
            served[task.step.peers[0], task.step.name] += 1

    assert BRANCHES ** (nx.dag_longest_path_length(longest) - 1) < count
    assert max(served.values()) <= BRANCHES


def test_what_is_sent_from_here_is_spread_over_the_hosts() -> None:
    shared = share(alike(4), [peer(number) for number in range(4)])

    assert Counter(task.host for task in shared if type(task.step) is Upload) == dict.fromkeys(
        ["h0", "h1", "h2", "h3"], 1
    )


def test_the_most_urgent_hosts_are_sent_to_from_here() -> None:
    shared = share(alike(5), [peer(number) for number in range(5)], seeds=2)

    assert {task.host for task in shared if type(task.step) is Upload} == {"h0", "h1"}


@given(st.integers(1, 7), st.integers(0, 20))
def test_what_the_most_urgent_hosts_need_comes_to_no_other_host_sooner(urgent: int, others: int) -> None:
    hosts = [peer(number) for number in range(urgent + others)]
    shared = {task.id: task for task in share(alike(len(hosts)), hosts, seeds=urgent)}

    def hops(task: Task) -> int:
        return 1 + hops(shared[task.after[0]]) if isinstance(task.step, Fetch) else 0

    for artifact in "abcd":
        way = [hops(shared[f"h{number}/{artifact}"]) for number in range(len(hosts))]
        assert max(way[:urgent]) <= min(way[urgent:], default=99)


def test_one_host_alone_needs_no_others() -> None:
    tasks = alike(1)

    assert share(tasks, [peer(0)]) == tasks


def test_a_fetch_takes_nothing_of_what_uploads_from_here_share() -> None:
    fetches = [task for task in share(alike(3), [peer(n) for n in range(3)]) if isinstance(task.step, Fetch)]

    assert fetches
    assert all(task.budgets == (f"uploads/{task.host}",) for task in fetches)


def test_a_fetch_does_not_need_the_host_that_it_fetches_from() -> None:
    for task in share(alike(3), [peer(n) for n in range(3)]):
        others = [need for need in task.needs if not need.startswith(f"{task.host}/")]
        assert others == []


def test_machines_that_are_created_together_are_sent_each_artifact_once_the_master_first() -> None:
    workers = [Machine.of(name=f"10.0.0.{n}", address=f"10.0.0.{n}", roles=Role.NODE) for n in (6, 7, 8)]
    own = {
        each.name: FACTS.model_copy(
            update={"hostname": f"m{n}", "machine_id": str(n) * 32, "addresses": (f"{each.address}/24",)}
        )
        for n, each in enumerate((MACHINE, *workers))
    }
    request = CreateRequest(
        cluster=CLUSTER,
        machines=(MACHINE, *workers),
        facts=own,
        artifacts=artifacts(CLUSTER),
        lineage="l",
        serial=1,
        options=Options(share=True),
    )
    plan = compile_create(request).checked()
    sent = Counter(task.step.sha256 for task in plan.tasks if type(task.step) is Upload)

    assert set(sent.values()) == {1}
    assert {task.host for task in plan.tasks if type(task.step) is Upload} == {MACHINE.name}
    assert compile_create(request.model_copy(update={"options": Options()})).by_id.keys() < plan.by_id.keys()


def test_hosts_are_peers_by_what_they_have() -> None:
    facts = default_facts("m").model_copy(update={"addresses": ("10.0.0.11/24",)})
    programs = default_facts("m").programs
    able = facts.model_copy(update={"programs": (*programs, PEER_SERVER)})

    assert Peer.of("m", "10.0.0.11", able) == Peer("m", "10.0.0.11", serves=True, fetches=True)
    assert not Peer.of("m", "10.0.0.11", facts).serves
    assert not Peer.of("m", "203.0.113.7", able).serves
    assert not Peer.of("m", "10.0.0.11", able.model_copy(update={"listening": (PORT,)})).serves
    bare = able.model_copy(update={"programs": tuple(set(able.programs) - set(PEER_CLIENTS))})
    assert not Peer.of("m", "10.0.0.11", bare).fetches
