"""How long a plan for many machines takes to compile, and how much memory: each in a new process, as with `cctl`.

``python -m bench.compiling COUNT`` is one of them. It prints JSON.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from statistics import median
from time import perf_counter, process_time

from bench.figure import Figure, largest_resident_size, progress
from klusterkit.cluster import Cluster, Machine, Role
from klusterkit.plans import reference
from klusterkit.plans.create import compile_create
from klusterkit.plans.request import CreateRequest, Options

LARGE, SMALL = 1000, 100
TIMES = 5


def figures() -> Iterator[Figure]:
    """A thousand machines against a hundred, in turn."""
    large: list[dict[str, float]] = []
    small: list[dict[str, float]] = []
    for number in range(TIMES):
        progress(f"compiling, {number + 1} of {TIMES}")
        large.append(_in_new_process(LARGE))
        small.append(_in_new_process(SMALL))

    def middle(samples: list[dict[str, float]], name: str) -> float:
        return median(sample[name] for sample in samples)

    what = f"{middle(large, 'tasks'):,.0f} tasks: one master, {LARGE - 1} workers"
    cpu = f"{middle(large, 'cpu'):.2f} s of processor"
    yield Figure(f"plan for {LARGE:,} machines compiles", middle(large, "seconds"), 2, " s", f"{what}; {cpu}")
    yield Figure("… its memory, of the whole process", middle(large, "memory"), 300, " MB", "largest resident size")
    ratio = middle(small, "cpu") / middle(large, "cpu")
    note = f"{middle(small, 'cpu') * 1000:.0f} ms against {middle(large, 'cpu') * 1000:.0f} ms of processor"
    yield Figure(f"plan for {SMALL} machines, against {LARGE:,}", ratio, 0.1, note=note)
    ready = middle(large, "ready")
    yield Figure("… checked, and with its digest", ready, None, " s", "what saving or running it takes besides")


def _in_new_process(count: int) -> dict[str, float]:
    command = [sys.executable, "-m", "bench.compiling", str(count)]
    return json.loads(subprocess.run(command, check=True, capture_output=True).stdout)


def request(count: int) -> CreateRequest:
    """A master and workers, all alike but for what tells hosts apart."""
    cluster = Cluster.of(pod_network="10.128.0.0/12", service_network="10.96.0.0/16", cni={"kind": "flannel"})
    addresses = [f"10.0.{number // 250}.{number % 250 + 1}" for number in range(count)]
    machines = tuple(
        Machine.of(name=address, address=address, roles=Role.NODE if number else Role.MASTER)
        for number, address in enumerate(addresses)
    )
    facts = {
        address: reference.FACTS.model_copy(
            update={"hostname": f"host-{number}", "machine_id": f"{number:032x}", "default_address": address}
        )
        for number, address in enumerate(addresses)
    }
    return CreateRequest(
        cluster=cluster,
        machines=machines,
        options=Options(share=True),
        facts=facts,
        artifacts=reference.artifacts(cluster),
        lineage=reference.LINEAGE,
        serial=3,
    )


def main(count: int) -> None:
    """Compile once, and tell what it took."""
    wanted = request(count)
    start, start_cpu = perf_counter(), process_time()
    plan = compile_create(wanted)
    seconds, cpu = perf_counter() - start, process_time() - start_cpu
    memory = largest_resident_size()
    start = perf_counter()
    assert plan.checked().digest
    ready = perf_counter() - start
    found = {"tasks": len(plan.tasks), "seconds": seconds, "cpu": cpu, "memory": memory, "ready": ready}
    print(json.dumps(found))


if __name__ == "__main__":
    main(int(sys.argv[1]))
