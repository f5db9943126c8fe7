"""The cluster that ``make demo`` makes, for tests that look at it and then take it apart."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.cluster.machines import Machines, address_in, as_it_is
from tests.support.lab import Lab
from tests.support.operator import Operator

DEMO = Path(__file__).parents[3] / "scripts" / "demo"
MASTERS, WORKER = ("m1", "m2", "m3"), "w1"
HOSTS = (*MASTERS, WORKER)
SPARE = "spare"
"""A host that the demo knows nothing of."""


@dataclass
class Demo(Machines):
    """Three masters and a worker from a signed bundle, and what the demo printed."""

    said: list[str]


@pytest.fixture(scope="package")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    lab, folder = Lab(f"demo-{os.getpid()}"), tmp_path_factory.mktemp("demo")
    try:
        lab("up", *HOSTS, SPARE)
        before = {host: as_it_is(lab, host) for host in HOSTS}
        yield Demo(lab, Operator(folder, lab), before, address_in(lab, 200), _demonstrated(lab, folder))
    finally:
        lab("down", "--all", check=False)
        for large in (folder / "k8s.bundle", *folder.glob("cache/sha256/*")):
            large.unlink(missing_ok=True)


def _demonstrated(lab: Lab, folder: Path) -> list[str]:
    own = {
        "LAB_INSTANCE": lab.instance,
        "DEMO_FOLDER": str(folder),
        "XDG_CONFIG_HOME": str(folder / ".config"),
        "KLUSTERKIT_CACHE": str(folder / "cache-of-the-builder"),
    }
    ended = subprocess.run(
        [DEMO], env={**os.environ, **own}, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout.splitlines()


@pytest.fixture
def cluster(demo: Demo) -> Machines:
    return demo
