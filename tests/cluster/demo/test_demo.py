"""``make demo`` makes a highly available cluster from one signed file, and ends by saying how to go on."""

from __future__ import annotations

import json
import subprocess
from urllib.parse import urlsplit

import pytest
import yaml

from tests.cluster.demo.conftest import HOSTS, Demo
from tests.support.operator import nodes_ready

pytestmark = pytest.mark.cluster


def last_words(demo: Demo, begin: str) -> str:
    """The line among the last words that begins so."""
    return next(line.strip() for line in demo.said if line.strip().startswith(begin))


def test_its_last_words_reach_the_cluster_and_say_how_to_go_on(demo: Demo) -> None:
    reach = last_words(demo, "./kubectl --kubeconfig kubeconfig get pods")
    pods = subprocess.run(reach.split(), cwd=demo.operator.folder, capture_output=True, text=True, check=True).stdout

    assert "kube-apiserver" in pods
    assert last_words(demo, "cctl resume")
    assert last_words(demo, "cctl rollback")


def test_three_masters_and_a_worker_are_ready_behind_an_address_that_is_none_of_theirs(demo: Demo) -> None:
    assert set(nodes_ready(demo)) == set(HOSTS)

    config = yaml.safe_load((demo.operator.folder / "kubeconfig").read_text())
    server = urlsplit(config["clusters"][0]["cluster"]["server"]).hostname
    assert server == f"{demo.lab.env['LAB_SUBNET'].rpartition('.')[0]}.200"
    assert server not in {demo.lab.address(host) for host in HOSTS}


def test_the_deployment_was_reached_through_that_address(demo: Demo) -> None:
    assert any(line.startswith("Hello from web-") for line in demo.said)


def test_the_state_names_the_bundle_that_everything_came_from(demo: Demo) -> None:
    """Nothing else was at hand: the operator's cache began empty, and there was no mirror."""
    folder = demo.operator.folder
    bundle = json.loads(demo.operator("bundle", "list", str(folder / "k8s.bundle"), "-o", "json").out)
    snapshot = next(yaml.safe_load_all((folder / "cctl-state.yaml").read_text()))

    assert snapshot["bundle"]["id"] == bundle["id"]
