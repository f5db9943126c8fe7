"""sshd turns connections away before its banner when many come at once: each is tried again, and not for ever."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from klusterkit.engine.errors import HostUnreachable
from klusterkit.hosts import opening
from klusterkit.hosts.hostkeys import HostKeys
from klusterkit.hosts.opening import Login


@pytest.fixture
def full() -> Iterator[tuple[int, list[Any]]]:
    """A server's port that takes every connection and ends it, and those that came."""
    came: list[Any] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            while True:
                try:
                    connection, who = server.accept()
                except OSError:
                    return
                came.append(who)
                connection.close()

        threading.Thread(target=serve, daemon=True).start()
        yield server.getsockname()[1], came
        server.shutdown(socket.SHUT_RDWR)


def test_a_host_that_turns_all_connections_away_is_unreachable_after_several_attempts(
    full: tuple[int, list[Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(opening, "TURNED_AWAY", 3.0)
    monkeypatch.setattr(opening, "LONGEST_PAUSE", 0.11)
    port, came = full
    login = Login(address="127.0.0.1", port=port)
    with pytest.raises(HostUnreachable, match="can't be reached"):
        opening.open_checked(opening.make(login), login, HostKeys(), "m1")
    assert len(came) > 1
