"""etcd as KlusterKit runs it: a systemd unit on the host, with mutual TLS."""

from __future__ import annotations

from typing import ClassVar

from klusterkit.engine.errors import CommandFailedTemporarily
from klusterkit.engine.host import Completed
from klusterkit.engine.step import Before, Context, Observation, Step
from klusterkit.tasks import etcdctl
from klusterkit.tasks.gates import Gate, failure

OBJECTS = "/registry/"
"""Below it API servers keep all objects (kube-apiserver, ``--etcd-prefix``)."""


class Healthy(Gate):
    """The member on this host takes part in a quorum: it answers a linearizable read."""

    kind: ClassVar[str] = "gate.etcd"
    hint: ClassVar[str] = "see `journalctl -u etcd`"

    endpoint: str = etcdctl.LOCAL

    @property
    def title(self) -> str:
        """What is waited for."""
        return "wait until etcd is healthy"

    def missing(self, on: Context) -> str:
        """What etcdctl says."""
        return failure(etcdctl.ask(on, [self.endpoint], "endpoint", "health"))


class Objects(Step):
    """What a new cluster writes into an etcd that was there before it: nothing yet.

    Undo comes when no API server runs any more, and takes away all objects, if there was none before. They belong to
    the members together and not to this host: what is left when the host is taken back by itself.
    """

    kind: ClassVar[str] = "etcd.objects"

    @property
    def title(self) -> str:
        """What it does."""
        return "see whether etcd holds a cluster's objects"

    def observe(self, on: Context) -> Observation:
        """Whether there are any."""
        ended = self._etcdctl(on, "get", OBJECTS, "--prefix", "--keys-only", "--limit=1")
        found = bool(ended.text)
        return Observation(satisfied=found, before={"objects": found}, reason="" if found else "it holds none yet")

    def apply(self, on: Context, before: Before) -> None:
        """Nothing: the API server is yet to come."""

    def verify(self, on: Context) -> None:
        """Nothing to add, likewise."""

    def undo(self, on: Context, before: Before) -> None:
        """Take away all objects, if there was none."""
        if not before["objects"]:
            self._etcdctl(on, "del", OBJECTS, "--prefix")

    def _etcdctl(self, on: Context, *arguments: str) -> Completed:
        ended = etcdctl.ask(on, [etcdctl.LOCAL], *arguments)
        if not ended.ok:
            raise CommandFailedTemporarily(
                f"etcd on {on.host.name} doesn't answer",
                host=on.host.name,
                seen=ended.said,
                hint="see `journalctl -u etcd`, and whether the other members are up",
            )
        return ended
