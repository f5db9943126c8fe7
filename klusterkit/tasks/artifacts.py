"""Artifacts of the bundle: brought to the host, and put in place from there."""

from __future__ import annotations

import hashlib
import json
from typing import ClassVar

from klusterkit.engine.errors import CommandFailed, PermanentError, VerificationFailed
from klusterkit.engine.host import HOME, Entry
from klusterkit.engine.step import Before, Context, Observation, Step
from klusterkit.tasks import note
from klusterkit.tasks.prior import Prior, describe, keep, put_back

ARTIFACTS = f"{HOME}/artifacts"
EXECUTABLE = 0o755
"""Mode of uploaded artifacts too: a program that is copied into place is never there without it."""


def place(sha256: str) -> str:
    """Where an artifact is on a host."""
    return f"{ARTIFACTS}/{sha256}"


class Upload(Step):
    """Bring an artifact from the control machine to KlusterKit's folder on the host."""

    kind: ClassVar[str] = "artifact.upload"

    name: str
    sha256: str
    size: int

    @property
    def title(self) -> str:
        """What it does."""
        return f"upload {self.name} ({self.size / 1e6:.1f} MB)"

    @property
    def subject(self) -> str:
        """Where it is."""
        return place(self.sha256)

    def observe(self, on: Context) -> Observation:
        """Whether it is there, whole."""
        there = on.host.stat(place(self.sha256))[0].sha256 == self.sha256
        return Observation(satisfied=there, before={"there": there}, reason="" if there else "not on the host")

    def apply(self, on: Context, before: Before) -> None:
        """Bring it. What an earlier upload left is gone on with."""
        _ = before
        on.host.mkdir(ARTIFACTS, 0o700)
        on.host.upload(on.artifact(self.sha256), self.sha256, place(self.sha256), EXECUTABLE)

    def verify(self, on: Context) -> None:
        """Nothing to add: the host has checked what came before it was renamed. All of a host's are a gigabyte."""

    def undo(self, on: Context, before: Before) -> None:
        """Remove it, unless it was there."""
        if not before["there"]:
            # The second is what an upload that was cut off left, to be gone on with.
            on.host.remove(place(self.sha256), f"{place(self.sha256)}.part")


class Install(Step):
    """Put an artifact that was uploaded in place. A program that runs from there goes on running from the old file."""

    kind: ClassVar[str] = "artifact.install"

    name: str
    sha256: str
    path: str
    mode: int = EXECUTABLE

    @property
    def title(self) -> str:
        """What it does."""
        return f"install {self.name} as {self.path}"

    @property
    def subject(self) -> str:
        """The file."""
        return self.path

    def observe(self, on: Context) -> Observation:
        """Whether it is there."""
        entry = on.host.stat(self.path)[0]
        reason = _reason(entry, self.sha256, self.mode)
        partial = bool(reason) and entry.sha256 == self.sha256
        return Observation(satisfied=not reason, before=describe(entry), partial=partial, reason=reason)

    def apply(self, on: Context, before: Before) -> None:
        """Copy it beside its place and rename it over what is there."""
        keep([Prior(on, self.path, before)])
        _install(on, place(self.sha256), self.path)
        _command(on, "chmod", f"{self.mode:o}", self.path)

    def undo(self, on: Context, before: Before) -> None:
        """Put back what was there."""
        put_back([Prior(on, self.path, before)])


_BEGUN = "begun"


class Unpack(Step):
    """Put some files of an archive that was uploaded (tar, compressed or not) in place.

    ``members`` are names in the archive, exactly as it spells them, with the paths that they get. What was unpacked is
    told by a receipt in KlusterKit's folder, since nobody else knows what its members should be.
    """

    kind: ClassVar[str] = "artifact.unpack"

    name: str
    sha256: str
    members: dict[str, str]
    mode: int = EXECUTABLE

    @property
    def title(self) -> str:
        """What it does."""
        return f"unpack {', '.join(self.members.values())} from {self.name}"

    @property
    def subject(self) -> str:
        """The files."""
        return ", ".join(self.members.values())

    @property
    def _receipt(self) -> str:
        names = json.dumps(sorted(self.members)).encode()
        return f"receipts/{self.sha256}.{hashlib.sha256(names).hexdigest()[:8]}"

    def observe(self, on: Context) -> Observation:
        """Whether every member is in place."""
        *entries, folder = on.host.stat(*self.members.values(), self._folder(on))
        wanted = note.read(on, self._receipt)
        reasons = {
            path: _reason(entry, wanted.get(member, ""), self.mode)
            for (member, path), entry in zip(self.members.items(), entries, strict=True)
        }
        reason = "; ".join(f"{path}: {reason}" for path, reason in reasons.items() if reason)
        return Observation(
            satisfied=not reason,
            before={entry.path: describe(entry) for entry in entries},
            # With a receipt, what was put in place is there no more, or not yet: its undo was cut off.
            partial=bool(reason) and (folder.type == "directory" or bool(wanted)),
            reason=reason,
        )

    def apply(self, on: Context, before: Before) -> None:
        """Unpack in KlusterKit's folder, then put each file in place."""
        folder = self._folder(on)
        keep(self._priors(on, before))
        # Until there is a receipt: a second attempt finds files in place that nobody else has put there.
        note.write(on, self._receipt, {_BEGUN: ""})
        on.host.remove(folder, recursive=True)
        on.host.mkdir(folder, 0o700)
        self._extract(on, folder)
        # Whatever a link in the archive points to keeps its mode: of links that it meets below, chmod takes no notice.
        _command(on, "chmod", "-R", f"{self.mode:o}", folder)
        for member, path in self.members.items():
            _install(on, f"{folder}/{member}", path)
        self._write_receipt(on)
        on.host.remove(folder, recursive=True)

    def verify(self, on: Context) -> None:
        """Nothing to add: the receipt was made of what is in place, by reading all of it."""

    def undo(self, on: Context, before: Before) -> None:
        """Put back what was there."""
        put_back(self._priors(on, before))
        note.remove(on, self._receipt)
        on.host.remove(self._folder(on), recursive=True)

    def _folder(self, on: Context) -> str:
        return f"{place(self.sha256)}.{on.task.replace('/', '.')}"

    def _extract(self, on: Context, folder: str) -> None:
        # Not as a job: its record would outlive a power cut that what it wrote doesn't.
        command = ["tar", "-x", "-f", place(self.sha256), "-C", folder, "--no-same-owner", *self.members]
        ended = on.host.run(command, timeout=on.timeout)
        if not ended.ok:
            raise CommandFailed(
                f"{self.name} can't be unpacked",
                host=on.host.name,
                seen=ended.said,
                hint="see that the archive has these members, and that the host has room",
            )

    def _write_receipt(self, on: Context) -> None:
        # What is in place was flushed before it got there.
        entries = on.host.stat(*self.members.values())
        if wrong := [reason for entry in entries if (reason := _reason(entry, entry.sha256, self.mode))]:
            raise VerificationFailed(f"{self.title}: {wrong[0]}", host=on.host.name, seen="; ".join(wrong))
        note.write(on, self._receipt, {name: entry.sha256 for name, entry in zip(self.members, entries, strict=True)})

    def _priors(self, on: Context, before: Before) -> list[Prior]:
        return [Prior(on, path, before[path]) for path in self.members.values()]


def _install(on: Context, source: str, path: str) -> None:
    """As a kept file is put back: copied by the cheapest means that the file system has, flushed, renamed."""
    try:
        on.host.put_back(source, path)
    except FileNotFoundError:
        raise PermanentError(
            f"{path} can't be installed",
            host=on.host.name,
            seen=f"there is no {source}, or no folder for {path}",
            hint="if what was uploaded to the host was removed there, plan again",
        ) from None


def _reason(entry: Entry, sha256: str, mode: int) -> str:
    match entry.type:
        case "file" if entry.sha256 != sha256:
            return "another version, or not known which"
        case "file" if entry.mode != mode:
            return f"mode {entry.mode:o}, wanted {mode:o}"
        case "file":
            return ""
        case "absent":
            return "not there"
        case _:
            return f"a {entry.type}, not a file"


def _command(on: Context, *argv: str) -> None:
    ended = on.host.run(argv)
    if not ended.ok:
        raise CommandFailed(f"`{' '.join(argv)}` failed on {on.host.name}", host=on.host.name, seen=ended.said)
