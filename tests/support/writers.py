"""Writers that keep the API busy through its virtual address, and remember what it has acknowledged."""

from __future__ import annotations

import base64
import http.client
import json
import ssl
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

PATIENCE = 1.0
"""Seconds, as in :class:`Writers`."""
PATIENCE_WITH_LOSS = 4.0
"""Where many packets are lost: TLS takes several of them to begin, and each is sent again only after a while."""


@dataclass
class Writer:
    """Makes numbered ConfigMaps, each only when the one before is acknowledged."""

    name: str
    acknowledged: list[float] = field(default_factory=list[float])
    """When, by the number of the write: ``time.monotonic()``."""
    refused: list[str] = field(default_factory=list[str])
    """Why attempts failed."""

    def names(self) -> set[str]:
        """The ConfigMaps that the API has said it keeps."""
        return {f"{self.name}-{number}" for number in range(len(self.acknowledged))}

    def longest_gap(self, since: float) -> float:
        """Seconds, of those between two acknowledgements after a moment, or from that moment to the first."""
        times = [since, *(at for at in self.acknowledged if at >= since)]
        return max((later - earlier for earlier, later in pairwise(times)), default=float("inf"))


class Writers:
    """Several writers at once, each with a connection of its own, as long as the ``with`` block lasts.

    Args:
        kubeconfig: what they know of the API, and who they are.
        namespace: where they write.
        count: how many.
        pause: seconds between an acknowledgement and the next write.
        patience: seconds that a writer waits for an answer before it tries the same write over a new connection.
    """

    def __init__(
        self, kubeconfig: Path, namespace: str, count: int = 4, pause: float = 0.1, patience: float = PATIENCE
    ) -> None:
        config = yaml.safe_load(kubeconfig.read_text())
        self._server = urlsplit(config["clusters"][0]["cluster"]["server"])
        self._tls = _tls(config)
        self._path = f"/api/v1/namespaces/{namespace}/configmaps"
        self._pause = pause
        self._patience = patience
        self._ended = threading.Event()
        self.writers = [Writer(f"writer-{number}") for number in range(count)]
        self._threads = [threading.Thread(target=self._write, args=(writer,), daemon=True) for writer in self.writers]

    def __enter__(self) -> Writers:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join()

    @property
    def acknowledged(self) -> set[str]:
        """All ConfigMaps that the API has said it keeps."""
        return {name for writer in self.writers for name in writer.names()}

    def go_on(self, count: int = 20, within: float = 600.0) -> None:
        """Wait until each has so many more writes acknowledged."""
        wanted = {writer.name: len(writer.acknowledged) + count for writer in self.writers}
        until = time.monotonic() + within
        while any(len(writer.acknowledged) < wanted[writer.name] for writer in self.writers):
            assert time.monotonic() < until, {writer.name: writer.refused[-3:] for writer in self.writers}
            time.sleep(0.05)

    @contextmanager
    def measured(self) -> Iterator[list[float]]:
        """What happens in this block, and until all write again, costs the writer that waits longest so many seconds.

        The list is filled at the block's end.
        """
        since = time.monotonic()
        found: list[float] = []
        yield found
        self.go_on()
        found.append(max(writer.longest_gap(since) for writer in self.writers))

    def _write(self, writer: Writer) -> None:
        connection: http.client.HTTPSConnection | None = None
        while not self._ended.is_set():
            try:
                connection = connection or self._connect()
                self._make(connection, f"{writer.name}-{len(writer.acknowledged)}")
            except (OSError, http.client.HTTPException, _Refused) as error:
                writer.refused.append(repr(error))
                if connection is not None and not isinstance(error, _Refused):
                    connection.close()
                    connection = None
                self._ended.wait(0.05)
            else:
                writer.acknowledged.append(time.monotonic())
                self._ended.wait(self._pause)

    def _connect(self) -> http.client.HTTPSConnection:
        return http.client.HTTPSConnection(
            str(self._server.hostname), self._server.port, timeout=self._patience, context=self._tls
        )

    def _make(self, connection: http.client.HTTPSConnection, name: str) -> None:
        """Raises ``_Refused`` unless it is there now. It is also when it was before: an answer may have been lost."""
        body = json.dumps({"metadata": {"name": name}, "data": {"name": name}})
        connection.request("POST", self._path, body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        said = answer.read()
        if answer.status not in (201, 409):
            raise _Refused(answer.status, said[:300])


class _Refused(Exception):
    """The API server answered, and not with yes."""


def _tls(config: dict[str, Any]) -> ssl.SSLContext:
    authority, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
    made = ssl.create_default_context(cadata=base64.b64decode(authority["certificate-authority-data"]).decode())
    with tempfile.NamedTemporaryFile() as file:  # 0600; the module takes no key but from a file
        file.write(base64.b64decode(user["client-certificate-data"]) + base64.b64decode(user["client-key-data"]))
        file.flush()
        made.load_cert_chain(file.name)
    return made
