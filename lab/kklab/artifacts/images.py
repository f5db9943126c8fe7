"""The images of a cluster, each one layer made of built programs.

kube-proxy and flannel run iptables or nft from their image: these come from the hosts' base tree, with their
libraries and the xtables modules.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from kklab import command
from kklab.artifacts import layout
from kklab.artifacts import programs as go
from kklab.artifacts.component import Bench, Component
from kklab.artifacts.oci import Entry, Layer, Start, write_image
from kklab.artifacts.small_programs import BUSYBOX, BUSYBOX_PROGRAM, PAUSE_PROGRAM
from kklab.hosts import basetree

NETFILTER_PROGRAMS = (
    *("iptables", "iptables-save", "iptables-restore", "ip6tables", "ip6tables-save", "ip6tables-restore"),
    *("nft", "conntrack", "ipset", "ip"),
)
KEEPALIVED = "2.0.20"
PASSWD = b"root:x:0:0:root:/root:/bin/sh\n"
MODULES = "usr/lib/x86_64-linux-gnu/xtables"
STATIC_PODS = ("kube-apiserver", "kube-controller-manager", "kube-scheduler")


@dataclass(frozen=True)
class Image:
    """An image of one layer.

    Attributes:
        reference: its full name, as in `registry.k8s.io/pause:3.10.2`.
        files: for each path in it, the component that has the file, and the file's name there.
        applets: names under which busybox is in `/bin`; `*` is all that it has.
        netfilter: whether the netfilter programs are in it.
        programs: others of the base tree, with their libraries.
        links: symbolic links, by their paths.
    """

    reference: str
    files: Mapping[str, tuple[Component, str]]
    start: Start
    applets: Sequence[str] = ()
    netfilter: bool = False
    programs: Sequence[str] = ()
    links: Mapping[str, str] = field(default_factory=dict[str, str])

    def component(self) -> Component:
        """The component whose files are the image's archive and its checksum."""
        repository, tag = self.reference.rsplit(":", 1)
        needs = [built for built, _ in self.files.values()] + ([BUSYBOX_PROGRAM] if self.applets else [])
        return Component(
            name=f"image-{repository.replace('/', '-')}",
            version=tag,
            recipe=self._recipe(),
            seconds=3,
            make=self._make,
            needs=tuple({built.digest: built for built in needs}.values()),
        )

    def _recipe(self) -> dict[str, object]:
        # Only where there are some: images without them are kept as they are.
        recipe: dict[str, object] = {}
        if self.programs:
            recipe = {"programs": [self.programs, basetree.recipe()], "links": self.links}
        return recipe | {
            "files": {path: name for path, (_, name) in self.files.items()},
            "start": [self.start.entrypoint, self.start.cmd, self.start.user],
            "applets": self.applets,
            "netfilter": [NETFILTER_PROGRAMS, basetree.recipe()] if self.netfilter else [],
            "revision": 1,
        }

    def _make(self, bench: Bench, out: Path) -> None:
        layer = Layer()
        layer.add(Entry("tmp", mode=0o1777), Entry("etc/passwd", PASSWD, mode=0o644))
        if self.applets:
            layer.add(*_busybox_entries(bench, self.applets))
        if self.netfilter:
            layer.add(*_tree_entries(bench.base_tree(), NETFILTER_PROGRAMS, xtables=True))
        if self.programs:
            layer.add(*_tree_entries(bench.base_tree(), self.programs))
        layer.add(*(Entry(path, link=target) for path, target in self.links.items()))
        for path, (built, name) in self.files.items():
            layer.add(Entry(path, bench.made(built) / name))
        file = layout.image(self.reference)
        (out / file.path).parent.mkdir(parents=True)
        write_image(out / file.path, self.reference, layer, self.start)
        layout.write_checksum(out, file)


def static_pod(version: str, program: str, built: Component) -> Image:
    """One of the control plane's static pods."""
    path = f"usr/local/bin/{program}"
    return Image(f"registry.k8s.io/{program}:{version}", {path: (built, program)}, Start([f"/{path}"]))


def kube_proxy(version: str, built: Component) -> Image:
    """kube-proxy, with the netfilter programs."""
    return Image(
        f"registry.k8s.io/kube-proxy:{version}",
        {"usr/local/bin/kube-proxy": (built, "kube-proxy")},
        Start(["/usr/local/bin/kube-proxy"]),
        netfilter=True,
    )


def coredns(tag: str, built: Component) -> Image:
    """CoreDNS under the tag that kubeadm asks for."""
    files = {"coredns": (built, "coredns")}
    return Image(f"registry.k8s.io/coredns/coredns:{tag}", files, Start(["/coredns"]))


def pause() -> Image:
    """The container that holds a pod's namespaces."""
    files = {"pause": (PAUSE_PROGRAM, "pause")}
    return Image(f"registry.k8s.io/pause:{go.PAUSE}", files, Start(["/pause"], user="65535:65535"))


def flannel(built: Component) -> Image:
    """flannel's daemon, with what its manifest runs besides it."""
    return Image(
        f"ghcr.io/flannel-io/flannel:{go.FLANNEL}",
        {f"opt/bin/{name}": (built, name) for name in ("flanneld", "install-conf")},
        Start(["/opt/bin/flanneld"]),
        applets=("sh", "cp"),
        netfilter=True,
    )


def flannel_plugin(built: Component) -> Image:
    """flannel's CNI plugin, with the `cp` that its manifest runs."""
    reference = f"ghcr.io/flannel-io/flannel-cni-plugin:{go.FLANNEL_PLUGIN}"
    return Image(reference, {"flannel": (built, "flannel")}, Start(), applets=("sh", "cp"))


def busybox() -> Image:
    """What test pods are made of: sh, wget, nslookup, httpd and the rest of busybox."""
    return Image(f"docker.io/library/busybox:{BUSYBOX}", {}, Start(cmd=["sh"]), applets=("*",))


def keepalived() -> Image:
    """keepalived and curl as Debian has them, at the paths of the image whose name it goes by."""
    return Image(
        f"docker.io/osixia/keepalived:{KEEPALIVED}",
        {},
        Start(["/usr/local/sbin/keepalived"]),
        applets=("sh", "kill"),
        programs=("keepalived", "curl"),
        links={"usr/local/sbin/keepalived": "/usr/sbin/keepalived"},
    )


def _busybox_entries(bench: Bench, applets: Sequence[str]) -> list[Entry]:
    program = bench.made(BUSYBOX_PROGRAM) / "busybox"
    program.chmod(0o755)
    names = command.run([program, "--list"]).split() if "*" in applets else applets
    links = [Entry(f"bin/{name}", link="busybox") for name in names if name != "busybox"]
    return [Entry("bin/busybox", program), *links]


def _tree_entries(tree: Path, programs: Sequence[str], *, xtables: bool = False) -> list[Entry]:
    """Programs of the base tree with all that they need of it."""
    names = command.run(["chroot", tree, "which", *programs]).split()
    targets = command.run(["chroot", tree, "realpath", *names]).split()
    modules = [f"/{path.relative_to(tree)}" for path in sorted((tree / MODULES).glob("*.so")) if xtables]
    said = command.run(["chroot", tree, "ldd", *targets, *modules])
    libraries = {word for word in said.split() if word.startswith("/") and not word.endswith(":")}
    # The base tree has /bin, /sbin, /lib below /usr; the dynamic linker's path goes through one of these links.
    entries = [Entry(name, link=f"usr/{name}") for name in ("sbin", "lib", "lib64")]
    for path in {*targets, *modules, *libraries}:
        entries.append(Entry(_below_usr(path), (tree / path[1:]).resolve()))
    for name, target in zip(names, targets, strict=True):
        if name != target:
            entries.append(Entry(_below_usr(name), link=target))
    return sorted(entries, key=lambda entry: entry.path)


def _below_usr(path: str) -> str:
    return path[1:] if path.startswith("/usr/") else f"usr{path}"
