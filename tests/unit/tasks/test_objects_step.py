"""The objects of a cluster in an etcd that was there before it: taken back only by who found none."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from step_world import World

from klusterkit.engine.errors import CommandFailedTemporarily
from klusterkit.engine.host import Completed
from klusterkit.hosts.simulated import Machine
from klusterkit.tasks.etcd import Objects
from klusterkit.tasks.etcdctl import ETCDCTL
from tests.support.posix import said

STEP = Objects()


def world(keys: set[str], *, answers: bool = True) -> World:
    def etcdctl(_: Machine, argv: Sequence[str], __: bytes) -> Completed:
        if not answers:
            return said(1, err="context deadline exceeded")
        command, prefix = next((argv[at], argv[at + 1]) for at, word in enumerate(argv) if word in ("get", "del"))
        assert "--prefix" in argv
        found = sorted(key for key in keys if key.startswith(prefix))
        if command == "del":
            keys.difference_update(found)
        return said(out="\n".join(found))

    made = World()
    made.host.program(ETCDCTL, etcdctl)
    return made


def test_what_a_cluster_wrote_into_an_empty_etcd_is_taken_back_and_nothing_else() -> None:
    keys = {"/somebody/else"}
    there = world(keys)
    before = there.do(STEP)
    keys |= {"/registry/namespaces/default", "/registry/pods/a"}
    there.undo(STEP, before)
    assert keys == {"/somebody/else"}


def test_objects_that_were_there_stay() -> None:
    keys = {"/registry/namespaces/default"}
    there = world(keys)
    seen = there.observe(STEP)
    assert seen.satisfied
    there.undo(STEP, seen.before)
    assert keys == {"/registry/namespaces/default"}


def test_an_etcd_that_does_not_answer_is_not_taken_for_an_empty_one() -> None:
    with pytest.raises(CommandFailedTemporarily, match="doesn't answer"):
        world(set(), answers=False).observe(STEP)


def test_they_are_the_members_own_together_and_no_matter_of_one_host() -> None:
    assert not STEP.subject
