"""Three masters and two workers, from pristine hosts to a cluster that works: `cctl` against ``bare-several.sh``.

In turn, on the same hosts. Both have the same artifacts on this machine and send each host what its role needs; they
make the same cluster, where keepalived asks the API server and cluster DNS is on two nodes, and end when all nodes are
Ready and cluster DNS is up. KlusterKit also looks before it acts, verifies every checksum and
step, adds etcd's members one after the other, and proves a Service from within a pod on each node.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from statistics import median

from bench import lab, making
from bench.figure import Figure, spread
from bench.making import PODS, SERVICES, VERSION, Made
from klusterkit.cluster import Role

ROLES: Mapping[str, Role] = {
    host: Role.MASTER if host.startswith("m") else Role.NODE for host in ("m1", "m2", "m3", "w1", "w2")
}
TURNS = 2


def figures() -> Iterator[Figure]:
    """Ours against the script's; our run against its critical path; our memory."""
    made: list[Made] = []
    with lab.hosts(*ROLES) as hosts:
        environment = hosts.environment
        vip = f"{environment['LAB_SUBNET'].rpartition('.')[0]}.200"
        cache = making.cache(environment, Role.MASTER, Role.NODE, vip=True)

        def ours() -> None:
            made.append(making.ours(environment, cache, ROLES, "--vip", vip, "--router-id", "61"))

        def theirs() -> None:
            masters, workers = (
                " ".join(environment[f"LAB_HOST_{host}"] for host, role in ROLES.items() if role is wanted)
                for wanted in (Role.MASTER, Role.NODE)
            )
            images = {f"{name}_IMAGES": " ".join(making.images(role)) for name, role in _NAMES.items()}
            script = (VERSION.tag, PODS, SERVICES, vip, masters, workers)
            making.bare(environment, "bare-several.sh", vip, *script, **images)

        us, them = lab.in_turn(hosts, [*ROLES], ours, theirs, TURNS)
    yield Figure(
        f"three masters and two workers ({VERSION.tag}), against a bare script",
        median(us) / median(them),
        0.9,
        note=f"{spread(us)} against {spread(them)}, {TURNS} each in turn",
    )
    ratios = [_beyond_critical(each) for each in made]
    yield Figure("… its run, against the critical path of it", median(ratios), 1.05, note="`cctl history --timing`")
    yield Figure("… memory of cctl", max(each.memory for each in made), 200, " MB", "largest resident size")


_NAMES = {"MASTER": Role.MASTER, "WORKER": Role.NODE}


def _beyond_critical(made: Made) -> float:
    """How many times its critical path a run took."""
    run = made.run
    critical = sum(run["timing"][task][1] - run["timing"][task][0] for task in run["path"])
    return (run["ended"] - run["began"]) / critical
