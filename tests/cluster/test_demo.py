"""``make demo`` does what an operator does, and ends by saying how to go on."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.lab import Lab

pytestmark = pytest.mark.cluster

DEMO = Path(__file__).parents[2] / "scripts" / "demo"


@pytest.fixture
def instance() -> Iterator[Lab]:
    lab = Lab(f"demo-{os.getpid()}")
    try:
        yield lab
    finally:
        lab("down", "--all", check=False)


def test_the_demo_makes_a_cluster_that_its_last_words_reach(instance: Lab, tmp_path: Path) -> None:
    environment = os.environ | {
        "LAB_INSTANCE": instance.instance,
        "DEMO_FOLDER": str(tmp_path / "demo"),
        "XDG_CONFIG_HOME": str(tmp_path / "config"),
    }
    demo = subprocess.run(
        [DEMO], env=environment, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False
    )
    assert demo.returncode == 0, demo.stderr

    said = demo.stdout.splitlines()
    reach = next(line for line in said if " --kubeconfig " in line)
    pods = subprocess.run(reach.split(), capture_output=True, text=True, check=True).stdout

    assert "kube-apiserver" in pods
    assert any(line.strip().startswith("cctl resume") for line in said)
    assert any(line.strip().startswith("cctl rollback") for line in said)
