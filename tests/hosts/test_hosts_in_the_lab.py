"""Hosts with a real systemd, a network of their own, a cable that can be pulled and a power switch."""

import os
import subprocess
import threading
import time
from pathlib import Path

import pytest

from klusterkit.engine.errors import HostUnreachable
from klusterkit.engine.host import HOME, File
from klusterkit.hosts import Fleet, HostKeys, Lease, Login, Question, Target, load_private_key
from klusterkit.hosts.errors import JobVanished, RootRefused

pytestmark = pytest.mark.hosts

LAB = Path(__file__).parents[2] / "lab" / "lab"
QUESTION = Question(
    kernel_features=("overlay", "vxlan", "no_such_feature"),
    programs=("systemctl", "iptables", "no-such-program"),
    units=("ssh.service", "no-such.service", "systemd-networkd.service"),
    paths=("/etc/os-release", "/etc/kubernetes/admin.conf"),
)


class LabHost:
    """One lab host."""

    def __init__(self, instance):
        self.instance = instance
        self("up", "h1")
        env = dict(line.removeprefix("export ").split("=", 1) for line in self("env").splitlines())
        self.address = env["LAB_HOST_h1"]
        self.key = load_private_key(Path(env["LAB_SSH_KEY"]).read_bytes())
        self.known_hosts = Path(env["LAB_KNOWN_HOSTS"])

    def __call__(self, *words):
        command = [str(LAB), "--instance", self.instance, *words]
        done = subprocess.run(command, text=True, capture_output=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def fleet(self, user="root", **options):
        target = Target(login=Login(address=self.address, user=user, key=self.key))
        return Fleet({"h1": target}, HostKeys(files=[self.known_hosts]), question=QUESTION, **options)


@pytest.fixture(scope="module")
def lab():
    instance = f"hosts-{os.getpid()}"
    try:
        yield LabHost(instance)
    finally:
        subprocess.run([str(LAB), "--instance", instance, "down", "--all"], check=True, capture_output=True)


def test_facts_tell_a_lab_host_as_it_is(lab):
    with lab.fleet() as fleet:
        facts = fleet["h1"].facts()
    assert (facts.hostname, facts.init) == ("h1", "systemd")
    assert facts.os.startswith("debian-")
    assert facts.default_address == lab.address
    assert facts.default_interface == "eth0"
    assert any(address.startswith(f"{lab.address}/") for address in facts.addresses)
    assert facts.services == ("ssh.service", "systemd-networkd.service")
    assert facts.programs == ("systemctl", "iptables")
    assert facts.paths == ("/etc/os-release",)
    assert facts.kernel_features == ("overlay", "vxlan")
    assert facts.listening == (22,)
    assert facts.name_servers == ()
    assert facts.cgroup == (2 if Path("/sys/fs/cgroup/cgroup.controllers").exists() else 1)
    assert not facts.can_lower_oom_score
    assert not facts.has_modprobe
    assert facts.disk_free > 1 << 30
    assert abs(facts.clock_offset) < 1


def test_facts_are_the_same_for_whoever_asks_and_change_nothing(lab):
    with lab.fleet("admin") as other:
        other["h1"].connect()  # sudo leaves a note in a user's home at its first use
    before = lab("digest", "h1")
    with lab.fleet() as fleet, lab.fleet("admin") as other:
        assert other["h1"].facts().stable() == fleet["h1"].facts().stable()
    assert lab("digest", "h1") == before


def test_a_user_whose_sudo_asks_is_refused(lab):
    with lab.fleet("plain") as fleet, pytest.raises(RootRefused):
        fleet["h1"].facts()


def test_a_pulled_cable_is_waited_for_and_nothing_is_done_twice(lab):
    with lab.fleet() as fleet:
        host = fleet["h1"]
        host.connect()
        host.run(["true"])
        answers = []
        work = ["sh", "-c", "echo x >>/run/once; sleep 6; echo done"]
        waiter = threading.Thread(target=lambda: answers.append(host.job("cable.0/t/1", work).text))
        waiter.start()
        time.sleep(1)
        lab("link", "h1", "down")
        time.sleep(4)
        lab("link", "h1", "up")
        assert host.run(["echo", "back"]).text == "back"
        waiter.join()
        assert answers == ["done"]
        assert host.read("/run/once") == b"x\n"


def test_a_pulled_plug_leaves_files_and_records_and_a_lock_that_is_free(lab):
    held = Lease("lab", 1, "me@here", "plug")
    with lab.fleet(lease=held, patience=60) as fleet:
        host = fleet["h1"]
        host.write(File(path="/etc/kk-file", content=b"flushed", mode=0o600))
        outcome = []

        def work():
            try:
                host.job("plug.0/t/1", ["sleep", "300"])
            except (JobVanished, HostUnreachable) as error:
                outcome.append(type(error))

        waiter = threading.Thread(target=work)
        waiter.start()
        while host.job_state("plug.0/t/1").status != "running":
            time.sleep(0.1)
        lab("power-off", "h1")
        lab("power-on", "h1")
        waiter.join(90)
        assert outcome == [JobVanished]
        assert host.read("/etc/kk-file") == b"flushed"
        assert host.job_state("plug.0/t/1").status == "vanished"
        host.remove("/etc/kk-file")
    with lab.fleet(lease=Lease("lab", 2, "me@here", "next")) as fleet:
        fleet["h1"].connect()
        fleet["h1"].remove(HOME, recursive=True)
