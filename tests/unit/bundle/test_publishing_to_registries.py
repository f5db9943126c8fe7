"""What is sent to a registry arrives whole, also where it asks in the middle who one is."""

from __future__ import annotations

import hashlib
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

import pytest

from klusterkit.bundle.imagearchive import MANIFEST_TYPE
from klusterkit.bundle.mirror import MirrorUnreachable
from klusterkit.bundle.reference import Place
from klusterkit.bundle.registry import Account, Registry, RegistryRefused
from klusterkit.bundle.web import Web
from tests.support.sites import FakeRegistry, RegistryHandler, serving

BLOB = b"a layer" * 20_000
SHA256 = hashlib.sha256(BLOB).hexdigest()


@dataclass
class _Expiring(FakeRegistry):
    """Gives tokens that end when a body has come."""

    ends: int = 1
    """How many of them."""
    issued: int = 0
    received: dict[str, bytes] = field(default_factory=dict[str, bytes])


class _Handler(RegistryHandler):
    site: _Expiring
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:  # noqa: N802 - its caller names it
        self.site.issued += 1
        self.answer(200, b'{"token":"%d"}' % self.site.issued)

    def do_HEAD(self) -> None:  # noqa: N802 - its caller names it
        self.answer(404 if self._known() else 401, b"", **self._challenge)

    def do_POST(self) -> None:  # noqa: N802 - its caller names it
        self.answer(202 if self._known() else 401, b"", Location="/v2/upload", **self._challenge)

    def do_PUT(self) -> None:  # noqa: N802 - its caller names it
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.site.ends:
            self.site.ends -= 1
            self.site.issued += 1
        if self._known():
            self.site.received[self.path] = body
        self.answer(201 if self._known() else 401, b"", **self._challenge)

    @property
    def _challenge(self) -> dict[str, str]:
        return {"WWW_Authenticate": f'Bearer realm="{self.site.url}/token",service="fake"'}

    def _known(self) -> bool:
        return self.headers.get("Authorization") == f"Bearer {self.site.issued}"


def pieces() -> Iterator[bytes]:
    """As a bundle gives them: once."""
    for begin in range(0, len(BLOB), 10_000):
        yield BLOB[begin : begin + 10_000]


def test_a_blob_is_sent_anew_as_a_whole_when_the_token_ends_meanwhile() -> None:
    registry = _Expiring({})
    with serving(registry, _Handler) as url:
        Registry(Place.parse(url), Web()).put_blob("a", SHA256, len(BLOB), pieces)
    assert registry.received == {f"/v2/upload?digest=sha256:{SHA256}": BLOB}


def test_a_manifest_is_sent_anew_too() -> None:
    registry = _Expiring({})
    with serving(registry, _Handler) as url:
        Registry(Place.parse(url), Web()).put_manifest("a", "1", MANIFEST_TYPE, b"{}")
    assert registry.received == {"/v2/a/manifests/1": b"{}"}


def test_a_registry_that_refuses_each_token_is_asked_twice_and_no_more() -> None:
    registry = _Expiring({}, ends=2)
    with serving(registry, _Handler) as url, pytest.raises(RegistryRefused):
        Registry(Place.parse(url), Web()).put_blob("a", SHA256, len(BLOB), pieces)
    assert registry.ends == 0
    assert registry.received == {}


@contextmanager
def hasty(answer: bytes) -> Iterator[str]:
    """A registry that answers whatever it is asked, and closes before it has heard all of it; gives the address."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            with suppress(OSError):  # closed: the test has ended
                while True:
                    connection, _ = listening.accept()
                    with connection:
                        connection.recv(1)
                        connection.sendall(answer)

        threading.Thread(target=serve, daemon=True).start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        listening.shutdown(socket.SHUT_RDWR)


LOGIN = b'HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic realm="x"\r\nContent-Length: 0\r\n\r\n'


@pytest.mark.parametrize("account", [None, Account("operator", "wrong")], ids=["nobody", "wrong password"])
def test_a_registry_that_wants_a_login_and_hears_nothing_more_is_told_as_such(account: Account | None) -> None:
    large = b"x" * 20_000_000
    with hasty(LOGIN) as url, pytest.raises(RegistryRefused) as refused:
        Registry(Place.parse(url), Web(), account).put_manifest("a", "1", MANIFEST_TYPE, large)
    assert refused.value.seen == "HTTP status 401"
    assert "--registry-username" in str(refused.value.hint)


def test_a_registry_that_closes_without_an_answer_can_not_be_reached() -> None:
    with hasty(b"") as url, pytest.raises(MirrorUnreachable):
        Registry(Place.parse(url), Web()).put_manifest("a", "1", MANIFEST_TYPE, b"x" * 20_000_000)
