"""Where a plan is saved: a file, or standard output, which then holds the plan alone."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from klusterkit.cluster import Machine
from klusterkit.state import StateFile, lock
from tests.unit.cli.laptop import Operator

THERE = Machine.of(name="10.0.0.5", address="10.0.0.5", roles="master")


@pytest.fixture(name="words")
def _words(begun: Operator) -> list[str]:
    """Plan what is so already, which asks no host."""
    path = begun.home / "cctl-state.yaml"
    with lock(path, "test") as held:
        state = StateFile.load(path, lock=held)
        state.fold(state.snapshot.model_copy(update={"machines": [THERE.to_object()]}))
    (begun.home / "objects.yaml").write_text(yaml.safe_dump(THERE.to_object()))
    return ["plan", "apply", "-f", "objects.yaml"]


def test_a_plan_on_standard_output_is_the_plan_that_is_applied(begun: Operator, words: list[str]) -> None:
    piped = begun.cctl(*words, "--out", "/dev/stdout")
    begun.cctl(*words, "--out", "plan")

    assert piped.stdout == (begun.home / "plan").read_text()
    assert "saved:" not in piped.stderr


def test_a_plan_is_saved_where_a_link_leads(begun: Operator, words: list[str]) -> None:
    link = begun.home / "link"
    link.symlink_to("plan")
    begun.cctl(*words, "--out", "link")

    assert link.readlink() == Path("plan")
    assert "kind: Plan" in (begun.home / "plan").read_text()


def test_a_folder_is_no_place_for_a_plan(begun: Operator, words: list[str]) -> None:
    assert "can't write .: it is a folder" in begun.cctl(*words, "--out", ".", code=3).stderr
