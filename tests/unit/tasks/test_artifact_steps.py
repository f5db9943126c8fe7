from __future__ import annotations

import hashlib
import io
import tarfile
from pathlib import Path

import pytest
from step_world import World, notes

from klusterkit.engine.errors import CommandFailed, PermanentError
from klusterkit.hosts.simulated import SimulatedCrash
from klusterkit.tasks.artifacts import Install, Unpack, Upload, place

PROGRAM = b"\x7fELF a program"


def sha256_of(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture
def program(tmp_path: Path) -> Path:
    path = tmp_path / "kubectl"
    path.write_bytes(PROGRAM)
    return path


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    path = tmp_path / "demo.tar.gz"
    with tarfile.open(path, "w:gz") as opened:
        for name in ("bin/demo", "bin/democtl"):
            info = tarfile.TarInfo(name)
            info.size = len(name)
            opened.addfile(info, io.BytesIO(name.encode()))
    return path


def world_with(*artifacts: Path) -> World:
    return World(artifacts={sha256_of(path): path for path in artifacts})


def test_an_artifact_is_uploaded_once(program: Path) -> None:
    world = world_with(program)
    step = Upload(name="kubectl", sha256=sha256_of(program), size=13)
    world.do(step)

    assert world.tree.read(place(step.sha256)) == PROGRAM
    assert world.observe(step).satisfied


def test_an_artifact_that_was_there_stays(program: Path) -> None:
    world = world_with(program)
    step = Upload(name="kubectl", sha256=sha256_of(program), size=13)
    world.do(step)
    before = world.observe(step).before
    world.undo(step, before)

    assert world.observe(step).satisfied


def test_a_damaged_artifact_is_uploaded_again(program: Path) -> None:
    world = world_with(program)
    step = Upload(name="kubectl", sha256=sha256_of(program), size=13)
    world.do(step)
    world.tree.write(place(step.sha256), b"rotten")

    assert not world.observe(step).satisfied
    world.do(step)
    assert world.tree.read(place(step.sha256)) == PROGRAM


def test_a_program_is_installed_with_its_mode(program: Path) -> None:
    world = world_with(program)
    sha256 = sha256_of(program)
    world.do(Upload(name="kubectl", sha256=sha256, size=13))
    world.do(Install(name="kubectl", sha256=sha256, path="/usr/local/bin/kubectl", mode=0o700))

    assert world.tree.read("/usr/local/bin/kubectl") == PROGRAM
    assert world.tree.find("/usr/local/bin/kubectl").mode == 0o700
    assert world.tree.find(place(sha256)).mode == 0o755


def test_an_artifact_that_vanished_from_the_host_is_said(program: Path) -> None:
    world = world_with(program)
    step = Install(name="kubectl", sha256=sha256_of(program), path="/usr/local/bin/kubectl")
    with pytest.raises(PermanentError, match="/usr/local/bin/kubectl can't be installed") as caught:
        world.do(step)

    assert caught.value.seen
    assert place(step.sha256) in caught.value.seen


def unpack(archive: Path, *members: str) -> Unpack:
    paths = {member: f"/usr/local/{member}" for member in members}
    return Unpack(name="demo", sha256=sha256_of(archive), members=paths)


def test_only_the_named_members_are_unpacked(archive: Path) -> None:
    world = world_with(archive)
    world.do(Upload(name="demo", sha256=sha256_of(archive), size=13))
    world.do(unpack(archive, "bin/demo"))

    assert world.tree.read("/usr/local/bin/demo") == b"bin/demo"
    assert world.tree.find("/usr/local/bin/demo").mode == 0o755
    assert world.tree.find("/usr/local/bin/democtl") is None


def test_unpacking_leaves_nothing_beside_what_it_installed(archive: Path) -> None:
    world = world_with(archive)
    uploaded = Upload(name="demo", sha256=sha256_of(archive), size=13)
    step = unpack(archive, "bin/demo", "bin/democtl")
    first, second = world.do(uploaded), world.do(step)

    assert len(notes(world)) == 2  # the archive and the receipt
    world.undo(step, second)
    world.undo(uploaded, first)
    assert notes(world) == []


def test_a_member_that_was_changed_is_unpacked_again(archive: Path) -> None:
    world = world_with(archive)
    world.do(Upload(name="demo", sha256=sha256_of(archive), size=13))
    step = unpack(archive, "bin/demo")
    world.do(step)
    world.tree.write("/usr/local/bin/demo", "tampered", 0o755)

    assert world.observe(step).reason == "/usr/local/bin/demo: another version, or not known which"
    before = world.observe(step).before
    on = world.on(attempt=2)
    step.apply_many([step], [on], [before])
    assert world.tree.read("/usr/local/bin/demo") == b"bin/demo"


def test_two_steps_may_take_from_one_archive(archive: Path) -> None:
    world = world_with(archive)
    world.do(Upload(name="demo", sha256=sha256_of(archive), size=13))
    first, second = unpack(archive, "bin/demo"), unpack(archive, "bin/democtl")
    for step, task in ((first, "m1/first"), (second, "m1/second")):
        on = world.on(task)
        step.apply_many([step], [on], [step.observe(on).before])

    assert world.observe(first).satisfied
    assert world.observe(second).satisfied


def test_a_member_that_the_archive_lacks_is_said(archive: Path) -> None:
    world = world_with(archive)
    world.do(Upload(name="demo", sha256=sha256_of(archive), size=13))
    with pytest.raises(CommandFailed, match="demo can't be unpacked") as caught:
        world.do(unpack(archive, "bin/other"))

    assert caught.value.seen == "tar: bin/other: Not found in archive"


def test_an_upload_that_was_cut_off_leaves_nothing_when_it_is_taken_back(program: Path) -> None:
    world = world_with(program)
    step = Upload(name="kubectl", sha256=sha256_of(program), size=13)
    world.host.faults.crash("middle", 2)
    with pytest.raises(SimulatedCrash):
        world.do(step)

    assert notes(world) == [f"{place(step.sha256)}.part"]
    world.undo(step, {"there": False})
    assert notes(world) == []
