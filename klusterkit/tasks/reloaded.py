"""A configuration that a running service reads again, without being stopped for it."""

from __future__ import annotations

import hashlib
from typing import ClassVar

from klusterkit.engine.host import File
from klusterkit.engine.step import Before, Context, Difference, Observation, Step
from klusterkit.tasks import note
from klusterkit.tasks.files import text_at
from klusterkit.tasks.prior import Prior, describe, keep, put_back
from klusterkit.tasks.systemd import properties, systemctl


class ReloadedFile(Step):
    """Write a file and have a service read it: by ``systemctl reload``, never by a restart.

    A service that doesn't run is left alone: it reads the file when it starts. A note in KlusterKit's folder tells what
    was reloaded, so that a write that was cut off before the reload is known for one.
    """

    kind: ClassVar[str] = "systemd.reloaded-file"

    unit: str
    path: str
    content: str
    mode: int = 0o644

    @property
    def title(self) -> str:
        """What it does."""
        return f"write {self.path} and reload {self.unit}"

    @property
    def writes(self) -> tuple[str, ...]:
        """The file."""
        return (self.path,)

    @property
    def _note(self) -> str:
        return f"reloaded/{self.path.strip('/').replace('/', '%')}"

    @property
    def _sha256(self) -> str:
        return hashlib.sha256(self.content.encode()).hexdigest()

    def observe(self, on: Context) -> Observation:
        """Whether the file says so, and the service has read it since."""
        entry = on.host.stat(self.path)[0]
        written = entry.sha256 == self._sha256 and entry.mode == self.mode
        read = entry.sha256 if note.read(on, self._note).get("sha256") == entry.sha256 else None
        reason = "other content or mode" if not written else "" if read else "not read yet"
        before = {"file": describe(entry), "read": read}
        return Observation(satisfied=not reason, before=before, partial=written, reason=reason)

    def apply(self, on: Context, before: Before) -> None:
        """Write, reload, and note that."""
        keep([Prior(on, self.path, before["file"])])
        on.host.write(File(path=self.path, content=self.content.encode(), mode=self.mode))
        self._reload(on)
        note.write(on, self._note, {"sha256": self._sha256})

    def undo(self, on: Context, before: Before) -> None:
        """Put back what was there, and have the service read that. What an earlier step noted of it holds again."""
        if before["read"]:
            note.write(on, self._note, {"sha256": before["read"]})
        else:
            note.remove(on, self._note)
        put_back([Prior(on, self.path, before["file"])])
        self._reload(on)

    def differences(self, on: Context, seen: Observation) -> list[Difference]:
        """Both texts."""
        old = text_at(on, self.path, seen.before["file"])
        return [Difference(what=self.path, old=old, new=self.content, note=seen.reason)]

    def _reload(self, on: Context) -> None:
        if properties(on, self.unit, "ActiveState").get("ActiveState") == "active":
            systemctl(on, "reload", self.unit)
