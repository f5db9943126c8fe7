"""Libraries say nothing on the operator's terminal: what matters of it is in our own words."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator

import pytest

from tests.unit.cli.laptop import Operator

ADDRESS = "192.0.2.7"


@pytest.fixture
def closing() -> Iterator[int]:
    """The port of a server that closes each connection before it has said anything."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def close_all() -> None:
            with contextlib.suppress(OSError):
                while True:
                    server.accept()[0].close()

        threading.Thread(target=close_all, daemon=True).start()
        yield server.getsockname()[1]
        with contextlib.suppress(OSError):
            server.shutdown(socket.SHUT_RDWR)


def test_a_host_that_closes_the_connection_is_told_of_without_a_traceback(begun: Operator, closing: int):
    (begun.home / ".ssh").mkdir()
    (begun.home / ".ssh" / "config").write_text(f"Host {ADDRESS}\n  HostName 127.0.0.1\n")
    wanted = ("--ip", ADDRESS, "--port", str(closing), "--role", "master")
    said = begun.cctl("plan", "create", "machine", *wanted, code=5).stderr
    assert f"root@127.0.0.1:{closing} can't be reached" in said
    assert "Traceback" not in said
    assert "Exception" not in said
