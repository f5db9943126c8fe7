"""Keys that a cluster stands on, where they rest on the host itself: for a host that is handled by itself, without a
state file that holds them. Whoever brings another host to it copies the files there, as with kubeadm and etcdadm."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from klusterkit import pki
from klusterkit.engine.errors import PermanentError
from klusterkit.engine.host import File
from klusterkit.engine.step import Before, Context, Difference, Observation, Step
from klusterkit.tasks.prior import ABSENT, Prior, describe, keep, put_back

OPEN_MODE = 0o644
KEY_MODE = 0o600


class _Pair(Step):
    """A private key, and in a file beside it what everybody may know.

    One that is there is used as it is, whoever made it. One that can't be used is refused, never replaced: everything
    that was ever signed with it would be worthless.
    """

    what: ClassVar[str]
    """Such as ``authority``."""
    ending: ClassVar[str]
    """Of the open file."""

    base: str
    """Path without the ending."""
    make: bool = True
    """Whether a missing one is made. If not, it has to be brought there first."""

    @property
    def title(self) -> str:
        """What it does."""
        path = self.writes[0]
        return f"make the {self.what} {path}" if self.make else f"see that the {self.what} {path} is good"

    @property
    def writes(self) -> tuple[str, ...]:
        """Both files, the open one first."""
        return (f"{self.base}.{self.ending}", f"{self.base}.key")

    def made(self) -> tuple[str, str]:
        """What a new pair's files hold, the open one first."""
        raise NotImplementedError

    def fault(self, public: str, key: str) -> str:
        """Why the pair can't be used; nothing if it can."""
        raise NotImplementedError

    def observe(self, on: Context) -> Observation:
        """Whether there is one that can be used."""
        entries = on.host.stat(*self.writes)
        # Digests of a key that was generated let nobody guess it.
        before = {entry.path: describe(entry) for entry in entries}
        missing = [entry.path for entry in entries if entry.type == ABSENT]
        if missing:
            reason = f"not there: {', '.join(missing)}"
            return Observation(satisfied=False, before=before, partial=len(missing) == 1, reason=reason)
        reason = self._fault(on) or self._open_to_others(on)
        return Observation(satisfied=not reason, before=before, reason=reason)

    def apply(self, on: Context, before: Before) -> None:
        """Make it, unless it is there. What is there by halves after an interruption is ours, if nothing was before."""
        there = [entry.path for entry in on.host.stat(*self.writes) if entry.type != ABSENT]
        if len(there) == len(self.writes):
            self._accept(on, before)
        elif self.make and all(before[path]["type"] == ABSENT for path in self.writes):
            contents = zip(self.writes, self.made(), (OPEN_MODE, KEY_MODE), strict=True)
            on.host.write(*(File(path=path, content=text.encode(), mode=mode) for path, text, mode in contents))
        else:
            self._refuse(on, there)

    def undo(self, on: Context, before: Before) -> None:
        """Put back what was there."""
        put_back([Prior(on, path, before[path]) for path in self.writes])

    def differences(self, on: Context, seen: Observation) -> list[Difference]:
        """That there will be a new one."""
        _ = on
        return [Difference(what=path, note=seen.reason) for path in self.writes]

    def _accept(self, on: Context, before: Before) -> None:
        if fault := self._fault(on):
            raise PermanentError(
                f"the {self.what} {self.writes[0]} can't be used: {fault}",
                host=on.host.name,
                hint="bring the two files that belong together there; or move both away, for a new one",
            )
        key = self.writes[1]
        keep([Prior(on, key, before[key])])
        on.host.write(File(path=key, content=on.host.read(key), mode=KEY_MODE))

    def _refuse(self, on: Context, there: Sequence[str]) -> None:
        raise PermanentError(
            f"the {self.what} {self.writes[0]} and its key are not both there",
            host=on.host.name,
            seen=f"only {there[0]}" if there else "neither of them",
            hint=f"copy both from a host that has them, there: rsync -avR {' '.join(self.writes)} root@HOST:/",
        )

    def _fault(self, on: Context) -> str:
        public, key = (on.host.read(path).decode(errors="replace") for path in self.writes)
        return self.fault(public, key)

    def _open_to_others(self, on: Context) -> str:
        key = on.host.stat(self.writes[1])[0]
        return f"others can read its key (mode {key.mode:o})" if key.mode & 0o077 else ""


class Authority(_Pair):
    """``BASE.crt`` and ``BASE.key``: a certificate authority that can issue."""

    kind: ClassVar[str] = "pki.authority"
    what: ClassVar[str] = "authority"
    ending: ClassVar[str] = "crt"

    common_name: str
    """Of a new one."""

    def made(self) -> tuple[str, str]:
        """A new authority."""
        authority = pki.Authority.create(self.common_name)
        return authority.cert_pem, authority.key_pem

    def fault(self, public: str, key: str) -> str:
        """Why it can't issue."""
        try:
            pki.Authority.load(public, key)
        except pki.PKIError as error:
            return error.message
        return ""


class ServiceAccountKey(_Pair):
    """``BASE.pub`` and ``BASE.key``: what tokens of service accounts are verified and signed with."""

    kind: ClassVar[str] = "pki.service-account-key"
    what: ClassVar[str] = "key pair"
    ending: ClassVar[str] = "pub"

    def made(self) -> tuple[str, str]:
        """A new pair."""
        private, public = pki.create_service_account_key()
        return public, private

    def fault(self, public: str, key: str) -> str:
        """Why they don't belong together."""
        return pki.service_account_key_fault(public, key)
