"""A local server that looks like the official download sites and registries: made-up content, real protocols."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

TOKEN = "anonymous"
INDEX = "application/vnd.oci.image.index.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"


class OfficialSites(ThreadingHTTPServer):
    """The sites' content: every file that is asked for exists, and every image.

    Attributes:
        spoiled: ends of paths whose content differs from its checksum.
        asked: paths that were asked for, in order.
    """

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.spoiled: set[str] = set()
        self.asked: list[str] = []
        self.blobs: dict[str, bytes] = {}

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def file(self, path: str) -> bytes:
        """A file, or the checksum file that covers it, in the form that its site uses."""
        name = path.rsplit("/", 1)[1]
        folder = path.removesuffix(name)
        match name:
            case "SHA256SUMS":
                covered = f"etcd-{path.split('/')[-2]}-linux-amd64.tar.gz"
                return f"{'0' * 64}  other.zip\n{_sha256(self.file(folder + covered))}  {covered}\n".encode()
            case "runc.sha256sum":
                return f"{_sha256(self.file(folder + 'runc.amd64'))} *runc.amd64\n".encode()
            case _ if name.endswith((".sha256", ".sha256sum")):
                covered = name.rsplit(".", 1)[0]
                text = _sha256(self.file(folder + covered))
                return (text if "dl.k8s.io" in path else f"{text}  {covered}\n").encode()
            case _:
                return f"content of {path}".encode()

    def image(self, repository: str) -> bytes:
        """The index of an image, whose blobs are there from now on; amd64 isn't the first in it."""
        layer = self._blob(f"layer of {repository}".encode())
        config = self._blob(json.dumps({"architecture": "amd64", "os": "linux"}).encode())
        manifest = {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": {"mediaType": "application/vnd.oci.image.config.v1+json", **config},
            "layers": [{"mediaType": "application/vnd.oci.image.layer.v1.tar+gzip", **layer}],
        }
        other, ours = self._blob(b"{}"), self._blob(json.dumps(manifest).encode())
        platforms = [(other, "arm64"), (ours, "amd64")]
        return json.dumps(
            {
                "schemaVersion": 2,
                "mediaType": INDEX,
                "manifests": [
                    {"mediaType": MANIFEST, "platform": {"os": "linux", "architecture": name}, **found}
                    for found, name in platforms
                ],
            }
        ).encode()

    def _blob(self, content: bytes) -> dict[str, object]:
        digest = f"sha256:{_sha256(content)}"
        self.blobs[digest] = content
        return {"digest": digest, "size": len(content)}


class _Handler(BaseHTTPRequestHandler):
    server: OfficialSites

    def do_HEAD(self) -> None:
        self._answer(200, b"")

    def do_GET(self) -> None:
        path = urlsplit(self.path).path
        self.server.asked.append(path)
        if path == "/token":
            self._answer(200, json.dumps({"token": TOKEN}).encode())
        elif "/v2/" not in path:
            self._answer(200, self._spoil(path, self.server.file(path)))
        elif self.headers.get("Authorization") != f"Bearer {TOKEN}":
            challenge = f'Bearer realm="{self.server.base}/token",service="local",scope="pull"'
            self._answer(401, b"", {"WWW-Authenticate": challenge})
        else:
            self._registry(path)

    def _registry(self, path: str) -> None:
        repository, kind, name = path.rsplit("/", 2)
        if kind == "manifests" and not name.startswith("sha256:"):
            self._answer(200, self.server.image(repository), {"Content-Type": INDEX})
        else:
            self._answer(200, self._spoil(path, self.server.blobs[name]))

    def _spoil(self, path: str, content: bytes) -> bytes:
        return content[:-1] + b"X" if any(path.endswith(end) for end in self.server.spoiled) else content

    def _answer(self, code: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(code)
        for key, value in ({"Content-Length": str(len(body))} | (headers or {})).items():
            self.send_header(key, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's word
        """Nothing: the tests look at `asked`."""


@contextmanager
def official_sites() -> Generator[OfficialSites]:
    """The sites, for as long as the block runs."""
    with OfficialSites() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
