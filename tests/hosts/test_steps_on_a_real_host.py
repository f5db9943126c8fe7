"""Generic steps on a real Linux host, with a real systemd, kernel, packet filter and file systems."""

from __future__ import annotations

import hashlib
import io
import os
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from clients import until
from step_host import LAB, StepHost

from klusterkit.engine.errors import CommandFailed, CommandFailedTemporarily, VerificationFailed
from klusterkit.engine.step import Step
from klusterkit.pki import Authority, Leaf, Usage
from klusterkit.tasks.artifacts import Install, Unpack, Upload
from klusterkit.tasks.certificates import Certificate, Kubeconfig
from klusterkit.tasks.files import Directory, SecretFile, TextFile
from klusterkit.tasks.kernel import Modules, Sysctl
from klusterkit.tasks.network import Baseline
from klusterkit.tasks.systemd import Service, Unit
from klusterkit.tasks.tree import Tree

pytestmark = pytest.mark.hosts

UNIT = """\
[Unit]
Description=a service for tests
[Service]
ExecStart=/bin/sleep infinity
Restart=always
RestartSec=100ms
[Install]
WantedBy=multi-user.target
"""
DEMO_UNIT = Unit(name="demo.service", content=UNIT)
DEMO = Service(unit="demo.service")


@pytest.fixture(scope="module")
def machine() -> Iterator[StepHost]:
    instance = f"steps-{os.getpid()}"
    lab = [str(LAB), "--instance", instance]
    subprocess.run([*lab, "up", "s1"], check=True, capture_output=True)
    authority = Authority.create("kubernetes")
    secrets = {
        "ca.crt": authority.cert_pem.encode(),
        "ca.key": authority.key_pem.encode(),
        "token": os.urandom(1000),
    }
    try:
        host = StepHost(instance, "s1", secrets)
        yield host
        host.real.close()
    finally:
        subprocess.run([*lab, "down", "--all"], check=True, capture_output=True)


@pytest.fixture
def host(machine: StepHost) -> Iterator[StepHost]:
    """The host, which has to be as it was when the test has ended."""
    machine.runs += 1
    yield machine
    before, after = machine.pristine, machine.listing()
    machine.pristine = after  # what one test left behind is not the next one's fault
    assert {path: after.get(path) for path in before | after if before.get(path) != after.get(path)} == {}
    assert machine.sh("systemctl --failed --no-legend --plain") == ""


def there_and_back(host: StepHost, *steps: Step) -> None:
    """Apply all, and take them back in the opposite order."""
    applied = [(step, host.apply(step)) for step in steps]
    assert all(step.observe(host.on(step)).satisfied for step in steps)
    for step, before in reversed(applied):
        host.undo(step, before)


def test_files_are_put_back_with_everything_that_they_had(host: StepHost) -> None:
    host.sh(
        "mkdir -m 1750 /srv/old && chown daemon:adm /srv/old && cd /srv/old && printf 'old\\n' >file && chmod 4710 file"
    )
    host.sh("chown man:games /srv/old/file && ln -s /etc/hostname /srv/old/link && touch -d 2001-02-03 /srv/old/file")
    inside = host.listing()
    steps = [
        Directory(path="/srv/old", mode=0o700),
        Directory(path="/srv/old/a", owner="daemon:adm"),
        Directory(path="/srv/old/a/b c'd"),
        TextFile(path='/srv/old/a/b c\'d/ü "x" $y', content="a\n'b'\n\\n\0\n", mode=0o640, owner="daemon:adm"),
        TextFile(path="/srv/old/file", content="new\n"),
        TextFile(path="/srv/old/link", content="not a link\n"),
        SecretFile(path="/srv/old/secret", secret="token"),
    ]
    there_and_back(host, *steps)
    assert host.listing() == inside
    assert host.sh("stat -c %y /srv/old/file").startswith("2001-02-03")
    host.sh("rm -r /srv/old")


@pytest.mark.parametrize(
    "step",
    [
        Directory(path="/srv/new"),
        TextFile(path="/etc/motd", content="new\n"),
        TextFile(path="/srv/new", content="new\n"),
        SecretFile(path="/srv/secret", secret="token"),
        Tree(path="/srv/tree", mode=0o700),
        Tree(path="/var/lib/etcd", mode=0o700, on_undo="set-aside"),
        DEMO_UNIT,
        Unit(name="ssh.service", content="[Service]\nNice=1\n", drop_in="10-nice"),
        Modules(names=("overlay", "br_netfilter")),
        Sysctl(values={"net.ipv4.ip_forward": "1", "net.ipv4.conf.all.rp_filter": "2"}),
        Baseline(),
        Certificate(
            authority="ca",
            leaf=Leaf(common_name="demo", dns_names=("demo",), usages=(Usage.SERVER,)),
            path_certificate="/srv/demo.crt",
            path_key="/srv/demo.key",
        ),
        Kubeconfig(
            authority="ca",
            leaf=Leaf(common_name="demo", usages=(Usage.CLIENT,)),
            server="https://10.0.0.5:6443",
            path="/srv/demo.conf",
        ),
    ],
    ids=lambda step: f"{step.kind}-{step.title.rpartition('/')[2]}",
)
def test_a_step_that_is_cut_anywhere_can_be_finished_and_taken_back(host: StepHost, step: Step) -> None:
    assert host.survive_cuts(step) > 0


def test_a_service_that_is_cut_anywhere_can_be_finished_and_taken_back(host: StepHost) -> None:
    unit = host.apply(DEMO_UNIT)
    assert host.survive_cuts(Service(unit="demo.service", restart_for=("sha256:1",))) > 0
    host.undo(DEMO_UNIT, unit)


def test_a_service_runs_and_comes_back_after_a_power_cut_until_it_is_taken_back(host: StepHost) -> None:
    step = Service(unit="demo.service", restart_for=("sha256:1",))
    unit, service = host.apply(DEMO_UNIT), host.apply(step)
    assert host.sh("systemctl is-active demo; systemctl is-enabled demo") == "active\nenabled"
    first = host.sh("systemctl show -p InvocationID --value demo")
    again = f"systemctl is-active --quiet demo && [ $(systemctl show -p InvocationID --value demo) != {first} ]"
    host.sh(f"systemctl kill -s KILL demo; for look in $(seq 100); do {again} && exit; sleep 0.2; done; exit 1")
    assert step.observe(host.on(step)).satisfied, "started again by systemd is started with the same"

    host.lab("power-off", "s1")
    host.lab("power-on", "s1")
    assert step.observe(host.on(step)).satisfied
    host.undo(step, service)
    host.undo(DEMO_UNIT, unit)
    assert host.sh("systemctl show -p LoadState --value demo") == "not-found"


def test_a_service_that_fails_says_why_and_leaves_no_failed_unit(host: StepHost) -> None:
    text = UNIT.replace("/bin/sleep infinity", "/bin/sh -c 'echo no such member >&2; exit 3'")
    text = text.replace("Restart=always", "Type=notify")
    unit = host.apply(Unit(name="demo.service", content=text))
    before = DEMO.observe(host.on(DEMO)).before
    with pytest.raises(CommandFailedTemporarily) as caught:
        host.apply(DEMO, before)

    assert "no such member" in (caught.value.seen or "")
    host.undo(DEMO, before)
    host.undo(Unit(name="demo.service", content=text), unit)


def test_configuration_below_a_running_service_goes_back_with_it(host: StepHost) -> None:
    """Stop, replace, start: backward, the service runs with its old unit again."""
    old, new = UNIT, UNIT.replace("infinity", "1000000")
    first = [host.apply(DEMO_UNIT), host.apply(DEMO)]
    host.runs += 1
    stop = Service(unit="demo.service", enabled=None, running=False)
    steps = [stop, Unit(name="demo.service", content=new), DEMO]
    applied = [(step, host.apply(step)) for step in steps]
    command = "tr '\\0' ' ' </proc/$(systemctl show -p MainPID --value demo)/cmdline"
    assert host.sh(command) == "/bin/sleep 1000000"
    for step, before in reversed(applied):
        host.undo(step, before)
    assert host.sh(command) == "/bin/sleep infinity"
    assert host.sh("cat /etc/systemd/system/demo.service") == old.strip()
    host.undo(DEMO, first[1], attempt=2)
    host.undo(DEMO_UNIT, first[0])


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two programs; one is what /bin/sleep is on this machine, too."""
    path = tmp_path_factory.mktemp("artifacts") / "demo.tar.gz"
    with tarfile.open(path, "w:gz") as opened:
        opened.add("/bin/sleep", "demo-1.0/demo")
        info = tarfile.TarInfo("demo-1.0/democtl")
        content = b"#!/bin/sh\necho 1.0\n"
        info.size, info.uid, info.mode = len(content), 1234, 0o600
        opened.addfile(info, io.BytesIO(content))
    return path


def test_programs_of_an_archive_are_installed_over_a_running_one(host: StepHost, archive: Path) -> None:
    sha256 = hashlib.sha256(archive.read_bytes()).hexdigest()
    host.artifacts[sha256] = archive
    host.sh(
        "cp /bin/cat /usr/local/bin/demo; mkfifo /run/demo;"
        " (exec /usr/local/bin/demo /run/demo) >/dev/null 2>&1 & sleep 0.1"
    )
    steps = [
        Upload(name="demo", sha256=sha256, size=archive.stat().st_size),
        Unpack(
            name="demo",
            sha256=sha256,
            members={"demo-1.0/demo": "/usr/local/bin/demo", "demo-1.0/democtl": "/usr/local/bin/democtl"},
        ),
    ]
    applied = [(step, host.apply(step)) for step in steps]
    assert host.sh("/usr/local/bin/democtl; stat -c '%U %a' /usr/local/bin/democtl") == "1.0\nroot 755"
    assert host.sh("pgrep -fc '^/usr/local/bin/demo /run/demo'") == "1", "the old program runs on"
    for step, before in reversed(applied):
        host.undo(step, before)
    assert host.sh("cmp /bin/cat /usr/local/bin/demo; find /var/lib/klusterkit/artifacts -type f") == ""
    host.sh("echo >/run/demo; rm /usr/local/bin/demo /run/demo")


def test_a_member_of_an_archive_that_is_no_file_is_said(host: StepHost, tmp_path: Path) -> None:
    archive = tmp_path / "links.tar"
    with tarfile.open(archive, "w") as opened:
        link = tarfile.TarInfo("demo")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/hostname"
        opened.addfile(link)
    sha256 = hashlib.sha256(archive.read_bytes()).hexdigest()
    host.artifacts[sha256] = archive
    upload = Upload(name="demo", sha256=sha256, size=archive.stat().st_size)
    unpack = Unpack(name="demo", sha256=sha256, members={"demo": "/usr/local/bin/demo"})
    there = host.apply(upload)
    before = unpack.observe(host.on(unpack)).before
    with pytest.raises(VerificationFailed, match="not a file"):
        host.apply(unpack)
    host.undo(unpack, before)
    host.undo(upload, there)


def test_an_upload_and_what_is_made_of_it_survive_cuts(host: StepHost, archive: Path) -> None:
    sha256 = hashlib.sha256(archive.read_bytes()).hexdigest()
    host.artifacts[sha256] = archive
    upload = Upload(name="demo", sha256=sha256, size=1)
    assert host.survive_cuts(upload) > 0
    there = host.apply(upload)
    assert host.survive_cuts(Install(name="demo", sha256=sha256, path="/usr/local/bin/demo", mode=0o700)) > 0
    assert host.survive_cuts(Unpack(name="demo", sha256=sha256, members={"demo-1.0/demo": "/usr/local/bin/demo"})) > 0
    host.undo(upload, there)


def test_a_data_folder_that_is_a_mount_point_is_emptied_and_its_content_set_aside(host: StepHost) -> None:
    step = Tree(path="/var/lib/etcd", mode=0o700, on_undo="set-aside")
    before = host.apply(step)
    host.sh("mkdir -p /var/lib/etcd/member/snap && head -c 3000000 /dev/urandom >/var/lib/etcd/member/snap/db")
    host.sh("chown -R daemon:adm /var/lib/etcd/member && chmod 600 /var/lib/etcd/member/snap/db")
    data = host.sh("cd /var/lib/etcd && sha256sum member/snap/db && stat -c '%U:%G %a' member/snap/db")
    host.undo(step, before)

    aside = f"/var/lib/klusterkit/set-aside/test.{host.runs}/var%lib%etcd.1"
    assert host.sh(f"cd {aside} && sha256sum member/snap/db && stat -c '%U:%G %a' member/snap/db") == data
    assert host.sh("ls -A /var/lib/etcd; findmnt -no TARGET /var/lib/etcd") == "/var/lib/etcd"


def test_what_is_mounted_below_a_data_folder_is_unmounted_and_what_it_holds_stays(host: StepHost) -> None:
    host.sh("mkdir /srv/volume && echo precious >/srv/volume/data")
    for step in (Tree(path="/var/lib/kubelet", mode=0o700), Tree(path="/srv/kubelet")):
        before = host.apply(step)
        host.sh(
            f"cd {step.path} && mkdir -p 'pods/a b/token' pods/c/volume deep && mount -t tmpfs tmpfs 'pods/a b/token'"
            " && mount --bind /srv/volume pods/c/volume && mount --bind . deep && echo x >'pods/a b/token/t'"
        )
        host.undo(step, before)
        assert host.sh(f"grep -c '{step.path}/' /proc/self/mountinfo || true") == "0"
    assert host.sh("cat /srv/volume/data") == "precious"
    host.sh("rm -r /srv/volume")


def test_a_mount_in_use_stops_undo_until_it_is_free(host: StepHost) -> None:
    step = Tree(path="/srv/kubelet")
    before = host.apply(step)
    host.sh(
        "mkdir /srv/kubelet/busy && mount -t tmpfs tmpfs /srv/kubelet/busy"
        " && cd /srv/kubelet/busy && (while [ ! -e /run/kk-over ]; do sleep 0.1; done >/dev/null 2>&1 &)"
    )
    with pytest.raises(CommandFailedTemporarily, match="/srv/kubelet/busy can't be unmounted") as caught:
        host.undo(step, before)
    assert "busy" in (caught.value.seen or "")
    host.sh("touch /run/kk-over")
    until(lambda: "kk-over" not in host.sh("cat /proc/[0-9]*/cmdline | tr '\\0' ' ' | grep -o 'kk[-]over' || true"))
    host.undo(step, before, attempt=2)


def test_a_folder_with_content_that_nobody_knows_is_refused(host: StepHost) -> None:
    host.sh("mkdir -p /srv/full/of")
    with pytest.raises(Exception, match="/srv/full is not empty"):
        host.apply(Tree(path="/srv/full"))
    host.sh("rm -r /srv/full")


def test_settings_go_back_to_what_they_were(host: StepHost) -> None:
    read = "sysctl -n net.ipv4.ip_forward net.ipv4.ip_local_port_range"
    was = host.sh(read)
    step = Sysctl(values={"net.ipv4.ip_forward": "1", "net.ipv4.ip_local_port_range": "20000 30000"})
    before = host.apply(step)
    assert host.sh(read).split() == ["1", "20000", "30000"]
    host.undo(step, before)
    assert host.sh(read) == was


def test_a_setting_that_is_not_there_is_refused(host: StepHost) -> None:
    with pytest.raises(Exception, match=r"net\.ipv4\.no_such can't be set to 1"):
        host.apply(Sysctl(values={"net.ipv4.no_such": "1"}, name="other"))
    host.sh("rm -f /etc/sysctl.d/other.conf")


def test_a_module_that_can_not_be_had_is_refused(host: StepHost) -> None:
    with pytest.raises(CommandFailed, match="the kernel module no_such can't be loaded"):
        host.apply(Modules(names=("no_such",), name="other"))
    host.sh("rm -f /etc/modules-load.d/other.conf")


OWN = """
iptables-nft -N mine; iptables-nft -A INPUT -s 192.0.2.1 -j mine; iptables-nft -P FORWARD DROP
ip6tables-legacy -A INPUT -s 2001:db8::1 -j DROP
"""
THEIRS = """
ip link add cni0 type bridge; ip link add flannel.1 type vxlan id 1 dev eth0 dstport 8472
ip netns add cni-1234; ip netns exec cni-1234 ip link set lo up
ip link add veth1 type veth peer name inside netns cni-1234; ip link set veth1 master cni0
ip link add veth2 type veth peer name other netns cni-1234; ip link add dummy7 type dummy
ip link add docker0 type bridge; ip netns add theirs
ip link add veth3 type veth peer name inside netns theirs; ip link set veth3 master docker0
for p in iptables-nft iptables-legacy ip6tables-nft ip6tables-legacy; do
  $p -t nat -N KUBE-SERVICES; $p -t nat -A PREROUTING -m comment --comment 'kubernetes service portals' -j KUBE-SERVICES
  $p -t filter -N KUBE-FIREWALL; $p -t filter -I INPUT -j KUBE-FIREWALL; $p -t mangle -N KUBE-HINT
done
nft add table ip kube-proxy; nft add table inet fail2ban
iptables-nft -A INPUT -s 192.0.2.7 -j ACCEPT; iptables-legacy -P FORWARD DROP
sysctl -qw net.ipv4.ip_forward=1 net.ipv4.conf.all.route_localnet=1
"""
LOOK = """
for p in iptables-nft iptables-legacy ip6tables-nft ip6tables-legacy; do
  $p-save 2>/dev/null | grep '^-\\|^:.* -\\|DROP' | sort
done
nft list tables; ls /sys/class/net; ls /run/netns 2>/dev/null
sysctl net.ipv4.ip_forward net.ipv4.conf.all.route_localnet
"""


def test_the_network_is_what_it_was_before_pods(host: StepHost) -> None:
    host.sh(OWN)
    was = host.sh(LOOK)
    step = Baseline()
    before = host.apply(step)
    host.sh(THEIRS)
    host.undo(step, before)
    # Of no pod network, so not ours to take away:
    host.sh("ip link delete dummy7; ip link delete veth3; ip link delete docker0; ip netns delete theirs")
    host.sh("nft delete table inet fail2ban")
    host.sh("iptables-nft -D INPUT -s 192.0.2.7 -j ACCEPT; iptables-legacy -P FORWARD ACCEPT")

    assert set(host.sh(LOOK).splitlines()) == set(was.splitlines())
    host.sh("iptables-nft -F; iptables-nft -X; iptables-nft -P FORWARD ACCEPT; ip6tables-legacy -F; nft flush ruleset")
