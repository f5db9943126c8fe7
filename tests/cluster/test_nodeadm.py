"""A cluster made by hand, with the single file on hosts without Python: etcd, a master, a worker, one more master.

Killed, gone on with, taken back, until each host is what it was.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.support.lab import Lab
from tests.support.onefile import HostWithTools
from tests.support.operator import Ended

pytestmark = pytest.mark.cluster

LEFT = ("/var/lib/klusterkit", "/var/cache", "/var/log")
"""What a host keeps when all was taken back: downloads, what the programs' file was unpacked to, data set aside."""
LOGIN = "--private-key /root/LAB_SSH_KEY --known-hosts /root/LAB_KNOWN_HOSTS"


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


class ByHand(HostWithTools):
    """A host whose operator is logged in to it."""

    mirror = ""

    def __call__(self, script: str, *, rc: int | None = 0, timeout: float = 500) -> Ended:
        return super().__call__(f"export KLUSTERKIT_MIRROR={self.mirror}; {script}", rc=rc, timeout=timeout)

    @property
    def address(self) -> str:
        return self.lab.address(self.name)

    def prepare(self) -> None:
        self.install()
        for name in ("LAB_SSH_KEY", "LAB_KNOWN_HOSTS"):
            self.copy(Path(self.lab.env[name]), f"/root/{name}")
        self("nodeadm version")  # so that it is unpacked
        self.before = self.lab.listing(self.name, *LEFT)

    def left_behind(self) -> set[str]:
        """Paths that are not what they were."""
        return self.lab.listing(self.name, *LEFT) ^ self.before

    def killed(self, command: str, task: str) -> None:
        """Run a command, and kill it when it has begun a task."""
        begun = f'grep -qs \'"record":"begin".*"task":"{self.name}/{task}"\' /var/lib/klusterkit/tools/state.yaml'
        wait = f"until {begun}; do kill -0 $pid || exit 1; sleep 0.05; done"
        self(f"{command} >/dev/null 2>&1 </dev/null & pid=$!; {wait}; kill -KILL $pid")

    def nodes(self) -> dict[str, str]:
        """Names of the nodes, and whether they are Ready, as the API of this host says."""
        found = json.loads(
            self("kubectl --kubeconfig=/etc/kubernetes/admin.conf --cache-dir=/run/kubectl get nodes -o json").out
        )["items"]
        return {
            node["metadata"]["name"]: next(c["status"] for c in node["status"]["conditions"] if c["type"] == "Ready")
            for node in found
        }


@pytest.fixture(scope="module")
def hosts() -> Iterator[tuple[ByHand, ByHand, ByHand]]:
    """Two masters and a worker to be. They reach a mirror of the sites, and each other."""
    lab = Lab(f"byhand-{os.getpid()}")
    try:
        lab("up", "n1", "n2", "nw")
        server = ThreadingHTTPServer((lab.env["LAB_GATEWAY"], 0), partial(_Quiet, directory=lab.env["LAB_MIRROR"]))
        threading.Thread(target=server.serve_forever, daemon=True).start()
        made = ByHand(lab, "n1"), ByHand(lab, "n2"), ByHand(lab, "nw")
        for host in made:
            host.mirror = f"http://{lab.env['LAB_GATEWAY']}:{server.server_port}"
            host.prepare()
        yield made
        server.shutdown()
    finally:
        lab("down", "--all", check=False)


def test_without_etcd_there_is_no_master(hosts: tuple[ByHand, ByHand, ByHand]) -> None:
    first = hosts[0]
    assert "etcdadm init" in first("nodeadm init --yes", rc=8).err
    assert first.left_behind() == set()


def test_etcdadm_and_nodeadm_make_a_cluster_and_again_change_nothing(hosts: tuple[ByHand, ByHand, ByHand]) -> None:
    first, _, worker = hosts
    first("etcdadm init --yes")
    vip = f"{first.lab.env['LAB_SUBNET'].rpartition('.')[0]}.201"
    init = f"nodeadm init --vip {vip} --router-id 78 --yes"
    first(init)
    assert first.nodes() == {"n1": "True"}
    worker(f"nodeadm join {first.address} {LOGIN} --label disk=fast --yes")
    assert first.nodes() == {"n1": "True", "nw": "True"}
    assert worker("ls /etc/kubernetes/pki").out.split() == ["ca.crt"], "no authority's key is on a worker"

    started = first("systemctl show --property=InvocationID etcd kubelet containerd keepalived").out
    first(init)
    assert first("systemctl show --property=InvocationID etcd kubelet containerd keepalived").out == started
    assert "nodeadm reset" in first("etcdadm reset --yes", rc=3).err


def test_a_second_master_joins_and_leaves_and_the_first_knows(hosts: tuple[ByHand, ByHand, ByHand]) -> None:
    first, second, _ = hosts
    packed = first("cd / && tar c etc/etcd/pki/ca.crt etc/etcd/pki/ca.key | base64 -w0").out
    second(f"echo {packed} | base64 -d | tar x -C /")
    second(f"etcdadm join https://{first.address}:2379 --yes")
    second(f"nodeadm join root@{first.address} --role master {LOGIN} --yes")
    assert first.nodes() == second.nodes() == {"n1": "True", "n2": "True", "nw": "True"}
    assert second.address in first("cat /etc/keepalived/keepalived.conf").out

    second(f"nodeadm reset {LOGIN} --yes")
    assert first.nodes() == {"n1": "True", "nw": "True"}
    assert second.address not in first("cat /etc/keepalived/keepalived.conf").out
    second("etcdadm reset --yes && rm -r /etc/etcd")
    assert second.left_behind() == set()


def test_a_worker_is_killed_while_it_joins_goes_on_and_is_taken_back(hosts: tuple[ByHand, ByHand, ByHand]) -> None:
    first, _, worker = hosts
    worker(f"nodeadm reset {LOGIN} --yes")
    assert worker.left_behind() == set()
    assert first.nodes() == {"n1": "True"}

    join = f"nodeadm join {first.address} {LOGIN} --yes"
    worker.killed(join, "kubelet/start")
    assert "nodeadm resume" in worker("nodeadm status", rc=6).out
    worker(f"nodeadm rollback {LOGIN} --yes")
    assert worker.left_behind() == set()
    assert first.nodes() == {"n1": "True"}

    worker.killed(join, "containerd/start")
    worker(f"nodeadm resume {LOGIN}")
    assert first.nodes() == {"n1": "True", "nw": "True"}


def test_the_last_master_takes_more_than_yes_and_leaves_its_host_as_it_was(
    hosts: tuple[ByHand, ByHand, ByHand],
) -> None:
    first, _, worker = hosts
    worker(f"nodeadm reset {LOGIN} --yes")
    assert "--confirm cctl-cluster" in first("nodeadm reset --yes", rc=3).err
    first("nodeadm reset --yes --confirm cctl-cluster --skip-drain")
    assert json.loads(first("etcdadm info").out)["members"] == {"n1": "voting"}
    first("etcdadm reset --yes")
    assert first.left_behind() == set()
    assert worker.left_behind() == set()
