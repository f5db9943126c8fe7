"""Hosts serve while a run needs it, fetch from each other, and in the end get everything, whatever the others do."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from step_world import World, tell_every_story

from klusterkit.engine.errors import CommandFailed
from klusterkit.engine.host import HOME, Completed
from klusterkit.engine.step import Undo
from klusterkit.hosts.simulated import Machine
from klusterkit.tasks.artifacts import Upload, place
from klusterkit.tasks.peers import FOLDER, SECRET, UNIT, EndServing, Fetch, Serve, token
from tests.support.posix import said

KEY = b"a key that only the state file has"
CONTENT = b"a kubelet" * 100
DIGEST = hashlib.sha256(CONTENT).hexdigest()
TRANSIENT = f"/run/systemd/system/{UNIT}"
SERVE = Serve(address="10.0.0.11")


def systemd_run(machine: Machine, argv: Sequence[str], _: bytes) -> Completed:
    """A transient unit is there until it has ended."""
    if machine.tree.find(TRANSIENT) is not None:
        return said(1, err=f"Failed to start transient service unit: Unit {UNIT} was already loaded.")
    machine.tree.write(TRANSIENT, f"[Service]\nExecStart={' '.join(argv)}\n")
    machine.systemd.systemctl(["daemon-reload"])
    return machine.systemd.systemctl(["start", UNIT])


def systemctl(machine: Machine, argv: Sequence[str], _: bytes) -> Completed:
    ended = machine.systemd.systemctl(argv[1:])
    if argv[1:] == ["stop", UNIT]:
        machine.tree.remove(TRANSIENT)
        machine.systemd.systemctl(["daemon-reload"])
    return ended


def world(peers: Callable[[Machine, dict[str, str]], None] = lambda _, __: None, **artifacts: Path) -> World:
    """A machine whose fetches do what the test says."""
    made = World({SECRET: KEY}, {name.removeprefix("x"): path for name, path in artifacts.items()})
    made.tree.makedirs("/run/systemd/system")
    made.host.program("systemd-run", systemd_run)
    made.host.program("systemctl", systemctl)
    made.host.program("grep", lambda machine, *_: said(0 if UNIT in machine.systemd.active else 1))

    def shell(machine: Machine, _: Sequence[str], stdin: bytes) -> Completed:
        lines = [line.partition("=") for line in stdin.decode().splitlines()[:5]]
        peers(machine, {name: value.strip("'") for name, _, value in lines})
        return said()

    made.host.program("/bin/sh", shell)
    return made


def test_serving_survives_every_cut() -> None:
    assert tell_every_story(SERVE, world) > 0


def test_serving_again_after_a_run_that_was_cut_off_takes_the_place_of_the_old_server() -> None:
    made = world()
    made.do(SERVE, run="r1.1")
    made.do(SERVE, run="r2.1")

    assert made.tree.read(f"{FOLDER}/token").decode().strip() == token(made.on(run="r2.1"))
    assert UNIT in made.host.machine.systemd.active


def test_a_server_ends_by_itself_and_may_do_nothing_but_read() -> None:
    made = world()
    made.do(SERVE)
    command = made.tree.read(TRANSIENT).decode()

    assert "RuntimeMaxSec=43200" in command
    assert "ProtectSystem=strict" in command
    assert "--listen 10.0.0.11:10290" in command


def test_a_server_on_an_address_of_version_6_is_in_brackets() -> None:
    made = world()
    made.do(Serve(address="fd00::11"))

    assert "--listen [fd00::11]:10290" in made.tree.read(TRANSIENT).decode()


def test_the_token_is_another_for_every_run_and_in_no_argument_and_nobody_elses_to_read() -> None:
    made = world()
    made.do(SERVE)
    now = token(made.on())

    assert now != token(made.on(run="r2.1"))
    assert now not in made.tree.read(TRANSIENT).decode()
    entry = made.tree.find(f"{FOLDER}/token")
    assert (entry.mode, entry.owner) == (0o600, "root:root")
    assert made.tree.find(FOLDER).mode == 0o700
    assert KEY.decode() not in str(SERVE.spec())


def test_a_server_that_does_not_start_is_an_error_with_what_was_said() -> None:
    made = world()
    made.host.program("systemd-run", lambda *_: said(1, err="Failed to find executable systemd-socket-activate"))

    with pytest.raises(CommandFailed, match="can't be served") as raised:
        made.do(SERVE)

    assert "systemd-socket-activate" in str(raised.value.seen)


def test_a_server_counts_as_started_when_it_listens() -> None:
    made = world()
    looks = iter([1, 1, 0])
    made.host.program("grep", lambda *_: said(next(looks)))
    made.do(SERVE)

    assert next(looks, None) is None


def test_a_server_that_ends_before_it_listens_is_an_error() -> None:
    made = world()
    made.host.program("systemd-run", lambda *_: said(0))

    with pytest.raises(CommandFailed, match="can't be served") as raised:
        made.do(SERVE)

    assert "has ended" in str(raised.value.seen)


def test_the_end_leaves_no_server_and_nothing_of_it() -> None:
    made = world()
    made.do(SERVE)
    made.do(EndServing())

    assert UNIT not in made.host.machine.systemd.active
    assert made.tree.find(FOLDER) is None
    assert EndServing.undoing is Undo.NOTHING
    assert made.observe(EndServing()).satisfied


def test_the_end_also_cleans_up_after_a_server_that_has_ended_by_itself() -> None:
    made = world()
    made.do(SERVE)
    made.host.machine.systemd.systemctl(["stop", UNIT])
    made.do(EndServing())

    assert made.tree.find(FOLDER) is None


@pytest.fixture
def artifact(tmp_path: Path) -> Path:
    path = tmp_path / "kubelet"
    path.write_bytes(CONTENT)
    return path


FETCH = Fetch(name="kubelet", sha256=DIGEST, size=len(CONTENT), peers=("10.0.0.12:10290", "10.0.0.13:10290"))


def gives(content: bytes) -> Callable[[Machine, dict[str, str]], None]:
    def peers(machine: Machine, asked: dict[str, str]) -> None:
        machine.tree.makedirs(f"{HOME}/artifacts", 0o700)
        machine.tree.write(asked["part"], content, 0o600)

    return peers


@pytest.mark.parametrize(
    "content", [CONTENT, CONTENT[:300], b"", b"something else" * 80], ids=["all", "half", "nothing", "something else"]
)
def test_whatever_the_others_give_the_host_gets_what_it_should(artifact: Path, content: bytes) -> None:
    made = world(gives(content), **{f"x{DIGEST}": artifact})
    made.do(FETCH)

    assert made.tree.read(place(DIGEST)) == CONTENT
    assert made.tree.find(f"{place(DIGEST)}.part") is None


def test_the_others_are_asked_with_the_token_of_the_run(artifact: Path) -> None:
    asked: dict[str, str] = {}
    made = world(lambda _, given: asked.update(given), **{f"x{DIGEST}": artifact})
    made.do(FETCH)

    assert asked == {
        "peers": "10.0.0.12:10290 10.0.0.13:10290",
        "token": token(made.on()),
        "sha256": DIGEST,
        "size": str(len(CONTENT)),
        "part": f"{place(DIGEST)}.part",
    }


def test_a_fetch_survives_every_cut(artifact: Path) -> None:
    assert tell_every_story(FETCH, lambda: world(gives(CONTENT[:200]), **{f"x{DIGEST}": artifact})) > 0


def test_a_fetch_is_an_upload_to_whoever_looks() -> None:
    assert isinstance(FETCH, Upload)
    assert FETCH.title == "fetch kubelet (0.0 MB) from 10.0.0.12:10290 or 10.0.0.13:10290"
