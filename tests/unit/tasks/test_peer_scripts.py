"""What serves and what fetches artifacts on hosts: shell scripts, run here by real shells over real sockets."""

from __future__ import annotations

import hashlib
import os
import shutil
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.debian import installed

SCRIPTS = Path(__file__).parents[3] / "klusterkit" / "tasks" / "shell"
TOKEN = hashlib.sha256(b"token").hexdigest()
CONTENT = os.urandom(300_000)
NAME = hashlib.sha256(CONTENT).hexdigest()
COREUTILS = ("stat", "dd", "tail", "cat", "timeout", "sed", "sh")
CLIENTS = ("curl", "wget", "bash")

shells = pytest.mark.parametrize("shell", ["dash", "bash"])


@pytest.fixture(scope="session", autouse=True)
def _programs() -> None:
    installed(*CLIENTS)


def folder_of(path: Path) -> Path:
    """KlusterKit's folder on a host that serves."""
    (path / "peers").mkdir(parents=True)
    (path / "artifacts").mkdir()
    (path / "peers" / "token").write_text(f"{TOKEN}\n")
    (path / "artifacts" / NAME).write_bytes(CONTENT)
    (path / "artifacts" / f"{NAME}.part").write_bytes(b"half")
    return path / "peers"


@pytest.fixture(scope="session")
def peers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return folder_of(tmp_path_factory.mktemp("host"))


def answer(peers: Path, request: bytes, shell: str = "dash") -> tuple[str, bytes]:
    """Status and body of the answer to a request."""
    done = subprocess.run([shell, SCRIPTS / "serve.sh", peers], input=request, capture_output=True, timeout=30)
    head, _, body = done.stdout.partition(b"\r\n\r\n")
    return head.split(b"\r\n")[0].decode().split(" ", 1)[1], body


def get(path: str, *headers: str) -> bytes:
    return "\r\n".join([f"GET {path} HTTP/1.1", "Host: 10.0.0.5", *headers, "", ""]).encode()


@shells
@pytest.mark.parametrize("start", [0, 1, 299_999])
def test_whoever_knows_the_token_gets_the_file_from_a_byte_on(peers: Path, shell: str, start: int) -> None:
    for name in ("Range", "range"):
        status, body = answer(peers, get(f"/{TOKEN}/{NAME}", f"{name}: bytes={start}-"), shell)
        assert (status, body) == ("206 Partial Content", CONTENT[start:])


@shells
def test_without_a_range_all_of_it_comes(peers: Path, shell: str) -> None:
    assert answer(peers, get(f"/{TOKEN}/{NAME}"), shell)[1] == CONTENT


@shells
@pytest.mark.parametrize("start", [len(CONTENT), 10**30])
def test_a_range_behind_the_end_gets_nothing(peers: Path, shell: str, start: int) -> None:
    assert answer(peers, get(f"/{TOKEN}/{NAME}", f"Range: bytes={start}-"), shell) == ("416 Range Not Satisfiable", b"")


PATHS = {
    "no token": f"/{NAME}",
    "wrong token": f"/{'0' * 64}/{NAME}",
    "empty token": f"//{NAME}",
    "the token alone": f"/{TOKEN}",
    "the token itself": f"/{TOKEN}/../peers/token",
    "up": f"/{TOKEN}/../../../../../etc/passwd",
    "absolute": f"/{TOKEN}//etc/passwd",
    "half": f"/{TOKEN}/{NAME}.part",
    "a file that isn't there": f"/{TOKEN}/{'0' * 64}",
    "a pattern": f"/{TOKEN}/{'?' * 64}",
    "a longer name": f"/{TOKEN}/{NAME}0",
    "upper case": f"/{TOKEN}/{NAME.upper()}",
    "a command": f"/{TOKEN}/$(touch${{IFS}}/tmp/x)",
    "escaped": f"/{TOKEN}/%2e%2e/peers/token",
}


@shells
@pytest.mark.parametrize("path", PATHS.values(), ids=PATHS)
def test_nothing_else_is_given_to_anybody(peers: Path, shell: str, path: str) -> None:
    assert answer(peers, get(path), shell) == ("404 Not Found", b"")


@pytest.mark.parametrize("method", ["POST", "PUT", "HEAD", "get", ""])
def test_nothing_but_get_is_answered(peers: Path, method: str) -> None:
    assert answer(peers, get(f"/{TOKEN}/{NAME}").replace(b"GET", method.encode()))[0] == "404 Not Found"


@settings(max_examples=60)
@given(request=st.binary(max_size=300))
def test_whatever_is_sent_no_byte_of_a_file_comes_back(peers: Path, request: bytes) -> None:
    status, body = answer(peers, request + b"\r\n\r\n")

    assert (status, body) == ("404 Not Found", b"")


def test_a_server_without_its_token_gives_nothing(peers: Path, tmp_path: Path) -> None:
    bare = folder_of(tmp_path / "bare")
    (bare / "token").unlink()

    assert answer(bare, get(f"/{TOKEN}/{NAME}"))[0] == "503 Service Unavailable"
    (bare / "token").write_text("\n")
    for path in (f"/{NAME}", f"//{NAME}"):
        assert answer(bare, get(path)) == ("503 Service Unavailable", b"")


@contextmanager
def serving(peers: Path, cut: int | None = None) -> Iterator[str]:
    """Hand each connection to the script, as systemd-socket-activate does; or to one that is cut after some bytes."""
    command: list[str | Path] = ["dash", SCRIPTS / "serve.sh", peers]
    if cut is not None:
        command = ["dash", "-c", f'dash "$@" | head -c {cut}', "cut", *command[1:]]
    listening = socket.create_server(("127.0.0.1", 0))

    def accept() -> None:
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            with connection:
                subprocess.run(command, stdin=connection, stdout=connection, stderr=subprocess.DEVNULL, check=False)

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield f"127.0.0.1:{listening.getsockname()[1]}"
    finally:
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()


Fetch = Callable[..., int]


@pytest.fixture(params=CLIENTS)
def fetch(request: pytest.FixtureRequest, tmp_path: Path) -> Fetch:
    """Fetches into ``part`` on a host that has this client alone; gives the script's status."""
    programs = tmp_path / "programs"
    programs.mkdir()
    for name in (*COREUTILS, request.param):
        (programs / name).symlink_to(str(shutil.which(name)))
    script = (SCRIPTS / "fetch.sh").read_text()

    def run(*peers: str, token: str = TOKEN) -> int:
        given = {"peers": " ".join(peers), "token": token, "sha256": NAME, "size": len(CONTENT), "part": "part"}
        lines = "".join(f"{name}='{value}'\n" for name, value in given.items())
        done = subprocess.run(
            [str(shutil.which("dash")), "-s"],
            input=f"{lines}{script}".encode(),
            cwd=tmp_path,
            env={"PATH": str(programs)},
            capture_output=True,
            timeout=60,
        )
        assert TOKEN.encode() not in done.stdout + done.stderr
        return done.returncode

    return run


def part(tmp_path: Path) -> bytes:
    return (tmp_path / "part").read_bytes()


DEAD = "127.0.0.1:9"


def test_a_file_comes_from_the_first_host_that_has_it(peers: Path, tmp_path: Path, fetch: Fetch) -> None:
    empty = folder_of(tmp_path / "empty")
    (tmp_path / "empty" / "artifacts" / NAME).unlink()
    with serving(empty) as without, serving(peers) as having:
        assert fetch(DEAD, without, having) == 0

    assert part(tmp_path) == CONTENT


def test_what_is_there_is_gone_on_with(peers: Path, tmp_path: Path, fetch: Fetch) -> None:
    (tmp_path / "part").write_bytes(CONTENT[:100_000])
    with serving(peers) as having:
        assert fetch(having) == 0

    assert part(tmp_path) == CONTENT


def test_what_one_host_began_another_one_ends(peers: Path, tmp_path: Path, fetch: Fetch) -> None:
    with serving(peers, cut=150_000) as dying, serving(peers) as living:
        assert fetch(dying, living) == 0

    assert part(tmp_path) == CONTENT


def test_where_no_host_has_it_nothing_is_made_up(tmp_path: Path, fetch: Fetch) -> None:
    assert fetch(DEAD, DEAD) != 0

    assert part(tmp_path) == b""


def test_whoever_has_another_token_gets_nothing(peers: Path, tmp_path: Path, fetch: Fetch) -> None:
    with serving(peers) as having:
        assert fetch(having, token="0" * 64) != 0

    assert part(tmp_path) == b""


def test_a_host_that_sends_without_end_fills_no_disk(tmp_path: Path, fetch: Fetch) -> None:
    endless = folder_of(tmp_path / "endless")
    with (tmp_path / "endless" / "artifacts" / NAME).open("wb") as file:
        file.truncate(1 << 30)
    with serving(endless) as hostile:
        fetch(hostile)

    assert len(part(tmp_path)) == len(CONTENT)


def test_a_whole_file_is_not_asked_for_again(tmp_path: Path, fetch: Fetch) -> None:
    (tmp_path / "part").write_bytes(CONTENT)

    assert fetch(DEAD) == 0
    assert part(tmp_path) == CONTENT
