"""containerd with ctr: images and containers in its store, tasks as folders below ``/run`` with their mounts."""

from __future__ import annotations

import json
from functools import lru_cache

from klusterkit.engine.host import Completed
from klusterkit.session.supply.registry import ACCOUNT
from tests.simulation.real.programs.program import Program
from tests.support import kernel, supplies
from tests.support.posix import said

META = "/var/lib/containerd/io.containerd.metadata.v1.bolt/meta.db"
BLOBS = "/var/lib/containerd/io.containerd.content.v1.content/blobs"
TASKS = "/run/containerd/io.containerd.runtime.v2.task/k8s.io"
SOCKET = "/run/containerd/containerd.sock"
SANDBOXES = "/run/containerd/io.containerd.grpc.v1.cri/sandboxes"


@lru_cache(maxsize=1024)
def _parsed(content: bytes) -> dict[str, dict[str, str]]:
    return json.loads(content)


class Containerd(Program):
    """A container has the name of its pod."""

    def start(self) -> bool:
        """As its unit does."""
        programs = ("/usr/local/bin/containerd", "/usr/local/bin/containerd-shim-runc-v2", "/usr/local/sbin/runc")
        if not self.has(*programs, "/etc/containerd/config.toml"):
            return False
        for folder in ("/etc/cni/net.d", BLOBS, TASKS):
            self.tree.makedirs(folder)
        self.tree.write(SOCKET, "")
        return True

    @property
    def images(self) -> dict[str, str]:
        """The labels of the images that are in the store, by their names."""
        return self._meta.get("images", {})

    @property
    def containers(self) -> dict[str, str]:
        """The image of each container, by the pod's name."""
        return self._meta.get("containers", {})

    def image(self, word: str) -> str:
        """The first image with this word in its name."""
        return next((image for image in self.images if word in image), "")

    def running(self, pod: str) -> bool:
        """Whether a pod's process is alive. It outlives containerd."""
        return self.has(f"{TASKS}/{pod}")

    def memory(self, pod: str) -> str:
        """Where a pod's process has what it would forget if it ended."""
        return f"{TASKS}/{pod}/memory"

    def pull(self, image: str, labels: str = "") -> None:
        """Have an image in the store."""
        self.tree.write(f"{BLOBS}/{image.replace('/', '_')}", image)
        self._change(images={**self.images, image: labels})

    def run(self, pod: str, image: str) -> None:
        """Start a pod's process."""
        self._change(containers={**self.containers, pod: image})
        self.tree.makedirs(f"{TASKS}/{pod}")
        kernel.mount(self.machine, f"{TASKS}/{pod}/rootfs")
        kernel.mount(self.machine, f"{SANDBOXES}/{pod}/shm")

    def end(self, pod: str) -> None:
        """End a pod's process."""
        kernel.unmount(self.machine, f"{TASKS}/{pod}/rootfs")
        self.tree.remove(f"{TASKS}/{pod}", recursive=True)
        kernel.close_sockets(self.machine, pod)

    def forget(self, *pods: str) -> None:
        """Remove containers."""
        self._change(containers={pod: image for pod, image in self.containers.items() if pod not in pods})

    def _change(self, **changes: dict[str, str]) -> None:
        self.keep(META, {**self._meta, **changes})

    @property
    def _meta(self) -> dict[str, dict[str, str]]:
        """Nobody changes it: it is asked for over and over."""
        return _parsed(self.tree.read(META)) if self.has(META) else {}

    def ctr(self, argv: list[str], _: bytes) -> Completed:
        """``ctr --namespace=k8s.io images|tasks|containers VERB …``."""
        if not (self.runs("containerd") and self.has(SOCKET)):
            return said(1, err='ctr: failed to dial "/run/containerd/containerd.sock": connection refused')
        what, verb, *rest = argv[1:]
        if what == "images":
            return self._ctr_images(verb, rest)
        if verb == "list":
            listed = [pod for pod in self.containers if what == "containers" or self.running(pod)]
            return said(out="".join(f"{pod}\n" for pod in listed))
        pods = [word for word in rest if not word.startswith("--")]
        if what == "containers":
            self.forget(*pods)
        for pod in pods if what == "tasks" else ():
            self.end(pod)
        return said()

    def _ctr_images(self, verb: str, rest: list[str]) -> Completed:
        match verb:
            case "list":
                rows = [f"{name} application/vnd.oci {labels}\n" for name, labels in self.images.items()]
                return said(out="REF TYPE LABELS\n" + "".join(rows))
            case "import":
                return self._import(rest)
            case "pull":
                return self._pull_from_registry(rest[1], rest[-2], rest[-1])
            case "mount" | "unmount":
                return self._mount(verb, rest[-2], rest[-1])
            case _:
                return self._remove_image(rest[0])

    def _import(self, rest: list[str]) -> Completed:
        archive = rest[-1]
        if not self.has(archive):
            return said(1, err=f"ctr: open {archive}: no such file or directory")
        labels = [word for at, word in enumerate(rest) if at and rest[at - 1] == "--label"]
        image = self.tree.read(archive).decode()
        self.pull(image, ",".join(labels))
        return said(out=f"unpacking {image}...done\n")

    def _pull_from_registry(self, places: str, label: str, image: str) -> Completed:
        """The registry lets in those alone who have an account of it."""
        place = f"{places}/{image.partition('/')[0]}/hosts.toml"
        known = self.tree.read(place) if self.has(place) else b""
        if not any(account in known for account in (supplies.secrets()[ACCOUNT], supplies.NEW_ACCOUNT)):
            return said(1, err=f"ctr: failed to resolve {image!r}: 401 Unauthorized")
        self.pull(image, f"{label},sha256:{supplies.files()[image].sha256}")
        return said(out=f"pulled {image}\n")

    def _mount(self, verb: str, image: str, place: str) -> Completed:
        """The one image whose files anybody mounts is keepalived's."""
        if verb == "unmount":
            kernel.unmount(self.machine, place)
            self.tree.remove(f"{place}/usr", recursive=True)
            return said()
        if image not in self.images:
            return said(1, err=f"ctr: image {image!r}: not found")
        kernel.mount(self.machine, place)
        self.tree.makedirs(f"{place}/usr/local/sbin")
        self.tree.write(f"{place}/usr/local/sbin/keepalived", image, 0o755)
        return said()

    def _remove_image(self, image: str) -> Completed:
        if image not in self.images:
            return said(1, err=f"ctr: image {image!r}: not found")
        self._change(images={name: labels for name, labels in self.images.items() if name != image})
        self.tree.remove(f"{BLOBS}/{image.replace('/', '_')}")
        return said()
