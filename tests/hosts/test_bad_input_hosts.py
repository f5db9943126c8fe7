"""Hosts that can't be used are refused with reasons before anything is changed on them, or in the state file."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable
from ipaddress import ip_address
from pathlib import Path

import pytest
from bad_input import Laptop, Site, other_laptop

pytestmark = pytest.mark.hosts

MADE_MEMORY = "sed 's/^{name}:.*/{name}: {size} kB/' /proc/meminfo >/run/made && mount --bind /run/made /proc/meminfo"
LAYER_OVER_ETC = "mkdir -p {folders} && touch {file} && mount -t overlay -o lowerdir=/run/etc:/etc overlay /etc"


def fingerprint(key: Path) -> str:
    shown = subprocess.run(["ssh-keygen", "-lf", str(key)], check=True, capture_output=True, text=True).stdout
    return shown.split()[1]


def new_key(path: Path) -> Path:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(path)], check=True)
    return path


def public_half(key: Path) -> str:
    return " ".join(key.with_suffix(".pub").read_text().split()[:2])


class TestTrust:
    @pytest.fixture
    def unknown(self, operator: Laptop) -> Laptop:
        (operator.folder / ".ssh" / "known_hosts").unlink()
        return operator

    @pytest.fixture
    def host_key(self, site: Site, tmp_path: Path) -> Path:
        path = tmp_path / "host.pub"
        path.write_text(site.on_host("cat /etc/ssh/ssh_host_ed25519_key.pub"))
        return path

    def test_an_unknown_host_key_is_refused_with_its_fingerprint_and_how_to_allow_it(
        self, unknown: Laptop, host_key: Path
    ) -> None:
        said = unknown.refused(*unknown.create(), rc=5)

        assert f"the key of {unknown.site.address} is not known" in said
        assert f"ssh-ed25519 {fingerprint(host_key)}" in said
        assert f"--host-key {fingerprint(host_key)}" in said

    def test_a_key_whose_fingerprint_is_named_is_accepted_and_pinned_in_the_state(
        self, unknown: Laptop, host_key: Path
    ) -> None:
        unknown(*unknown.plan("--host-key", fingerprint(host_key)))

        assert public_half(host_key) in unknown.state.read_text()
        unknown(*unknown.plan())

    def test_a_fingerprint_of_another_key_accepts_nothing(self, unknown: Laptop, tmp_path: Path) -> None:
        other = fingerprint(new_key(tmp_path / "other"))

        assert "is not known" in unknown.refused(*unknown.create("--host-key", other), rc=5)

    def test_a_key_in_a_known_hosts_file_is_accepted(self, unknown: Laptop, host_key: Path, tmp_path: Path) -> None:
        known = tmp_path / "known"
        known.write_text(f"{unknown.site.address} {public_half(host_key)}\n")

        unknown(*unknown.plan("--known-hosts", str(known)))

    def test_another_key_than_that_of_known_hosts_is_refused(
        self, operator: Laptop, host_key: Path, tmp_path: Path
    ) -> None:
        other = new_key(tmp_path / "other")
        known_hosts = operator.folder / ".ssh" / "known_hosts"
        known_hosts.write_text(f"{operator.site.address} {public_half(other)}\n")

        said = operator.refused(*operator.create("--host-key", fingerprint(host_key)), rc=5)

        assert "is not the one that is known" in said
        assert f"it shows ssh-ed25519 {fingerprint(host_key)}" in said
        assert f"known is ssh-ed25519 {fingerprint(other)}" in said
        assert "reinstalled" in said

    def test_another_key_than_the_one_that_the_state_pins_is_refused(self, operator: Laptop, tmp_path: Path) -> None:
        site, here = operator.site, "/run/second-key"
        make = f"rm -f {here} {here}.pub; ssh-keygen -q -t ed25519 -N '' -f {here}; cat {here}.pub"
        first, second = tmp_path / "first.pub", tmp_path / "second.pub"
        first.write_text(site.on_host(make))
        with site.second_sshd(f"-h {here}") as port:
            operator(*operator.plan("--port", str(port), "--host-key", fingerprint(first)))
        second.write_text(site.on_host(make))
        with site.second_sshd(f"-h {here}") as port:
            said = operator.refused(*operator.create("--port", str(port), "--host-key", fingerprint(second)), rc=5)

        assert f"the key of [{site.address}]:{port} is not the one that is known" in said
        assert fingerprint(first) in said
        assert fingerprint(second) in said


class TestLogin:
    def test_a_key_that_the_host_does_not_know_is_refused(self, site: Site, tmp_path: Path) -> None:
        other = new_key(tmp_path / "other")
        operator = other_laptop(site, tmp_path / "laptop", key=str(other))
        operator("create", "cluster")

        said = operator.refused(*operator.create(), rc=5)

        assert f"root@{site.address}" in said
        assert "doesn't let us in" in said
        assert "authorized_keys" in said

    def test_sudo_that_asks_for_a_password_is_refused(self, site: Site, tmp_path: Path) -> None:
        operator = other_laptop(site, tmp_path / "laptop", user="plain")
        operator("create", "cluster")

        said = operator.refused(*operator.create(), rc=5)

        assert f"plain@{site.address} gives no root shell" in said
        assert "a password is required" in said
        assert "NOPASSWD" in said

    def test_sudo_that_asks_nothing_is_enough_to_look_and_leaves_no_trace(self, site: Site, tmp_path: Path) -> None:
        operator = other_laptop(site, tmp_path / "laptop", user="admin")
        operator("create", "cluster")

        assert "etcd" in operator(*operator.plan("--diff")).out
        site.assert_pristine()
        assert site.on_host("ls -d /run/klusterkit/lock 2>/dev/null || true") == ""


class TestPreflightAlone:
    def test_a_fit_host_is_told_to_be_fit_and_stays_as_it_is(self, operator: Laptop) -> None:
        before = operator.kept()
        ended = operator(*operator.preflight())

        assert "as master: fit" in ended.out
        assert "all can be used" in ended.out
        assert operator.kept() == before
        operator.site.assert_pristine()

    def test_what_is_against_a_host_is_told_check_by_check(self, operator: Laptop) -> None:
        made, unmade, expected = CONDITIONS["port 6443 taken"]
        with operator.site.where(made, unmade):
            said = " ".join(operator(*operator.preflight(), rc=3).out.split())

        assert "not fit" in said
        assert all(words in said for words in expected), said

    def test_a_host_that_is_not_there_is_told_beside_the_others(self, operator: Laptop) -> None:
        nobody = str(ip_address(operator.site.address) + 100)
        file = operator.folder / "machines.json"
        file.write_text(json.dumps([{"ip": operator.site.address, "role": "master"}, {"ip": nobody, "role": "node"}]))
        found = json.loads(operator("preflight", "--file", str(file), "-o", "json", rc=5).out)

        assert [(host["fit"], host["reached"]) for host in found] == [(True, True), (False, False)]


CONDITIONS = {
    "port 6443 taken": (
        "systemd-run --quiet --collect --unit=squatter socat TCP-LISTEN:6443,fork /dev/null; "
        "until ss -Hltn | grep -q :6443; do sleep 0.05; done",
        "systemctl stop squatter",
        ["port 6443, that of the API server, is taken", "ss -ltnp 'sport = :6443'"],
    ),
    "a control plane of somebody else's": (
        LAYER_OVER_ETC.format(folders="/run/etc/kubernetes", file="/run/etc/kubernetes/admin.conf"),
        "umount --lazy /etc; rm -r /run/etc",
        ["already holds a Kubernetes", "/etc/kubernetes/admin.conf", "kubeadm reset"],
    ),
    "data of an etcd": (
        "mount -t tmpfs none /var/lib/etcd && mkdir /var/lib/etcd/member",
        "umount /var/lib/etcd",
        ["already holds a Kubernetes", "/var/lib/etcd/member is there (data of etcd)", "fresh host"],
    ),
    "a kubelet runs": (
        "systemd-run --quiet --unit=kubelet sleep 1000",
        "systemctl stop kubelet",
        ["already runs", "active: kubelet.service", "fresh host"],
    ),
    "swap": (
        MADE_MEMORY.format(name="SwapTotal", size=2 << 20),
        "umount /proc/meminfo",
        ["swap is on", "2.0 GiB of swap", "swapoff -a", "/etc/fstab"],
    ),
    "too little memory": (
        MADE_MEMORY.format(name="MemTotal", size=1 << 20),
        "umount /proc/meminfo",
        ["too little memory", "1.0 GiB; 1.7 GiB are needed", "more memory"],
    ),
    "too little disk": (
        "mount -t tmpfs -o size=1g none /var/lib",
        "ls /var/lib/klusterkit 2>/dev/null; umount --lazy /var/lib",
        ["too little room below /var/lib", "1.0 GiB free", "are needed", "larger disk"],
    ),
    # Hosts of the lab share one kernel, which has one clock of the day (time namespaces have only the others), so here
    # it is not the clock that is wrong but `date`, by which hosts are asked for theirs.
    "clock ten minutes ahead": (
        "cp /usr/bin/date /run/date; printf '#!/bin/sh\\nexec /run/date --date=+10min \"$@\"\\n' >/run/made; "
        "chmod +x /run/made; mount --bind /run/made /usr/bin/date",
        "umount /usr/bin/date",
        ["clock is wrong, or ours", "600 s ahead of this machine's", "NTP"],
    ),
    "another address inside the pod network": (
        "ip address add 192.168.77.1/24 dev eth0",
        "ip address del 192.168.77.1/24 dev eth0",
        ["the pod network 192.168.0.0/16 holds the host's own address", "192.168.77.1/24", "cctl create cluster"],
    ),
}


@pytest.mark.parametrize("condition", CONDITIONS)
def test_a_host_that_is_not_fit_is_refused_with_what_was_seen_and_what_to_do(operator: Laptop, condition: str) -> None:
    made, unmade, words = CONDITIONS[condition]
    with operator.site.where(made, unmade):
        said = operator.refused(*operator.create(), rc=3)

    assert operator.site.address in said
    assert "nothing was changed" in said
    assert [word for word in words if word not in said] == []


class TestVirtualAddress:
    """The gateway's address is what a slip of the finger gives a site outage by."""

    @pytest.fixture
    def sharing(self, site: Site, tmp_path: Path) -> Callable[[str], Laptop]:
        def described(address: str) -> Laptop:
            operator = other_laptop(site, tmp_path / "laptop")
            operator("create", "cluster", "--vip", address, "--router-id", "77", "--pod-network", "192.168.0.0/16")
            return operator

        return described

    def hardware_address(self, site: Site) -> str:
        shown = json.loads(site.on_host(f"ip -json neigh show to {site.lab.env['LAB_GATEWAY']} dev eth0"))
        return shown[0]["lladdr"]

    @pytest.mark.parametrize("old", [False, True], ids=["ip asks", "an old ip doesn't"])
    def test_one_that_somebody_else_answers_for_is_refused_with_who_does(
        self, site: Site, sharing: Callable[[str], Laptop], old: bool
    ) -> None:
        operator = sharing(site.lab.env["LAB_GATEWAY"])
        shim = '#!/bin/sh\\ncase "$*" in *\\ use) exit 255 ;; esac\\nexec /run/ip "$@"\\n'
        made = f"cp $(command -v ip) /run/ip; printf '{shim}' >/run/made; chmod +x /run/made"
        mounted = "mount --bind /run/made $(readlink -f $(command -v ip))"
        with site.where(
            *((f"{made}; {mounted}", "umount $(readlink -f $(command -v ip))") if old else ("true", "true"))
        ):
            said = operator.refused(*operator.create(), rc=3)
            seen = " ".join(operator(*operator.preflight(), rc=3).out.split())

        for words in (said, seen):
            assert f"somebody else on the network has the virtual address {site.lab.env['LAB_GATEWAY']}" in words
            assert f"asked on eth0, {self.hardware_address(site)} answers for it" in words
            assert "--vip ADDRESS" in words

    def test_one_that_nobody_answers_for_any_more_will_do_though_the_host_remembers_who_did(
        self, site: Site, sharing: Callable[[str], Laptop]
    ) -> None:
        free = str(ip_address(site.lab.env["LAB_GATEWAY"]) + 200)
        operator = sharing(free)
        remembered = f"ip neigh replace {free} lladdr 02:00:00:00:00:99 dev eth0 nud reachable"
        with site.where(remembered, f"ip neigh flush to {free} dev eth0"):
            began = time.monotonic()
            said = operator(*operator.preflight()).out
            took = time.monotonic() - began

        assert "all can be used" in said
        assert took < 30  # the command itself, and a second of asking: not as long as the kernel remembers


def test_a_host_that_systemd_did_not_start_is_refused(operator: Laptop) -> None:
    """Process 1 of what is logged in to is an sshd, in namespaces of its own."""
    known_hosts = operator.folder / ".ssh" / "known_hosts"
    known_hosts.write_text(known_hosts.read_text().replace(operator.site.address, f"[{operator.site.address}]:2222"))
    inside = "/usr/bin/unshare --mount --pid --fork --kill-child --mount-proc --"
    with operator.site.second_sshd("-o UsePAM=no", inside) as port:
        said = operator.refused(*operator.create("--port", str(port)), rc=3)

    assert "doesn't run systemd" in said
    assert "process 1 is sshd" in said
    assert "use a host that was started with systemd" in said


def test_all_reasons_are_told_at_once_before_artifacts_are_brought_and_no_key_is_pinned(operator: Laptop) -> None:
    (operator.folder / "empty").mkdir()
    nothing = ("--mirror", str(operator.folder / "empty"))
    memory = "sed -e 's/^MemTotal:.*/MemTotal: 1 kB/' -e 's/^SwapTotal:.*/SwapTotal: 1024 kB/' /proc/meminfo >/run/made"
    with operator.site.where(f"{memory}; mount --bind /run/made /proc/meminfo", "umount /proc/meminfo"):
        said = operator.refused(*operator.create(*nothing), rc=3)

    assert "swap is on" in said
    assert "too little memory" in said
