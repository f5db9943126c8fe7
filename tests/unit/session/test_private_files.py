"""Files with secrets are their owner's from birth, and there as a whole or as they were."""

from __future__ import annotations

import os
import socket
import stat
from pathlib import Path

import pytest

from klusterkit.engine.errors import UsageError
from klusterkit.session.private import write_private


def test_a_file_is_new_or_replaced_and_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old")
    path.chmod(0o644)
    write_private(path, "new")
    assert path.read_text() == "new"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_what_a_killed_command_left_is_not_written_into(tmp_path: Path) -> None:
    leftovers = [tmp_path / "file.part", tmp_path / f".file.{os.getpid()}.new"]
    for leftover in leftovers:
        leftover.write_text("")
        leftover.chmod(0o666)
    with leftovers[1].open() as spy:
        write_private(tmp_path / "file", "secret")
        assert spy.read() == ""
    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == 0o600


@pytest.mark.parametrize("name", ["no/folder/file", "folder"])
def test_a_file_that_cannot_be_written_is_a_usage_error_with_what_to_do(tmp_path: Path, name: str) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(UsageError, match="can't write") as refused:
        write_private(tmp_path / name, "secret")
    assert refused.value.hint
    assert not list(tmp_path.glob(".*"))


def test_a_link_stays_a_link_and_what_it_names_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    target, link = tmp_path / "folder" / "file", tmp_path / "link"
    link.symlink_to("folder/file")
    for text in ("made", "replaced"):
        write_private(link, text)
        assert link.readlink() == Path("folder/file")
        assert (target.read_text(), stat.S_IMODE(target.stat().st_mode)) == (text, 0o600)
    assert {path.name for path in tmp_path.rglob("*")} == {"folder", "file", "link"}


@pytest.mark.parametrize("linked", [False, True], ids=["itself", "by a link"])
def test_a_pipe_is_written_to_and_stays_one(tmp_path: Path, linked: bool) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe, 0o600)
    named = tmp_path / "link" if linked else pipe
    if linked:
        named.symlink_to(pipe)
    with os.fdopen(os.open(pipe, os.O_RDONLY | os.O_NONBLOCK), "rb") as reader:
        write_private(named, "secret")
        assert reader.read() == b"secret"
    assert pipe.is_fifo()
    assert named.is_symlink() is linked


@pytest.mark.parametrize("linked", [False, True], ids=["itself", "by a link"])
def test_a_device_is_written_to_and_stays_one(tmp_path: Path, linked: bool) -> None:
    """A terminal: what root would destroy by renaming a file to ``/dev/null``."""
    controlling, terminal = os.openpty()
    named = Path(os.ttyname(terminal))
    if linked:
        (tmp_path / "link").symlink_to(named)
        named = tmp_path / "link"
    try:
        write_private(named, "a plan")
        assert os.read(controlling, 100) == b"a plan"
        assert named.is_char_device()
    finally:
        os.close(controlling)
        os.close(terminal)


def test_a_socket_is_refused_and_stays_one(tmp_path: Path) -> None:
    path = tmp_path / "socket"
    with socket.socket(socket.AF_UNIX) as there:
        there.bind(str(path))
        with pytest.raises(UsageError, match=r"can't write .*: it is a socket") as refused:
            write_private(path, "secret")
    assert refused.value.hint
    assert path.is_socket()


def test_links_that_lead_in_a_circle_are_a_usage_error(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    with pytest.raises(UsageError, match="can't write"):
        write_private(tmp_path / "a", "secret")
