"""How machines are logged in to. Cluster API has no such object: this is a kind of our own."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator

from klusterkit.cluster.machine import login_name
from klusterkit.cluster.model import Model
from klusterkit.cluster.objects import OWN_API_VERSION, Object


class Credential(Model):
    """A login for machines. Its private key is a secret of the state file, and named here."""

    name: str
    user: Annotated[str, AfterValidator(login_name)]
    """Whom to log in as."""
    key: str
    """Name of the secret."""
    fingerprint: str | None = None
    """Of the public key, as ``ssh-keygen -l`` prints it."""

    def to_object(self) -> Object:
        """As an object."""
        return {
            "apiVersion": OWN_API_VERSION,
            "kind": "Credential",
            "metadata": {"name": self.name},
            "spec": {"user": self.user, "secretRef": {"name": self.key}},
            **({"status": {"fingerprint": self.fingerprint}} if self.fingerprint else {}),
        }
