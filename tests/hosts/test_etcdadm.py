"""``etcdadm`` as the single file, on three hosts without Python: the original's flow, killed, resumed, taken back."""

import json
import os
from pathlib import Path

import pytest

from tests.support.bundles import KEY, make
from tests.support.lab import Lab
from tests.support.onefile import HostWithTools

pytestmark = pytest.mark.hosts

MIRROR = "/root/mirror"
"""As it would come on a disk: the hosts reach nothing."""
RECORD = ("/var/lib/klusterkit", "/var/cache", "/var/log")
"""What a host keeps when all was taken back."""
NAMES = ("m1", "m2", "m3")


class Member(HostWithTools):
    """A host of the ensemble."""

    def __call__(self, script, *, rc=0, timeout=300):
        return super().__call__(f"export KLUSTERKIT_MIRROR={MIRROR}; {script}", rc=rc, timeout=timeout)

    @property
    def client(self):
        return f"https://{self.lab.address(self.name)}:2379"

    def info(self):
        return json.loads(self("etcdadm info").out)

    def listing(self):
        return self.lab.listing(self.name, *RECORD)

    def bring_mirror(self):
        mirror = Path(self.lab.env["LAB_MIRROR"])
        for path in mirror.glob("github.com/etcd-io/etcd/releases/download/*/*"):
            place = f"{MIRROR}/{path.relative_to(mirror)}"
            self(f"mkdir -p {Path(place).parent}")
            self.copy(path, place)

    def bring_authority(self, other):
        """What the README of the original says: copy ca.crt and ca.key from any host that has them."""
        packed = other("cd / && tar c etc/etcd/pki/ca.crt etc/etcd/pki/ca.key | base64 -w0").out
        self(f"echo {packed} | base64 -d | tar x -C /")


@pytest.fixture(scope="module")
def fresh():
    """Three hosts with the tools and a mirror, on which nothing else was ever done."""
    lab = Lab(f"etcdadm-{os.getpid()}")
    try:
        lab("up", *NAMES)
        members = [Member(lab, name) for name in NAMES]
        for member in members:
            member.install()
            member.bring_mirror()
            member("etcdadm version")  # so that it is unpacked
        yield members
    finally:
        lab("down", "--all", check=False)


CLEAN = """
set -e
[ -n "$(ls -d /etc/etcd /root/saved /root/text /var/lib/klusterkit 2>/dev/null)" ] || exit 0
etcdadm status >/dev/null 2>&1 || etcdadm rollback --yes
[ ! -e /etc/systemd/system/etcd.service ] || etcdadm reset --skip-remove-member --yes
rm -rf /etc/etcd /root/saved /root/text /var/lib/klusterkit
"""


@pytest.fixture
def hosts(fresh):
    """As they were, and left so."""
    yield fresh
    for member in fresh:
        member(CLEAN)


def test_one_makes_a_cluster_and_two_join_it(hosts):
    first, *others = hosts
    assert first("command -v python3", rc=None).rc != 0
    first("etcdadm init --yes")
    first("etcdctl.sh put before-there-were-three yes")
    for member in others:
        member.bring_authority(first)
        member(f"etcdadm join {first.client} --yes")

    for member in hosts:
        info = member.info()
        assert info["name"] == member.name
        assert info["clientURLs"] == [member.client]
        assert info["members"] == dict.fromkeys(NAMES, "voting")
        assert member("etcdctl.sh get --print-value-only before-there-were-three").out == "yes\n"

    # Done again, nothing is restarted, nothing is lost.
    started = first("systemctl show --property=InvocationID etcd").out
    first("etcdadm init --yes")
    others[0](f"etcdadm join {first.client} --yes")
    assert first("systemctl show --property=InvocationID etcd").out == started
    assert first.info()["members"] == dict.fromkeys(NAMES, "voting")


def test_a_dry_run_shows_the_plan_and_changes_nothing(hosts):
    host = hosts[0]
    before = host.listing()
    shown = host("etcdadm init --dry-run").out
    assert "etcd/start" in shown
    assert "Plan: etcdadm init" in shown
    host("etcdadm init --diff")
    assert host.listing() == before


def killed(host, command, begun):
    """Run a command, and kill it when so many tasks have begun."""
    count = '$(grep -cs \'"record":"begin"\' /var/lib/klusterkit/tools/state.yaml)'
    wait = f"until [ 0{count} -ge {begun} ]; do kill -0 $pid || exit 1; sleep 0.02; done"
    host(f"{command} >/dev/null 2>&1 </dev/null & pid=$!; {wait}; kill -KILL $pid")
    status = host("etcdadm status", rc=6)
    assert "etcdadm resume" in status.out


@pytest.mark.parametrize("begun", [1, 8])
def test_killed_while_it_makes_a_member_it_goes_on(hosts, begun):
    host = hosts[0]
    killed(host, "etcdadm init --yes", begun)
    host("etcdadm resume")
    assert host.info()["members"] == {"m1": "voting"}


def test_killed_and_taken_back_the_host_is_as_before(hosts):
    host = hosts[0]
    before = host.listing()
    killed(host, "etcdadm init --yes", 8)
    host("etcdadm rollback --yes")
    assert host.listing() == before


def test_the_phases_one_by_one_make_what_all_at_once_would(hosts):
    host = hosts[0]
    before = host.listing()
    for phase in ("install", "certificates", "configure", "snapshot", "start", "etcdctl", "health"):
        host(f"etcdadm init phase {phase} --yes")
    assert host.info()["members"] == {"m1": "voting"}
    host("etcdadm reset --yes")
    assert host.listing() == before


def test_what_a_snapshot_holds_comes_back_and_data_that_is_there_stays(hosts, tmp_path):
    old, new, _ = hosts
    old("etcdadm init --yes")
    old("etcdctl.sh put kept yes && etcdctl.sh snapshot save /root/saved && base64 -w0 /root/saved >/root/text")
    new.bring_authority(old)
    (tmp_path / "text").write_text(old("cat /root/text").out)
    new.copy(tmp_path / "text", "/root/text")
    new("base64 -d /root/text >/root/saved")

    assert "holds data of etcd already" in old("etcdadm init --snapshot /root/saved --yes", rc=3).err
    assert old("etcdctl.sh get --print-value-only kept").out == "yes\n"

    new("etcdadm init --snapshot /root/saved --name restored --yes")
    assert new("etcdctl.sh get --print-value-only kept").out == "yes\n"
    assert new.info()["members"] == {"restored": "voting"}


def test_reset_leaves_the_cluster_and_makes_the_host_what_it_was(hosts):
    first, second, _ = hosts
    before = first.listing(), second.listing()
    first("etcdadm init --yes")
    second.bring_authority(first)
    second(f"etcdadm join {first.client} --yes")
    second("etcdctl.sh put written-on-both yes")

    reset = first("etcdadm reset --yes")  # leads, and was there first
    assert second.info()["members"] == {"m2": "voting"}
    assert second("etcdctl.sh get --print-value-only written-on-both").out == "yes\n"
    assert first.listing() == before[0]
    assert "var%lib%etcd" in first("ls /var/lib/klusterkit/set-aside/*").out
    assert "all Secrets of the cluster included" in " ".join(reset.err.split())
    assert "rm -r /var/lib/klusterkit/set-aside/" in " ".join(reset.err.split())

    second("etcdadm reset --yes")
    left = {line for line in second.listing() if "/etc/etcd" not in line}  # the operator brought that
    assert left == before[1]
    assert "nothing" in second("etcdadm reset --yes").err


def test_killed_while_it_resets_it_goes_on(hosts):
    host = hosts[0]
    before = host.listing()
    host("etcdadm init --yes")
    killed(host, "etcdadm reset --yes", 3)
    host("etcdadm resume")
    assert host.listing() == before


def test_a_damaged_snapshot_is_refused_before_anything_is_touched(hosts):
    host = hosts[0]
    before = host.listing()
    host("head -c 20512 /dev/urandom >/root/saved")
    refused = host("etcdadm init --snapshot /root/saved --yes", rc=3)
    assert "damaged" in refused.err
    host("rm /root/saved")
    assert host.listing() == before


def test_joining_without_the_authority_says_what_to_copy(hosts):
    first, other, _ = hosts
    first("etcdadm init --yes")
    refused = other(f"etcdadm join {first.client} --yes", rc=None)
    assert refused.rc != 0
    assert "/etc/etcd/pki/ca" in refused.err


def test_what_was_downloaded_is_enough_when_nothing_can_be_reached(hosts):
    host = hosts[0]
    host("etcdadm download")
    host(f"mv {MIRROR} {MIRROR}.gone; unset KLUSTERKIT_MIRROR; etcdadm init --yes; mv {MIRROR}.gone {MIRROR}")
    assert host.info()["members"] == {"m1": "voting"}


def test_a_signed_bundle_is_enough_when_nothing_else_can_be_reached(hosts, tmp_path):
    host = hosts[0]
    mirror = Path(host.lab.env["LAB_MIRROR"])
    files = {str(path.relative_to(mirror)): path for path in mirror.glob("github.com/etcd-io/etcd/**/*.tar.gz")}
    host.copy(make(tmp_path / "b", {name: path.read_bytes() for name, path in files.items()}), "/root/k8s.bundle")
    alone = "unset KLUSTERKIT_MIRROR; export KLUSTERKIT_BUNDLE=/root/k8s.bundle"
    try:
        refused = host(f"{alone}; etcdadm download", rc=8)
        assert "--bundle-key KEY" in refused.err
        host(f"{alone}; etcdadm download --bundle-key {KEY.public.text}; etcdadm init --yes")
        assert host.info()["members"] == {"m1": "voting"}
    finally:
        host("rm -rf /root/k8s.bundle /var/cache/klusterkit/downloads")


def test_it_works_the_same_from_another_machine(hosts):
    control, host, _ = hosts
    lab = control.lab.env
    for name in ("LAB_SSH_KEY", "LAB_KNOWN_HOSTS"):
        control.copy(Path(lab[name]), f"/root/{name}")
    there = f"--host root@{control.lab.address(host.name)}"
    at = f"{there} --private-key /root/LAB_SSH_KEY --known-hosts /root/LAB_KNOWN_HOSTS"
    control(f"etcdadm {at} init --yes")
    assert json.loads(control(f"etcdadm {at} info").out)["members"] == {"m2": "voting"}
    assert host.info()["members"] == {"m2": "voting"}
    refused = host("etcdadm reset --yes", rc=5)
    assert "belongs to another cluster" in refused.err
    control(f"etcdadm {at} reset --yes")
    control("rm -r /root/LAB_* /root/.local")
