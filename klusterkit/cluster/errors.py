"""What can be wrong with a cluster's description, in the operator's words."""

from __future__ import annotations

from typing import ClassVar


class InvalidCluster(Exception):
    """A cluster, machine or version that can't be had as it is described. Nothing has been done.

    It is no ``ValueError`` on purpose: pydantic would fold it into an error of its own, and the hint would be lost.

    Args:
        message: what is wrong.
        where: which part of the description, such as ``pod network`` or ``machine 10.0.0.5``.
        hint: what to do now.
    """

    exit_code: ClassVar[int] = 3

    def __init__(self, message: str, *, where: str | None = None, hint: str | None = None) -> None:
        super().__init__(f"{where}: {message}" if where else message)
        self.message = message
        self.where = where
        self.hint = hint
