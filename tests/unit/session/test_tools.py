"""The tools that go into a bundle are whole, ours, and for the hosts that it is for."""

from __future__ import annotations

from pathlib import Path

import pytest

from klusterkit.engine.errors import UsageError
from klusterkit.session.supply.tools import tools_file
from tests.support.onefile import tools

PACKED = b"a packed folder" * 1000


def written(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def test_the_file_is_known_by_what_its_own_script_says(tmp_path: Path) -> None:
    file = tools_file(written(tmp_path / "whatever", tools(PACKED)), "amd64")

    assert file.path == "klusterkit/0.1.0/klusterkit-0.1.0-linux-amd64"
    assert file.content == tools(PACKED)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (tools(PACKED)[:-1], "damaged or was cut short"),
        (tools(PACKED) + b"!", "damaged or was cut short"),
        (tools(PACKED, MACHINE="aarch64"), "for aarch64"),
        (b"#!/bin/sh\necho something else\n", "isn't the single file"),
        (b"", "isn't the single file"),
    ],
    ids=["short", "long", "another architecture", "something else", "empty"],
)
def test_what_hosts_could_not_run_is_refused(tmp_path: Path, content: bytes, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        tools_file(written(tmp_path / "tools", content), "amd64")


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="nowhere can't be read"):
        tools_file(tmp_path / "nowhere", "amd64")
