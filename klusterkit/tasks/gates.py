"""Gates: steps that change nothing, and end only when something is proved."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import ClassVar

from klusterkit.cluster.endpoint import API_PORT
from klusterkit.engine.errors import Cancelled, CommandFailedTemporarily, NotYet, StepTimeout
from klusterkit.engine.host import Completed
from klusterkit.engine.step import Before, Context, Observation, Step, Undo
from klusterkit.tasks import kubectl

_SLICE = 10
LISTEN = "0A"
"""The state of a listening socket in ``/proc/net/tcp`` (Linux, ``include/net/tcp_states.h``)."""


def failure(ended: Completed) -> str:
    """What a program says of its failure; nothing if it ended well."""
    return "" if ended.ok else ended.said or f"it ended with status {ended.rc} and said nothing"


_FAILED_CHECK = re.compile(r"\[-\](\S+) failed")


def unready(ended: Completed) -> str:
    """Which checks failed, of the many that an API server lists when it isn't ready; nothing if it lists none."""
    failed = _FAILED_CHECK.findall(ended.said)
    return f"not ready: {', '.join(failed)}" if failed else ""


PAUSE, LONGEST_PAUSE = 0.1, 0.5
"""Seconds between the first looks, and between those after a while. One that starts a Go program costs 50 to 100 ms of
a processor, which what is waited for could have."""


def wait_until(
    on: Context, missing: Callable[[Context], str], *, title: str, hint: str = "", pause: float = PAUSE
) -> None:
    """Look until nothing is missing.

    Raises:
        NotYet: something still is when the attempt's time is up; with what.
        Cancelled: the run is being stopped.
    """
    until = time.monotonic() + on.timeout
    while reason := _look(on, missing):
        if time.monotonic() > until:
            raise NotYet(f"{title}: not after {on.timeout:.0f} s", host=on.host.name, seen=reason, hint=hint)
        if on.cancelled.wait(pause):
            raise Cancelled(f"{title}: stopped while waiting")
        pause = max(pause, min(1.3 * pause, LONGEST_PAUSE))


def _look(on: Context, missing: Callable[[Context], str]) -> str:
    try:
        return missing(on)
    except (StepTimeout, CommandFailedTemporarily) as error:  # no answer is an answer
        return error.seen or error.message


class Gate(Step):
    """Waits until nothing is missing any more. Kinds of gates say what is."""

    undoing: ClassVar[Undo] = Undo.NOTHING
    pause: ClassVar[float] = PAUSE
    hint: ClassVar[str] = ""

    def missing(self, on: Context) -> str:
        """What is still missing, in words; nothing if the gate is open."""
        raise NotImplementedError

    def observe(self, on: Context) -> Observation:
        """Look once."""
        reason = _look(on, self.missing)
        return Observation(satisfied=not reason, reason=reason)

    def apply(self, on: Context, before: Before) -> None:
        """Look until it is open."""
        _ = before
        self.wait(on, self.missing)

    def wait(self, on: Context, missing: Callable[[Context], str]) -> None:
        """Look until nothing is missing any more; see :func:`wait_until`."""
        wait_until(on, missing, title=self.title, hint=self.hint, pause=self.pause)

    def verify(self, on: Context) -> None:
        """Nothing to add: it ended by having seen it."""


def listens(on: Context, port: int) -> bool:
    """Whether something on the host accepts connections at a port."""
    listening = f":{port:04X} 0*:0000 {LISTEN}"
    return on.host.run(["grep", "-qs", listening, "/proc/net/tcp", "/proc/net/tcp6"]).ok


class ApiReady(Gate):
    """The API server on this host says that it is ready: etcd reached, its own first objects made."""

    kind: ClassVar[str] = "gate.api"
    hint: ClassVar[str] = "see `journalctl -u kubelet` and the files in /var/log/pods/kube-system_kube-apiserver-*/"

    port: int = API_PORT

    @property
    def title(self) -> str:
        """What is waited for."""
        return "wait until the API server is ready"

    def missing(self, on: Context) -> str:
        """Nobody to ask, or what it says of its own checks."""
        # Asking a closed port with kubectl costs a hundred times what looking at the list of sockets does.
        if not listens(on, self.port):
            return f"nothing listens on port {self.port}"
        ended = kubectl.ask(on, "get", "--raw=/readyz", "--request-timeout=5s", timeout=10.0)
        return unready(ended) or failure(ended)


class ApiStopped(Gate):
    """The API server on this host has ended, and with it all that it did for its clients."""

    kind: ClassVar[str] = "gate.api-stopped"
    hint: ClassVar[str] = "see `journalctl -u kubelet`: it ends static pods whose files are gone"

    port: int = API_PORT

    @property
    def title(self) -> str:
        """What is waited for."""
        return "wait until the API server has ended"

    def missing(self, on: Context) -> str:
        """Somebody who listens where it did."""
        return f"something listens on port {self.port}" if listens(on, self.port) else ""


class ApiAnswers(Gate):
    """Some API server answers where all clients look for it."""

    kind: ClassVar[str] = "gate.endpoint"
    hint: ClassVar[str] = "see which master has the address: `ip address`, `journalctl -u keepalived`"

    server: str

    @property
    def title(self) -> str:
        """What is waited for."""
        return f"wait until {self.server} answers"

    def missing(self, on: Context) -> str:
        """What it says of itself, or nobody to ask."""
        server = (f"--server={self.server}", "--request-timeout=5s")
        ended = kubectl.ask(on, "get", "--raw=/readyz", *server, timeout=10.0)
        return unready(ended) or failure(ended)


_NOT_READY = "node.kubernetes.io/not-ready"
"""What keeps pods off a node until a controller has heard that it is Ready."""
READY = '.status.conditions[?(@.type=="Ready")]'
"""Of a node: the path of what the API has heard of its kubelet last."""
_NODE = f'{{{READY}.status}}|{{.spec.taints[?(@.key=="{_NOT_READY}")].effect}}|{{{READY}.message}}'


class NodeReady(Gate):
    """A node is registered, its kubelet says that it can run pods, network included, and the scheduler knows."""

    kind: ClassVar[str] = "gate.node"
    hint: ClassVar[str] = "see `kubectl describe node` and `journalctl -u kubelet` on the node"

    node: str
    network: bool = True
    """Without one, a node can only be expected to register: the kubelet says Ready when there is a network."""

    @property
    def title(self) -> str:
        """What is waited for."""
        if self.network:
            return f"wait until the node {self.node} is Ready"
        return f"wait until the node {self.node} is registered; it gets Ready with a network of your own"

    def missing(self, on: Context) -> str:
        """The node, or the kubelet's reason, or that the scheduler doesn't know of it yet."""
        ended = kubectl.ask(on, "get", f"node/{self.node}", f"--output=jsonpath={_NODE}")
        if not ended.ok:
            return failure(ended)
        ready, taint, message = [*ended.text.split("|", 2), "", ""][:3]
        if not self.network:
            return ""
        if ready == "True":
            return f"the node has the taint {_NOT_READY} yet" if taint else ""
        return f"{ready} {message}".strip() or "the node has no status yet"

    def apply(self, on: Context, before: Before) -> None:
        """Let one kubectl watch the node: asking again and again costs the processors that the node starts with."""
        if self.network:
            self.wait(on, self._not_seen)
        else:
            super().apply(on, before)

    def _not_seen(self, on: Context) -> str:
        # In slices, so that a run that is stopped doesn't have to wait. For a node that isn't there it ends at once.
        watch = ("wait", "--for=condition=Ready", f"node/{self.node}", f"--timeout={_SLICE}s")
        kubectl.ask(on, *watch, timeout=_SLICE + 10.0)
        return self.missing(on)
