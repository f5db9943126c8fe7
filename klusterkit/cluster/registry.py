"""Where hosts pull images from, when none are brought to them."""

from __future__ import annotations

import hashlib

from klusterkit.cluster.model import Model


class PrivateRegistry(Model):
    """A registry that has the official ones' images, each below a folder of that registry's name."""

    place: str
    """``HOST[:PORT][/PREFIX]``, with ``http://`` before it where there is no TLS."""
    authority: str | None = None
    """Of its certificate, PEM; None for those that hosts trust anyway."""
    account: str | None = None
    """Name of the secret that lets hosts in: ``USERNAME:PASSWORD`` in base64, as HTTP has it."""

    def __str__(self) -> str:
        """In one line: the authority by its digest, the account by its secret's name."""
        digest = hashlib.sha256((self.authority or "").encode()).hexdigest()[:12]
        authority = f"the authority {digest}" if self.authority else "no authority"
        return f"{self.place} ({authority}, {f'the account {self.account}' if self.account else 'no account'})"
