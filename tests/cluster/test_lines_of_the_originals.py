"""Every command line of the originals that is said to run, given on real hosts as it stands there.

What only stands for something is replaced: addresses, files, the name of an interface. ``--yes`` is added, since nobody
is there to be asked.
"""

from __future__ import annotations

import os
import shlex
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.cluster.byhand import LOGIN, ByHand, by_hand
from tests.cluster.machines import address_in
from tests.support.lab import Lab
from tests.support.operator import Operator, nodes_ready
from tests.support.originals import lines_that

pytestmark = [pytest.mark.cluster, pytest.mark.sweep]

Figures = Callable[[str, object], None]


class Lines:
    """Those of one tool, each to be given once."""

    def __init__(self, tool: str) -> None:
        self.left = [line for line in lines_that("run") if line.startswith(f"{tool} ")]
        self.count = len(self.left)

    def take(self, line: str, **stands: str) -> str:
        """One of them, with what its words stand for."""
        self.left.remove(line)
        for words, meant in stands.items():
            assert STANDS[words] in line
            line = line.replace(STANDS[words], meant)
        return line

    def of(self, *beginnings: str) -> list[str]:
        """Those that are left and begin so, and are no phases."""
        return [line for line in self.left if line.startswith(beginnings) and " phase " not in line]


STANDS = {
    "machine": "$MACHINE_IP",
    "key": "~/.ssh/id_rsa",
    "state": "/etc/cctl-state.yaml",
    "vip": "10.0.0.100",
    "interface": "eth1",
    "first": "10.0.0.5",
    "file": "FILE",
}


class Typed:
    """An operator of cctl who types lines."""

    def __init__(self, operator: Operator, lines: Lines) -> None:
        self.operator, self.lines = operator, lines
        shutil.copy(operator.key, operator.folder / ".ssh" / "id_rsa")

    def __call__(self, line: str, *more: str, **stands: str) -> str:
        _, *words = shlex.split(self.lines.take(line, **stands))
        return self.operator(*words, *more).out

    def credential(self) -> None:
        self.operator("create", "credential", "--user", "root", "--private-key", self.operator.key)

    def bring_host_keys(self, address: str) -> None:
        """A worker's, as ``a.pub``, and nobody else's, as ``b.pub``."""
        known = self.operator.folder / ".ssh" / "known_hosts"
        lines = known.read_text().splitlines()
        (own,) = [line for line in lines if line.split()[0] == address]
        other = next(line for line in lines if line.split()[0] != address)
        for name, line in (("a.pub", own), ("b.pub", other)):
            (self.operator.folder / name).write_text(f"{line.split(maxsplit=1)[1]}\n")


@pytest.fixture
def hosts(lab: Lab) -> Iterator[dict[str, str]]:
    """The addresses of two masters and a worker to be."""
    names = ("o1", "o2", "ow")
    lab("up", *names)
    yield {name: lab.address(name) for name in names}
    lab("down", *names)


def test_every_line_of_cctl_runs(lab: Lab, hosts: dict[str, str], tmp_path: Path, record_property: Figures) -> None:
    lines = Lines("cctl")
    _one_master(Typed(Operator(tmp_path / "one", lab), lines), hosts)
    _two_masters(Typed(Operator(tmp_path / "two", lab), lines), hosts)
    assert lines.left == []
    record_property("figures", f"{lines.count} lines")


def _one_master(typed: Typed, hosts: dict[str, str]) -> None:
    worker, new_worker = hosts["ow"], "cctl create machine --ip $MACHINE_IP --role node"
    private_key = str(typed.operator.folder / ".ssh" / "id_rsa")
    typed("cctl create credential --user root --private-key ~/.ssh/id_rsa", key=private_key)
    typed("cctl create cluster --pod-network 192.168.0.0/16 --service-network 192.169.0.0/24")
    typed("cctl create machine --ip $MACHINE_IP --role master", "--yes", machine=hosts["o1"])
    typed(new_worker, "--yes", machine=worker)
    assert len(nodes_ready(typed.operator)) == 2
    for line in ("cctl get cluster", "cctl get machine", "cctl status", "cctl version", "cctl version --output yaml"):
        assert typed(line)
    assert worker in typed("cctl get machine --ip $MACHINE_IP", machine=worker)
    assert worker in typed("cctl --state /etc/cctl-state.yaml get machine", state=str(typed.operator.state))

    typed.bring_host_keys(worker)
    for number, line in enumerate(typed.lines.of("cctl delete machine")):
        typed(line, "--yes", machine=worker)
        assert len(nodes_ready(typed.operator)) == 1
        if number == 0:
            typed(f"{new_worker} --public-keys a.pub,b.pub", "--yes", machine=worker)
        else:
            typed.operator("create", "machine", "--ip", worker, "--role", "node", "--yes")
        assert len(nodes_ready(typed.operator)) == 2
    typed("cctl delete cluster", "--yes", "--confirm", "cctl-cluster")


def _two_masters(typed: Typed, hosts: dict[str, str]) -> None:
    lab, first = typed.operator.lab, hosts["o1"]
    lab("ssh", "o1", "--", "printf 'Port 22\\nPort 2222\\n' >>/etc/ssh/sshd_config && systemctl restart ssh")
    known = typed.operator.folder / ".ssh" / "known_hosts"
    known.write_text(known.read_text().replace(f"{first} ", f"[{first}]:2222 "))
    interface = lab("ssh", "o2", "--", "ip -oneline route get 192.0.2.1").split(" dev ")[1].split()[0]

    typed.credential()
    typed("cctl create cluster --vip 10.0.0.100 --router-id 51", vip=address_in(lab, 210))
    typed("cctl create machine --ip $MACHINE_IP --role Master --port 2222", "--yes", machine=first)
    second = "cctl create machine --ip $MACHINE_IP --role master --iface eth1"
    typed(second, "--yes", machine=hosts["o2"], interface=interface)
    assert len(nodes_ready(typed.operator)) == 2


@pytest.fixture
def logged_in() -> Iterator[list[ByHand]]:
    """Two hosts whose operator is logged in to them."""
    with by_hand(Lab(f"originals-{os.getpid()}"), "n1", "n2") as made:
        yield made


def test_every_line_of_etcdadm_runs(logged_in: list[ByHand], record_property: Figures) -> None:
    lines = Lines("etcdadm")
    first, second = logged_in
    _snapshots(first, lines)
    _one_member(first, lines)
    _two_members(first, second, lines)
    assert lines.left == []
    record_property("figures", f"{lines.count} lines")


def _snapshots(host: ByHand, lines: Lines) -> None:
    host("etcdadm init --yes && etcdctl.sh put kept yes && mkdir -p /path/to")
    host("etcdctl.sh snapshot save /path/to/etcd.snapshot && systemctl stop etcd")
    host("cp /var/lib/etcd/member/snap/db /path/to/db && systemctl start etcd && etcdadm reset --yes")
    for line in lines.of("etcdadm init --snapshot"):
        host(f"{lines.take(line)} --yes")
        assert host("etcdctl.sh get --print-value-only kept").out == "yes\n"
        host("etcdadm reset --yes")


def _one_member(host: ByHand, lines: Lines) -> None:
    resets = lines.of("etcdadm reset")
    for line in lines.of("etcdadm init", "etcdadm -l debug init"):
        stands = {"first": host.address} if "--bind-address" in line else {}
        host(f"{lines.take(line, **stands)} --yes")
        assert "voting" in host("etcdadm info").out
        host(f"{lines.take(resets.pop()) if resets else 'etcdadm reset'} --yes")
        assert host("test ! -e /etc/systemd/system/etcd.service && echo gone").out == "gone\n"
    for line in [line for line in lines.left if line.startswith("etcdadm init phase")]:
        host(f"{lines.take(line)} --yes")
    for line in lines.of("etcdadm info", "etcdadm version", "etcdadm download"):
        host(lines.take(line))


def _two_members(first: ByHand, second: ByHand, lines: Lines) -> None:
    second.bring_authority(first)
    for line in lines.of("etcdadm join"):
        second(f"{lines.take(line, first=first.address)} --yes")
        assert second("etcdadm info").out.count("voting") == 2
        second("etcdadm reset --yes")
    phases = [line for line in lines.left if line.startswith("etcdadm join phase")]
    phases.sort(key=lambda line: " install " not in line)  # the original's own etcdctl was part of it
    for line in phases:
        second(f"{lines.take(line, first=first.address)} --yes")
        if " start " in line:
            second(f"etcdadm join phase promote https://{first.address}:2379 --yes")
    assert second("etcdadm info").out.count("voting") == 2


MASTER = """\
masterConfiguration:
  kubernetesVersion: v1.36.3
  api: {{advertiseAddress: {own}, bindPort: 6443, controlPlaneEndpoint: {vip}}}
  nodeRegistration: {{name: {own}}}
  networking: {{podSubnet: 10.4.0.0/16, serviceSubnet: 10.5.0.0/16, dnsDomain: cluster.local}}
  etcd:
    external: {{endpoints: ["https://127.0.0.1:2379"], caFile: /etc/etcd/pki/ca.crt}}
vipConfiguration: {{ip: {vip}, routerID: 42}}
"""
NODE = """\
nodeConfiguration:
  token: abcdef.0123456789abcdef
  discoveryTokenAPIServers: ["{master}:6443"]
  discoveryTokenCACertHashes: ["sha256:1234"]
  nodeRegistration: {{name: w1}}
"""


def test_every_line_of_nodeadm_runs(logged_in: list[ByHand], record_property: Figures) -> None:
    lines = Lines("nodeadm")
    master, worker = logged_in
    vip = address_in(master.lab, 211)
    for host, text in ((master, MASTER), (worker, NODE)):
        host(f"cat >/root/cfg.yaml <<'END'\n{text.format(own=master.address, master=master.address, vip=vip)}END")
    master("etcdadm init --yes")
    worker(lines.take("nodeadm download"))
    master(f"{lines.take('nodeadm init --cfg FILE', file='/root/cfg.yaml')} --yes")
    worker(f"{lines.take('nodeadm join --cfg FILE', file='/root/cfg.yaml')} {LOGIN} --yes")
    assert master.nodes() == {master.address: "True", "w1": "True"}
    master(f"{lines.take('nodeadm -l debug init --cfg FILE', file='/root/cfg.yaml')} --yes")
    for line in lines.of("nodeadm list", "nodeadm version"):
        assert worker(lines.take(line)).out
    worker(f"{lines.take('nodeadm reset')} {LOGIN} --yes")
    assert master.nodes() == {master.address: "True"}
    assert lines.left == []
    record_property("figures", f"{lines.count} lines")
