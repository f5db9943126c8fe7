"""What a server sends in pieces, or without saying how much it is, comes whole or not at all."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from klusterkit.bundle import Mirror, MirrorUnreachable
from klusterkit.bundle.imagearchive import MANIFEST_LIMIT
from klusterkit.bundle.reference import Place
from klusterkit.bundle.registry import Account, Registry
from klusterkit.bundle.web import CHUNK, Web
from tests.support.sites import FakeRegistry, RegistryHandler, serving

WHERE = "/v2/a/image/manifests/1"
LARGE = bytes(range(256)) * 1000
"""More than any buffer on its way."""


class _Pieces(RegistryHandler):
    """Sends the head, then the content in two parts, each a segment of its own."""

    protocol_version = "HTTP/1.1"

    def answer(self, status: int, content: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in {**headers, **self.measure(content)}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        half = len(content) // 2
        for part in (content[:half], content[half:]):
            time.sleep(0.02)
            self.send(part)
        self.end(content)

    def measure(self, content: bytes) -> dict[str, str]:
        return {"Content-Length": str(len(content))}

    def send(self, part: bytes) -> None:
        self.wfile.write(part)

    def end(self, content: bytes) -> None: ...


class _Chunked(_Pieces):
    def measure(self, content: bytes) -> dict[str, str]:
        return {"Transfer-Encoding": "chunked"}

    def send(self, part: bytes) -> None:
        for begin in range(0, len(part), 2048):
            piece = part[begin : begin + 2048]
            self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))

    def end(self, content: bytes) -> None:
        self.wfile.write(b"0\r\n\r\n")


class _Unmeasured(_Pieces):
    """Ends what it sends by ending the connection."""

    def measure(self, content: bytes) -> dict[str, str]:
        return {"Connection": "close"}


class _Cut(_Pieces):
    """Promises more than it sends."""

    def measure(self, content: bytes) -> dict[str, str]:
        return {"Content-Length": str(len(content) + 1), "Connection": "close"}


Reading = Callable[[str], bytes]


def manifest(url: str) -> bytes:
    return Registry(Place.parse(url), Web()).manifest("a/image", "1")


@contextmanager
def sending(content: bytes, handler: type[RegistryHandler]) -> Iterator[str]:
    with serving(FakeRegistry({WHERE: content}), handler) as url:
        yield url


@pytest.mark.parametrize("handler", [_Pieces, _Chunked, _Unmeasured])
@pytest.mark.parametrize("content", [b"", b"ab", LARGE], ids=["empty", "small", "large"])
def test_a_manifest_comes_whole_however_it_is_sent(handler: type[RegistryHandler], content: bytes) -> None:
    with sending(content, handler) as url:
        assert manifest(url) == content


@pytest.mark.parametrize("handler", [_Pieces, _Chunked, _Unmeasured])
def test_a_manifest_as_large_as_the_limit_is_taken_and_a_larger_one_refused(handler: type[RegistryHandler]) -> None:
    most = b"x" * MANIFEST_LIMIT
    with sending(most, handler) as url:
        assert manifest(url) == most
    with sending(most + b"x", handler) as url, pytest.raises(MirrorUnreachable, match="more than 4194304 bytes"):
        manifest(url)


def test_a_manifest_that_is_cut_off_is_no_manifest() -> None:
    with sending(LARGE, _Cut) as url, pytest.raises(MirrorUnreachable, match="the connection was cut"):
        manifest(url)


@pytest.mark.parametrize("handler", [_Pieces, _Chunked, _Unmeasured])
def test_a_token_comes_whole_however_it_is_sent(handler: type[_Pieces]) -> None:
    class Long(handler):  # type: ignore[misc, valid-type]
        """Tokens of real registries carry certificates, and are larger than a segment."""

        def answer(self, status: int, content: bytes, **headers: str) -> None:
            padded = (
                json.dumps({"rest": "x" * 20_000, **json.loads(content)}).encode() if b"token" in content else content
            )
            super().answer(status, padded, **headers)

    registry = FakeRegistry({WHERE: LARGE}, kind="bearer", account=Account("operator", "correct horse"))
    with serving(registry, Long) as url:
        place = Place.parse(url)
        assert Registry(place, Web(), registry.account).manifest("a/image", "1") == LARGE


@pytest.mark.parametrize("handler", [_Pieces, _Chunked, _Unmeasured])
def test_a_list_of_checksums_is_read_to_its_end_or_refused(handler: type[_Pieces]) -> None:
    last = f"{'0' * 64}  kubelet\n".encode()
    fits = b"#\n" * ((CHUNK - len(last)) // 2) + last
    with serving(FakeRegistry({"/sums": fits, "/more": b"#\n" + fits}), handler) as url:
        assert Mirror(url).checksum("sums", "kubelet") == "0" * 64
        with pytest.raises(MirrorUnreachable, match="more than 1048576 bytes"):
            Mirror(url).checksum("more", "kubelet")
