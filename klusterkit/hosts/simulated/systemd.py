"""A model of systemd: units are files of the tree, enabled by links, running or not."""

from __future__ import annotations

import itertools
import posixpath
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from klusterkit.engine.host import Completed
from klusterkit.hosts.simulated.tree import Node, Tree

FOLDERS = ("/etc/systemd/system", "/run/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system")
WANTS = "/etc/systemd/system"

OnStart = Callable[[str], bool | None]
"""Told the unit that is to be started; False if it fails, None if it isn't ready yet, and may be later."""
OnReload = Callable[[str], None]
"""Told the unit that is to read its configuration again."""
OnStop = Callable[[str], None]
"""Told the unit that has been stopped."""


@dataclass
class Running:
    """A unit that systemd has in memory."""

    loaded: bytes
    """The unit's files as they were when they were read."""
    active: str = "inactive"
    invocation: str = ""
    pid: int = 0
    restarts: int = 0


class Systemd:
    """What ``systemctl`` shows and changes.

    Args:
        tree: holds the unit files.
        version: of systemd, for ``--version``.
    """

    def __init__(self, tree: Tree, version: int = 252) -> None:
        self._tree = tree
        self._version = version
        self.units: dict[str, Running] = {}
        """What it has in memory, by name."""
        self.starts = 0
        """How often it has started something."""
        self._on_start: dict[str, OnStart] = {}
        self._on_reload: dict[str, OnReload] = {}
        self._on_stop: dict[str, OnStop] = {}

    def on_start(self, unit: str, act: OnStart) -> None:
        """Have a unit's start do something, or fail."""
        self._on_start[unit] = act

    def on_reload(self, unit: str, act: OnReload) -> None:
        """Have a unit's reload do something."""
        self._on_reload[unit] = act

    def on_stop(self, unit: str, act: OnStop) -> None:
        """Have a unit's stop do something."""
        self._on_stop[unit] = act

    @property
    def active(self) -> tuple[str, ...]:
        """Units that run, by name."""
        return tuple(sorted(name for name, unit in self.units.items() if unit.active == "active"))

    @property
    def states(self) -> dict[str, str]:
        """Units that aren't simply stopped, and what they are instead."""
        return {name: unit.active for name, unit in sorted(self.units.items()) if unit.active != "inactive"}

    def fail(self, unit: str) -> None:
        """The unit's program has ended with an error."""
        self.becomes(unit, "failed")

    def becomes(self, unit: str, state: str) -> None:
        """What the unit is has changed by itself: ``activating`` is one that ends and is started again and again."""
        self._loaded(unit).active = state

    def power_off(self) -> None:
        """Everything in memory is gone."""
        self.units.clear()

    def boot(self) -> None:
        """Start what is enabled."""
        folder = self._tree.find(f"{WANTS}/multi-user.target.wants")
        for name in sorted(folder.children) if folder else ():
            self._start(name)

    def systemctl(self, argv: Sequence[str]) -> Completed:
        """Run ``systemctl`` with these arguments."""
        options = [word for word in argv if word.startswith("-")]
        words = [word for word in argv if not word.startswith("-")]
        if "--version" in options:
            return _said(0, f"systemd {self._version} ({self._version}.1)\n")
        if not words:
            return _said(0, "")
        if words[0] == "show":
            return self._show(argv)
        verb = getattr(self, f"_do_{words[0].replace('-', '_')}", None)
        if verb is None:
            return _said(1, "", f"Unknown command verb {words[0]}.\n")
        return verb([_full(name) for name in words[1:]], options)

    def path_of(self, unit: str) -> str | None:
        """The unit's file: the first folder of systemd's that has it."""
        template = f"{unit.split('@')[0]}@.{unit.rsplit('.', 1)[1]}" if "@" in unit else unit
        for folder, name in itertools.product(FOLDERS, dict.fromkeys((unit, template))):
            if self._tree.find(f"{folder}/{name}"):
                return f"{folder}/{name}"
        return None

    def file_state(self, unit: str) -> str:
        """``enabled``, ``disabled``, ``static``, ``masked`` or nothing, as ``is-enabled`` tells."""
        path = self.path_of(unit)
        if path is None:
            return ""
        node = self._tree.find(path)
        if node is not None and node.target == "/dev/null":
            return "masked"
        if any(self._tree.find(link) for link in self._links(unit)):
            return "enabled"
        return "disabled" if self._install(unit) else "static"

    def drop_ins(self, unit: str) -> list[str]:
        """Paths of the unit's drop-ins."""
        found: list[str] = []
        for folder in FOLDERS:
            node = self._tree.find(f"{folder}/{unit}.d")
            found += [f"{folder}/{unit}.d/{name}" for name in sorted(node.children if node else ())]
        return [path for path in found if path.endswith(".conf")]

    def _text(self, unit: str) -> bytes:
        path = self.path_of(unit)
        paths = [path, *self.drop_ins(unit)] if path else []
        nodes = [self._tree.find(path, follow=True) for path in paths]
        return b"\n".join(node.content for node in nodes if node)

    def _install(self, unit: str) -> list[str]:
        """Links that enabling makes."""
        wanted: list[str] = []
        for line in self._text(unit).decode(errors="replace").splitlines():
            key, _, value = line.partition("=")
            if key.strip() in ("WantedBy", "RequiredBy"):
                kind = "wants" if key.strip() == "WantedBy" else "requires"
                wanted += [f"{WANTS}/{target}.{kind}/{unit}" for target in value.split()]
        return wanted

    def _links(self, unit: str) -> list[str]:
        return self._install(unit) or [f"{WANTS}/multi-user.target.wants/{unit}"]

    def _loaded(self, unit: str) -> Running:
        if unit not in self.units:
            self.units[unit] = Running(self._text(unit))
        return self.units[unit]

    def _start(self, unit: str) -> str | None:
        """Start it; the words of the error if that fails."""
        if self.path_of(unit) is None:
            return f"Failed to start {unit}: Unit {unit} not found.\n"
        if self.file_state(unit) == "masked":
            return f"Failed to start {unit}: Unit {unit} is masked.\n"
        running = self._loaded(unit)
        if running.active == "active":
            return None
        self.starts += 1
        running.invocation = f"{self.starts:032x}"
        ready = self._on_start.get(unit, lambda _: True)(unit)
        if ready is False:
            running.active = "failed"
            return f"Job for {unit} failed because the control process exited with error code.\n"
        running.active, running.pid = "active" if ready else "activating", 1000 + self.starts
        return None if ready else f"Job for {unit} is not done.\n"

    def _stop(self, unit: str) -> str | None:
        if self.path_of(unit) is None and unit not in self.units:
            return f"Failed to stop {unit}: Unit {unit} not loaded.\n"
        running = self._loaded(unit)
        running.active, running.pid = "inactive", 0
        self._on_stop.get(unit, lambda _: None)(unit)
        return None

    def _do_daemon_reload(self, _: list[str], __: list[str]) -> Completed:
        for name, running in list(self.units.items()):
            if self.path_of(name) is None and running.active == "inactive":
                del self.units[name]
            else:
                running.loaded = self._text(name)
        return _said(0, "")

    def _do_start(self, units: list[str], _: list[str]) -> Completed:
        return self._each(units, self._start)

    def _do_stop(self, units: list[str], _: list[str]) -> Completed:
        return self._each(units, self._stop)

    def _do_restart(self, units: list[str], _: list[str]) -> Completed:
        return self._each(units, lambda unit: (self._stop(unit), self._start(unit))[1])

    def _do_try_restart(self, units: list[str], options: list[str]) -> Completed:
        return self._do_restart([unit for unit in units if unit in self.active], options)

    def _do_reload(self, units: list[str], _: list[str]) -> Completed:
        def reload(unit: str) -> str | None:
            if unit not in self.active:
                return f"{unit} is not active.\n"
            self._on_reload.get(unit, lambda _: None)(unit)
            return None

        return self._each(units, reload)

    def _do_reset_failed(self, units: list[str], _: list[str]) -> Completed:
        def reset(unit: str) -> str | None:
            if unit not in self.units:
                return f"Failed to reset failed state of unit {unit}: Unit {unit} not loaded.\n"
            if self.units[unit].active == "failed":
                self.units[unit].active = "inactive"
            if self.path_of(unit) is None and self.units[unit].active == "inactive":
                del self.units[unit]
            return None

        return self._each(units, reset)

    def _do_enable(self, units: list[str], options: list[str]) -> Completed:
        def enable(unit: str) -> str | None:
            path = self.path_of(unit)
            if path is None:
                return f"Failed to enable unit: Unit file {unit} does not exist.\n"
            for link in self._install(unit):
                self._tree.makedirs(posixpath.dirname(link))
                self._tree.put(link, _link(path))
            return self._start(unit) if "--now" in options else None

        return self._each(units, enable)

    def _do_disable(self, units: list[str], options: list[str]) -> Completed:
        def disable(unit: str) -> str | None:
            if self.path_of(unit) is None:
                return f"Failed to disable unit: Unit file {unit} does not exist.\n"
            for link in self._links(unit):
                self._tree.remove(link)
                folder = self._tree.find(posixpath.dirname(link))
                if folder is not None and not folder.children:
                    self._tree.remove(posixpath.dirname(link))
            return self._stop(unit) if "--now" in options else None

        return self._each(units, disable)

    def _do_mask(self, units: list[str], _: list[str]) -> Completed:
        for unit in units:
            self._tree.put(f"{WANTS}/{unit}", _link("/dev/null"))
        return _said(0, "")

    def _do_unmask(self, units: list[str], _: list[str]) -> Completed:
        for unit in units:
            if self.file_state(unit) == "masked":
                self._tree.remove(f"{WANTS}/{unit}")
        return _said(0, "")

    def _do_is_active(self, units: list[str], _: list[str]) -> Completed:
        states = [self.units[unit].active if unit in self.units else "inactive" for unit in units]
        return _said(0 if "active" in states else 3, "".join(f"{state}\n" for state in states))

    def _do_is_failed(self, units: list[str], options: list[str]) -> Completed:
        shown = self._do_is_active(units, options)
        return _said(0 if b"failed" in shown.out else 1, shown.out.decode())

    def _do_is_enabled(self, units: list[str], _: list[str]) -> Completed:
        states = [self.file_state(unit) for unit in units]
        err = "".join(f"Failed to get unit file state for {u}\n" for u, s in zip(units, states, strict=True) if not s)
        good = any(state in ("enabled", "static") for state in states)
        return _said(0 if good else 1, "".join(f"{state}\n" for state in states if state), err)

    def _do_is_system_running(self, _: list[str], __: list[str]) -> Completed:
        bad = any(unit.active == "failed" for unit in self.units.values())
        return _said(1 if bad else 0, "degraded\n" if bad else "running\n")

    def _do_cat(self, units: list[str], _: list[str]) -> Completed:
        return _said(0, "".join(f"# {self.path_of(u)}\n{self._text(u).decode(errors='replace')}\n" for u in units))

    def _show(self, argv: Sequence[str]) -> Completed:
        names, units, value = _show_arguments(argv[list(argv).index("show") + 1 :])
        parts: list[str] = []
        for unit in units or ["-.slice"]:
            properties = self._properties(unit)
            asked = names or list(properties)
            lines = [properties.get(name, "") if value else f"{name}={properties.get(name, '')}" for name in asked]
            parts.append("".join(f"{line}\n" for line in lines))
        return _said(0, "\n".join(parts))

    def _properties(self, unit: str) -> dict[str, str]:
        path, running = self.path_of(unit), self.units.get(unit)
        active = running.active if running else "inactive"
        masked = self.file_state(unit) == "masked"
        stale = running is not None and running.loaded != self._text(unit)
        present = "loaded" if path or (running and running.active != "inactive") else "not-found"
        return {
            "Id": unit,
            "LoadState": "masked" if masked else present,
            "ActiveState": active,
            "SubState": {"active": "running", "failed": "failed"}.get(active, "dead"),
            "UnitFileState": self.file_state(unit),
            "NeedDaemonReload": "yes" if stale else "no",
            "FragmentPath": path or "",
            "DropInPaths": " ".join(self.drop_ins(unit)),
            "InvocationID": running.invocation if running else "",
            "MainPID": str(running.pid if running else 0),
            "NRestarts": str(running.restarts if running else 0),
            "Result": "exit-code" if active == "failed" else "success",
            "ExecMainStatus": "1" if active == "failed" else "0",
        }

    @staticmethod
    def _each(units: list[str], act: Callable[[str], str | None]) -> Completed:
        errors = [words for words in (act(unit) for unit in units) if words]
        missing = any("not found" in words or "not loaded" in words for words in errors)
        return _said((5 if missing else 1) if errors else 0, "", "".join(errors))


def _show_arguments(words: Sequence[str]) -> tuple[list[str], list[str], bool]:
    """Properties asked for, units, and whether values alone are."""
    names: list[str] = []
    units: list[str] = []
    rest = iter(words)
    for word in rest:
        if word in ("-p", "--property"):
            names += next(rest, "").split(",")
        elif word.startswith("--property="):
            names += word.removeprefix("--property=").split(",")
        elif word.startswith("-p"):
            names += word[2:].split(",")
        elif not word.startswith("-"):
            units.append(_full(word))
    return names, units, "--value" in words


def _full(name: str) -> str:
    kinds = (".service", ".socket", ".target", ".timer", ".mount", ".slice", ".path")
    return name if name.endswith(kinds) else f"{name}.service"


def _link(target: str) -> Node:
    return Node("symlink", 0o777, target=target)


def _said(rc: int, out: str, err: str = "") -> Completed:
    return Completed(rc=rc, out=out.encode(), err=err.encode())
