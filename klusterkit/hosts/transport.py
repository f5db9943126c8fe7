"""How shells of a host are reached: what SSH and local have in common."""

from __future__ import annotations

from typing import Protocol

from klusterkit.hosts.stream import Stream


class Transport(Protocol):
    """A connection that gives root shells. Not thread-safe but for :meth:`open`."""

    @property
    def name(self) -> str:
        """The machine's name in the plan."""
        ...

    @property
    def where(self) -> str:
        """Who is met where, for messages: ``root@10.0.0.5``."""
        ...

    @property
    def alive(self) -> bool:
        """Whether the connection stands, as far as is known."""
        ...

    def connect(self) -> None:
        """Connect. Raises ``HostUnreachable`` or ``HostRefused``."""
        ...

    def open(self) -> Stream:
        """A new root shell. Raises ``HostUnreachable``, and ``TooManySessions`` where there are enough."""
        ...

    def close(self) -> None:
        """Disconnect. What runs on the host isn't ended by that."""
        ...
