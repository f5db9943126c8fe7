"""Finished components on disk: kept whole or not at all, and verified before they are used again."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TypedDict, cast

from kklab.artifacts.component import Component

MANIFEST = "manifest.json"


class FileRecord(TypedDict):
    """What a kept file must be."""

    sha256: str
    size: int


class Manifest(TypedDict):
    """What was made, and the files that it consists of."""

    title: str
    seconds: float
    files: dict[str, FileRecord]


def sha256(path: Path) -> str:
    """The SHA-256 of a file's content, in hex."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def files_under(root: Path) -> Iterator[str]:
    """Paths of all regular files below a folder, relative to it, sorted."""
    return iter(sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()))


class Store:
    """Finished components below one folder, keyed by their recipe's digest."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def folder(self, component: Component) -> Path:
        """Where the component is, or would be, kept."""
        return self._root / f"{component.name}-{component.version}-{component.digest[:12]}"

    def files(self, component: Component) -> Path:
        """The folder of its files."""
        return self.folder(component) / "files"

    def manifest(self, component: Component) -> Manifest | None:
        """The record of a finished component; None when it isn't finished."""
        try:
            return cast(Manifest, json.loads((self.folder(component) / MANIFEST).read_text()))
        except (FileNotFoundError, ValueError):
            return None

    def damage(self, component: Component) -> str | None:
        """What is wrong with a kept component; None when every file is as it was made."""
        manifest = self.manifest(component)
        if manifest is None:
            return "not there"
        for name, record in manifest["files"].items():
            path = self.files(component) / name
            if not path.is_file():
                return f"{name} is gone"
            if path.stat().st_size != record["size"] or sha256(path) != record["sha256"]:
                return f"{name} is not what was kept"
        return None

    def begin(self, component: Component) -> Path:
        """An empty folder for the files of a component that is about to be made."""
        shutil.rmtree(self.folder(component), ignore_errors=True)
        part = self._part(component)
        shutil.rmtree(part, ignore_errors=True)
        (part / "files").mkdir(parents=True)
        return part / "files"

    def finish(self, component: Component, seconds: float) -> None:
        """Keep what `begin` gave a folder for. From here on it is whole; what a power cut takes, `damage` will find."""
        part = self._part(component)
        files: dict[str, FileRecord] = {
            name: {
                "sha256": sha256(part / "files" / name),
                "size": (part / "files" / name).stat().st_size,
            }
            for name in files_under(part / "files")
        }
        manifest: Manifest = {"title": component.title, "seconds": round(seconds, 1), "files": files}
        (part / MANIFEST).write_text(json.dumps(manifest, indent=1))
        part.rename(self.folder(component))

    def _part(self, component: Component) -> Path:
        folder = self.folder(component)
        return folder.with_name(f"{folder.name}.part")
