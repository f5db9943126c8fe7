"""One master, from a pristine host to a cluster that works: `cctl` against ``bare.sh``, in turn, on the same host.

Both have the same artifacts on this machine, and end when the node is Ready and cluster DNS is up; KlusterKit also
looks before it acts, verifies every checksum and step, and proves a Service from within a pod.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from statistics import median

from bench import lab, making
from bench.figure import Figure, spread, took
from bench.making import PODS, SERVICES, VERSION
from klusterkit.cluster import Role

HOST = "m1"
TURNS = 3


def figures() -> Iterator[Figure]:
    """Ours against the script's, and how soon the lab has the host as it was before."""
    with lab.hosts(HOST) as made:
        environment = made.environment
        address = environment[f"LAB_HOST_{HOST}"]
        ours = partial(making.ours, environment, making.cache(environment, Role.MASTER), {HOST: Role.MASTER})
        images = " ".join(making.images(Role.MASTER))
        script = (address, VERSION.tag, PODS, SERVICES)
        theirs = partial(making.bare, environment, "bare.sh", address, *script, IMAGES=images)
        us, them = lab.in_turn(made, [HOST], ours, theirs, TURNS)
        reset = took(lambda: made("reset", HOST))
    yield Figure(
        f"creation of one master ({VERSION.tag}), against a bare script",
        median(us) / median(them),
        1.1,
        note=f"{spread(us)} against {spread(them)}, {TURNS} each in turn",
    )
    yield Figure("`lab/lab reset` of a host with a master", reset, 5, " s", "pristine, and sshd answers")
