"""How machines are logged in to. Cluster API has no such object: this is a kind of our own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import AfterValidator

from klusterkit.cluster.machine import login_name
from klusterkit.cluster.model import Model
from klusterkit.cluster.objects import OWN_API_VERSION, Object, Reader


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

    @classmethod
    def from_object(cls, data: Mapping[str, Any]) -> Credential:
        """From an object.

        Raises:
            InvalidCluster: another kind of object, or something missing.
        """
        read = Reader(data, "Credential", OWN_API_VERSION)
        return cls.of(
            name=read.get("metadata", "name"),
            user=read.get("spec", "user"),
            key=read.get("spec", "secretRef", "name"),
            fingerprint=read.find("status", "fingerprint"),
        )
