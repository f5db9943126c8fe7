"""Lab hosts whose operators are logged in to them, with the single file and without Python."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from tests.support.lab import Lab
from tests.support.onefile import HostWithTools
from tests.support.operator import Ended

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

    def bring_authority(self, other: ByHand) -> None:
        """What the original's README says: copy etcd's from any host that has it."""
        packed = other("cd / && tar c etc/etcd/pki/ca.crt etc/etcd/pki/ca.key | base64 -w0").out
        self(f"echo {packed} | base64 -d | tar x -C /")

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


@contextmanager
def by_hand(lab: Lab, *names: str) -> Iterator[list[ByHand]]:
    """Fresh hosts that reach a mirror of the sites, and each other; gone at the end."""
    try:
        lab("up", *names)
        server = ThreadingHTTPServer((lab.env["LAB_GATEWAY"], 0), partial(_Quiet, directory=lab.env["LAB_MIRROR"]))
        threading.Thread(target=server.serve_forever, daemon=True).start()
        made = [ByHand(lab, name) for name in names]
        for host in made:
            host.mirror = f"http://{lab.env['LAB_GATEWAY']}:{server.server_port}"
            host.prepare()
        yield made
        server.shutdown()
    finally:
        lab("down", "--all", check=False)
