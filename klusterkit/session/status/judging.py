"""What was seen against what is wanted: component by component, with what to do where they differ."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from klusterkit.cluster import Cluster, Machine
from klusterkit.engine.errors import KlusterKitError
from klusterkit.session.status import address, certificates, drift, etcd, programs
from klusterkit.session.status.model import SSH, Component, EtcdState
from klusterkit.session.status.seen import ApiSeen, MachineSeen, Node

Seen = Mapping[str, MachineSeen | KlusterKitError]

Drifted = Mapping[str, drift.DriftSeen | KlusterKitError]

CLOCK = "clock"
CLOCK_TOLERANCE = 2.0
"""Seconds. Leases and the order of logs want clocks that agree; the way there and back is measured with them."""


def judge(
    cluster: Cluster, machines: Sequence[Machine], seen: Seen, api: ApiSeen | None, drifted: Drifted
) -> tuple[EtcdState | None, list[Component]]:
    """etcd as a whole, and the components: those of the cluster, then those of each machine."""
    members = etcd.put_together(machines, seen)
    found = [*etcd.quorum(machines, members), *_api(machines, api)]
    found += address.held(cluster.vip, machines, seen) if cluster.vip else ()
    for machine in machines:
        told = seen[machine.name]
        if isinstance(told, MachineSeen):
            found += _of_machine(cluster, machine, told, members, api)
            found.append(drift.judged(machine, told.record, drifted.get(machine.name)))
        else:
            found.append(_unreachable(machine, told))
    return members, found


def _api(machines: Sequence[Machine], api: ApiSeen | None) -> Iterator[Component]:
    """What the API server that answers tells of the cluster."""
    if not machines:
        return
    if api is None:
        hint = "see what is wrong with the API servers and with etcd; what runs on the nodes goes on without them"
        yield Component.wrong("", "api", "an API server is ready", "none is", hint)
        return
    lacking = {name: pods for name, pods in api.workloads.items() if pods.ready < pods.wanted}
    wanted = "the system's pods are ready"
    if not lacking:
        count = sum(pods.ready for pods in api.workloads.values())
        yield Component.right("", "pods", wanted, f"{count} of the system's pods are ready")
        return
    seen = ", ".join(f"{name}: {pods.ready} of {pods.wanted} ready" for name, pods in lacking.items())
    yield Component.wrong("", "pods", wanted, seen, "kubectl get pods --all-namespaces --output=wide")


def _unreachable(machine: Machine, error: KlusterKitError) -> Component:
    seen = f"{error.message}: {error.seen}" if error.seen else error.message
    hint = error.hint or "see whether the host is on, and its link up"
    return Component.wrong(machine.name, SSH, "reachable", seen, hint, "down")


def _of_machine(
    cluster: Cluster, machine: Machine, seen: MachineSeen, members: EtcdState | None, api: ApiSeen | None
) -> Iterator[Component]:
    yield Component.right(machine.name, SSH, "reachable", brief="up")
    yield _clock(machine, seen)
    node = api.nodes.get(str(machine.node_name)) if api else None
    if machine.is_master:
        yield etcd.member(cluster, machine, seen, members)
        yield programs.apiserver(machine, seen)
        if cluster.vip:
            yield address.keepalived(cluster.vip, machine, seen)
        yield from programs.static_pods(machine, api)
    yield programs.containerd(cluster, machine, seen, node)
    yield programs.kubelet(machine, seen, node)
    if api:
        yield _node(machine, node)
    yield certificates.lasting(machine, seen.certificates)


def _clock(machine: Machine, seen: MachineSeen) -> Component:
    off = seen.facts.clock_offset
    wanted = f"within {CLOCK_TOLERANCE:g} s of this machine's"
    if abs(off) <= CLOCK_TOLERANCE:
        return Component.right(machine.name, CLOCK, wanted)
    side = "ahead" if off > 0 else "behind"
    hint = "set both by NTP: certificates, leases and the order of logs depend on time"
    return Component.wrong(machine.name, CLOCK, wanted, f"{abs(off):.0f} s {side}", hint)


def _node(machine: Machine, node: Node | None) -> Component:
    wanted = "Ready"
    if node is None:
        hint = f"on {machine.name}: journalctl -u kubelet -n 50"
        return Component.wrong(machine.name, "node", wanted, "the API server knows no such node", hint, "unknown")
    if node.ready != "True":
        seen = f"not Ready: {node.message or 'no reason given'}"
        return Component.wrong(
            machine.name, "node", wanted, seen, f"kubectl describe node {machine.node_name}", "NotReady"
        )
    if node.cordoned:
        hint = f"when its maintenance is over: kubectl uncordon {machine.node_name}"
        return Component.wrong(machine.name, "node", wanted, "Ready, takes no new pods (cordoned)", hint, "cordoned")
    return Component.right(machine.name, "node", wanted, brief="Ready")
