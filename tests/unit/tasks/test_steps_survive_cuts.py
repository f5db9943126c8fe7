"""Every generic step, killed at every changing call, on machines of every kind: finished or taken back, never stuck."""

from __future__ import annotations

import hashlib
import io
import tarfile
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from step_world import World, tell_every_story

from klusterkit.engine.step import Step
from klusterkit.pki import Authority, Leaf, Usage
from klusterkit.tasks.artifacts import Install, Unpack, Upload, place
from klusterkit.tasks.certificates import Certificate, Kubeconfig
from klusterkit.tasks.files import Directory, SecretFile, TextFile
from klusterkit.tasks.kernel import Modules, Sysctl
from klusterkit.tasks.network import Baseline
from klusterkit.tasks.registry import RegistryFile
from klusterkit.tasks.reloaded import ReloadedFile
from klusterkit.tasks.systemd import Service, Unit
from klusterkit.tasks.tree import Tree
from tests.support.kernel import mountinfo
from tests.support.posix import connect

MODES = st.sampled_from([0o600, 0o640, 0o644, 0o755, 0o2775])
OWNERS = st.sampled_from(["root:root", "etcd:etcd"])
CONTENTS = st.sampled_from([b"", b"old\n", b"wanted\n", b"\xff\x00"])
Prior = Callable[[World], None]

few = settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def files_at(path: str) -> st.SearchStrategy[Prior]:
    """What may be where a file is wanted."""
    return st.one_of(
        st.just(lambda world: None),
        st.builds(
            lambda content, mode, owner: lambda world: world.tree.write(path, content, mode, owner),
            CONTENTS,
            MODES,
            OWNERS,
        ),
        st.builds(
            lambda target: lambda world: world.tree.link(path, target), st.sampled_from(["/etc/hostname", "gone"])
        ),
    )


def folders_at(path: str) -> st.SearchStrategy[Prior]:
    return st.one_of(
        st.just(lambda world: None),
        st.builds(lambda mode, owner: lambda world: world.tree.mkdir(path, mode, owner), MODES, OWNERS),
    )


def survive(
    step: Step,
    *priors: Prior,
    world: Callable[[], World] = World,
    work: Prior = lambda _: None,
    anew: tuple[str, ...] = (),
) -> None:
    def make() -> World:
        made = world()
        for prior in priors:
            prior(made)
        return made

    if make().observe(step).satisfied:
        return
    assert tell_every_story(step, make, work, anew) > 0


@few
@given(prior=folders_at("/etc/demo"), mode=MODES, owner=OWNERS)
def test_a_folder(prior: Prior, mode: int, owner: str) -> None:
    survive(Directory(path="/etc/demo", mode=mode, owner=owner), prior)


@few
@given(prior=files_at("/etc/demo.conf"), mode=MODES, owner=OWNERS)
def test_a_text_file(prior: Prior, mode: int, owner: str) -> None:
    survive(TextFile(path="/etc/demo.conf", content="wanted\n", mode=mode, owner=owner), prior)


@few
@given(prior=files_at("/etc/demo.key"))
def test_a_secret_file(prior: Prior) -> None:
    survive(SecretFile(path="/etc/demo.key", secret="demo.key"), prior, world=partial(World, {"demo.key": b"wanted\n"}))


@few
@given(
    prior=folders_at("/var/lib/demo"),
    on_undo=st.sampled_from(["remove", "set-aside"]),
    filled=st.booleans(),
    mounted=st.booleans(),
)
def test_a_data_folder(prior: Prior, on_undo: str, filled: bool, mounted: bool) -> None:
    def work(world: World) -> None:
        if filled:
            world.tree.makedirs("/var/lib/demo/member/wal")
            world.tree.write("/var/lib/demo/member/wal/0.wal", b"data")
        if mounted:
            world.tree.makedirs("/var/lib/demo/pods/a ü")
            world.tree.write("/proc/self/mountinfo", mountinfo("/", r"/var/lib/demo/pods/a\040ü"))

    survive(Tree.model_validate({"path": "/var/lib/demo", "mode": 0o700, "on_undo": on_undo}), prior, work=work)


def archive(folder: Path) -> Path:
    path = folder / "demo.tar.gz"
    with tarfile.open(path, "w:gz") as opened:
        for name in ("bin/demo", "bin/democtl", "LICENSE"):
            info = tarfile.TarInfo(name)
            info.size = len(name)
            opened.addfile(info, io.BytesIO(name.encode()))
    return path


def with_artifact(path: Path, *, uploaded: bool) -> Callable[[], World]:
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()

    def make() -> World:
        world = World(artifacts={sha256: path})
        if uploaded:
            world.tree.makedirs(place(sha256).rpartition("/")[0], 0o700)
            world.tree.write(place(sha256), path.read_bytes(), 0o755)
        return world

    return make


@pytest.fixture(scope="session")
def artifact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return archive(tmp_path_factory.mktemp("artifacts"))


@pytest.fixture(scope="session")
def sha256(artifact: Path) -> str:
    return hashlib.sha256(artifact.read_bytes()).hexdigest()


def test_an_upload(artifact: Path, sha256: str) -> None:
    survive(Upload(name="demo", sha256=sha256, size=1), world=with_artifact(artifact, uploaded=False))


@few
@given(prior=files_at("/usr/local/bin/demo"), mode=MODES)
def test_an_install(artifact: Path, sha256: str, prior: Prior, mode: int) -> None:
    step = Install(name="demo", sha256=sha256, path="/usr/local/bin/demo", mode=mode)
    survive(step, prior, world=with_artifact(artifact, uploaded=True))


@few
@given(first=files_at("/usr/local/bin/demo"), second=files_at("/usr/local/bin/democtl"))
def test_an_unpacking(artifact: Path, sha256: str, first: Prior, second: Prior) -> None:
    members = {"bin/demo": "/usr/local/bin/demo", "bin/democtl": "/usr/local/bin/democtl"}
    step = Unpack(name="demo", sha256=sha256, members=members)
    survive(step, first, second, world=with_artifact(artifact, uploaded=True))


UNIT = "[Service]\nExecStart=/usr/local/bin/demo\n[Install]\nWantedBy=multi-user.target\n"


def unit(content: str = UNIT, *, enabled: bool = False, running: bool = False, failed: bool = False) -> Prior:
    def arrange(world: World) -> None:
        world.tree.write("/etc/systemd/system/demo.service", content)
        world.host.machine.systemd.systemctl(["daemon-reload"])
        if enabled:
            world.host.machine.systemd.systemctl(["enable", "demo.service"])
        if running:
            world.host.machine.systemd.systemctl(["start", "demo.service"])
        if failed:
            world.host.machine.systemd.fail("demo.service")

    return arrange


@few
@given(there=st.booleans(), running=st.booleans())
def test_a_unit(there: bool, running: bool) -> None:
    prior = unit("[Service]\nExecStart=/old\n", running=running)
    survive(Unit(name="demo.service", content=UNIT), *([prior] if there else []))


@few
@given(folder=folders_at("/etc/systemd/system/demo.service.d"), running=st.booleans(), there=st.booleans())
def test_a_drop_in(folder: Prior, running: bool, there: bool) -> None:
    def old(world: World) -> None:
        if there:
            world.tree.mkdir("/etc/systemd/system/demo.service.d")
            world.tree.write("/etc/systemd/system/demo.service.d/10-limits.conf", "[Service]\nNice=5\n")

    step = Unit(name="demo.service", content="[Service]\nNice=1\n", drop_in="10-limits")
    survive(step, folder, old, unit(running=running))


@few
@given(
    was=st.builds(unit, enabled=st.booleans(), running=st.booleans()),
    enabled=st.sampled_from([True, False, None]),
    running=st.sampled_from([True, False, None]),
    started_with=st.sampled_from([(), ("sha256:1", "sha256:2")]),
)
def test_a_service(was: Prior, enabled: bool | None, running: bool | None, started_with: tuple[str, ...]) -> None:
    survive(Service(unit="demo.service", enabled=enabled, running=running, restart_for=started_with), was)


@few
@given(
    file=files_at("/etc/modules-load.d/klusterkit.conf"),
    loaded=st.sets(st.sampled_from(["overlay", "br_netfilter"])),
    folder=st.booleans(),
    built_in=st.sampled_from([(), ("nf_tables",)]),
)
def test_kernel_modules(file: Prior, loaded: set[str], folder: bool, built_in: tuple[str, ...]) -> None:
    def arrange(world: World) -> None:
        if folder:
            world.tree.makedirs("/etc/modules-load.d")
            file(world)
        for name in loaded:
            world.tree.makedirs(f"/sys/module/{name}")

    survive(Modules(names=("overlay", "br_netfilter", *built_in)), arrange)


@few
@given(
    file=files_at("/etc/sysctl.d/klusterkit.conf"),
    folder=st.booleans(),
    forward=st.sampled_from(["0", "1"]),
    ports=st.booleans(),
)
def test_kernel_settings(file: Prior, folder: bool, forward: str, ports: bool) -> None:
    def arrange(world: World) -> None:
        if folder:
            file(world)
        else:
            world.tree.remove("/etc/sysctl.d")
        world.tree.makedirs("/proc/sys/net/ipv4")
        world.tree.write("/proc/sys/net/ipv4/ip_forward", f"{forward}\n")
        world.tree.write("/proc/sys/net/ipv4/ip_local_port_range", "1024\t65535\n" if ports else "32768\t60999\n")

    step = Sysctl(values={"net.ipv4.ip_forward": "1", "net.ipv4.ip_local_port_range": "1024 65535"})
    survive(step, arrange)


OWN_RULES = "*filter\n:INPUT DROP [0:0]\n:mine - [0:0]\n-A INPUT -j mine\nCOMMIT\n"
THEIR_RULES = (
    "*nat\n:PREROUTING ACCEPT [0:0]\n:KUBE-SERVICES - [0:0]\n-A PREROUTING -j KUBE-SERVICES\nCOMMIT\n"
    "*filter\n:INPUT DROP [0:0]\n:mine - [0:0]\n:KUBE-FIREWALL - [0:0]\n"
    "-A INPUT -j KUBE-FIREWALL\n-A INPUT -j mine\nCOMMIT\n"
)


@few
@given(ruled=st.booleans(), filtered=st.booleans(), connected=st.booleans(), own_veth=st.booleans())
def test_the_network_as_it_was(ruled: bool, filtered: bool, connected: bool, own_veth: bool) -> None:
    def arrange(world: World) -> None:
        world.tree.makedirs("/proc/sys/vm")
        world.tree.write("/proc/sys/vm/overcommit_memory", "0\n")
        world.tree.write("/proc/filter/iptables-nft", OWN_RULES if ruled else "")
        if own_veth:
            world.tree.makedirs("/sys/class/net/veth-mine")

    def work(world: World) -> None:
        world.tree.write("/proc/sys/vm/overcommit_memory", "1\n")
        if filtered:
            world.tree.write("/proc/filter/iptables-nft", THEIR_RULES if ruled else THEIR_RULES.split("*filter")[0])
            world.tree.write("/proc/nft", "table inet firewall\ntable ip kube-proxy\ntable ip flannel-ipv4\n")
        if connected:
            for path in ("/sys/class/net/cni0", "/run/netns/cni-1", "/run/flannel"):
                world.tree.makedirs(path)
            connect(world.host.machine, "veth12", master="cni0")
            connect(world.host.machine, "veth13", netns="cni-1")

    survive(Baseline(), arrange, work=work)


@cache
def authority() -> Authority:
    return Authority.create("kubernetes")


def with_authority() -> World:
    return World({"ca.crt": authority().cert_pem.encode(), "ca.key": authority().key_pem.encode()})


LEAF = Leaf(common_name="demo", dns_names=("demo",), usages=(Usage.SERVER,))


@few
@given(certificate=files_at("/etc/demo.crt"), key=files_at("/etc/demo.key"))
def test_a_certificate(certificate: Prior, key: Prior) -> None:
    step = Certificate(authority="ca", leaf=LEAF, path_certificate="/etc/demo.crt", path_key="/etc/demo.key")
    survive(step, certificate, key, world=with_authority, anew=("/etc/demo.crt", "/etc/demo.key"))


@few
@given(prior=files_at("/etc/demo.conf"))
def test_a_kubeconfig(prior: Prior) -> None:
    step = Kubeconfig(authority="ca", leaf=LEAF, server="https://10.0.0.5:6443", path="/etc/demo.conf")
    survive(step, prior, world=with_authority, anew=("/etc/demo.conf",))


@few
@given(prior=files_at("/etc/demo.toml"))
def test_a_file_with_an_account_in_it(prior: Prior) -> None:
    step = RegistryFile(path="/etc/demo.toml", content="wanted\n", secret="registry.account")
    survive(step, prior, world=lambda: World({"registry.account": b"YTpi", "ca.key": b"cannot be guessed"}))


@few
@given(file=files_at("/etc/demo.conf"), running=st.booleans())
def test_a_file_that_a_service_reads_again(file: Prior, running: bool) -> None:
    step = ReloadedFile(unit="demo.service", path="/etc/demo.conf", content="wanted\n")
    survive(step, unit(running=running), file)
