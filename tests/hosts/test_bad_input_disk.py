"""The disk under the state file fails in the middle of a run: it stops, no record is lost, and it goes on later."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from bad_input import Laptop, Site, laptop

pytestmark = pytest.mark.hosts

HOST = "worked"


@pytest.fixture(scope="module")
def host(site: Site) -> Iterator[str]:
    """The address of a host that runs may change."""
    site.lab("up", HOST)
    yield site.lab.address(HOST)
    site.lab("down", HOST)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A small disk of its own for the operator's folder."""
    image, folder = tmp_path / "image", tmp_path / "disk"
    image.touch()
    os.truncate(image, 32 << 20)
    subprocess.run(["mkfs.ext4", "-q", "-m0", str(image)], check=True)
    folder.mkdir()
    mount(image, folder)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=False)


def mount(image: Path, folder: Path) -> None:
    subprocess.run(["mount", "-o", "loop,errors=remount-ro", str(image), str(folder)], check=True)


class Run:
    """A creation, or its resumption, whose events are read as they come."""

    def __init__(self, operator: Laptop, *arguments: str) -> None:
        self.operator = operator
        self.done: set[str] = set()
        self.process = subprocess.Popen(
            operator.command(*arguments, "-o", "json"),
            cwd=operator.folder,
            env=operator.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def until(self, many: int) -> None:
        """Read until so many tasks are said to be done."""
        while len(self.done) < many:
            assert self._learn(), self.process.communicate()[1]

    def ended(self) -> tuple[int, str]:
        """Read to the end: the exit code, and what was said on standard error."""
        while self._learn():
            pass
        return self.process.wait(60), " ".join(self.process.communicate()[1].split())

    def _learn(self) -> bool:
        line = self.process.stdout.readline() if self.process.stdout else ""
        event = json.loads(line) if line else {}
        if event.get("event") in ("done", "unchanged"):
            self.done.add(event["task"])
        return bool(line)


@contextlib.contextmanager
def running(operator: Laptop, *arguments: str) -> Iterator[Run]:
    run = Run(operator, *arguments)
    try:
        yield run
    finally:
        run.process.kill()
        run.process.wait()


def journaled(state: Path) -> list[dict[str, str]]:
    """The whole records of a state file."""
    lines = [line for line in state.read_text().splitlines(keepends=True) if line.startswith("--- {")]
    return [json.loads(line[4:])["record"] for line in lines if line.endswith("\n")]


def ends(state: Path) -> set[str]:
    return {record["task"] for record in journaled(state) if record["record"] == "end"}


def fill(folder: Path) -> Callable[[], None]:
    """Leave no room on a disk. Returns what gives it back."""
    filler = folder / "filler"
    with contextlib.suppress(OSError), filler.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))
    return filler.unlink


def fail(folder: Path) -> Callable[[], None]:
    """Make a disk read-only, as the kernel does when it fails. Returns what repairs it."""
    device = subprocess.run(["findmnt", "-no", "SOURCE", str(folder)], check=True, capture_output=True, text=True)
    with contextlib.suppress(OSError):  # that it has become read-only
        Path(f"/sys/fs/ext4/{Path(device.stdout.strip()).name}/trigger_fs_error").write_text("ordered by a test\n")

    def repair() -> None:
        subprocess.run(["umount", str(folder)], check=True)
        # A copy, because whoever has made a mount namespace meanwhile keeps the failed one mounted there.
        repaired = shutil.copy(folder.parent / "image", folder.parent / "repaired")
        subprocess.run(["e2fsck", "-p", str(repaired)], check=False, capture_output=True)
        mount(repaired, folder)

    return repair


def acts(site: Site) -> str:
    """Up to which record of its journal the run has acted on the host, as the host remembers."""
    return site.lab("ssh", HOST, "--", "cat /var/lib/klusterkit/reached")


FULL = r"No space left on device"
FAILED = r"(Read-only file system|Input/output error)"
"""Whatever is being written when a disk fails is told of the failure itself, the next of what came of it."""


@pytest.mark.parametrize(("spoil", "why"), [(fill, FULL), (fail, FAILED)], ids=["full", "failed"])
def test_the_run_stops_resumably_and_no_record_is_lost(
    site: Site, host: str, disk: Path, spoil: Callable[[Path], Callable[[], None]], why: str
) -> None:
    site.lab("reset", HOST)
    operator = laptop(site, disk)
    subprocess.run(["sync", "--file-system", str(disk)], check=True)  # what was there before isn't what is at stake
    state = operator.state
    with running(operator, "create", "machine", "--ip", host, "--role", "master", "--yes") as run:
        run.until(8)
        mend = spoil(disk)
        before = journaled(state)
        rc, said = run.ended()

    assert rc == 6, said
    assert re.search(f"can't write {state}: {why}", said)
    assert "`cctl resume` goes on from there, `cctl rollback` takes it back" in said
    assert journaled(state)[: len(before)] == before
    assert run.done <= ends(state)

    stopped = journaled(state)
    assert operator("status", rc=6).out
    acted = acts(site)
    refused = operator("resume", rc=None)
    assert refused.rc in (1, 6)
    assert re.search(why, refused.err)
    assert journaled(state) == stopped
    if spoil is fail:
        assert acts(site) == acted, "what it has read may be gone after a power cut"

    mend()
    kept = journaled(state)
    # The kernel may have shown us a record that it could not bring to the disk any more. It was never acted on.
    assert kept == stopped[: len(kept)]
    assert run.done <= ends(state)

    with running(operator, "resume") as again:
        again.until(3)
        again.process.send_signal(signal.SIGTERM)
        rc, said = again.ended()
    assert rc == 130, said
    assert journaled(state)[: len(kept)] == kept
    assert ends(state) > {record["task"] for record in kept if record["record"] == "end"}


def test_a_run_that_can_not_begin_its_journal_touches_no_host(site: Site, host: str, disk: Path) -> None:
    site.lab("reset", HOST)
    operator = laptop(site, disk)
    fill(disk)

    ended = operator("create", "machine", "--ip", host, "--role", "master", "--yes", rc=1)

    assert "No space left on device" in ended.err
    assert "free space" in ended.err
    assert operator.records() == 0
    assert site.lab("ssh", HOST, "--", "ls -d /var/lib/klusterkit || true") == ""
