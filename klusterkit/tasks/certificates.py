"""Certificates and kubeconfigs: issued here for one host, with keys that are kept on that host alone."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, ClassVar

import yaml

from klusterkit import pki
from klusterkit.engine.errors import PermanentError
from klusterkit.engine.host import Entry, File
from klusterkit.engine.step import Before, Context, Difference, Observation, Step
from klusterkit.tasks.prior import Prior, describe, keep, put_back


class Issued(Step):
    """Something that holds a certificate, its key, or both. Its authority's certificate and key are secrets' names."""

    authority: str
    """Such as ``etcd-ca``: there are secrets ``etcd-ca.crt`` and ``etcd-ca.key``."""
    leaf: pki.Leaf

    @property
    def writes(self) -> tuple[str, ...]:
        """The files."""
        return tuple(self.wanted())

    @property
    def public(self) -> str:
        """The file that holds the certificate."""
        raise NotImplementedError

    def wanted(self) -> dict[str, int]:
        """The files, with their modes."""
        raise NotImplementedError

    def reasons(self, on: Context, contents: Mapping[str, bytes]) -> list[str]:
        """Why what the files hold is not what is wanted. Never quotes them."""
        raise NotImplementedError

    def content_for(self, on: Context, issued: pki.Issued) -> dict[str, bytes]:
        """What the files hold, with a new certificate."""
        raise NotImplementedError

    def observe(self, on: Context) -> Observation:
        """Whether what is there would do, and for long enough."""
        entries = on.host.stat(*self.wanted())
        # A key that was issued is no password: its digest lets nobody guess it.
        before = {entry.path: describe(entry) for entry in entries}
        reasons = [f"{entry.path}: {reason}" for entry in entries for reason in self._file_reasons(entry)]
        if not reasons:
            reasons = self.reasons(on, {path: on.host.read(path) for path in self.wanted()})
        # Two files are written one after the other: a new certificate beside an old key is our own work, half done.
        partial = bool(reasons) and any(entry.type == "file" for entry in entries)
        return Observation(satisfied=not reasons, before=before, partial=partial, reason="; ".join(reasons))

    def apply(self, on: Context, before: Before) -> None:
        """Issue it. The key goes to the host and nowhere else."""
        keep(self._priors(on, before))
        contents = self.content_for(on, self._issue(on))
        modes = self.wanted()
        on.host.write(*(File(path=path, content=contents[path], mode=modes[path]) for path in modes))

    def undo(self, on: Context, before: Before) -> None:
        """Put back what was there."""
        put_back(self._priors(on, before))

    def differences(self, on: Context, seen: Observation) -> list[Difference]:
        """That there will be a new one, and why."""
        _ = on
        return [Difference(what=path, note=seen.reason) for path in self.wanted()]

    def authority_certificate(self, on: Context) -> str:
        """PEM."""
        return on.secret(f"{self.authority}.crt").decode()

    def _issue(self, on: Context) -> pki.Issued:
        key = on.secret(f"{self.authority}.key").decode()
        try:
            return pki.Authority.load(self.authority_certificate(on), key).issue(self.leaf)
        except pki.PKIError as error:
            raise PermanentError(error.message, host=on.host.name, hint=error.hint) from None

    def check(self, on: Context, certificate: str, key: str) -> list[str]:
        """Why this certificate and key are not the wanted ones."""
        return pki.check(certificate, key, self.authority_certificate(on), self.leaf, datetime.now(UTC))

    def _file_reasons(self, entry: Entry) -> Iterator[str]:
        mode = self.wanted()[entry.path]
        if entry.type != "file":
            yield "not there" if entry.type == "absent" else f"a {entry.type}, not a file"
        elif entry.mode != mode or entry.owner != "root:root":
            yield f"{entry.owner}, mode {entry.mode:o}; wanted root:root, {mode:o}"

    def _priors(self, on: Context, before: Before) -> list[Prior]:
        return [Prior(on, path, before[path]) for path in self.wanted()]


class Certificate(Issued):
    """A certificate and its key, each in a file (PEM).

    It is issued anew when it isn't the wanted one, doesn't fit its key, or two thirds of its life are over.
    """

    kind: ClassVar[str] = "pki.certificate"

    path_certificate: str
    path_key: str

    @property
    def title(self) -> str:
        """What it does."""
        return f"issue the certificate {self.path_certificate}"

    @property
    def public(self) -> str:
        """The certificate's own."""
        return self.path_certificate

    def wanted(self) -> dict[str, int]:
        """The files, with their modes."""
        return {self.path_certificate: 0o644, self.path_key: 0o600}

    def reasons(self, on: Context, contents: Mapping[str, bytes]) -> list[str]:
        """Why what the files hold is not what is wanted."""
        texts = {path: content.decode(errors="replace") for path, content in contents.items()}
        return self.check(on, texts[self.path_certificate], texts[self.path_key])

    def content_for(self, on: Context, issued: pki.Issued) -> dict[str, bytes]:
        """What the files hold."""
        _ = on
        return {self.path_certificate: issued.cert_pem.encode(), self.path_key: issued.key_pem.encode()}


class Kubeconfig(Issued):
    """A kubeconfig with a client certificate and its key in it. It is issued anew as a :class:`Certificate` is."""

    kind: ClassVar[str] = "pki.kubeconfig"

    server: str
    """Address of the API server, such as ``https://10.0.0.5:6443``."""
    path: str
    cluster: str = "kubernetes"

    @property
    def title(self) -> str:
        """What it does."""
        return f"issue the kubeconfig {self.path}"

    @property
    def public(self) -> str:
        """The one that there is; the key is in it, too."""
        return self.path

    def wanted(self) -> dict[str, int]:
        """The file, with its mode."""
        return {self.path: 0o600}

    def reasons(self, on: Context, contents: Mapping[str, bytes]) -> list[str]:
        """Why what the file holds is not what is wanted."""
        found = _parsed(contents[self.path])
        if found is None:
            return [f"{self.path} can't be read as a kubeconfig"]
        authority, certificate, key = found.pop("authority"), found.pop("certificate"), found.pop("key")
        wanted = {"server": self.server, "cluster": self.cluster, "user": self.leaf.common_name}
        reasons = [
            f"its {name} is {found[name]}, wanted {value}" for name, value in wanted.items() if found[name] != value
        ]
        if authority.strip() != self.authority_certificate(on).strip():
            reasons.append("it trusts another authority")
        return [*reasons, *self.check(on, certificate, key)]

    def content_for(self, on: Context, issued: pki.Issued) -> dict[str, bytes]:
        """What the file holds."""
        text = pki.kubeconfig(
            self.server,
            self.authority_certificate(on),
            issued.cert_pem,
            issued.key_pem,
            cluster=self.cluster,
            user=self.leaf.common_name,
        )
        return {self.path: text.encode()}


def _parsed(content: bytes) -> dict[str, str] | None:
    """The one cluster and user of a kubeconfig; None if it is something else."""
    try:
        config: Any = yaml.load(content, Loader=yaml.CSafeLoader)
        (cluster,), (user,) = config["clusters"], config["users"]
        server, trusted = cluster["cluster"]["server"], cluster["cluster"]["certificate-authority-data"]
        certificate, key = user["user"]["client-certificate-data"], user["user"]["client-key-data"]
        data = {"authority": trusted, "certificate": certificate, "key": key}
        texts = {name: b64decode(value).decode() for name, value in data.items()}
        return {"server": server, "cluster": cluster["name"], "user": user["name"], **texts}
    except (yaml.YAMLError, KeyError, TypeError, ValueError):
        return None
