"""Getting files from the official sites, or from a mirror of them."""

from __future__ import annotations

import hashlib
import json
import re
import socket
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from http.client import HTTPResponse
from pathlib import Path
from typing import cast

from kklab.artifacts import layout
from kklab.errors import LabError

PROBE_SECONDS = 5.0
READ_SECONDS = 60.0
CHUNK = 1 << 20
REGISTRY_HOSTS = {"docker.io": "registry-1.docker.io"}
"""Registries whose name in references isn't the host that answers."""


class Sites:
    """The official sites, each by its name; or the folders of one mirror in their place.

    Args:
        base: address of a mirror that has a folder for each site; None for the sites themselves.
    """

    def __init__(self, base: str | None = None) -> None:
        if base and not base.startswith(("http://", "https://")):
            raise LabError(f"{base!r} is no address of a mirror", "it begins with http:// or https://")
        self._base = base.rstrip("/") if base else None
        self._answers: dict[str, bool] = {}
        self._tokens: dict[str, str] = {}

    def address(self, path: str) -> str:
        """The address of a path that begins with its site's name."""
        if self._base:
            return f"{self._base}/{path}"
        site, rest = path.split("/", 1)
        return f"https://{REGISTRY_HOSTS.get(site, site)}/{rest}"

    def answers(self, site: str) -> bool:
        """Whether anything answers there; asked once."""
        if site not in self._answers:
            self._answers[site] = _answers(self.address(f"{site}/"))
        return self._answers[site]

    def read(self, path: str, headers: Mapping[str, str] | None = None) -> bytes:
        """The content of something small."""
        with self._open(path, headers or {}) as response:
            return response.read()

    def fetch(self, path: str, target: Path, wanted: str) -> None:
        """Download a file whose SHA-256 (hex) is known.

        Raises:
            LabError: the site doesn't give it, or gives something else.
        """
        target.parent.mkdir(parents=True, exist_ok=True)
        found = hashlib.sha256()
        with self._open(path, {}) as response, target.open("wb") as out:
            while chunk := response.read(CHUNK):
                found.update(chunk)
                out.write(chunk)
        if found.hexdigest() != wanted:
            target.unlink()
            raise LabError(
                f"{self.address(path)} has the wrong checksum: sha256 {found.hexdigest()}, announced {wanted}",
                "nothing of it was kept; try again, or another mirror with --official-base",
            )

    def fetch_checked(self, file: layout.File, out: Path) -> None:
        """Download a file and the checksum that its site announces for it, and compare."""
        text = self.read(file.checksum).decode(errors="replace")
        wanted = layout.checksum_in(text, file.name)
        if wanted is None:
            raise LabError(f"{self.address(file.checksum)} has no checksum of {file.name}")
        self.fetch(file.path, out / file.path, wanted)
        (out / file.checksum).write_text(text)

    def _open(self, path: str, headers: Mapping[str, str]) -> HTTPResponse:
        address = self.address(path)
        known = self._tokens.get(_repository(path))
        try:
            return _request(address, headers, known)
        except urllib.error.HTTPError as refused:
            challenge = refused.headers.get("WWW-Authenticate", "")
            if refused.code != 401 or known or not challenge.lower().startswith("bearer "):
                raise LabError(f"{address} answers {refused.code} {refused.reason}") from refused
            self._tokens[_repository(path)] = _token(challenge)
            return self._open(path, headers)
        except (urllib.error.URLError, OSError) as failed:
            raise LabError(f"{address} can't be reached: {failed}") from failed


def _request(address: str, headers: Mapping[str, str], token: str | None) -> HTTPResponse:
    request = urllib.request.Request(address, headers=dict(headers))  # noqa: S310 - see `_opened`
    if token:
        # Unredirected: registries send clients on to storage that refuses this header.
        request.add_unredirected_header("Authorization", f"Bearer {token}")
    return _opened(request, READ_SECONDS)


def _opened(request: urllib.request.Request, seconds: float) -> HTTPResponse:
    # S310 fears addresses of other schemes; `Sites` takes none but http and https.
    return cast(HTTPResponse, urllib.request.urlopen(request, timeout=seconds))  # noqa: S310


def _repository(path: str) -> str:
    return re.split(r"/(?:manifests|blobs)/", path)[0]


def _token(challenge: str) -> str:
    """An anonymous token, from where a registry says that one is to be had."""
    fields = dict(re.findall(r'(\w+)="([^"]*)"', challenge))
    query = urllib.parse.urlencode({key: value for key, value in fields.items() if key in ("service", "scope")})
    with _request(f"{fields['realm']}?{query}", {}, None) as response:
        answer = cast(dict[str, str], json.loads(response.read()))
    return answer.get("token") or answer["access_token"]


def _answers(address: str) -> bool:
    parts = urllib.parse.urlsplit(address)
    proxied = parts.scheme in urllib.request.getproxies()
    try:
        if not proxied:
            port = parts.port or (443 if parts.scheme == "https" else 80)
            socket.create_connection((parts.hostname or "", port), PROBE_SECONDS).close()
        request = urllib.request.Request(address, method="HEAD")  # noqa: S310 - see `_opened`
        _opened(request, PROBE_SECONDS).close()
    except urllib.error.HTTPError as answer:
        return answer.code < 500 and answer.code != 407
    except OSError:
        return False
    return True
