"""A certificate authority whose key is on the host itself: for a host that is handled by itself, without a state file
that holds authorities. Whoever brings another host to it copies the two files there, as with kubeadm and etcdadm."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from klusterkit import pki
from klusterkit.engine.errors import PermanentError
from klusterkit.engine.host import File
from klusterkit.engine.step import Before, Context, Difference, Observation, Step
from klusterkit.tasks.prior import ABSENT, Prior, describe, keep, put_back

CERTIFICATE_MODE = 0o644
KEY_MODE = 0o600


class Authority(Step):
    """``BASE.crt`` and ``BASE.key``: an authority that can issue.

    One that is there is used as it is, whoever made it. One that can't issue is refused, never replaced: everything
    that it ever issued would be worthless.

    Args:
        common_name: of a new one.
        base: path without the ending.
        make: whether a missing one is made. If not, it has to be brought there first.
    """

    kind: ClassVar[str] = "pki.authority"

    common_name: str
    base: str
    make: bool = True

    @property
    def title(self) -> str:
        """What it does."""
        return f"make the authority {self.base}.crt" if self.make else f"see that the authority {self.base}.crt is good"

    @property
    def writes(self) -> tuple[str, ...]:
        """Both files."""
        return (f"{self.base}.crt", f"{self.base}.key")

    def observe(self, on: Context) -> Observation:
        """Whether there is one that can issue."""
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
            made = pki.Authority.create(self.common_name)
            contents = zip(self.writes, (made.cert_pem, made.key_pem), (CERTIFICATE_MODE, KEY_MODE), strict=True)
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
                f"the authority {self.base}.crt can't issue certificates: {fault}",
                host=on.host.name,
                hint="bring the certificate and key that belong together there; or move both away, for a new one",
            )
        key = self.writes[1]
        keep([Prior(on, key, before[key])])
        on.host.write(File(path=key, content=on.host.read(key), mode=KEY_MODE))

    def _refuse(self, on: Context, there: Sequence[str]) -> None:
        raise PermanentError(
            f"the authority {self.base}.crt and its key are not both there",
            host=on.host.name,
            seen=f"only {there[0]}" if there else "neither of them",
            hint=f"copy both from a host that has them, there: rsync -avR {self.base}.crt {self.base}.key root@HOST:/",
        )

    def _fault(self, on: Context) -> str:
        certificate, key = (on.host.read(path).decode(errors="replace") for path in self.writes)
        try:
            pki.Authority.load(certificate, key)
        except pki.PKIError as error:
            return error.message
        return ""

    def _open_to_others(self, on: Context) -> str:
        key = on.host.stat(self.writes[1])[0]
        return f"others can read its key (mode {key.mode:o})" if key.mode & 0o077 else ""
