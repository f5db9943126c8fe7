"""What the lab says when it can't do what it was asked."""

from __future__ import annotations


class LabError(Exception):
    """Something the caller can act on: what failed, and what to do now.

    Args:
        what: what failed and what was seen, one sentence.
        todo: what the caller can do about it; may be empty.
    """

    def __init__(self, what: str, todo: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.todo = todo

    def __str__(self) -> str:
        return f"{self.what}\n  {self.todo}" if self.todo else self.what
