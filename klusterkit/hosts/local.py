"""Shells on this machine itself."""

from __future__ import annotations

import os
from collections.abc import Sequence

from klusterkit.hosts.stream import ProcessStream, Stream


class LocalTransport:
    """No connection at all: a shell is a child process. As root by sudo where we are not.

    Args:
        name: the machine's name in the plan.
        shell: how to start one, if not in the usual way.
    """

    def __init__(self, name: str, shell: Sequence[str] = ()) -> None:
        self._shell = shell or (("/bin/sh",) if os.geteuid() == 0 else ("sudo", "-n", "/bin/sh"))
        self.name = name
        self.where = "this machine"

    @property
    def alive(self) -> bool:
        """Whether shells can be opened without connecting."""
        return True

    def connect(self) -> None:
        """Nothing to do."""

    def open(self) -> Stream:
        """A new root shell."""
        return ProcessStream(self._shell)

    def close(self) -> None:
        """Nothing to do."""
