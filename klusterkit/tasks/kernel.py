"""What the kernel has to have, and how it is set."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from klusterkit.engine.errors import CommandFailed, PermanentError
from klusterkit.engine.host import File
from klusterkit.engine.step import Before, Context, Difference, Observation, Step
from klusterkit.tasks import note
from klusterkit.tasks.files import text_at
from klusterkit.tasks.prior import Prior, describe, keep, put_back


class _Configured(Step):
    """Something that is so now, and that a file in one of systemd's folders makes so at the next boot."""

    name: str = "klusterkit"
    """Of the file, without its ending. Two steps on one host need two names."""
    folder: ClassVar[str] = ""

    @property
    def path(self) -> str:
        """The file."""
        return f"{self.folder}/{self.name}.conf"

    @property
    def subject(self) -> str:
        """The file, and what it makes so."""
        return self.path

    def text(self) -> str:
        """What the file says."""
        raise NotImplementedError

    def files(self, on: Context) -> dict[str, Any]:
        """The state of the folder and the file."""
        return {path: describe(entry) for path, entry in zip(self._paths, on.host.stat(*self._paths), strict=True)}

    def written(self, files: Mapping[str, Any]) -> bool:
        """Whether the file says what it should."""
        file = files[self.path]
        return file.get("sha256") == hashlib.sha256(self.text().encode()).hexdigest() and file["mode"] == "0644"

    def half_written(self, files: Mapping[str, Any]) -> bool:
        """Whether the file says what it should, or only its folder is there: so a cut leaves them."""
        return self.written(files) or (files[self.folder]["type"], files[self.path]["type"]) == ("directory", "absent")

    def write(self, on: Context, files: Mapping[str, Any]) -> None:
        """Write the file, and its folder where there is none."""
        keep([Prior(on, self.path, files[self.path])])
        if files[self.folder]["type"] == "absent":
            on.host.mkdir(self.folder)
        on.host.write(File(path=self.path, content=self.text().encode()))

    def differences(self, on: Context, seen: Observation) -> list[Difference]:
        """The file's texts."""
        files = seen.before.get("files", seen.before)
        old = text_at(on, self.path, files[self.path])
        return [Difference(what=self.path, old=old, new=self.text(), note=seen.reason)]

    def put_files_back(self, on: Context, files: Mapping[str, Any]) -> None:
        """As they were."""
        put_back([Prior(on, path, files[path]) for path in self._paths])

    @property
    def _paths(self) -> tuple[str, str]:
        return self.folder, self.path


class Modules(_Configured):
    """Kernel modules, loaded now and at each boot. What is built in counts as loaded.

    Undo unloads those that this loaded. One that something uses by then has to stay.
    """

    kind: ClassVar[str] = "kernel.modules"
    folder: ClassVar[str] = "/etc/modules-load.d"

    names: tuple[str, ...]

    @property
    def title(self) -> str:
        """What it does."""
        return f"load the kernel modules {', '.join(self.names)}"

    def text(self) -> str:
        """One name a line (modules-load.d(5))."""
        return "".join(f"{name}\n" for name in self.names)

    def observe(self, on: Context) -> Observation:
        """Which are there."""
        files, missing = self.files(on), self._missing(on)
        reasons = [f"not loaded: {', '.join(missing)}"] if missing else []
        if not self.written(files):
            reasons.append(f"{self.path} doesn't name them")
        partial = bool(reasons) and (self.half_written(files) or len(missing) < len(self.names))
        return Observation(satisfied=not reasons, before=files, partial=partial, reason="; ".join(reasons))

    def apply(self, on: Context, before: Before) -> None:
        """Load them and write the file."""
        self.write(on, before)
        missing = self._missing(on)
        if missing and not note.read(on, self._loaded):
            note.write(on, self._loaded, {"modules": missing})
        for name in missing:
            _load(on, name)

    def undo(self, on: Context, before: Before) -> None:
        """Unload what was loaded, and put the file back."""
        for name in reversed(note.read(on, self._loaded).get("modules", [])):
            on.host.run(["modprobe", "-r", name])  # fails where it is in use
        note.remove(on, self._loaded)
        self.put_files_back(on, before)

    @property
    def _loaded(self) -> str:
        return f"modules/{self.name}"

    def _missing(self, on: Context) -> list[str]:
        entries = on.host.stat(*(f"/sys/module/{name.replace('-', '_')}" for name in self.names))
        unseen = [name for name, entry in zip(self.names, entries, strict=True) if entry.type == "absent"]
        unloaded = {name: on.host.run(["modprobe", "-n", "-v", name]) for name in unseen}
        # One that is built in and has no parameters isn't below /sys/module.
        missing = [name for name, dry in unloaded.items() if not dry.ok or dry.text]
        if all(unloaded[name].ok for name in missing):
            return missing
        # Nothing can be loaded here (no modprobe, or no modules for this kernel, as in a container), so what the kernel
        # has is built in, or was loaded from outside this host.
        there = on.host.facts().kernel_features
        return [name for name in missing if unloaded[name].ok or name not in there]


def _load(on: Context, name: str) -> None:
    ended = on.host.run(["modprobe", name])
    if not ended.ok:
        raise CommandFailed(
            f"the kernel module {name} can't be loaded",
            host=on.host.name,
            seen=ended.said,
            hint="install the kernel's extra modules, or a kernel that has it",
        )


class Sysctl(_Configured):
    """Kernel settings, now and at each boot. Undo puts back the values that there were."""

    kind: ClassVar[str] = "kernel.sysctl"
    folder: ClassVar[str] = "/etc/sysctl.d"

    values: dict[str, str]

    @property
    def title(self) -> str:
        """What it does."""
        return f"set {', '.join(f'{key}={value}' for key, value in self.values.items())}"

    def text(self) -> str:
        """One setting a line (sysctl.d(5))."""
        return "".join(f"{key} = {value}\n" for key, value in self.values.items())

    def observe(self, on: Context) -> Observation:
        """What is set."""
        files, live = self.files(on), read_settings(on, self.values)
        reasons = [
            f"{key} is {live[key] if live[key] is not None else 'not there'}, wanted {value}"
            for key, value in self.values.items()
            if live[key] != value
        ]
        done = len(reasons) < len(self.values)
        if not self.written(files):
            reasons.append(f"{self.path} doesn't say so")
        return Observation(
            satisfied=not reasons,
            before={"files": files, "live": live},
            partial=bool(reasons) and (done or self.half_written(files)),
            reason="; ".join(reasons),
        )

    def apply(self, on: Context, before: Before) -> None:
        """Set them and write the file."""
        self.write(on, before["files"])
        write_settings(on, self.values)

    def undo(self, on: Context, before: Before) -> None:
        """Set them back, and put the file back."""
        write_settings(on, before["live"])
        self.put_files_back(on, before["files"])


def read_settings(on: Context, keys: Iterable[str]) -> dict[str, str | None]:
    """Live values of kernel settings; None for one that this kernel doesn't have, or not yet."""
    return {key: _read_setting(on, key) for key in keys}


def write_settings(on: Context, values: Mapping[str, str | None]) -> None:
    """Set those that have a value and aren't set so. Raises ``PermanentError`` for one that can't be set."""
    live = read_settings(on, values)
    for key, value in values.items():
        if value is None or live[key] == value:
            continue
        # Not by the sysctl program: small hosts don't have it.
        place = _place(key)
        ended = on.host.run(["tee", place], stdin=f"{value}\n".encode()) if live[key] is not None else None
        if ended is None or not ended.ok:
            raise PermanentError(
                f"{key} can't be set to {value}",
                host=on.host.name,
                seen=ended.said if ended else f"there is no {place}",
                hint="see that the module that brings it is loaded, and that /proc/sys can be written",
            )


def _read_setting(on: Context, key: str) -> str | None:
    try:
        return " ".join(on.host.read(_place(key)).decode().split())
    except FileNotFoundError:
        return None


def _place(key: str) -> str:
    """Path of a setting (sysctl.d(5): whichever of . and / comes first separates)."""
    first = next((mark for mark in key if mark in "./"), ".")
    return f"/proc/sys/{key.translate(str.maketrans('./', '/.')) if first == '.' else key}"
