"""Links break and servers end: what came is kept and gone on with, and nobody calls it damage."""

from __future__ import annotations

import hashlib
import os
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import pytest

from klusterkit.bundle import ArtifactStore, DownloadCut, Mirror
from klusterkit.engine.errors import UsageError

CONTENT = os.urandom(3 << 20)
DIGEST = hashlib.sha256(CONTENT).hexdigest()
PATH = "dl.k8s.io/kubelet"


class Breaking(BaseHTTPRequestHandler):
    """Sends at most ``piece`` bytes of what it has promised, then ends the connection, with a reset or in peace."""

    piece: ClassVar[int] = 1 << 20
    reset: ClassVar[bool] = False
    asked: ClassVar[list[str | None]] = []

    def log_message(self, *args: object) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        """Promise all, send a part."""
        wanted = self.headers.get("Range")
        self.asked.append(wanted)
        start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted else 0
        self.send_response(206 if wanted else 200)
        self.send_header("Content-Length", str(len(CONTENT) - start))
        self.end_headers()
        self.wfile.write(CONTENT[start : start + self.piece])
        if self.reset:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True


@contextmanager
def breaking(*, piece: int, reset: bool = False) -> Iterator[Mirror]:
    handler = type("Handler", (Breaking,), {"piece": piece, "reset": reset, "asked": Breaking.asked})
    Breaking.asked.clear()
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as http:
        threading.Thread(target=http.serve_forever, daemon=True).start()
        try:
            yield Mirror(f"http://127.0.0.1:{http.server_port}")
        finally:
            http.shutdown()


@pytest.fixture
def store(tmp_path: Path) -> ArtifactStore:
    return ArtifactStore(tmp_path / "cache")


def test_a_download_that_is_cut_again_and_again_comes_whole(store: ArtifactStore) -> None:
    with breaking(piece=1 << 20) as mirror:
        mirror.fetch(PATH, DIGEST, store)
    assert store.path(DIGEST).read_bytes() == CONTENT
    assert len(Breaking.asked) >= 3


@pytest.mark.parametrize("reset", [False, True], ids=["ended", "reset"])
def test_a_download_that_does_not_go_on_is_no_damage_and_its_part_is_kept(store: ArtifactStore, reset: bool) -> None:
    store.partial(DIGEST).write_bytes(CONTENT[:1000])
    with breaking(piece=0, reset=reset) as mirror, pytest.raises(DownloadCut) as raised:
        mirror.fetch(PATH, DIGEST, store)
    assert raised.value.temporary
    assert "run the command again" in str(raised.value.hint)
    assert store.partial(DIGEST).read_bytes() == CONTENT[:1000]


def test_commands_that_want_the_same_artifact_fetch_it_once(store: ArtifactStore) -> None:
    with breaking(piece=len(CONTENT)) as mirror:
        commands = [threading.Thread(target=mirror.fetch, args=(PATH, DIGEST, store)) for _ in range(4)]
        for each in commands:
            each.start()
        for each in commands:
            each.join()
    assert Breaking.asked == [None]
    assert store.path(DIGEST).read_bytes() == CONTENT


def test_a_disk_without_room_is_words(tmp_path: Path) -> None:
    full = tmp_path / "cache"
    full.write_text("a file where the folder should be")
    with breaking(piece=len(CONTENT)) as mirror, pytest.raises(UsageError, match="can't be kept") as raised:
        mirror.fetch(PATH, DIGEST, ArtifactStore(full))
    assert "KLUSTERKIT_CACHE" in str(raised.value.hint)
