"""Servers for tests: a file server that can cut its answers, and a registry that asks who one is."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler, SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from klusterkit.bundle.imagearchive import INDEX_TYPE, MANIFEST_TYPE
from klusterkit.bundle.registry import Account


@dataclass
class Site:
    """Contents by their paths, and how to behave."""

    contents: dict[str, bytes]
    asked: list[tuple[str, str | None]] = field(default_factory=list[tuple[str, str | None]])
    """Paths and ranges."""
    cut_after: int | None = None
    """Bytes of an answer after which the connection is closed."""
    whole_answers: bool = False
    """Whether ranges are ignored, as some servers do."""
    url: str = ""


class _Handler(BaseHTTPRequestHandler):
    site: Site

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        wanted = self.headers.get("Range")
        self.site.asked.append((self.path, wanted))
        content = self.site.contents.get(self.path)
        if content is None:
            self.send_error(404)
            return
        start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted and not self.site.whole_answers else 0
        if start and start >= len(content):
            self.send_error(416)
            return
        self.answer(206 if start else 200, content[start:])

    def answer(self, status: int, content: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(content))}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(content[: self.site.cut_after])


@contextmanager
def serving(site: Site, handler: type[_Handler] = _Handler) -> Iterator[str]:
    """Serve it on a port of its own; gives the address."""
    bound = type("Handler", (handler,), {"site": site})
    with ThreadingHTTPServer(("127.0.0.1", 0), bound) as http:
        threading.Thread(target=http.serve_forever, args=(0.01,), daemon=True).start()
        site.url = f"http://127.0.0.1:{http.server_port}"
        yield site.url
        http.shutdown()


@contextmanager
def serving_folder(folder: Path) -> Iterator[str]:
    """Serve a folder as any web server does; gives the address."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder))) as http:
        threading.Thread(target=http.serve_forever, args=(0.01,), daemon=True).start()
        yield f"http://127.0.0.1:{http.server_port}"
        http.shutdown()


@dataclass
class FakeRegistry(Site):
    """A registry with images, and an elsewhere that it keeps its blobs at."""

    account: Account | None = None
    kind: str = "basic"
    """How it asks: ``basic`` or ``bearer``."""
    elsewhere: str = ""
    headers: list[str | None] = field(default_factory=list[str | None])
    """Authorization headers that it was sent."""

    def put(self, repository: str, tag: str, *layers: bytes, architecture: str = "amd64", index: bool = True) -> str:
        """Have an image. Returns its digest."""
        config = json.dumps({"os": "linux", "architecture": architecture}).encode()
        manifest = {
            "schemaVersion": 2,
            "mediaType": MANIFEST_TYPE,
            "config": self._blob(repository, config),
            "layers": [self._blob(repository, layer) for layer in layers],
        }
        content = json.dumps(manifest).encode()
        digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
        self.contents[f"/v2/{repository}/manifests/{digest}"] = content
        item = {"mediaType": MANIFEST_TYPE, "digest": digest, "size": len(content)}
        other = {**item, "digest": f"sha256:{'0' * 64}", "platform": {"os": "linux", "architecture": "s390x"}}
        ours = {**item, "platform": {"os": "linux", "architecture": architecture}}
        both = json.dumps({"schemaVersion": 2, "mediaType": INDEX_TYPE, "manifests": [other, ours]}).encode()
        self.contents[f"/v2/{repository}/manifests/{tag}"] = both if index else content
        return digest

    def _blob(self, repository: str, content: bytes) -> dict[str, object]:
        digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
        self.contents[f"/v2/{repository}/blobs/{digest}"] = content
        return {"mediaType": "application/octet-stream", "digest": digest, "size": len(content)}


class RegistryHandler(_Handler):
    """Asks for authentication, and redirects to where blobs are."""

    site: FakeRegistry

    def do_GET(self) -> None:
        header = self.headers.get("Authorization")
        self.site.headers.append(header)
        if self.path.startswith("/token"):
            right = self.site.account is None or header == self.site.account.header
            self.answer(200 if right else 401, b'{"token":"a-token"}')
        elif self.site.account and header != (
            self.site.account.header if self.site.kind == "basic" else "Bearer a-token"
        ):
            realm = f'Bearer realm="{self.site.url}/token",service="fake"'
            self.answer(401, b"", WWW_Authenticate=realm if self.site.kind == "bearer" else 'Basic realm="fake"')
        elif "/blobs/" in self.path and self.site.elsewhere:
            self.answer(307, b"", Location=self.site.elsewhere + self.path)
        else:
            super().do_GET()
