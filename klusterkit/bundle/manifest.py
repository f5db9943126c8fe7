"""What a bundle says of itself: canonical JSON that names everything in it by its digest. This is what is signed."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic.alias_generators import to_camel

from klusterkit.bundle.errors import BundleDamaged
from klusterkit.foreign import misfit

API_VERSION = "klusterkit.io/v1alpha1"
LIMIT = 4 << 20
"""Bytes of a manifest; an entry takes 250."""
MOST_ENTRIES = 10_000
SBOM_LIMIT = 16 << 20
LARGEST = 1 << 33
"""A blob is smaller (bytes): what a tar header's octal digits can say."""

_NAME = r"[A-Za-z0-9_][A-Za-z0-9._+@:-]*"
PATH = re.compile(rf"{_NAME}(/{_NAME})+")
"""Below a folder, and nothing else: no part begins with a dot, so that none leads up."""
TIME = "%Y-%m-%dT%H:%M:%SZ"

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Size = Annotated[int, Field(ge=0, lt=LARGEST)]
Text = Annotated[str, Field(pattern=r"^[\x21-\x7e]{1,300}$")]


class Kind(StrEnum):
    """What an entry is."""

    BINARY = "binary"
    ARCHIVE = "archive"
    IMAGE = "image"
    UNIT = "unit"
    CONFIGURATION = "configuration"


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=to_camel, populate_by_name=True)


class Blob(_Model):
    """Content by its digest."""

    sha256: Sha256
    size: Size


class Entry(Blob):
    """One file of a bundle.

    Attributes:
        path: in the layout of a mirror: ``dl.k8s.io/release/v1.36.3/bin/linux/amd64/kubelet``. The rest tells readers
            what it is.
        kind: what is done with it.
        name: the program, the project, or an image's full reference.
        version: the project's own tag.
    """

    path: Annotated[str, Field(max_length=300)]
    kind: Kind
    name: Text
    version: Text

    @model_validator(mode="after")
    def _stays_below(self) -> Self:
        if not PATH.fullmatch(self.path):
            raise ValueError(f"the path {self.path!r} may lead outside, or is written in no plain way")
        return self


class Manifest(_Model):
    """What a bundle holds.

    Attributes:
        id: tells what is in it: the first 16 digits of the SHA-256 of its entries.
        created: UTC. A bundle is newer than another if this is later.
        kubernetes: the versions that it is for.
        architecture: as Go names it.
        sbom: the bill of materials.
    """

    api_version: Literal["klusterkit.io/v1alpha1"] = API_VERSION
    kind: Literal["Bundle"] = "Bundle"
    id: Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")]
    created: Annotated[str, Field(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$")]
    architecture: Text
    kubernetes: tuple[Text, ...]
    entries: Annotated[tuple[Entry, ...], Field(max_length=MOST_ENTRIES)]
    sbom: Blob

    @classmethod
    def of(
        cls, entries: Iterable[Entry], sbom: bytes, *, created: datetime, architecture: str, kubernetes: Sequence[str]
    ) -> Manifest:
        """The manifest of these entries."""
        ordered = tuple(sorted(entries, key=lambda entry: entry.path))
        return cls(
            id=id_of(ordered),
            created=created.astimezone(UTC).strftime(TIME),
            architecture=architecture,
            kubernetes=tuple(kubernetes),
            entries=ordered,
            sbom=Blob(sha256=hashlib.sha256(sbom).hexdigest(), size=len(sbom)),
        )

    @classmethod
    def parse(cls, content: bytes) -> Manifest:
        """From its text, which has to be as :attr:`content` writes it. Raises ``BundleDamaged``."""
        return _parsed(cls, content, "manifest")

    @property
    def content(self) -> bytes:
        """Its text: one way to write it, so that one digest belongs to it."""
        return canonical(self.model_dump(mode="json", by_alias=True))

    @property
    def blobs(self) -> dict[str, int]:
        """All contents but the bill of materials, each once: sizes by digests, in the order in which they are kept."""
        return dict(sorted((entry.sha256, entry.size) for entry in self.entries))

    @property
    def summary(self) -> str:
        """In words."""
        return f"{self.id}, Kubernetes {' and '.join(self.kubernetes)}, made {self.created}"

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        paths = [entry.path for entry in self.entries]
        if paths != sorted(paths):
            raise ValueError("its entries aren't in order")
        if len({path.casefold() for path in paths}) < len(paths):
            raise ValueError("two entries have one path, but for upper and lower case")
        if self.sbom.size > SBOM_LIMIT:
            raise ValueError(f"its bill of materials is larger than {SBOM_LIMIT} bytes")
        sizes: dict[str, int] = {}
        for entry in self.entries:
            if sizes.setdefault(entry.sha256, entry.size) != entry.size:
                raise ValueError(f"{entry.path} has a digest of another size")
        if self.id != id_of(self.entries):
            raise ValueError("its id doesn't belong to its entries")
        return self


class DeltaNote(_Model):
    """What a delta says before anything else.

    Attributes:
        base: id of the bundle that it was made against. Any bundle that has what it lacks will do.
        lacks: the digests that have to come from there, in order.
    """

    api_version: Literal["klusterkit.io/v1alpha1"] = API_VERSION
    kind: Literal["BundleDelta"] = "BundleDelta"
    base: Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")]
    lacks: Annotated[tuple[Sha256, ...], Field(max_length=MOST_ENTRIES)]

    @classmethod
    def parse(cls, content: bytes) -> DeltaNote:
        """From its text, which has to be as :attr:`content` writes it. Raises ``BundleDamaged``."""
        return _parsed(cls, content, "delta.json")

    @property
    def content(self) -> bytes:
        """Its text."""
        return canonical(self.model_dump(mode="json", by_alias=True))


def id_of(entries: Sequence[Entry]) -> str:
    """A bundle's id: equal for equal content."""
    return hashlib.sha256(canonical([entry.model_dump(mode="json") for entry in entries])).hexdigest()[:16]


def canonical(data: Any) -> bytes:
    """JSON with sorted keys, without spaces, in one line."""
    return json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode() + b"\n"


M = TypeVar("M", Manifest, DeltaNote)


def _parsed(model: type[M], content: bytes, called: str) -> M:
    try:
        parsed = model.model_validate_json(content)
    except ValidationError as error:
        raise _wrong(called, misfit(error)) from None
    if parsed.content != content:
        raise _wrong(called, "it isn't written the one way that it can be: something is said twice, or hidden")
    return parsed


def _wrong(called: str, why: str) -> BundleDamaged:
    return BundleDamaged(f"its {called} can't be used: {why}", hint="get it again from where it was made")
