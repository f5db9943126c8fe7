"""Steps that are the same on many hosts, each made once, and the ways of bringing artifacts to a host."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import lru_cache

from klusterkit.plans.request import Target
from klusterkit.tasks.artifacts import Install, Unpack, Upload
from klusterkit.tasks.containerd import ImportImage, PullImage
from klusterkit.tasks.files import Directory, TextFile
from klusterkit.tasks.systemd import Service, Unit
from klusterkit.tasks.tree import Tree

UPLOAD_SPEED = 60e6
"""Bytes a second of one upload while another comes and a third is unpacked, on two processors (lab)."""
IMPORT_SPEED = 130e6
"""Bytes a second that containerd unpacks, with one processor to itself (lab)."""

PULL_SPEED = 40e6
"""Bytes a second that containerd pulls and unpacks of one image while another comes, on two processors (lab)."""


def import_images(target: Target, references: Sequence[str], *needs: str) -> dict[str, str]:
    """Bring images into containerd, or have it pull them. Returns the tasks by the images' names."""
    bring = _pull if target.cluster.registry else _import
    return {reference: bring(target, reference, *needs) for reference in references}


def _pull(target: Target, reference: str, preflight: str, containerd: str) -> str:
    _ = preflight  # there is nothing to do before containerd runs
    name, artifact = _short(reference), target.artifact(reference)
    return target.tasks.add(
        f"images/{name}",
        _pulled(name, reference, artifact.sha256, artifact.size),
        containerd,
        cost=0.5 + artifact.size / PULL_SPEED,
        timeout=3600.0,
        budgets=(_budget(target, "imports", target.request.options.imports),),
    )


def _short(reference: str) -> str:
    return reference.rpartition("/")[2].partition(":")[0]


def _import(target: Target, reference: str, preflight: str, containerd: str) -> str:
    name = _short(reference)
    there = upload(target, f"images/upload-{name}", reference, preflight)
    artifact = target.artifact(reference)
    return target.tasks.add(
        f"images/{name}",
        _image(name, reference, artifact.sha256),
        there,
        containerd,
        cost=0.2 + artifact.size / IMPORT_SPEED,
        timeout=600.0,
        budgets=(_budget(target, "imports", target.request.options.imports),),
    )


def _budget(target: Target, what: str, units: int) -> str:
    """One of the host's own."""
    budget = f"{what}/{target.machine.name}"
    target.tasks.draft.budgets.setdefault(budget, units)
    return budget


def upload(target: Target, path: str, name: str, *needs: str) -> str:
    """Bring an artifact to the host."""
    artifact = target.artifact(name)
    return target.tasks.add(
        path,
        _upload(name, artifact.sha256, artifact.size),
        *needs,
        cost=0.02 + artifact.size / UPLOAD_SPEED,
        timeout=3600.0,
        budgets=("uploads", _budget(target, "uploads", target.request.options.uploads_each)),
    )


def install(target: Target, path: str, name: str, place: str, *needs: str) -> str:
    """Bring a program to the host and put it in its place."""
    there = upload(target, f"{path}-upload", name, *needs)
    artifact = target.artifact(name)
    return target.tasks.add(path, _install(name, artifact.sha256, place), there, cost=artifact.size / 500e6)


def unpack(target: Target, path: str, name: str, members: dict[str, str], preflight: str, *folders: str) -> str:
    """Bring an archive to the host and put some of it in place, once there are the folders for it."""
    there = upload(target, f"{path}-upload", name, preflight)
    artifact = target.artifact(name)
    step = _unpack(name, artifact.sha256, tuple(members.items()))
    return target.tasks.add(path, step, there, *folders, cost=0.1 + artifact.size / 30e6)


# The same step is on a thousand hosts: each is made once.


@lru_cache(maxsize=256)
def directory(path: str, mode: int = 0o755) -> Directory:
    """A folder."""
    return Directory(path=path, mode=mode)


@lru_cache(maxsize=64)
def tree(path: str, mode: int = 0o755) -> Tree:
    """A folder that programs fill, removed as a whole when it is taken back."""
    return Tree(path=path, mode=mode)


@lru_cache(maxsize=64)
def open_tree(path: str, *leavings: str) -> Tree:
    """Likewise, but one where operators put files of their own beside those of programs: they are set aside."""
    return Tree(path=path, on_undo="set-aside", leavings=leavings)


@lru_cache(maxsize=256)
def text_file(path: str, content: str, mode: int = 0o644) -> TextFile:
    """A file in the clear."""
    return TextFile(path=path, content=content, mode=mode)


@lru_cache(maxsize=64)
def unit(name: str, content: str) -> Unit:
    """A systemd unit."""
    return Unit(name=name, content=content)


@lru_cache(maxsize=64)
def service(unit: str, *texts: str) -> Service:
    """A unit that runs, and was started with these texts as its files."""
    digests = tuple(hashlib.sha256(text.encode()).hexdigest() for text in texts)
    return Service(unit=unit, restart_for=digests)


@lru_cache(maxsize=64)
def _upload(name: str, sha256: str, size: int) -> Upload:
    return Upload(name=name, sha256=sha256, size=size)


@lru_cache(maxsize=64)
def _install(name: str, sha256: str, path: str) -> Install:
    return Install(name=name, sha256=sha256, path=path)


@lru_cache(maxsize=64)
def _unpack(name: str, sha256: str, members: tuple[tuple[str, str], ...]) -> Unpack:
    return Unpack(name=name, sha256=sha256, members=dict(members))


@lru_cache(maxsize=256)
def _image(name: str, reference: str, sha256: str) -> ImportImage:
    return ImportImage(name=name, reference=reference, sha256=sha256)


@lru_cache(maxsize=256)
def _pulled(name: str, reference: str, sha256: str, size: int) -> PullImage:
    return PullImage(name=name, reference=reference, sha256=sha256, size=size)
