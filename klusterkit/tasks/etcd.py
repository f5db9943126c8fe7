"""etcd as KlusterKit runs it: a systemd unit on the host, with mutual TLS."""

from __future__ import annotations

from typing import ClassVar

from klusterkit.engine.step import Context
from klusterkit.tasks import etcdctl
from klusterkit.tasks.gates import Gate, failure


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
