"""Files with secrets are their owner's from birth, and there as a whole or as they were."""

from __future__ import annotations

import os
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
