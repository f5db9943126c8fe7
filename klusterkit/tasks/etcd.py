"""etcd as KlusterKit runs it: a systemd unit on the host, with mutual TLS."""

from __future__ import annotations

from typing import ClassVar

from klusterkit.engine.step import Context
from klusterkit.tasks.gates import Gate, failure

ETCDCTL = "/usr/local/bin/etcdctl"
PKI = "/etc/etcd/pki"
DATA = "/var/lib/etcd"


class Healthy(Gate):
    """The member on this host takes part in a quorum: it answers a linearizable read."""

    kind: ClassVar[str] = "gate.etcd"
    hint: ClassVar[str] = "see `journalctl -u etcd`"

    endpoint: str = "https://127.0.0.1:2379"

    @property
    def title(self) -> str:
        """What is waited for."""
        return "wait until etcd is healthy"

    def missing(self, on: Context) -> str:
        """What etcdctl says, as the health check's client."""
        ended = on.host.run(
            [
                *(ETCDCTL, f"--endpoints={self.endpoint}", f"--cacert={PKI}/ca.crt"),
                *(f"--cert={PKI}/healthcheck-client.crt", f"--key={PKI}/healthcheck-client.key"),
                *("--command-timeout=3s", "endpoint", "health"),
            ],
            timeout=10.0,
        )
        return failure(ended)
