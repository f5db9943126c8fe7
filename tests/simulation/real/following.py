"""Worlds that begin as others end."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from functools import cached_property
from typing import Any, ClassVar

from klusterkit.cluster import Cluster, Machine, Role
from klusterkit.engine.plan import Plan
from klusterkit.hosts.simulated import SimulatedHost
from klusterkit.plans.delete import compile_delete
from klusterkit.plans.deletion import DeleteRequest, Leaving
from klusterkit.plans.deploy import DeployRequest, compile_deploy
from klusterkit.plans.push import Content, PushRequest, compile_push
from klusterkit.plans.registryupdate import RegistryUpdate, compile_registry_update
from klusterkit.plans.relabel import RelabelRequest, compile_relabel
from klusterkit.plans.request import Options
from klusterkit.session.connect import QUESTION
from klusterkit.session.running.inputs import replacing
from klusterkit.session.running.records import UNSEALED
from klusterkit.session.supply.registry import ACCOUNT
from klusterkit.state import StateFile, lock
from klusterkit.tasks import readiness
from klusterkit.tasks.artifacts import place
from klusterkit.tasks.deploying import Deploy
from tests.simulation.crash import folder
from tests.simulation.real.programs.cluster import ClusterModel
from tests.simulation.real.story import Left, left_by
from tests.simulation.real.world import World, machine
from tests.support import supplies
from tests.support.apiserver import ApiServer


class Next(World):
    """Hosts as another world's plan has left them.

    Args:
        first: the other world.
    """

    def __init__(self, first: World) -> None:
        self._first = first

    @cached_property
    def left(self) -> Left:
        """What the first one's end is."""
        return left_by(self._first)

    @property
    def cluster(self) -> Cluster:
        """As the state has it now."""
        return self.left.cluster

    @property
    def machines(self) -> tuple[Machine, ...]:
        """As the state has them now."""
        return self.left.machines

    @property
    def state(self) -> bytes:
        """The state file."""
        return self.left.state

    def hosts(self) -> ClusterModel:
        """The hosts as they were left."""
        made = self._first.hosts()
        self.left.hosts.restore_hosts(made)
        return made

    def bare(self) -> ClusterModel:
        """The hosts as they were before any plan."""
        return self._first.bare()


class Growth(Next):
    """A cluster gets more machines.

    Args:
        first: that makes the cluster, and has spare hosts.
        roles: of the machines that come, by the names of their hosts.
    """

    def __init__(self, first: World, roles: dict[str, Role]) -> None:
        super().__init__(first)
        self._roles = roles

    def compiled(self) -> Plan:
        """The plan that makes them join."""
        return self.creating(*(machine(name, role) for name, role in self._roles.items()))


class Departure(Next):
    """Machines leave, or all of the cluster ends.

    Args:
        first: that makes the cluster.
        leaving: names of machines whose hosts are taken back; none for all.
        gone: names of machines whose hosts are dead.
    """

    def __init__(self, first: World, leaving: Collection[str] = (), gone: Collection[str] = ()) -> None:
        super().__init__(first)
        self._named = tuple(leaving)
        self._gone = tuple(gone)

    @property
    def leaving(self) -> tuple[str, ...]:
        """Machines that are to be what they were before they came to the cluster."""
        everybody = tuple(each.name for each in self.machines)
        return self._named if self._named or self._gone else everybody

    def hosts(self) -> ClusterModel:
        """The hosts as they were left, some of them dead by now."""
        made = super().hosts()
        made.switch_off(*self._gone)
        made.settle()
        return made

    def compiled(self) -> Plan:
        """The plan, by what the hosts have kept."""
        nodes = self.hosts().nodes
        left = {each.name: each for each in self.machines}
        staying = [each for each in self.machines if each.name not in (*self.leaving, *self._gone)]
        asked = next((each.name for each in staying if each.is_master), None)
        hosts = {name: SimulatedHost(name, machine=nodes[name].machine) for name in self.leaving}
        request = DeleteRequest(
            cluster=self.cluster,
            leaving=(
                *(Leaving(machine=left[name], record=UNSEALED.read(host)) for name, host in hosts.items()),
                *(Leaving(machine=left[name]) for name in self._gone),
            ),
            staying=tuple(staying),
            asked_on=asked,
            forget=not staying,
            facts={name: nodes[name].machine.look(QUESTION) for name in (*hosts, *([asked] if asked else []))},
            lineage="l",
            serial=2,
        )
        return compile_delete(request)


class Relabelling(Next):
    """Machines get other labels and taints.

    Args:
        first: that makes the cluster.
        marks: labels and taints that machines are to have, by their names.
    """

    def __init__(self, first: World, marks: dict[str, dict[str, Any]]) -> None:
        super().__init__(first)
        self._marks = marks

    def compiled(self) -> Plan:
        """The plan, by what the state knows."""
        there = {each.name: each for each in self.machines}
        changed = tuple((there[name], there[name].replace(**marks)) for name, marks in self._marks.items())
        asked = next(each.name for each in self.machines if each.is_master)
        nodes = self.hosts().nodes
        facts = {name: nodes[name].machine.look(QUESTION) for name in (asked, *self._marks)}
        return compile_relabel(RelabelRequest(changed=changed, asked_on=asked, facts=facts, lineage="l", serial=2))


class OtherAccess(Next):
    """The registry has another password for its account, and another certificate.

    Args:
        first: that makes a cluster whose hosts pull from there.
    """

    inputs: ClassVar[Mapping[str, bytes]] = {replacing(ACCOUNT): supplies.NEW_ACCOUNT}

    def secret(self, hosts: ClusterModel, name: str) -> bytes:
        """As the run has it: the account that the registry has now."""
        return supplies.NEW_ACCOUNT if name == ACCOUNT else super().secret(hosts, name)

    @cached_property
    def state(self) -> bytes:
        """With the new account beside what there is, as planning keeps it."""
        with folder() as place:
            path = place / "cctl-state.yaml"
            path.write_bytes(self.left.state)
            with lock(path, "plan") as held:
                state = StateFile.load(path, lock=held)
                for name, value in self.inputs.items():
                    state.fold(state.with_secret(state.snapshot, name, value))
            return path.read_bytes()

    def compiled(self) -> Plan:
        """The plan, by what the state knows."""
        registry = self.cluster.registry
        assert registry is not None
        nodes = self.hosts().nodes
        return compile_registry_update(
            RegistryUpdate(
                cluster=self.cluster,
                registry=registry.replace(authority="another"),
                account=replacing(ACCOUNT),
                machines=self.machines,
                facts={each.name: nodes[each.name].machine.look(QUESTION) for each in self.machines},
                lineage="l",
                serial=2,
            )
        )


class Deployment(Next):
    """Objects of the operator's own come, and some that are there are changed.

    Args:
        first: that makes the cluster.
        there: objects that somebody has made before.
        objects: as they are to be.
    """

    secrets: ClassVar[Mapping[str, bytes]] = {"run/1": b"correct horse battery"}

    def __init__(self, first: World, there: Sequence[dict[str, Any]], objects: Sequence[Deploy]) -> None:
        super().__init__(first)
        self._there = there
        self._objects = objects

    def hosts(self) -> ClusterModel:
        """The hosts as they were left, and what was made since."""
        made = super().hosts()
        with made.changing(made.master) as objects:
            for item in self._there:
                options = {"field-manager": "somebody"}
                assert ApiServer(objects)("apply", [], options, json.dumps(item).encode()).ok
        return made

    def compiled(self) -> Plan:
        """The plan: all of it is waited for that can be."""
        name = next(each.name for each in self.machines if each.is_master)
        request = DeployRequest(
            operation="deploy web.yaml",
            objects=tuple(self._objects),
            waited=tuple(each.target for each in self._objects if each.target.type in readiness.KINDS),
            asked_on=name,
            facts=self.hosts().nodes[name].machine.look(QUESTION),
            lineage="l",
            serial=2,
        )
        return compile_deploy(request)


class Push(Next):
    """A bundle is brought to the machines of a cluster, of which one has lost a part and another nearly all of it.

    Args:
        first: that makes the cluster.
    """

    def hosts(self) -> ClusterModel:
        """The hosts as they were left, but for what somebody has cleaned up."""
        made = super().hosts()
        first, second, *_ = (node.machine.tree for node in made.nodes.values())
        for number, content in enumerate(self.contents()):
            if number < 3:
                first.remove(place(content.sha256))
            if number:
                second.remove(place(content.sha256))
        return made

    @staticmethod
    def contents() -> list[Content]:
        """What is in the bundle."""
        return [
            Content(name=name, version="v1", sha256=it.sha256, size=it.size)
            for name, it in sorted(supplies.files().items())
        ]

    @property
    def brought(self) -> tuple[str, ...]:
        """Where each of it is to be."""
        return tuple(place(content.sha256) for content in self.contents())

    def compiled(self) -> Plan:
        """The plan, by what the hosts have."""
        trees = {name: node.machine.tree for name, node in self.hosts().nodes.items()}
        request = PushRequest(
            machines=self.machines,
            facts={name: node.machine.look(QUESTION) for name, node in self.hosts().nodes.items()},
            contents=tuple(self.contents()),
            there={
                name: tuple(c.sha256 for c in self.contents() if tree.find(place(c.sha256)))
                for name, tree in trees.items()
            },
            operation="bundle push",
            options=Options(share=True),
            lineage="l",
            serial=2,
        )
        return compile_push(request)
