"""What can be wrong with a bundle or its signature, in words that say what to do."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar, Self

from klusterkit.engine.errors import UsageError


class BundleRefused(UsageError):
    """A bundle that isn't what it should be. Nothing of it was used."""

    exit_code: ClassVar[int] = 8
    bundle: Path | None = None

    def about(self, bundle: Path) -> Self:
        """The same error, saying which bundle it is about, unless it does so already."""
        if self.bundle is None:
            self.bundle = bundle
            self.message = f"the bundle {bundle} is refused: {self.message}"
            self.args = (self.message,)
        return self


class BundleDamaged(BundleRefused):
    """It isn't what its own manifest says: cut short, changed, or made to do harm."""


class NotTrusted(BundleRefused):
    """It isn't signed, or by a key that isn't trusted, or the signature isn't right."""


class BundleLacks(BundleRefused):
    """It doesn't hold what is needed."""


class SignatureRefused(UsageError):
    """A signature that was made elsewhere, and isn't one of the bundle that it is for."""

    exit_code: ClassVar[int] = 8


class WrongPassphrase(UsageError):
    """The passphrase doesn't open the signing key."""
