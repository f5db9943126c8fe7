"""A real cluster of several machines: what is done to it, and what each who knows something of it says."""

from __future__ import annotations

import json
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.lab import Lab
from tests.support.operator import Operator

_PKI = "/etc/etcd/pki"
ETCDCTL = f"etcdctl --cacert={_PKI}/ca.crt --cert={_PKI}/healthcheck-client.crt --key={_PKI}/healthcheck-client.key"


CUT = (
    "Unable to connect to the server",
    "connection reset by peer",
    "TLS handshake timeout",
    "http2: client connection lost",
    "etcdserver: leader changed",
    "etcdserver: request timed out",
)
"""What kubectl says when the virtual address or etcd's leadership moves: before it has asked, and while it waits."""


@dataclass(frozen=True)
class Member:
    """A member of etcd, as the real etcdctl tells of it."""

    id: int
    name: str
    learner: bool
    leads: bool


@dataclass
class Machines:
    """Lab hosts that become a cluster with a virtual address.

    Masters and workers are told apart by their names: workers' begin with a ``w``.

    Attributes:
        lab: where the hosts are.
        operator: of the cluster.
        before: what each host was before the cluster came, as :func:`as_it_is` tells.
        vip: the virtual address.
    """

    lab: Lab
    operator: Operator
    before: Mapping[str, set[str]]
    vip: str

    @classmethod
    def prepared(cls, lab: Lab, folder: Path, hosts: Sequence[str], number: int) -> Machines:
        """Fresh hosts, and a cluster without machines.

        Args:
            lab: gets the hosts.
            folder: of the operator.
            hosts: their names.
            number: the last byte of the virtual address, and the router id.
        """
        lab("up", *hosts)
        before = {host: as_it_is(lab, host) for host in hosts}
        made = cls(lab, Operator(folder, lab), before, address_in(lab, number))
        made.operator.prepare("--vip", made.vip, "--router-id", str(number))
        return made

    def create(self, *hosts: str, **more: Any) -> str:
        """Make these hosts machines in one plan, in this order; returns all that was said."""
        self.write_machines(*hosts)
        return self.cctl("create", "machine", "--file", "machines.yaml", "--yes", **more)

    def write_machines(self, *hosts: str) -> None:
        """A file of machines, as ``cctl create machine`` takes it: ``machines.yaml`` in the operator's folder."""
        machines = [{"ip": self.lab.address(host), "role": role_of(host)} for host in hosts]
        (self.operator.folder / "machines.yaml").write_text(json.dumps(machines))

    def delete(self, *hosts_and_options: str, **more: Any) -> str:
        """Delete machines; returns all that was said."""
        options = [word for word in hosts_and_options if word not in self.before]
        addresses = [f"--ip={self.lab.address(host)}" for host in hosts_and_options if host in self.before]
        return self.cctl("delete", "machine", *addresses, "--yes", *options, **more)

    def cctl(self, *command: str, **more: Any) -> str:
        """All that it says, whatever the width of the terminal."""
        ended = self.operator(*command, **more)
        return " ".join((ended.out + ended.err).split())

    def kubectl(self, *arguments: str) -> str:
        """What the real kubectl prints, asked through the virtual address.

        Asked again where the address moved meanwhile, which cuts connections: how long that lasts, writers measure.
        Only what may be done twice is for this.
        """
        until = time.monotonic() + 30
        while True:
            try:
                return self.operator.kubectl(*arguments)
            except AssertionError as error:
                if not any(each in str(error) for each in CUT) or time.monotonic() > until:
                    raise
            time.sleep(0.5)

    @property
    def kubeconfig(self) -> Path:
        """What clients of the cluster know of it."""
        self.kubectl("version")
        return self.operator.folder / "kubeconfig"

    def on(self, host: str, script: str) -> str:
        """What a shell on a host says."""
        return self.lab("ssh", host, "--", script)

    def is_bare(self, host: str) -> bool:
        """Whether it is what it was before the cluster came. What differs is printed."""
        differing = as_it_is(self.lab, host) ^ self.before[host]
        print(*sorted(differing), sep="\n")
        return not differing

    def known(self) -> set[str]:
        """The addresses of the machines that the state knows."""
        return {line.partition("/")[2] for line in self.operator("get", "machine", "-o", "name").out.split()}

    def status(self) -> Mapping[str, Any]:
        """What ``cctl status`` says, whether all is well or not."""
        return status(self.operator)

    def well(self) -> Mapping[str, Any]:
        """What ``cctl status`` says when all is well."""
        return well(self.operator)

    def members(self, asked: str) -> Collection[Member]:
        """etcd's members, as the real etcdctl on a master says. Raises where etcd has no quorum."""
        listed = json.loads(self.on(asked, f"{ETCDCTL} member list -w json"))["members"]
        told = json.loads(self.on(asked, f"{ETCDCTL} endpoint status -w json"))[0]["Status"]
        return [
            Member(each["ID"], each.get("name", ""), each.get("isLearner", False), each["ID"] == told["leader"])
            for each in listed
        ]

    def voters(self, asked: str) -> set[str]:
        """The names of etcd's members, of which each has a vote."""
        members = self.members(asked)
        assert not any(member.learner for member in members)
        return {member.name for member in members}

    def leader(self, asked: str) -> str:
        """The host whose member leads etcd."""
        until = time.monotonic() + 60
        while not (leading := [member.name for member in self.members(asked) if member.leads]):
            assert time.monotonic() < until, "nobody leads"  # for longer than an election takes
            time.sleep(0.2)
        return leading[0]

    def lead(self, host: str) -> None:
        """Have this host's member lead etcd."""
        leading = self.leader(host)
        if leading != host:
            wanted = next(member for member in self.members(host) if member.name == host)
            self.on(leading, f"{ETCDCTL} move-leader {wanted.id:x}")

    def weightiest(self, masters: Collection[str]) -> str:
        """The master that has the virtual address, made the one that leads etcd as well."""
        holder = self.holder(masters)
        self.lead(holder)
        return holder

    def holder(self, masters: Collection[str]) -> str:
        """The master that has the virtual address, which for a moment none has, or two, while it moves."""
        until = time.monotonic() + 60
        while len(holders := self.holders(masters)) != 1:
            assert time.monotonic() < until, holders
            time.sleep(0.2)
        return holders[0]

    def holders(self, masters: Collection[str]) -> list[str]:
        """The masters that have the virtual address: there should be one."""
        return [host for host in masters if f" {self.vip}/" in self.on(host, "ip -oneline address")]


def status(operator: Operator) -> Mapping[str, Any]:
    """What ``cctl status`` says, whether all is well or not."""
    return json.loads(operator("status", "-o", "json", rc=None).out)


def well(operator: Operator) -> Mapping[str, Any]:
    """What ``cctl status`` says when all is well, which may take a while: pods of the system are on their way.

    A kubelet asks every ten seconds whether a new control plane has started (kubeadm's startup probes), and waits
    longer each time before it starts one again that has ended; and a machine that is used for other things, too, is
    slow.
    """
    until = time.monotonic() + 600
    while not (seen := status(operator))["ok"]:
        assert time.monotonic() < until, [each for each in seen["components"] if not each["ok"]]
        time.sleep(1)
    return seen


NOT_FILES = r"""
iptables-save 2>/dev/null | grep -E '^(-A|:[^ ]+ -)' | sed 's/ \[.*//;s/^/rule: /'
ip -oneline link | sed -E 's/^[0-9]+: ([^:@ ]+).*/link: \1/'
ip netns list | sed 's/^/network namespace: /'
findmnt --raw --noheadings --output TARGET,FSTYPE | grep -v '^/run/user/' | sed 's/^/mount: /'
systemctl list-units --plain --no-legend --state=active 'kube*' 'etcd*' 'containerd*' 'keepalived*' 'klusterkit*' |
    sed 's/ .*//;s/^/unit: /'
"""
"""Of the kernel and of systemd, what a cluster brings: rules, links, namespaces, mounts, units that are active."""


def as_it_is(lab: Lab, host: str) -> set[str]:
    """A line for each path of a host, and for each trace that isn't a file."""
    return lab.digest(host) | set(lab("ssh", host, "--", NOT_FILES).splitlines())


def role_of(host: str) -> str:
    """Masters and workers are told apart by their names."""
    return "node" if host.startswith("w") else "master"


def address_in(lab: Lab, number: int) -> str:
    """An address of the lab's network by its last byte."""
    return f"{lab.env['LAB_SUBNET'].rpartition('.')[0]}.{number}"
