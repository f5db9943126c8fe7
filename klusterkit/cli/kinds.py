"""The kinds of objects, and the words by which they are asked for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import typer

KINDS = {
    "cluster": ("clusters", "cl"),
    "machine": ("machines", "ma"),
    "credential": ("credentials", "cred"),
    "run": ("runs",),
    "bundle": ("bundles",),
    "bundlekey": ("bundlekeys", "bk"),
    "hostkey": ("hostkeys", "hk"),
    "recipient": ("recipients", "rec"),
}
"""Each with its other names: the short ones are Cluster API's where it has them."""

ONE_EACH = ("cluster", "credential", "bundle")
"""Kinds of which a state file has one at most."""

GIVEN_BACK = ("cluster", "machine", "credential")
"""Kinds that a file for ``apply -f`` may hold."""

ALL = "all"
"""Those: what it shows as YAML can be edited and given back."""

_KIND_OF = {name: kind for kind, others in KINDS.items() for name in (kind, *others)}


@dataclass(frozen=True)
class Asked:
    """Objects of one kind. No names: all that there are."""

    kind: str
    names: tuple[str, ...] = ()

    @property
    def one(self) -> bool:
        """Whether that is one object."""
        return len(self.names) == 1 or self.kind in ONE_EACH


def asked(words: Sequence[str]) -> list[Asked]:
    """What words ask for, as kubectl reads them: ``machines``, ``machine A B``, ``machine/A cluster/B``, ``all``.

    Raises:
        typer.BadParameter: a kind that there isn't, or both ways in one.
    """
    if all("/" in word for word in words):
        return [*_by_path(words)]
    first, *names = words
    if "/" in first or any("/" in name for name in names):
        raise typer.BadParameter("write WHAT NAME… or WHAT/NAME…, not both")
    kinds = [*GIVEN_BACK] if first.lower() == ALL else [kind_of(word) for word in first.split(",")]
    if names and len(kinds) > 1:
        raise typer.BadParameter(f"names belong to one kind: write {kinds[0]}/{names[0]}")
    return [Asked(kind, tuple(names)) for kind in dict.fromkeys(kinds)]


def _by_path(words: Sequence[str]) -> Iterator[Asked]:
    names: dict[str, list[str]] = {}
    for word in words:
        kind, _, name = word.partition("/")
        if not name:
            raise typer.BadParameter(f"{word} names nothing: write {kind}/NAME")
        names.setdefault(kind_of(kind), []).append(name)
    return (Asked(kind, tuple(dict.fromkeys(those))) for kind, those in names.items())


def kind_of(word: str) -> str:
    """The kind that a word means."""
    kind = _KIND_OF.get(word.lower())
    if word == "kubeconfig":
        raise typer.BadParameter("a kubeconfig comes from `cctl kubeconfig`")
    if kind is None:
        raise typer.BadParameter(f"there is no kind {word!r}: {', '.join(KINDS)}, or {ALL}")
    return kind
