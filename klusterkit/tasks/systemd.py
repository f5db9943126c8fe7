"""Units of systemd: their files, and whether they are enabled and running."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from typing import ClassVar

from klusterkit.engine.errors import CommandFailed, CommandFailedTemporarily
from klusterkit.engine.host import Completed, File
from klusterkit.engine.step import Before, Context, Difference, Observation, Step
from klusterkit.tasks import note
from klusterkit.tasks.durable import flush
from klusterkit.tasks.files import text_at
from klusterkit.tasks.prior import Prior, describe, keep, put_back

UNITS = "/etc/systemd/system"

_WANTS = f"{UNITS}/multi-user.target.wants"
"""Has a link for each unit that is enabled."""
_ENABLED = ("enabled", "static", "indirect", "generated", "alias")
"""States of a unit's file in which there is nothing left to enable."""
_JOURNAL_LINES = 20


class Unit(Step):
    """A unit's file, or a drop-in for one, known to systemd.

    Args:
        name: such as ``etcd.service``.
        content: of the file.
        drop_in: name of the drop-in, without its ending.
    """

    kind: ClassVar[str] = "systemd.unit"

    name: str
    content: str
    drop_in: str | None = None

    @property
    def title(self) -> str:
        """What it does."""
        return f"write the unit {self.path}"

    @property
    def writes(self) -> tuple[str, ...]:
        """The file."""
        return (self.path,)

    @property
    def folder(self) -> str:
        """The folder that holds the file."""
        return f"{UNITS}/{self.name}.d" if self.drop_in else UNITS

    @property
    def path(self) -> str:
        """The file."""
        return f"{self.folder}/{self.drop_in or self.name}{'.conf' if self.drop_in else ''}"

    def observe(self, on: Context) -> Observation:
        """Whether the file is as it should be, and systemd has read it."""
        folder, entry = on.host.stat(self.folder, self.path)
        before = {"file": describe(entry), **({"folder": describe(folder)} if self.drop_in else {})}
        if entry.sha256 != hashlib.sha256(self.content.encode()).hexdigest() or entry.mode != 0o644:
            reason = "not there" if entry.type == "absent" else "other content or mode"
            begun = bool(self.drop_in) and folder.type == "directory" and entry.type == "absent"
            return Observation(satisfied=False, before=before, partial=begun, reason=reason)
        known = properties(on, self.name, "LoadState", "NeedDaemonReload")
        stale = known.get("NeedDaemonReload") != "no" or known.get("LoadState") == "not-found"
        reason = "systemd hasn't read it yet" if stale else ""
        return Observation(satisfied=not stale, before=before, partial=stale, reason=reason)

    def apply(self, on: Context, before: Before) -> None:
        """Write the file and have systemd read it."""
        keep([Prior(on, self.path, before["file"])])
        if self.drop_in:
            on.host.mkdir(self.folder)
        on.host.write(File(path=self.path, content=self.content.encode()))
        systemctl(on, "daemon-reload")

    def undo(self, on: Context, before: Before) -> None:
        """Put back what was there, and have systemd know."""
        folder = [Prior(on, self.folder, before["folder"])] if "folder" in before else []
        put_back([*folder, Prior(on, self.path, before["file"])])
        systemctl(on, "daemon-reload")
        # That it failed would be remembered, though its file is gone. Fails for a unit that didn't: that is as well.
        on.host.run(["systemctl", "reset-failed", self.name])

    def differences(self, on: Context, seen: Observation) -> list[Difference]:
        """Both texts."""
        old = text_at(on, self.path, seen.before["file"])
        return [Difference(what=self.path, old=old, new=self.content, note=seen.reason)]


class Service(Step):
    """A unit enabled or not, running or not.

    Undo puts back both. It can't put back what a running service was started *with*: where configuration is replaced
    below a running service, stop it in a step before (``running=False``) and start it in one after. Backward, those
    two stop it, let the old files be put back, and start it with them.

    Args:
        unit: such as ``etcd.service``.
        enabled: at boot; None to leave that as it is.
        running: now; None to leave that as it is.
        restart_for: digests, or other names, of all that the service must have been started with. It is restarted
            unless it was started since this step first asked for them.
    """

    kind: ClassVar[str] = "systemd.service"

    unit: str
    enabled: bool | None = True
    running: bool | None = True
    restart_for: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        """What it does."""
        wanted = {"enable": self.enabled, "start": self.running}
        negative = {"enable": "disable", "start": "stop"}
        words = [verb if yes else negative[verb] for verb, yes in wanted.items() if yes is not None]
        return f"{' and '.join(words) or 'look at'} {self.unit}"

    @property
    def subject(self) -> str:
        """The unit, and not its file."""
        return self.unit

    def observe(self, on: Context) -> Observation:
        """What systemd says of it."""
        seen = properties(on, self.unit, "UnitFileState", "ActiveState", "InvocationID")
        reasons = [*self._reasons(seen), *self._reasons_to_restart(on, seen)]
        done = [self.enabled is not None and _is_enabled(seen) == self.enabled, self.running is _is_active(seen)]
        return Observation(
            satisfied=not reasons,
            before={"enabled": seen.get("UnitFileState", ""), "running": _is_active(seen)},
            partial=bool(reasons) and any(done),
            reason="; ".join(reasons),
        )

    def _reasons(self, seen: Mapping[str, str]) -> Iterator[str]:
        if self.enabled is not None and _is_enabled(seen) != self.enabled:
            yield f"it is {seen.get('UnitFileState') or 'not known'}"
        if self.running is not None and (seen.get("ActiveState") in ("active", "reloading")) != self.running:
            yield f"it is {seen.get('ActiveState', 'not known')}"

    def _reasons_to_restart(self, on: Context, seen: Mapping[str, str]) -> Iterator[str]:
        if not (self.running and self.restart_for):
            return
        asked = note.read(on, self._started)
        if asked.get("for") != list(self.restart_for) or asked.get("not") == seen.get("InvocationID"):
            yield "it was not started with what it has to be started with"

    def apply(self, on: Context, before: Before) -> None:
        """Enable and start, or disable and stop."""
        _ = before
        if self.enabled is not None:
            _enable(on, self.unit, yes=self.enabled)
        if self.running is None:
            return
        if self.running and self.restart_for:
            self._ask(on)
        # Start counts from anew: a unit that failed too often a moment ago would be refused.
        on.host.run(["systemctl", "reset-failed", self.unit])
        # A restart starts what is stopped, too.
        verb = ("restart" if self.restart_for else "start") if self.running else "stop"
        self._long(on, verb)

    def undo(self, on: Context, before: Before) -> None:
        """Enabled and running as it was."""
        seen = properties(on, self.unit, "UnitFileState", "ActiveState")
        if self.running is not None:
            note.remove(on, self._started)
            if _is_active(seen) != before["running"]:
                self._long(on, "start" if before["running"] else "stop")
            if not before["running"]:
                on.host.run(["systemctl", "reset-failed", self.unit])
        was, now = before["enabled"], seen.get("UnitFileState", "")
        if self.enabled is not None and was != now:
            _enable(on, self.unit, yes=was in _ENABLED)

    def _long(self, on: Context, verb: str) -> None:
        ended = on.host.job(on.key, ["systemctl", verb, self.unit], timeout=on.timeout)
        if not ended.ok:
            raise CommandFailedTemporarily(
                f"`systemctl {verb} {self.unit}` failed on {on.host.name}",
                host=on.host.name,
                seen=_last_lines(on, self.unit, ended),
                hint=f"`journalctl -u {self.unit}` on the host tells more",
            )

    # What the service has to be started with is asked for before it is started: of every start of it since, by us,
    # after a crash or after a boot, it is true. So it takes no times, and no clock, to tell.

    @property
    def _started(self) -> str:
        return f"started/{self.unit}"

    def _ask(self, on: Context) -> None:
        if note.read(on, self._started).get("for") == list(self.restart_for):
            return
        current = properties(on, self.unit, "InvocationID").get("InvocationID")
        note.write(on, self._started, {"for": self.restart_for, "not": current})


def _is_enabled(seen: Mapping[str, str]) -> bool:
    return seen.get("UnitFileState") in _ENABLED


def _is_active(seen: Mapping[str, str]) -> bool:
    """It runs, or systemd tries to have it run."""
    return seen.get("ActiveState") in ("active", "reloading", "activating")


def properties(on: Context, unit: str, *names: str) -> dict[str, str]:
    """Properties of a unit by their names, as ``systemctl show`` says them; none where there is no systemd."""
    shown = on.host.run(["systemctl", "show", f"--property={','.join(names)}", unit])
    lines = shown.text.splitlines() if shown.ok else []
    return dict(line.split("=", 1) for line in lines if "=" in line)


def systemctl(on: Context, *arguments: str) -> None:
    """Run it and insist. Raises ``CommandFailed``."""
    ended = on.host.run(["systemctl", *arguments], timeout=on.timeout)
    if not ended.ok:
        raise CommandFailed(
            f"`systemctl {' '.join(arguments)}` failed on {on.host.name}", host=on.host.name, seen=ended.said
        )


def _enable(on: Context, unit: str, *, yes: bool) -> None:
    systemctl(on, "enable" if yes else "disable", unit)
    if on.host.stat(_WANTS)[0].type == "directory":
        flush(on, _WANTS)


def _last_lines(on: Context, unit: str, ended: Completed) -> str:
    said = on.host.run(["journalctl", "-u", unit, "-n", str(_JOURNAL_LINES), "--no-pager", "-o", "cat"])
    return said.text or ended.said
