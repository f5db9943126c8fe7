"""A run that another version of KlusterKit began is gone on with knowingly, or not at all."""

from __future__ import annotations

from typing import Any

import pytest

from klusterkit import __version__
from klusterkit.engine.journal import Journal
from klusterkit.engine.plan import Plan, Task
from klusterkit.session.hold import Hold
from klusterkit.state import StateNotRecognised
from klusterkit.tasks.files import Directory
from tests.unit.session.conftest import Opened

PLAN = Plan(operation="grow", lineage="l", serial=1, tasks=(Task(id="m1/a", host="m1", step=Directory(path="/srv/a")),))


def begun(hold: Hold, version: str) -> Hold:
    Journal.open(hold.state, PLAN, run="r", who="somebody", version=version)
    return hold


def of_a_later_one(hold: Hold, **fields: Any) -> Hold:
    """A run whose journal has something that this version doesn't know."""
    begun(hold, "9.0").state.append({"at": 1.0, "task": "m1/a", **fields})
    return hold


def test_the_version_that_began_it_goes_on_without_a_word(opened: Opened) -> None:
    with opened() as hold:
        said = list(hold.notices)
        assert begun(hold, __version__).run
        assert hold.notices == said


def test_another_one_says_so(opened: Opened) -> None:
    with opened() as hold:
        run = begun(hold, "9.0").run
        assert run is not None
        assert run.plan.digest == PLAN.digest
        assert any("begun by KlusterKit 9.0" in notice for notice in hold.notices)


def test_what_this_one_cannot_read_is_refused_by_the_name_of_the_one_that_can(opened: Opened) -> None:
    with opened() as hold, pytest.raises(StateNotRecognised, match=r"begun by KlusterKit 9\.0") as raised:
        _ = of_a_later_one(hold, record="waltz").run
    assert "the version that began it" in raised.value.hint
