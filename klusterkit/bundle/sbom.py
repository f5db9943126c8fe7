"""A bundle's bill of materials, CycloneDX 1.6 in JSON: equal content gives equal text."""

# What decorates the library's classes hides how they are made.
# pyright: reportCallIssue=false, reportAttributeAccessIssue=false, reportArgumentType=false
# pyright: reportUnknownMemberType=false

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from datetime import datetime

from cyclonedx.model import HashAlgorithm, HashType, Property
from cyclonedx.model.bom import Bom, BomMetaData
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output.json import JsonV1Dot6
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packageurl import PackageURL

from klusterkit.bundle.errors import BundleDamaged
from klusterkit.bundle.manifest import Entry, Kind, id_of
from klusterkit.bundle.reference import Reference

_TYPES = {
    Kind.BINARY: ComponentType.APPLICATION,
    Kind.ARCHIVE: ComponentType.APPLICATION,
    Kind.IMAGE: ComponentType.CONTAINER,
    Kind.UNIT: ComponentType.FILE,
    Kind.CONFIGURATION: ComponentType.FILE,
}
_NAMESPACE = uuid.UUID("9d0a3f3c-5a55-5c1e-9d61-8f3f5c9f2b1e")


def describe(entries: Iterable[Entry], images: Mapping[str, str], created: datetime, tool: str) -> bytes:
    """The text.

    Args:
        entries: of the bundle.
        images: digests by which registries know images, ``sha256:…``, by their full names, where they are known.
        created: when the bundle was made.
        tool: version of KlusterKit.
    """
    ordered = sorted(entries, key=lambda entry: entry.path)
    identity = id_of(ordered)
    bundle = Component(name="klusterkit-bundle", version=identity, type=ComponentType.PLATFORM, bom_ref="bundle")
    metadata = BomMetaData(component=bundle, timestamp=created)
    metadata.tools.components.add(Component(name="klusterkit", version=tool, type=ComponentType.APPLICATION))
    components = [_component(entry, images.get(entry.name)) for entry in ordered]
    bom = Bom(components=components, metadata=metadata, serial_number=uuid.uuid5(_NAMESPACE, identity))
    bom.register_dependency(bundle, components)
    return JsonV1Dot6(bom).output_as_string(indent=2).encode() + b"\n"


def validate(text: bytes) -> None:
    """See that it is CycloneDX 1.6, by its own schema. Raises ``BundleDamaged``."""
    error = JsonStrictValidator(SchemaVersion.V1_6).validate_str(text.decode(errors="replace"))
    if error is not None:
        seen = str(error).strip()[-300:]
        raise BundleDamaged("its bill of materials is no CycloneDX 1.6", seen=seen, hint="build the bundle again")


def _component(entry: Entry, digest: str | None) -> Component:
    return Component(
        name=entry.name,
        version=entry.version,
        type=_TYPES[entry.kind],
        bom_ref=entry.path,
        purl=_package(entry, digest),
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=entry.sha256)],
        properties=[
            Property(name="klusterkit:path", value=entry.path),
            Property(name="klusterkit:kind", value=entry.kind),
        ],
    )


def _package(entry: Entry, digest: str | None) -> PackageURL | None:
    """Its package URL: what databases of vulnerabilities know it by."""
    site, *parts = entry.path.split("/")
    match entry.kind, site:
        case Kind.IMAGE, _:
            reference = Reference.parse(entry.name)
            name = reference.repository.rpartition("/")[2]
            qualifiers = {"repository_url": f"{reference.registry}/{reference.repository}", "tag": reference.tag}
            return PackageURL("oci", name=name, version=digest, qualifiers=qualifiers)
        case _, "dl.k8s.io":
            return PackageURL("github", "kubernetes", "kubernetes", entry.version, subpath=f"cmd/{entry.name}")
        case _, "github.com":
            return PackageURL("github", parts[0], parts[1], entry.version)
        case _:
            return None
