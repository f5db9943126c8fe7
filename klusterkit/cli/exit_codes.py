"""What a command's exit status means. The same table is ``docs/exit-codes.md``."""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """The exit status of ``cctl``, ``etcdadm`` and ``nodeadm``."""

    DONE = 0
    """Done, or nothing was to be done."""
    ERROR = 1
    """Something failed, and none of the others says it better."""
    CHANGES = 2
    """Changes are present: only with ``cctl plan … --detailed-exitcode``."""
    USAGE = 3
    """The request, a file that it names, or a host that it names can't be used as it is. Nothing was changed."""
    LOCKED = 4
    """Another command holds the state file or a host."""
    UNREACHABLE = 5
    """A host can't be reached, or won't let us in: unknown key, wrong login, no root."""
    RESUMABLE = 6
    """A run is partly done: ``cctl resume`` goes on, ``cctl rollback`` takes it back."""
    DECISION = 7
    """A run waits for an answer that only the operator knows."""
    DRIFT = 8
    """Something isn't as the state says, or a check failed."""
    INTERRUPTED = 130
    """Interrupted. What was begun is journaled."""
