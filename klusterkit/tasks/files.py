"""Folders and files, as they should be: content, mode, owner."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any, ClassVar, Self

from klusterkit.engine.errors import PermanentError, VerificationFailed
from klusterkit.engine.host import Entry, File
from klusterkit.engine.step import Before, Context, Difference, Observation, Step
from klusterkit.tasks.prior import Prior, State, describe, keep, put_back


class _Path(Step):
    """One path on a host, looked at together with others."""

    batch: ClassVar[bool] = True

    path: str
    mode: int
    owner: str = "root:root"

    @property
    def subject(self) -> str:
        """The path."""
        return self.path

    def reasons(self, on: Context, entry: Entry) -> Iterator[str]:
        """What is wrong with what stands there."""
        raise NotImplementedError

    def described(self, on: Context, entry: Entry) -> dict[str, Any]:
        """What stands there, as plain data."""
        _ = on
        return describe(entry)

    def half_made(self, entry: Entry) -> bool:
        """Whether it looks like this step's own work, cut in the middle: a file appears whole or not at all."""
        _ = entry
        return False

    @classmethod
    def make(cls, steps: Sequence[Self], on: Sequence[Context], before: Sequence[Before]) -> None:
        """Make them so, all on one host."""
        raise NotImplementedError

    @classmethod
    def observe_many(cls, steps: Sequence[Self], on: Sequence[Context]) -> list[Observation]:  # pyright: ignore[reportIncompatibleMethodOverride] - Self is this class here
        """In one round trip."""
        entries = on[0].host.stat(*(step.path for step in steps))
        return [step._seen(context, entry) for step, context, entry in zip(steps, on, entries, strict=True)]

    @classmethod
    def apply_many(cls, steps: Sequence[Self], on: Sequence[Context], before: Sequence[Before]) -> None:  # pyright: ignore[reportIncompatibleMethodOverride] - Self is this class here
        """Make them so, and see in one round trip that they are."""
        cls.make(steps, on, before)
        for step, context, seen in zip(steps, on, cls.observe_many(steps, on), strict=True):
            if not seen.satisfied:
                raise VerificationFailed(f"{step.title}: {seen.reason}", host=context.host.name, seen=seen.reason)

    def observe(self, on: Context) -> Observation:
        """What stands there."""
        return self.observe_many([self], [on])[0]

    def apply(self, on: Context, before: Before) -> None:
        """Make it so."""
        self.make([self], [on], [before])

    def undo(self, on: Context, before: Before) -> None:
        """Put back what was there."""
        put_back([self.prior(on, before)])

    def prior(self, on: Context, before: Before) -> Prior:
        """What was there."""
        return Prior(on, self.path, before, lambda entry: self.described(on, entry))

    def access_reasons(self, entry: Entry) -> Iterator[str]:
        """What is wrong with who may use it."""
        if entry.mode != self.mode:
            yield f"mode {entry.mode:o}, wanted {self.mode:o}"
        if entry.owner != self.owner:
            yield f"owner {entry.owner}, wanted {self.owner}"

    def _seen(self, on: Context, entry: Entry) -> Observation:
        reason = "; ".join(self.reasons(on, entry))
        partial = bool(reason) and self.half_made(entry)
        return Observation(satisfied=not reason, before=self.described(on, entry), partial=partial, reason=reason)


class Directory(_Path):
    """A folder. Its parents are steps of their own; what is in it is not looked at."""

    kind: ClassVar[str] = "file.directory"

    mode: int = 0o755

    @property
    def title(self) -> str:
        """What it does."""
        return f"make the folder {self.path}"

    def reasons(self, on: Context, entry: Entry) -> Iterator[str]:
        """What is wrong with what stands there."""
        _ = on
        match entry.type:
            case "directory":
                yield from self.access_reasons(entry)
            case "absent":
                yield "not there"
            case _:
                yield f"a {entry.type}, not a folder"

    def half_made(self, entry: Entry) -> bool:
        """A new folder is root's alone until it has its owner and mode; one that was there gets one after the other."""
        new = (entry.mode, entry.owner) == (0o700, "root:root")
        return entry.type == "directory" and (new or entry.mode == self.mode or entry.owner == self.owner)

    @classmethod
    def make(cls, steps: Sequence[Self], on: Sequence[Context], before: Sequence[Before]) -> None:  # pyright: ignore[reportIncompatibleMethodOverride] - Self is this class here
        """Make the folders, or give those that are there the right mode and owner."""
        for step, context, prior in zip(steps, on, before, strict=True):
            if prior["type"] not in ("absent", "directory"):
                raise PermanentError(
                    f"{step.path} should be a folder, and is a {prior['type']}",
                    host=context.host.name,
                    hint=f"see what {step.path} is for, and move it away",
                )
        # In their order, since a folder may hold the next.
        for (mode, owner), alike in groupby(steps, lambda step: (step.mode, step.owner)):
            on[0].host.mkdir([step.path for step in alike], mode, owner)


class _WrittenFile(_Path):
    """A file whose whole content is known."""

    @property
    def writes(self) -> tuple[str, ...]:
        """The file."""
        return (self.path,)

    def content_for(self, on: Context) -> bytes:
        """What should be in it."""
        raise NotImplementedError

    def reasons(self, on: Context, entry: Entry) -> Iterator[str]:
        """What is wrong with what stands there."""
        match entry.type:
            case "file":
                if entry.sha256 != hashlib.sha256(self.content_for(on)).hexdigest():
                    yield "other content"
                yield from self.access_reasons(entry)
            case "absent":
                yield "not there"
            case _:
                yield f"a {entry.type}, not a file"

    @classmethod
    def make(cls, steps: Sequence[Self], on: Sequence[Context], before: Sequence[Before]) -> None:  # pyright: ignore[reportIncompatibleMethodOverride] - Self is this class here
        """Write all of them in one round trip, when what they replace is kept."""
        keep([step.prior(context, prior) for step, context, prior in zip(steps, on, before, strict=True)])
        files = [
            File(path=step.path, content=step.content_for(context), mode=step.mode, owner=step.owner)
            for step, context in zip(steps, on, strict=True)
        ]
        on[0].host.write(*files)


class TextFile(_WrittenFile):
    """A file with this content (UTF-8). The content stands in the plan: it is no secret."""

    kind: ClassVar[str] = "file.text"

    content: str
    mode: int = 0o644

    @property
    def title(self) -> str:
        """What it does."""
        return f"write {self.path}"

    def content_for(self, on: Context) -> bytes:
        """What should be in it."""
        _ = on
        return self.content.encode()

    def differences(self, on: Context, seen: Observation) -> list[Difference]:
        """Both texts."""
        return [Difference(what=self.path, old=text_at(on, self.path, seen.before), new=self.content, note=seen.reason)]


class SecretFile(_WrittenFile):
    """A file with a secret of the state file as its content, named here and never shown."""

    kind: ClassVar[str] = "file.secret"

    secret: str
    """Its name in the state file."""
    mode: int = 0o600

    @property
    def title(self) -> str:
        """What it does."""
        return f"write the secret {self.secret} to {self.path}"

    def content_for(self, on: Context) -> bytes:
        """What should be in it."""
        return on.secret(self.secret)

    @property
    def keyed_by(self) -> str:
        """Name of a secret that can't be guessed."""
        return self.secret

    def described(self, on: Context, entry: Entry) -> dict[str, Any]:
        """What stands there. The content's digest is keyed: a plain one would let a weak secret be guessed."""
        plain = describe(entry)
        if entry.type == "file":
            key = on.secret(self.keyed_by)
            plain["sha256"] = hmac.digest(key, entry.sha256.encode(), "sha256").hex()
        return plain

    def differences(self, on: Context, seen: Observation) -> list[Difference]:
        """That it differs, not how."""
        _ = on
        return [Difference(what=self.path, note=f"{seen.reason} (secret {self.secret}, not shown)")]


def text_at(on: Context, path: str, state: State) -> str | None:
    """The text that a file holds, or None where there is no file or no text.

    For showing it: somebody else may have written secrets into it. Of one that others can't read nothing is told, and
    values whose names say that they are secret are hidden.
    """
    if state["type"] != "file":
        return None
    if not int(state["mode"], 8) & 0o004:
        return f"(not shown: its mode is {state['mode']})\n"
    try:
        return _TELLING.sub(r"\1[secret]", on.host.read(path).decode())
    except (FileNotFoundError, UnicodeDecodeError):
        return None


_TELLING = re.compile(
    r"((?<![\w.-])[\"']?(?:password|passwd|token|secret|auth|identitytoken|certificateKey)[\"']?\s*[:=]\s*)"
    r"(?:\"[^\"\n]+\"|'[^'\n]+'|[^\s\"'{\[]\S*)",
    re.IGNORECASE,
)
