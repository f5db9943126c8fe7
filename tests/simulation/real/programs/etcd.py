"""etcd with etcdctl: a database in its folder, and a log that tells one from another."""

from __future__ import annotations

import uuid
from typing import Any

from klusterkit.engine.host import Completed
from tests.simulation.real.programs.program import Program
from tests.simulation.real.programs.texts import documents
from tests.unit.tasks.step_world import said

CONFIGURATION = "/etc/etcd/etcd.yaml"


class Etcd(Program):
    """The only member."""

    @property
    def database(self) -> str:
        """The file that holds all objects, by kind and name."""
        return f"{self._data}/member/snap/db"

    @property
    def log(self) -> bytes:
        """Its write-ahead log: another one for each database that was ever begun."""
        return self.tree.read(self._log)

    @property
    def _data(self) -> str:
        return self._configuration["data-dir"]

    @property
    def _log(self) -> str:
        return f"{self._data}/member/wal/0.wal"

    @property
    def _configuration(self) -> dict[str, Any]:
        return documents(self.tree.read(CONFIGURATION))[0]

    def start(self) -> bool:
        """As its unit does."""
        if not self.has("/usr/local/bin/etcd", CONFIGURATION):
            return False
        wanted = [
            self._configuration[f"{side}-transport-security"][file]
            for side in ("client", "peer")
            for file in ("cert-file", "key-file", "trusted-ca-file")
        ]
        if not self.has(*wanted):
            return False
        if not self.has(self.database):
            self.keep(self.database, {})
            self.tree.makedirs(f"{self._data}/member/wal")
            self.tree.write(self._log, uuid.uuid4().hex, 0o600)
        return True

    def etcdctl(self, argv: list[str], _: bytes) -> Completed:
        """``etcdctl --cacert=… --cert=… --key=… endpoint health``."""
        files = [word.split("=")[1] for word in argv if word.startswith(("--cacert=", "--cert=", "--key="))]
        if not self.has(*files):
            return said(1, err="open: no such file or directory")
        healthy = self.runs("etcd") and self.has(self.database)
        return said(out="is healthy\n") if healthy else said(1, err="context deadline exceeded")
