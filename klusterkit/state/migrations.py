"""From the version that a file was written in to the one that this KlusterKit works with.

``MIGRATIONS`` maps an ``apiVersion`` to the function that brings a snapshot document of that version one version
further. One version exists, so the table is empty; the second one adds its function here, and nothing else changes.
A migrated snapshot reaches the disk with the next fold, and the file as it was stays as the previous generation.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from klusterkit.state.errors import StateNotRecognised, StateVersionUnknown
from klusterkit.state.schema import API_VERSION, KIND

Document = dict[str, Any]
MIGRATIONS: Mapping[str, Callable[[Document], Document]] = {}


def migrate(
    document: Document, where: str, migrations: Mapping[str, Callable[[Document], Document]] = MIGRATIONS
) -> Document:
    """Bring a snapshot document to ``API_VERSION``.

    Raises:
        StateNotRecognised: it is no state document at all.
        StateVersionUnknown: no path of migrations leads from its version to the current one.
    """
    version = str(document.get("apiVersion"))
    while version != API_VERSION and version in migrations:
        document = migrations[version](document)
        version = str(document.get("apiVersion"))
    if document.get("kind") != KIND:
        raise StateNotRecognised(
            f"{where} is not a KlusterKit state file",
            where=where,
            hint=f"its first document should say 'apiVersion: {API_VERSION}' and 'kind: {KIND}'; name the right file",
        )
    if version != API_VERSION:
        raise StateVersionUnknown(
            f"{where} is of version {version}, and this KlusterKit reads {', '.join([*migrations, API_VERSION])}",
            where=where,
            hint="use the KlusterKit that wrote it, or a newer one (see the file's runs for the version)",
        )
    return document
