"""A registry of images, asked by the OCI Distribution Specification 1.1, with basic or bearer authentication."""

from __future__ import annotations

import base64
import json
import re
import threading
import urllib.parse
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from klusterkit.bundle.imagearchive import (
    DOCKER_INDEX_TYPE,
    DOCKER_MANIFEST_TYPE,
    INDEX_TYPE,
    MANIFEST_LIMIT,
    MANIFEST_TYPE,
)
from klusterkit.bundle.mirror import ArtifactMissing, MirrorUnreachable
from klusterkit.bundle.reference import Place
from klusterkit.bundle.web import Answer, Web, WebError
from klusterkit.engine.errors import UsageError

ACCEPT = ", ".join((INDEX_TYPE, MANIFEST_TYPE, DOCKER_INDEX_TYPE, DOCKER_MANIFEST_TYPE))

Body = Callable[[], bytes | Iterable[bytes]]
"""What is sent, made anew for each try: a stream that was sent once is used up."""

_PARAMETER = re.compile(r'(\w+)="([^"]*)"')


class RegistryRefused(UsageError):
    """The registry doesn't let us in."""


@dataclass(frozen=True)
class Account:
    """Whoever asks."""

    username: str
    password: str = field(repr=False)

    @property
    def header(self) -> str:
        """As HTTP has it (RFC 7617). It is a secret."""
        return "Basic " + base64.b64encode(f"{self.username}:{self.password}".encode()).decode()


class Registry:
    """One registry. Thread-safe.

    Args:
        place: where it is.
        web: knows its authority.
        account: for those that don't let everybody in.
    """

    def __init__(self, place: Place, web: Web, account: Account | None = None) -> None:
        self._place, self._web, self._account = place, web, account
        self._lock = threading.Lock()
        self._tokens: dict[str, str] = {}
        """Authorization headers by what they are good for."""

    def manifest(self, repository: str, tag: str) -> bytes:
        """A manifest or an index by its tag or digest.

        Raises:
            ArtifactMissing, RegistryRefused, MirrorUnreachable.
        """
        where = f"{repository}/manifests/{tag}"
        try:
            with self._ask("GET", repository, where, {"Accept": ACCEPT}) as answer:
                return answer.whole(MANIFEST_LIMIT)
        except WebError as error:
            raise self.refused(where, error) from None

    def blob(self, repository: str, digest: str, start: int = 0) -> Answer:
        """A blob, from a byte on. Raises ``WebError``, to be tried again."""
        headers = {"Range": f"bytes={start}-"} if start else {}
        return self._ask("GET", repository, f"{repository}/blobs/{digest}", headers)

    def put_blob(self, repository: str, sha256: str, size: int, pieces: Body) -> None:
        """Have it keep a blob, unless it does. Raises as :meth:`manifest` does."""
        where = f"{repository}/blobs/sha256:{sha256}"
        try:
            if self._has(repository, where):
                return
            place = self._upload_place(repository)
            address = f"{place}{'&' if '?' in place else '?'}digest=sha256:{sha256}"
            headers = {"Content-Type": "application/octet-stream", "Content-Length": str(size)}
            with self._ask("PUT", repository, address, headers, pieces):
                pass
        except WebError as error:
            raise self.refused(where, error) from None

    def _upload_place(self, repository: str) -> str:
        with self._ask("POST", repository, f"{repository}/blobs/uploads/", {}, lambda: b"") as begun:
            place = urllib.parse.urljoin(f"{self._place.url}/v2/", begun.headers.get("Location", ""))
        if not place.startswith(f"{self._place.url}/"):
            raise WebError(f"it wants blobs to be sent to {place}")
        return place

    def _has(self, repository: str, where: str) -> bool:
        try:
            with self._ask("HEAD", repository, where, {}):
                return True
        except WebError as error:
            if error.status == 404:
                return False
            raise

    def put_manifest(self, repository: str, tag: str, kind: str, content: bytes) -> None:
        """Give an image its name, when its blobs are there. Raises as :meth:`manifest` does."""
        where = f"{repository}/manifests/{tag}"
        try:
            with self._ask("PUT", repository, where, {"Content-Type": kind}, lambda: content):
                pass
        except WebError as error:
            raise self.refused(where, error) from None

    def refused(self, where: str, error: WebError) -> UsageError:
        """An error in the operator's words."""
        address = f"{self._place.url}/v2/{where}"
        match error.status:
            case 401 | 403:
                known = f"as {self._account.username}" if self._account else "without an account"
                return RegistryRefused(
                    f"{self._place.url} refuses {where} {known}",
                    seen=str(error),
                    hint="name an account that may have it: --registry-username, and its password by a file",
                )
            case 404:
                return ArtifactMissing(
                    f"no image at {address}", hint="see what the registry has; --registry HOST/PREFIX says where it is"
                )
            case _:
                return MirrorUnreachable(
                    f"{address} can't be reached: {error}",
                    hint="see that the address and the authority (--registry-ca) are right, or name another source",
                )

    def _ask(
        self, method: str, repository: str, where: str, headers: Mapping[str, str], body: Body | None = None
    ) -> Answer:
        url = where if "://" in where else f"{self._place.url}/v2/{where}"
        scope = f"repository:{repository}:{'pull' if method == 'GET' else 'pull,push'}"

        def once(authorization: str | None) -> Answer:
            sent = {**headers, **_authorized(authorization)}
            return self._web.open(url, sent, method=method, data=body() if body else None)

        with self._lock:
            known = self._tokens.get(scope)
        try:
            return once(known)
        except WebError as error:
            if error.status != 401:
                raise
            authorization = self._answer(error, scope)
        with self._lock:
            self._tokens[scope] = authorization
        return once(authorization)

    def _answer(self, refused: WebError, scope: str) -> str:
        """The header that answers a challenge (RFC 7235; Docker's token authentication). Raises the error else."""
        challenge = {name.lower(): value for name, value in refused.headers.items()}.get("www-authenticate", "")
        kind, _, rest = challenge.partition(" ")
        parameters = dict(_PARAMETER.findall(rest))
        match kind.lower():
            case "basic" if self._account:
                return self._account.header
            case "bearer" if "realm" in parameters:
                return f"Bearer {self._token(parameters, scope)}"
            case _:
                raise refused

    def _token(self, parameters: Mapping[str, str], scope: str) -> str:
        realm = parameters["realm"]
        if self._place.url.startswith("https://") and not realm.startswith("https://"):
            raise WebError(f"it sends its accounts to {realm}, without TLS", 403)
        asked = {"service": parameters.get("service", ""), "scope": scope}
        headers = _authorized(self._account.header if self._account else None)
        with self._web.open(f"{realm}?{urllib.parse.urlencode(asked)}", headers) as answer:
            try:
                said = json.loads(answer.whole(MANIFEST_LIMIT))
                return str(said.get("token") or said["access_token"])
            except (ValueError, KeyError, AttributeError, RecursionError):
                raise WebError(f"{realm} gives no token", 403) from None


def _authorized(header: str | None) -> dict[str, str]:
    return {"Authorization": header} if header else {}
