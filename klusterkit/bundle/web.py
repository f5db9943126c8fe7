"""HTTP for downloads: one's own authorities, redirects that carry no credentials away, cut downloads gone on with."""

from __future__ import annotations

import contextlib
import http.client
import ssl
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from klusterkit.engine.errors import UsageError
from klusterkit.foreign import words_of

CHUNK = 1 << 20
TIMEOUT = 30.0
"""Seconds that a server may take to answer, or between two pieces of an answer."""
FRUITLESS = 4
"""So many tries in a row that bring nothing end a download."""
PAUSE = 0.5
"""Seconds before the next one; longer each time."""


class WebError(Exception):
    """A server said no, or can't be asked.

    Attributes:
        status: of its answer, or None.
        headers: of its answer.
        cut: whether it had begun to answer.
    """

    def __init__(
        self, why: str, status: int | None = None, headers: Mapping[str, str] | None = None, *, cut: bool = False
    ) -> None:
        super().__init__(why)
        self.status = status
        self.headers = headers or {}
        self.cut = cut


class Answer:
    """What a server sends. Closed by ``with``."""

    def __init__(self, response: Any) -> None:
        self._response = response
        self.status: int = response.status
        self.headers: Mapping[str, str] = response.headers

    def __enter__(self) -> Answer:
        return self

    def __exit__(self, *_: object) -> None:
        self._response.close()

    def read(self, most: int) -> bytes:
        """A piece: what is there, so many bytes at most; none at the end. Raises ``WebError``."""
        try:
            return self._response.read1(most)  # read() would lose what came before a cut
        except (OSError, http.client.HTTPException) as error:
            raise WebError(f"the connection was cut: {words_of(error)}", cut=True) from None

    def whole(self, limit: int) -> bytes:
        """All of it. Raises ``WebError`` where it is cut off, or has more bytes than the limit."""
        content = bytearray()
        while piece := self.read(limit + 1 - len(content)):
            content += piece
            if len(content) > limit:
                raise WebError(f"it sends more than {limit} bytes")
        if len(content) < (self.length or 0):
            raise WebError("the connection was cut", cut=True)
        return bytes(content)

    @property
    def length(self) -> int | None:
        """Bytes that it has in all, where the server says so."""
        said = self.headers.get("Content-Length", "")
        return int(said) if said.isdigit() else None


class Web:
    """Opens addresses. Thread-safe.

    Args:
        ca: a file of authorities to trust instead of the machine's own.
        authority: one to trust instead, in PEM.
    """

    def __init__(self, ca: Path | None = None, authority: str | None = None) -> None:
        self._ca, self._authority = ca, authority

    @cached_property
    def _opener(self) -> urllib.request.OpenerDirector:
        try:
            context = ssl.create_default_context(cafile=self._ca, cadata=self._authority)
        except (OSError, ssl.SSLError) as error:
            raise UsageError(
                f"the authority {self._ca or 'of the registry'} can't be used: {words_of(error)}",
                hint="it is a file of certificates in PEM",
            ) from None
        return urllib.request.build_opener(_Http(), _Https(context), _Redirects())

    def open(
        self,
        url: str,
        headers: Mapping[str, str] | None = None,
        *,
        method: str = "GET",
        data: bytes | Iterable[bytes] | None = None,
    ) -> Answer:
        """Ask. Raises ``WebError`` for every answer but success."""
        request = urllib.request.Request(url, data=data, headers=dict(headers or {}), method=method)  # noqa: S310 - http(s) only
        try:
            return Answer(self._opener.open(request, timeout=TIMEOUT))
        except urllib.error.HTTPError as error:
            with error:
                raise WebError(f"HTTP status {error.code}", error.code, dict(error.headers)) from None
        except (OSError, http.client.HTTPException) as error:
            raise WebError(words_of(error)) from None


class _Heard(http.client.HTTPConnection):
    """Hears out a server that answers and closes before it has all that it is sent.

    A registry that wants a login, or gives no leave to write, doesn't wait for a whole blob to say so.
    """

    def request(self, *args: Any, **keywords: Any) -> None:
        self.connect()  # what fails here is no answer
        with contextlib.suppress(BrokenPipeError, ConnectionResetError, ssl.SSLEOFError):
            super().request(*args, **keywords)  # without an answer, reading it fails likewise


class _HeardSecurely(_Heard, http.client.HTTPSConnection):
    """Likewise."""


class _Http(urllib.request.HTTPHandler):
    def http_open(self, req: urllib.request.Request) -> Any:
        return self.do_open(_Heard, req)


class _Https(urllib.request.HTTPSHandler):
    def __init__(self, trusted: ssl.SSLContext) -> None:
        super().__init__(context=trusted)
        self._trusted = trusted

    def https_open(self, req: urllib.request.Request) -> Any:
        return self.do_open(_HeardSecurely, req, context=self._trusted)


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Registries send those who want a blob to a store elsewhere, which must not get their credentials."""

    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
        old, new = urllib.parse.urlsplit(str(req.full_url)), urllib.parse.urlsplit(newurl)
        if old.scheme == "https" and new.scheme != "https":
            raise urllib.error.URLError(f"it leads away from https, to {newurl}")
        request = super().redirect_request(req, fp, code, msg, headers, newurl)
        if request is not None and new.netloc != old.netloc:
            request.remove_header("Authorization")
        return request


def collect(open_at: Callable[[int], Answer], partial: Path, tell: Callable[[int], None]) -> None:
    """Download into a file, going on behind what is there. A cut is tried again as long as something comes.

    Args:
        open_at: opens the source from a byte on.
        partial: collects it.
        tell: told the bytes that have come, piece by piece.

    Raises:
        WebError: it was refused, or nothing came any more.
    """
    fruitless = 0
    while True:
        before = partial.stat().st_size if partial.exists() else 0
        try:
            if _append(open_at, before, partial, tell):
                return
            cut = WebError("the connection was cut", cut=True)
        except WebError as error:
            if error.status == 416:  # all of it is here already: the checksum decides
                return
            if error.status is not None and error.status < 500:
                raise
            cut = error
        fruitless = 0 if partial.exists() and partial.stat().st_size > before else fruitless + 1
        if fruitless == FRUITLESS:
            raise cut
        time.sleep(PAUSE * fruitless)


def _append(open_at: Callable[[int], Answer], start: int, partial: Path, tell: Callable[[int], None]) -> bool:
    """Whether all of it came."""
    with open_at(start) as answer, partial.open("r+b" if start else "wb") as file:
        begins = start if answer.status == 206 else 0
        file.seek(begins)
        file.truncate()
        while piece := answer.read(CHUNK):
            file.write(piece)
            tell(len(piece))
        return answer.length is None or file.tell() - begins >= answer.length
