"""``init phase NAME``, as the original and kubeadm say it: another way to write ``init --phase NAME``."""

from __future__ import annotations

from collections.abc import Sequence

WITH_PHASES = ("init", "join")


def as_options(arguments: Sequence[str]) -> list[str]:
    """The arguments with ``phase NAME`` after ``init`` or ``join`` as an option."""
    words = list(arguments)
    for at in range(len(words) - 1):
        if words[at] in WITH_PHASES and words[at + 1] == "phase":
            name = words[at + 2 : at + 3]
            # Without a name, or asked for help, it is the command's own help that tells the phases.
            option = ["--phase", *name] if name and not name[0].startswith("-") else ["--help"]
            return [*words[: at + 1], *option, *words[at + 2 + len(name) :]]
    return words
