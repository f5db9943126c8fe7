"""What can be wrong with certificates, in the operator's words."""

from __future__ import annotations

from typing import ClassVar


class PKIError(Exception):
    """Something about a certificate or a key that the operator has to put right. It never holds key material.

    It is no ``ValueError`` on purpose: pydantic would fold it into an error of its own, and the hint would be lost.

    Args:
        message: what is wrong, and with what.
        hint: what to do now.
    """

    exit_code: ClassVar[int] = 3

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class InvalidAuthority(PKIError):
    """A certificate and key that can't serve as a certificate authority."""


class InvalidLeaf(PKIError):
    """A certificate that can't be issued as it is asked for."""
