"""Data of etcd that a run has set aside on hosts that have left: all Secrets of the cluster are in them."""

from __future__ import annotations

from collections.abc import Callable, Collection
from pathlib import PurePosixPath

from klusterkit.engine.errors import KlusterKitError
from klusterkit.engine.host import HOME, Host
from klusterkit.engine.journal import Journal
from klusterkit.engine.step import Step
from klusterkit.hosts.fence import Ending
from klusterkit.plans.files.etcd import DATA
from klusterkit.session.connect import each_host
from klusterkit.session.running.ending import SET_ASIDE
from klusterkit.tasks.revert import Revert

PLACE = f"{HOME}/{SET_ASIDE}"
_COPY = f"{DATA.strip('/').replace('/', '%')}."
"""What the names of copies of etcd's data begin with."""


def told_of_asides(
    hosts: Callable[[str], Host], journal: Journal, ending: Ending, others: Collection[str]
) -> list[str]:
    """What the operator should be told: where such data are, and how to be rid of them. Nothing is removed.

    Args:
        hosts: one by its name.
        journal: of the run.
        ending: how it ended.
        others: hosts of the run that aren't asked.
    """
    names = (task.host for task in journal.plan.tasks if _sets_aside(task.step, ending) and task.host not in others)
    said = each_host(dict.fromkeys(names), lambda name: _told(hosts, name))
    return [notice for notice in said.values() if notice]


def _sets_aside(step: Step, ending: Ending) -> bool:
    """Whether the step has taken etcd off its host: a plan that does so takes back, one that doesn't is taken back."""
    if isinstance(step, Revert):
        return ending == "done" and DATA in step.step.fills
    return ending == "undone" and DATA in step.fills


def _told(hosts: Callable[[str], Host], name: str) -> str:
    try:
        found = hosts(name).run(["find", PLACE, "-mindepth", "2", "-maxdepth", "2", "-print0"]).out.decode()
    except KlusterKitError as error:
        return (
            f"{name} may keep data of etcd below {PLACE}, with all Secrets of the cluster: it can't be asked now "
            f"({error.message}). On the host, `find {PLACE} -maxdepth 2` shows them"
        )
    copies = sorted(path for path in found.split("\0") if PurePosixPath(path).name.startswith(_COPY))
    if not copies:
        return ""
    return (
        f"{name} keeps what its etcd held, all Secrets of the cluster included, in {', '.join(copies)}. "
        f"When nobody needs it any more, as root on the host: rm -r {' '.join(copies)}"
    )
