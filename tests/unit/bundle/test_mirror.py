"""A mirror gives files that are what its checksums say, or words."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import pytest

from klusterkit.bundle import ArtifactDamaged, ArtifactMissing, ArtifactStore, Mirror, MirrorUnreachable

CONTENT = bytes(range(256)) * 40_000
DIGEST = hashlib.sha256(CONTENT).hexdigest()
PATH = "dl.k8s.io/release/v1.36.3/bin/linux/amd64/kubelet"


class Ranges(SimpleHTTPRequestHandler):
    """A file server that knows ``Range: bytes=N-``, as every download site does, and remembers what it was asked."""

    asked: ClassVar[list[str | None]] = []

    def log_message(self, *args: object) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        """Answer with the part that is asked for."""
        wanted = self.headers.get("Range")
        self.asked.append(wanted)
        path = Path(self.translate_path(self.path))
        if wanted is None or not path.is_file():
            return super().do_GET()
        start = int(wanted.removeprefix("bytes=").rstrip("-"))
        content = path.read_bytes()
        if start >= len(content):
            self.send_error(416)
            return None
        self.send_response(206)
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        self.wfile.write(content[start:])
        return None


@pytest.fixture
def site(tmp_path: Path) -> Path:
    root = tmp_path / "site"
    file = root / PATH
    file.parent.mkdir(parents=True)
    file.write_bytes(CONTENT)
    file.with_name("kubelet.sha256").write_text(DIGEST)
    return root


@pytest.fixture
def server(site: Path) -> Iterator[str]:
    Ranges.asked.clear()
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Ranges, directory=str(site))) as http:
        threading.Thread(target=http.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{http.server_port}"
        http.shutdown()


@pytest.fixture
def store(tmp_path: Path) -> ArtifactStore:
    return ArtifactStore(tmp_path / "cache")


@pytest.fixture(params=["folder", "file", "http"])
def mirror(request: pytest.FixtureRequest, site: Path) -> Mirror:
    roots = {"folder": lambda: str(site), "file": lambda: f"file://{site}"}
    return Mirror(request.getfixturevalue("server") if request.param == "http" else roots[request.param]())


def test_a_file_comes_with_the_content_that_its_checksum_says(mirror: Mirror, store: ArtifactStore) -> None:
    sha256 = mirror.checksum(f"{PATH}.sha256", "kubelet")

    mirror.fetch(PATH, sha256, store)

    assert store.path(sha256).read_bytes() == CONTENT


def test_a_file_that_is_not_what_its_checksum_says_is_refused_and_not_kept(
    mirror: Mirror, store: ArtifactStore, site: Path
) -> None:
    (site / PATH).write_bytes(CONTENT[:-1])

    with pytest.raises(ArtifactDamaged, match="not what its checksum says"):
        mirror.fetch(PATH, DIGEST, store)

    assert list(store) == []


def test_a_version_that_the_mirror_lacks_is_named(mirror: Mirror, store: ArtifactStore) -> None:
    with pytest.raises(ArtifactMissing, match=r"v1\.99\.0") as raised:
        mirror.checksum("dl.k8s.io/release/v1.99.0/bin/linux/amd64/kubelet.sha256", "kubelet")

    assert "--kubernetes-version" in str(raised.value.hint)


def test_a_download_that_was_cut_goes_on_where_it_was(server: str, store: ArtifactStore) -> None:
    store.partial(DIGEST).write_bytes(CONTENT[:1_000_000])

    Mirror(server).fetch(PATH, DIGEST, store)

    assert Ranges.asked == ["bytes=1000000-"]
    assert store.path(DIGEST).read_bytes() == CONTENT


def test_a_download_that_was_complete_but_not_taken_in_is_taken_in(server: str, store: ArtifactStore) -> None:
    store.partial(DIGEST).write_bytes(CONTENT)

    Mirror(server).fetch(PATH, DIGEST, store)

    assert store.path(DIGEST).read_bytes() == CONTENT


def test_what_is_here_already_is_not_asked_for(server: str, store: ArtifactStore) -> None:
    Mirror(server).fetch(PATH, DIGEST, store)
    Ranges.asked.clear()

    Mirror(server).fetch(PATH, DIGEST, store)

    assert Ranges.asked == []


def test_a_mirror_that_does_not_answer_says_how_to_name_another(store: ArtifactStore) -> None:
    with pytest.raises(MirrorUnreachable) as raised:
        Mirror("http://127.0.0.1:9").checksum("a", "a")

    assert "--mirror" in str(raised.value.hint)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (DIGEST, "kubelet"),
        (f"{DIGEST}\n", "kubelet"),
        (f"{DIGEST}  kubelet\n", "kubelet"),
        (f"{DIGEST} *kubelet\n", "kubelet"),
        (f"{'0' * 64}  other\n{DIGEST}  ./kubelet\n", "kubelet"),
    ],
)
def test_checksums_are_read_in_every_form_that_the_sites_publish(site: Path, text: str, name: str) -> None:
    (site / "SHA256SUMS").write_text(text)

    assert Mirror(str(site)).checksum("SHA256SUMS", name) == DIGEST


@pytest.mark.parametrize("text", ["", "not a checksum", f"{'0' * 64}  kubectl\n"])
def test_a_checksum_file_without_the_name_is_refused(site: Path, text: str) -> None:
    (site / "SHA256SUMS").write_text(text)

    with pytest.raises(ArtifactDamaged, match="no SHA-256 for kubelet"):
        Mirror(str(site)).checksum("SHA256SUMS", "kubelet")
