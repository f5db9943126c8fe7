"""The snapshot document: what one state file says about one cluster.

Field names in the file are in camel case, as in every Kubernetes object. ``docs/state-file.md`` describes the format.
Cluster, machines and credentials are plain data here: their models belong to ``klusterkit.cluster``, and a state file
must stay readable whatever those models become.
"""

from __future__ import annotations

import uuid
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic.alias_generators import to_camel

API_VERSION = "klusterkit.io/v1alpha1"
KIND = "State"

SecretName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._/@:-]{0,252}$")]


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=to_camel, populate_by_name=True)


class SealedValue(_Model):
    """A value under the data key: base64 of nonce (12 bytes), ciphertext and tag (AES-256-GCM)."""

    sealed: str


class PlainValue(_Model):
    """A value of a file whose owner asked for no encryption: base64."""

    plain: str


Value = SealedValue | PlainValue


class AgeWrap(_Model):
    """The data key for one age X25519 recipient: base64 of an age file (age-encryption.org/v1)."""

    type: Literal["age"] = "age"
    recipient: str
    key: str


class PassphraseWrap(_Model):
    """The data key under a passphrase: scrypt (RFC 7914) gives the key, AES-256-GCM seals.

    The upper bounds keep a damaged file from asking for all the memory of the machine (128 · n · r bytes).
    """

    type: Literal["passphrase"] = "passphrase"
    kdf: Literal["scrypt"] = "scrypt"
    n: int = Field(ge=2**14, le=2**20)
    r: int = Field(ge=1, le=16)
    p: int = Field(ge=1, le=16)
    salt: str
    key: str


Wrap = Annotated[AgeWrap | PassphraseWrap, Field(discriminator="type")]


class Encryption(_Model):
    """How secrets are kept: sealed under a data key that each wrap holds, or in plain text."""

    mode: Literal["sealed", "plaintext"]
    wraps: tuple[Wrap, ...] = ()

    @model_validator(mode="after")
    def _openable(self) -> Encryption:
        if (self.mode == "sealed") != bool(self.wraps):
            raise ValueError("a sealed file has at least one wrap of its data key, a plaintext one has none")
        return self

    @property
    def recipients(self) -> tuple[str, ...]:
        """The public keys of the age recipients."""
        return tuple(wrap.recipient for wrap in self.wraps if isinstance(wrap, AgeWrap))


def new_lineage() -> str:
    """An identifier for a new history of one cluster."""
    return str(uuid.uuid4())


class Snapshot(_Model):
    """Everything that is known of a cluster between two runs.

    Attributes:
        lineage: which history this is; two files with one lineage are versions of one another.
        serial: which version of that history; each fold adds one.
        encryption: how the values in ``secrets`` are kept.
        cluster: the Cluster object, once there is one.
        machines: the Machine objects.
        credentials: how to log in to machines; each names its secret.
        etcd_members: id, name, peer and client URLs of each member.
        versions: component to version.
        host_keys: lines of a known_hosts file (sshd(8)).
        bundle_keys: minisign's public keys by which bundles are trusted.
        bundle: id and time of the newest bundle that the cluster was made from.
        secrets: name to value, sealed.
        runs: finished runs in brief, oldest first.
    """

    api_version: Literal["klusterkit.io/v1alpha1"] = API_VERSION
    kind: Literal["State"] = KIND
    lineage: str = Field(pattern=r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")
    serial: int = Field(ge=1)
    encryption: Encryption
    cluster: dict[str, Any] | None = None
    machines: list[dict[str, Any]] = []
    credentials: list[dict[str, Any]] = []
    etcd_members: list[dict[str, Any]] = []
    versions: dict[str, str] = {}
    host_keys: list[str] = []
    bundle_keys: list[str] = []
    bundle: dict[str, str] | None = None
    secrets: dict[SecretName, Value] = {}
    runs: list[dict[str, Any]] = []

    @model_validator(mode="after")
    def _kept_as_said(self) -> Snapshot:
        sealed = self.encryption.mode == "sealed"
        strays = [name for name, value in self.secrets.items() if isinstance(value, SealedValue) != sealed]
        if strays:
            raise ValueError(f"secrets not kept as encryption.mode ({self.encryption.mode}) says: {', '.join(strays)}")
        return self

    def document(self) -> dict[str, Any]:
        """The snapshot as it stands in the file."""
        return self.model_dump(mode="json", by_alias=True)
