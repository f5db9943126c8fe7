"""What lets a host into a private registry."""

from __future__ import annotations

from typing import ClassVar

from klusterkit.engine.step import Context
from klusterkit.tasks.files import SecretFile


class RegistryFile(SecretFile):
    """A ``hosts.toml`` of containerd's with an account in it. The secret is ``USERNAME:PASSWORD`` in base64.

    containerd sends it to the registry (tried with 2.3.7); by its source also to where a registry has tokens fetched.
    """

    kind: ClassVar[str] = "containerd.registry"

    content: str
    """What stands before it."""

    @property
    def title(self) -> str:
        """What it does."""
        return f"write {self.path}, with the account of the secret {self.secret}"

    @property
    def keyed_by(self) -> str:
        """Not the account: its password may be a word."""
        return "ca.key"

    def content_for(self, on: Context) -> bytes:
        """What should be in it."""
        account = on.secret(self.secret).decode()
        return f'{self.content}\n[header]\nAuthorization = "Basic {account}"\n'.encode()
