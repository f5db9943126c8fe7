"""Kubeconfig files of the user: read as kubectl reads them, changed where kubectl would change them.

The rules are client-go's (``clientcmd/config.go``): an entry is in the first file of the list that has it, and is
changed there; a new one goes to the first file that exists, and where none does, to the last.
"""

from __future__ import annotations

import contextlib
import copy
import os
from collections.abc import Generator, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import yaml

from klusterkit.engine.errors import UsageError
from klusterkit.foreign import words_of
from klusterkit.givenyaml import document
from klusterkit.outfile import streams
from klusterkit.session.private import write_private

Config = dict[str, Any]

SECTIONS = {"clusters": "cluster", "users": "user", "contexts": "context"}
"""Lists of a kubeconfig, and the field that holds each item's own value."""

BACKUP = ".before-cctl"
_EMPTY: Config = {"apiVersion": "v1", "kind": "Config", "clusters": [], "users": [], "contexts": []}


def user_paths(environ: Mapping[str, str] = os.environ) -> list[Path]:
    """The files of the user: those of ``KUBECONFIG``, or else ``~/.kube/config``."""
    listed = [part for part in environ.get("KUBECONFIG", "").split(os.pathsep) if part]
    home = Path(environ.get("HOME") or str(Path.home()))
    return [Path(part).expanduser() for part in dict.fromkeys(listed)] or [home / ".kube" / "config"]


class Kubeconfigs:
    """Some files that are one kubeconfig together. Nothing is written before :meth:`write`.

    Args:
        paths: in the order in which they count. A device or a pipe is only written to.

    Raises:
        UsageError: one of them can't be read, or is no kubeconfig.
    """

    def __init__(self, paths: Sequence[Path]) -> None:
        self._paths = paths
        self._before = {path: _read(path) for path in paths if path.exists() and not streams(path)}
        self._now = copy.deepcopy(self._before)

    def find(self, section: str, name: str) -> Config | None:
        """The value of the item of this name."""
        items = [_item(config, section, name) for config in self._now.values()]
        return next((item[SECTIONS[section]] for item in items if item), None)

    def names(self, section: str) -> list[str]:
        """The names of all items."""
        return [item["name"] for config in self._now.values() for item in config[section]]

    def put(self, section: str, name: str, value: Config) -> Path:
        """Set the value of an item. Returns the file that will hold it."""
        place = next((path for path, config in self._now.items() if _item(config, section, name)), None)
        path, config = (place, self._now[place]) if place else self._default()
        item = _item(config, section, name)
        if item is None:
            config[section].append({"name": name, SECTIONS[section]: value})
        else:
            item[SECTIONS[section]] = value
        return path

    def use(self, context: str) -> None:
        """Make this the current context."""
        self._default()[1]["current-context"] = context

    def write(self, *, backup: bool) -> list[Path]:
        """Write what was changed, each file whole and for its owner alone. Returns the files that it kept copies in.

        Args:
            backup: whether to keep each file as it was beside it.

        Raises:
            UsageError: a file can't be written, or another program is changing it.
        """
        changed = [path for path, config in self._now.items() if config != self._before.get(path)]
        with contextlib.ExitStack() as held:
            for path in changed:
                if not streams(path):
                    held.enter_context(_locked(path))
            kept = [_keep(path) for path in changed if backup and path in self._before]
            for path in changed:
                with _told(path, "written"):
                    write_private(path, yaml.safe_dump(self._now[path], sort_keys=False, width=100_000))
        return kept

    def _default(self) -> tuple[Path, Config]:
        if not self._now:
            self._now[self._paths[-1]] = copy.deepcopy(_EMPTY)
        return next(iter(self._now.items()))


def _item(config: Config, section: str, name: str) -> Config | None:
    return next((item for item in config[section] if item["name"] == name), None)


def _read(path: Path) -> Config:
    with _told(path, "read"):
        text = path.read_text(encoding="utf-8")
    try:
        parsed: object = document(text)
    except yaml.YAMLError as error:
        raise _no_kubeconfig(path, words_of(error)) from None
    if parsed is not None and not isinstance(parsed, dict):
        raise _no_kubeconfig(path, "it is no mapping")
    config = {**_EMPTY, **cast(Config, parsed or {})}  # kubectl takes an empty file, too
    if config["kind"] != "Config":
        raise _no_kubeconfig(path, f"its kind is {config['kind']!r}")
    for section, field in SECTIONS.items():
        items: object = config[section] or []
        config[section] = cast(list[object], items) if isinstance(items, list) else [items]
        if not all(_whole(item, field) for item in config[section]):
            raise _no_kubeconfig(path, f"its {section} are not a list of named items")
    return config


def _whole(item: object, field: str) -> bool:
    if not isinstance(item, dict):
        return False
    fields = cast(dict[str, object], item)
    return isinstance(fields.get("name"), str) and isinstance(fields.get(field), dict)


def _no_kubeconfig(path: Path, why: str) -> UsageError:
    return UsageError(
        f"{path} is no kubeconfig: {why}; it was left as it is", hint="name another file, or move this one away"
    )


@contextlib.contextmanager
def _told(path: Path, what: str) -> Generator[None]:
    try:
        yield
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(
            f"{path} can't be {what}: {words_of(error)}", hint="see whose it is, or name another file"
        ) from None


@contextlib.contextmanager
def _locked(path: Path) -> Generator[None]:
    """Held as kubectl holds it: a file beside it, which is there as long as it is being changed."""
    lock = path.with_name(f"{path.name}.lock")
    with _told(path, "written"):
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            os.close(os.open(lock, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        except FileExistsError:
            raise UsageError(
                f"{path} is being changed by another program", hint=f"if none is, remove {lock}, then try again"
            ) from None
    try:
        yield
    finally:
        lock.unlink(missing_ok=True)


def _keep(path: Path) -> Path:
    backup = path.with_name(path.name + BACKUP)
    with _told(backup, "written"):
        write_private(backup, path.read_text(encoding="utf-8"))
    return backup
