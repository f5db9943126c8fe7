"""A run was begun: what is older than it, or of another cluster, is refused, and so is a journal that was damaged."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from bad_input import Laptop, Site, flip, in_one_line, laptop, other_laptop

pytestmark = pytest.mark.hosts

HOST = "begun"


def creation(operator: Laptop, *before: str) -> list[str]:
    return [*before, "create", "machine", "--ip", operator.lab.address(HOST), "--role", "master"]


@pytest.fixture(scope="module")
def laptops(site: Site, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Laptop]]:
    """Of the operator who made a copy and went on, of the copy, and of somebody with another cluster.

    The run was killed after few records: a host belongs to a run from its first look on.
    """
    site.lab("up", HOST)
    original = laptop(site, tmp_path_factory.mktemp("original"))
    original(*creation(original, "plan"), "--out", "plan.yaml")
    copied = shutil.copytree(original.folder, tmp_path_factory.mktemp("copy"), dirs_exist_ok=True)
    copy = Laptop(copied, site.lab, site=site)
    other = other_laptop(site, tmp_path_factory.mktemp("other"))
    other("create", "cluster")
    original(*creation(original), "--yes", rc=-9, crash_after=4)
    yield {"original": original, "copy": copy, "other": other}
    site.lab("down", HOST)


def refused(operator: Laptop, *arguments: str, rc: int) -> str:
    host, state = operator.lab.listing(HOST), operator.kept()
    ended = operator(*arguments, rc=rc)
    assert operator.kept() == state
    assert operator.lab.listing(HOST) == host
    return in_one_line(ended)


def test_a_copy_from_before_a_run_is_refused_with_what_the_host_has_seen(laptops: dict[str, Laptop]) -> None:
    copy = laptops["copy"]

    said = refused(copy, *creation(copy), "--yes", rc=5)

    assert f"this state file is older than what {copy.lab.address(HOST)} has seen" in said
    assert "knows nothing of run" in said
    assert "use the newest copy of the state file" in said


def test_a_plan_that_the_copy_has_is_refused_too(laptops: dict[str, Laptop]) -> None:
    copy = laptops["copy"]

    said = refused(copy, "apply", "plan.yaml", rc=5)

    assert "this state file is older than what" in said


def test_the_host_of_a_run_is_refused_to_another_cluster(laptops: dict[str, Laptop]) -> None:
    other = laptops["other"]

    said = refused(other, *creation(other), "--yes", rc=5)

    assert f"{other.lab.address(HOST)} belongs to another cluster" in said
    assert "use another host" in said


def test_a_run_in_progress_is_told_of_and_no_second_one_begins(laptops: dict[str, Laptop]) -> None:
    original = laptops["original"]

    said = refused(original, *creation(original), "--yes", rc=6)

    assert "was begun and has not ended" in said
    assert "cctl resume" in said
    assert "cctl rollback" in said


def test_a_damaged_record_is_refused_by_its_number(laptops: dict[str, Laptop], tmp_path: Path) -> None:
    folder = shutil.copytree(laptops["original"].folder, tmp_path / "laptop")
    damaged = replace(laptops["original"], folder=folder)
    flip(damaged.state, next(line for line in damaged.state.read_bytes().splitlines() if b'{"seq":2,' in line))

    for command in ("resume", "rollback"):
        said = refused(damaged, command, "--yes", rc=3)

        assert f"journal record 2 in {damaged.state} is damaged" in said
        assert "docs/state-file.md" in said
