"""Images come from registries by the distribution protocol, verified, and become the same archive everywhere."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path

import pytest

from klusterkit.bundle import ArtifactDamaged, ArtifactMissing, ArtifactStore, MirrorUnreachable
from klusterkit.bundle.imagearchive import ImageArchive, ImageUnusable
from klusterkit.bundle.images import ImageSource
from klusterkit.bundle.reference import Place, Reference
from klusterkit.bundle.registry import Account, RegistryRefused
from klusterkit.cluster import Artifact, ArtifactKind
from klusterkit.engine.errors import UsageError
from tests.support.sites import FakeRegistry, RegistryHandler, Site, serving

PAUSE = "registry.k8s.io/pause:3.10.2"
LAYERS = (b"first layer" * 1000, b"second layer" * 100_000)
OPERATOR = Account("operator", "correct horse")


def artifact(reference: str = PAUSE) -> Artifact:
    repository, _, tag = reference.rpartition(":")
    path = f"images/{repository}/{tag}.tar"
    return Artifact(reference, ArtifactKind.IMAGE, tag, path, f"{path}.sha256")


@pytest.fixture
def store(tmp_path: Path) -> ArtifactStore:
    return ArtifactStore(tmp_path / "cache")


def source(url: str, account: Account | None = None, architecture: str = "amd64") -> ImageSource:
    return ImageSource(architecture, Place.parse(f"{url}/mirror"), account=account)


def registry(**options: object) -> FakeRegistry:
    made = FakeRegistry({}, **options)  # type: ignore[arg-type]
    made.put("mirror/registry.k8s.io/pause", "3.10.2", *LAYERS)
    return made


@pytest.mark.parametrize("kind", ["basic", "bearer"])
@pytest.mark.parametrize("account", [None, OPERATOR], ids=["for everybody", "for accounts"])
def test_an_image_becomes_an_archive_that_carries_its_name(
    store: ArtifactStore, kind: str, account: Account | None
) -> None:
    with serving(registry(kind=kind, account=account), RegistryHandler) as url:
        sha256 = source(url, account).bring(artifact(), store)

    with tarfile.open(store.path(sha256)) as tar:
        index = json.load(tar.extractfile("index.json"))  # type: ignore[arg-type]
        names = tar.getnames()
    assert index["manifests"][0]["annotations"]["io.containerd.image.name"] == PAUSE
    assert len(names) == 2 + 1 + 1 + len(LAYERS)


def test_an_archive_is_read_as_it_was_written(store: ArtifactStore) -> None:
    fake = registry()
    with serving(fake, RegistryHandler) as url:
        sha256 = source(url).bring(artifact(), store)

    with ImageArchive.open(store.path(sha256)) as archive:
        layers = [layer["digest"].removeprefix("sha256:") for layer in json.loads(archive.manifest)["layers"]]
        assert tuple(b"".join(archive.pieces(layer)) for layer in layers) == LAYERS
        assert f"/v2/mirror/registry.k8s.io/pause/manifests/{archive.digest}" in fake.contents


def test_the_archive_is_the_same_from_whatever_registry_on_whatever_machine(tmp_path: Path) -> None:
    made = set()
    for number, index in enumerate((True, False)):
        fake = FakeRegistry({})
        fake.put("mirror/registry.k8s.io/pause", "3.10.2", *LAYERS, index=index)
        with serving(fake, RegistryHandler) as url:
            made.add(source(url).bring(artifact(), ArtifactStore(tmp_path / str(number))))

    assert len(made) == 1


def test_what_is_here_already_is_not_downloaded_again(store: ArtifactStore) -> None:
    fake = registry()
    with serving(fake, RegistryHandler) as url:
        first = source(url).bring(artifact(), store)
        fake.asked.clear()
        assert source(url).bring(artifact(), store) == first

    assert all("/manifests/" in path for path, _ in fake.asked)


def test_only_the_archive_is_kept(store: ArtifactStore) -> None:
    with serving(registry(), RegistryHandler) as url:
        sha256 = source(url).bring(artifact(), store)

    assert list(store) == [sha256]


def test_a_registry_that_is_cut_off_again_and_again_gives_its_image_in_the_end(store: ArtifactStore) -> None:
    fake = registry(cut_after=400_000)
    with serving(fake, RegistryHandler) as url:
        source(url).bring(artifact(), store)

    ranges = [wanted for path, wanted in fake.asked if "/blobs/" in path and wanted]
    assert ranges == ["bytes=400000-", "bytes=800000-"]


def test_a_layer_that_is_not_what_its_digest_says_is_refused(store: ArtifactStore) -> None:
    fake = registry()
    spoilt = next(path for path, content in fake.contents.items() if content == LAYERS[1])
    fake.contents[spoilt] = LAYERS[1][:-1] + b"!"

    with serving(fake, RegistryHandler) as url, pytest.raises(ArtifactDamaged, match="not what its digest says"):
        source(url).bring(artifact(), store)

    assert LAYERS[1][:-1] + b"!" not in [store.path(digest).read_bytes() for digest in store]


def test_a_manifest_that_is_not_what_the_index_says_is_refused(store: ArtifactStore) -> None:
    fake = registry()
    for path in [path for path in fake.contents if "manifests/sha256" in path]:
        fake.contents[path] += b" "

    with serving(fake, RegistryHandler) as url, pytest.raises(ArtifactDamaged):
        source(url).bring(artifact(), store)


MANIFESTS = {
    "no JSON": b"<html>",
    "deep": b"[" * 100_000,
    "path for a digest": b'{"config":{"digest":"sha256:../../etc/passwd","size":1},"layers":[]}',
    "negative size": b'{"config":{"digest":"sha256:%s","size":-1},"layers":[]}' % (b"0" * 64),
    "no layers": b'{"config":{"digest":"sha256:%s","size":1}}' % (b"0" * 64),
    "empty index": b'{"manifests":[]}',
    "foreign": b'{"manifests":[{"digest":"sha256:%s","size":1,"platform":{"os":"plan9"}}]}' % (b"0" * 64),
}


@pytest.mark.parametrize("content", MANIFESTS.values(), ids=MANIFESTS)
def test_a_manifest_that_can_not_be_used_is_refused(store: ArtifactStore, content: bytes) -> None:
    fake = FakeRegistry({"/v2/mirror/registry.k8s.io/pause/manifests/3.10.2": content})

    with serving(fake, RegistryHandler) as url, pytest.raises(ImageUnusable):
        source(url).bring(artifact(), store)

    assert list(store) == []


def test_an_image_whose_manifest_lies_about_sizes_is_refused(store: ArtifactStore) -> None:
    fake = FakeRegistry({})
    fake.put("mirror/registry.k8s.io/pause", "3.10.2", *LAYERS, index=False)
    path = "/v2/mirror/registry.k8s.io/pause/manifests/3.10.2"
    fake.contents[path] = fake.contents[path].replace(b'"size": 11000', b'"size": 110000')

    with serving(fake, RegistryHandler) as url, pytest.raises(ImageUnusable, match="another size"):
        source(url).bring(artifact(), store)


def test_an_architecture_that_the_image_has_not_is_named(store: ArtifactStore) -> None:
    with serving(registry(), RegistryHandler) as url, pytest.raises(ImageUnusable, match="Linux on arm64"):
        source(url, architecture="arm64").bring(artifact(), store)


@pytest.mark.parametrize("kind", ["basic", "bearer"])
@pytest.mark.parametrize("account", [None, Account("operator", "wrong horse")], ids=["nobody", "wrong password"])
def test_a_registry_that_does_not_let_us_in_is_said_so_without_the_password(
    store: ArtifactStore, kind: str, account: Account | None
) -> None:
    fake = registry(kind=kind, account=OPERATOR)

    with serving(fake, RegistryHandler) as url, pytest.raises(RegistryRefused) as raised:
        source(url, account).bring(artifact(), store)

    assert "horse" not in f"{raised.value.message} {raised.value.seen} {raised.value.hint}"


def test_an_account_is_not_told_to_where_the_registry_keeps_its_blobs(store: ArtifactStore) -> None:
    fake = registry(account=OPERATOR)
    elsewhere = FakeRegistry(fake.contents)

    with serving(elsewhere, RegistryHandler) as other, serving(fake, RegistryHandler) as url:
        fake.elsewhere = other
        source(url, OPERATOR).bring(artifact(), store)

    assert len(elsewhere.headers) == 1 + len(LAYERS)
    assert set(elsewhere.headers) == {None}


def test_an_account_never_shows_its_password() -> None:
    assert "horse" not in repr(OPERATOR)


def test_an_image_that_the_registry_lacks_is_named(store: ArtifactStore) -> None:
    with serving(FakeRegistry({}), RegistryHandler) as url, pytest.raises(ArtifactMissing, match=r"pause/manifests/3"):
        source(url).bring(artifact(), store)


def test_a_registry_that_does_not_answer_is_named(store: ArtifactStore) -> None:
    with pytest.raises(MirrorUnreachable, match=r"127\.0\.0\.1:9"):
        source("http://127.0.0.1:9").bring(artifact(), store)


def test_official_images_come_from_their_own_registries() -> None:
    places = {text: Place.official(Reference.parse(f"{text}/a/b:1")).url for text in ("registry.k8s.io", "docker.io")}

    assert places == {"registry.k8s.io": "https://registry.k8s.io", "docker.io": "https://registry-1.docker.io"}


@pytest.mark.parametrize(
    "text", ["", "pause", "pause:1", "r/p", "r.io/Pause:1", "r.io/../p:1", "r.io/p:", "r.io:0/p:1"]
)
def test_a_name_that_is_not_full_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        Reference.parse(text)


NO_REGISTRIES = [
    *("", "https://", "user@host", "host/UPPER", "host/../x", "host?x=1", "ftp://host"),
    *("host:0", "host:65536", "host:99999", "http://10.0.0.1:0/x", "[fd00::1]:0", "[fd00::1]:99999"),
]


@pytest.mark.parametrize("text", NO_REGISTRIES)
def test_what_names_no_registry_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="names no registry"):
        Place.parse(text)


@pytest.mark.parametrize(
    ("text", "url", "prefix"),
    [
        ("registry.example.com", "https://registry.example.com", ""),
        ("registry.example.com:5000/a/b", "https://registry.example.com:5000", "a/b"),
        ("http://10.0.0.1:5000", "http://10.0.0.1:5000", ""),
        ("https://[fd00::1]:5000/x", "https://[fd00::1]:5000", "x"),
    ],
)
def test_a_registry_is_named_by_host_port_and_prefix(text: str, url: str, prefix: str) -> None:
    assert Place.parse(text) == Place(url, prefix)


def archive(path: Path, *members: tuple[str, bytes]) -> Path:
    from tests.support.bundles import END, raw

    path.write_bytes(b"".join(raw(*member) for member in members) + END)
    return path


@pytest.mark.parametrize(
    "content",
    [b"", b"x" * 2000, b"\0" * 2000],
    ids=["empty", "no tar", "zeros"],
)
def test_what_is_no_archive_of_an_image_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "image").write_bytes(content)

    with pytest.raises(ImageUnusable), ImageArchive.open(tmp_path / "image"):
        pass


def test_an_archive_with_another_manifest_than_its_index_says_is_refused(tmp_path: Path) -> None:
    index = json.dumps({"manifests": [{"digest": f"sha256:{'0' * 64}", "size": 2}]}).encode()
    path = archive(tmp_path / "image", ("index.json", index), (f"blobs/sha256/{'0' * 64}", b"{}"))

    with pytest.raises(ImageUnusable, match="another digest"), ImageArchive.open(path):
        pass


def test_an_archive_with_files_without_end_is_refused(tmp_path: Path) -> None:
    path = archive(tmp_path / "image", *((str(number), b"") for number in range(5000)))

    with pytest.raises(ImageUnusable, match="more than 4096 files"), ImageArchive.open(path):
        pass


def test_a_download_from_a_server_that_ignores_ranges_begins_again(tmp_path: Path) -> None:
    from klusterkit.bundle.web import Web, collect

    site = Site({"/f": b"content" * 1000}, whole_answers=True)
    partial = tmp_path / "partial"
    partial.write_bytes(b"contentcontent")
    with serving(site) as url:
        collect(lambda start: Web().open(f"{url}/f", {"Range": f"bytes={start}-"}), partial, lambda _: None)

    assert partial.read_bytes() == b"content" * 1000
