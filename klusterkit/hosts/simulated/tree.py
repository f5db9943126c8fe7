"""A file tree in memory: folders, files, links, with modes and owners."""

from __future__ import annotations

import errno
import hashlib
import posixpath
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Literal

from klusterkit.engine.host import Entry

ROOT = "root:root"
_MAX_LINKS = 40


@dataclass
class Node:
    """What stands at a path."""

    type: Literal["file", "directory", "symlink", "other"]
    mode: int = 0o755
    owner: str = ROOT
    content: bytes = b""
    target: str = ""
    children: dict[str, Node] = field(default_factory=dict[str, "Node"])

    def copy(self) -> Node:
        """Another one like it, with all below it."""
        children = {name: child.copy() for name, child in self.children.items()}
        return Node(self.type, self.mode, self.owner, self.content, self.target, children)

    def entry(self, path: str) -> Entry:
        """As a host's ``stat`` tells it."""
        size = len(self.target) if self.type == "symlink" else len(self.content)
        return Entry(
            path=path,
            type=self.type,
            mode=0o777 if self.type == "symlink" else self.mode,
            owner=self.owner,
            size=size,
            sha256=hashlib.sha256(self.content).hexdigest() if self.type == "file" else "",
            target=self.target,
        )


class Tree:
    """Paths are absolute. Links on the way are followed, a link at the end isn't. Errors are those of the system."""

    def __init__(self) -> None:
        self.root = Node("directory")
        self.changes = 0
        """How often something was put or removed."""

    def find(self, path: str, *, follow: bool = False) -> Node | None:
        """What stands there, or None."""
        try:
            parent, name = self._place(path)
        except OSError:
            return None
        node = parent.children.get(name) if name else self.root
        if follow and node is not None and node.type == "symlink":
            return self.find(posixpath.join(posixpath.dirname(path), node.target), follow=True)
        return node

    def put(self, path: str, node: Node) -> None:
        """Put a node there as ``rename`` does: over a file or link, not over a folder."""
        parent, name = self._place(path)
        there = parent.children.get(name)
        if there is not None and there.type == "directory":
            raise IsADirectoryError(errno.EISDIR, "Is a directory", path)
        parent.children[name] = node
        self.changes += 1

    def replace(self, path: str, node: Node) -> None:
        """Put a node there, whatever is there."""
        parent, name = self._place(path)
        parent.children[name] = node
        self.changes += 1

    def remove(self, path: str, *, recursive: bool = False) -> None:
        """Remove what stands there; nothing is fine."""
        node = self.find(path)
        if node is None:
            return
        if node.children and not recursive:
            raise OSError(errno.ENOTEMPTY, "Directory not empty", path)
        parent, name = self._place(path)
        del parent.children[name]
        self.changes += 1

    def mkdir(self, path: str, mode: int = 0o755, owner: str = ROOT) -> None:
        """Make a folder, or give the one that is there this mode and owner."""
        node = self.find(path)
        if node is None:
            self.put(path, Node("directory", mode, owner))
        elif node.type != "directory":
            raise FileExistsError(errno.EEXIST, "File exists", path)
        else:
            node.mode, node.owner = mode, owner

    def makedirs(self, path: str, mode: int = 0o755) -> None:
        """Make a folder and those above it, where they are missing."""
        if path != "/" and self.find(path) is None:
            self.makedirs(posixpath.dirname(path), mode)
            self.mkdir(path, mode)

    def write(self, path: str, content: bytes | str, mode: int = 0o644, owner: str = ROOT) -> None:
        """Put a file there."""
        data = content.encode() if isinstance(content, str) else content
        self.put(path, Node("file", mode, owner, data))

    def link(self, path: str, target: str) -> None:
        """Put a symbolic link there."""
        self.put(path, Node("symlink", 0o777, ROOT, target=target))

    def read(self, path: str) -> bytes:
        """A file's content; links are followed."""
        node = self.find(path, follow=True)
        if node is None:
            raise FileNotFoundError(errno.ENOENT, "No such file or directory", path)
        if node.type == "directory":
            raise IsADirectoryError(errno.EISDIR, "Is a directory", path)
        return node.content

    def copy(self, path: str) -> Node | None:
        """A copy of what stands there with all below it."""
        node = self.find(path)
        return node.copy() if node else None

    def walk(self, *, without: str = "") -> Iterator[Entry]:
        """Every path in order, but for ``without`` and what is below it."""
        yield from self._walk("", self.root, without)

    def _walk(self, path: str, node: Node, without: str) -> Iterator[Entry]:
        if path and path == without:
            return
        yield node.entry(path or "/")
        for name in sorted(node.children):
            yield from self._walk(f"{path}/{name}", node.children[name], without)

    def _place(self, path: str) -> tuple[Node, str]:
        """The folder that holds the path, and its name there."""
        above, name = _split(path)
        return self._folder(above, path, 0), name

    def _folder(self, parts: Sequence[str], path: str, links: int) -> Node:
        node, done = self.root, ""
        for at, part in enumerate(parts):
            child = node.children.get(part)
            if child is None:
                raise FileNotFoundError(errno.ENOENT, "No such file or directory", path)
            if child.type == "symlink":
                if links == _MAX_LINKS:
                    raise OSError(errno.ELOOP, "Too many levels of symbolic links", path)
                real = posixpath.normpath(posixpath.join(done or "/", child.target))
                return self._folder([*(p for p in real.split("/") if p), *parts[at + 1 :]], path, links + 1)
            if child.type != "directory":
                raise NotADirectoryError(errno.ENOTDIR, "Not a directory", path)
            node, done = child, f"{done}/{part}"
        return node


@lru_cache(maxsize=1 << 14)
def _split(path: str) -> tuple[tuple[str, ...], str]:
    """The names of the folders above, and the last one."""
    if not path.startswith("/"):
        raise ValueError(f"not an absolute path: {path!r}")
    *above, name = [part for part in posixpath.normpath(path).split("/") if part] or [""]
    return tuple(above), name
