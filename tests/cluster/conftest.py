"""Lab instances and operators for tests on a real Kubernetes. Whatever a test starts is gone when it ends."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.sampler import Sampler
from tests.support.lab import Lab
from tests.support.operator import Operator


@pytest.fixture(scope="session")
def lab() -> Iterator[Lab]:
    """An instance of the lab for this run of the tests alone."""
    instance = Lab(f"cluster-{os.getpid()}")
    try:
        yield instance
    finally:
        instance("down", "--all", check=False)


def _operator(folder: Path, lab: Lab) -> Operator:
    """One whose temporary files are in its folder, too, where leaks are looked for."""
    made, temporary = Operator(folder, lab), folder / "tmp"
    temporary.mkdir()
    made.environment["TMPDIR"] = str(temporary)
    return made


@pytest.fixture
def operator(lab: Lab, tmp_path: Path) -> Iterator[Operator]:
    """An operator with an empty folder and one fresh host, m1."""
    lab("up", "m1")
    lab("reset", "m1")
    yield _operator(tmp_path, lab)
    lab("down", "m1")


@pytest.fixture(scope="session")
def cluster(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Operator:
    """One cluster for all tests that only look at it, made on the host c1 with the original's three commands."""
    lab("up", "c1")
    made = _operator(tmp_path_factory.mktemp("cluster"), lab)
    machine = ("create", "machine", "--ip", lab.address("c1"), "--role", "master")
    with Sampler() as sampler:
        made.prepare("--debug")
        made("plan", *machine, "--diff", "--out", "saved-plan.yaml", "--debug")
        made(*machine, "--yes", "--debug", rc=-9, crash_after=90)
        made("status", "--debug", rc=6)
        made("resume", "--debug")
    made.records_of_creation = made.records_of_last_run()
    made.seen_arguments = sampler.seen
    return made
