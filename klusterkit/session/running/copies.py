"""Copies of the state file on the control plane's hosts: a lost laptop is not a lost cluster."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from klusterkit.cluster import Machine
from klusterkit.engine.errors import KlusterKitError
from klusterkit.engine.host import HOME, File, Host
from klusterkit.session.connect import each_host
from klusterkit.state import StateFile

COPY = f"{HOME}/cctl-state.yaml"


def keep_copies(state: StateFile, machines: Iterable[Machine], hosts: Callable[[str], Host]) -> list[str]:
    """Write the state file to each master, secrets sealed as they are; one in plain text is never copied.

    Args:
        state: folded: there is no run in progress.
        machines: those of the cluster.
        hosts: one by its name.

    Returns:
        What the operator should be told: the run has ended well, whether all copies could be written or not.
    """
    if state.plaintext:
        return []
    content = state.path.read_bytes()

    def keep(name: str) -> str | None:
        try:
            hosts(name).write(File(path=COPY, content=content, mode=0o600))
        except KlusterKitError as error:
            return f"{name} has no copy of this state, which the next run will bring: {error.message}"
        return None

    said = each_host([machine.name for machine in machines if machine.is_master], keep)
    return [notice for notice in said.values() if notice]
