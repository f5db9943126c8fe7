"""A manifest that says what it mustn't is refused, even where it is signed by a key that is trusted."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from klusterkit.bundle import layout
from klusterkit.bundle.building import sign_manifest
from klusterkit.bundle.manifest import Manifest, canonical
from tests.support.bundles import CREATED, FILES, KEY, KUBELET, entry, forge, manifest_of, raw, refused, sha256

UNUSABLE = "its manifest can't be used"


def rewritten(path: Path, content: bytes, bill: bytes, signature: bytes | None = None) -> Path:
    """A bundle with this manifest, signed."""
    blobs = sorted((layout.blob_name(sha256(content)), content) for content in FILES.values())
    signed = signature or KEY.sign(content, "signed").content
    return forge(
        path,
        raw(layout.MANIFEST, content),
        raw(layout.SIGNATURE, signed),
        raw(layout.SBOM, bill),
        *(raw(*blob) for blob in blobs),
    )


def changed(path: Path, change: Callable[[dict[str, Any]], object]) -> Path:
    """A bundle with a manifest whose data was changed, and then signed."""
    manifest, bill = manifest_of(FILES)
    data = manifest.model_dump(mode="json", by_alias=True)
    change(data)
    data["entries"].sort(key=lambda item: str(item["path"]))
    return rewritten(path, canonical(data), bill)


def like_kubelet(**fields: object) -> dict[str, object]:
    return {**entry(KUBELET, FILES[KUBELET]).model_dump(mode="json"), **fields}


PATHS = {
    "up": "dl.k8s.io/../../etc/passwd",
    "absolute": "/etc/passwd",
    "dot": "./dl.k8s.io/kubelet",
    "empty part": "dl.k8s.io//kubelet",
    "hidden": "dl.k8s.io/.ssh/authorized_keys",
    "other case": KUBELET.upper(),
    "unicode": KUBELET.replace("e", "\u0435"),
    "no folder": "kubelet",
    "NUL": "dl.k8s.io/kubelet\0",
    "newline": "dl.k8s.io/kubelet\n",
    "backslash": "dl.k8s.io\\..\\kubelet",
    "long": f"dl.k8s.io/{'x' * 400}",
    "twice": KUBELET,
}


@pytest.mark.parametrize("path", PATHS.values(), ids=PATHS)
def test_a_path_that_leads_outside_or_resembles_another_is_refused(tmp_path: Path, path: str) -> None:
    assert UNUSABLE in refused(changed(tmp_path / "bad", lambda data: data["entries"].append(like_kubelet(path=path))))


FIELDS = {
    "negative size": {"size": -1},
    "no size": {"size": None},
    "size of another type": {"size": "9000"},
    "size without end": {"size": 10**30},
    "size of eight gigabytes": {"size": 1 << 33},
    "other size for one digest": {"size": 9001},
    "digest of another form": {"sha256": "../../../etc/passwd"},
    "digest with a newline": {"sha256": f"{'0' * 64}\n"},
    "unknown kind": {"kind": "script"},
    "unknown field": {"run": "rm -rf /"},
    "name with an escape": {"name": "kubelet\x1b[2J"},
}


@pytest.mark.parametrize("fields", FIELDS.values(), ids=FIELDS)
def test_an_entry_that_is_not_as_entries_are_is_refused(tmp_path: Path, fields: dict[str, object]) -> None:
    hostile = like_kubelet(path="dl.k8s.io/another", **fields)

    assert UNUSABLE in refused(changed(tmp_path / "bad", lambda data: data["entries"].append(hostile)))


def test_too_many_entries_are_refused(tmp_path: Path) -> None:
    many = [like_kubelet(path=f"dl.k8s.io/{number}") for number in range(10_001)]

    assert UNUSABLE in refused(changed(tmp_path / "bad", lambda data: data["entries"].extend(many)))


@pytest.mark.parametrize(
    "fields",
    [
        {"id": "0" * 16},
        {"created": "yesterday"},
        {"apiVersion": "klusterkit.io/v9"},
        {"kind": "BundleDelta"},
        {"sbom": {"sha256": "0" * 64, "size": 1 << 30}},
        {"more": 1},
    ],
    ids=str,
)
def test_a_manifest_with_another_head_is_refused(tmp_path: Path, fields: dict[str, object]) -> None:
    assert UNUSABLE in refused(changed(tmp_path / "bad", lambda data: data.update(fields)))


TEXTS = {
    "deep": b"[" * 100_000,
    "said twice": b'{"apiVersion":"klusterkit.io/v1alpha1","apiVersion":"klusterkit.io/v1alpha1"}',
    "a huge number": b'{"created":' + b"9" * 100_000 + b"}",
    "no UTF-8": b"\xff\xfe",
    "nothing": b"",
    "a list": b"[]",
}


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_json_that_does_harm_is_refused(tmp_path: Path, text: bytes) -> None:
    assert UNUSABLE in refused(rewritten(tmp_path / "bad", text, b""))


def test_a_manifest_that_is_written_in_another_way_is_refused(tmp_path: Path) -> None:
    manifest, bill = manifest_of(FILES)
    spaced = manifest.content.replace(b":", b": ", 1)

    assert "said twice, or hidden" in refused(rewritten(tmp_path / "bad", spaced, bill))


def test_a_manifest_that_was_changed_after_it_was_signed_is_refused(tmp_path: Path) -> None:
    manifest, bill = manifest_of(FILES)
    later = manifest.model_copy(update={"created": "2027-01-01T00:00:00Z"})
    signature = sign_manifest(manifest, KEY, CREATED)

    assert "doesn't belong to this content" in refused(rewritten(tmp_path / "bad", later.content, bill, signature))


def test_a_bill_of_materials_that_was_changed_is_refused(tmp_path: Path) -> None:
    manifest, bill = manifest_of(FILES)
    other = bill.replace(b"kubelet", b"KUBELET")

    assert "sbom.cdx.json isn't what the manifest says" in refused(rewritten(tmp_path / "bad", manifest.content, other))


def test_the_way_back_to_a_manifest_is_its_text() -> None:
    manifest, _ = manifest_of(FILES)

    assert Manifest.parse(manifest.content) == manifest
