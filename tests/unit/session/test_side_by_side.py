"""Machines are asked side by side, and one that never answers holds up nobody."""

from __future__ import annotations

import threading
import time

import pytest

from klusterkit.engine.errors import HostUnreachable, KlusterKitError
from klusterkit.session.sidebyside import SideBySide


@pytest.fixture(name="never")
def _never() -> threading.Event:
    """Set in the end, so that no thread is left behind."""
    event = threading.Event()
    yield event
    event.set()


def test_all_answer() -> None:
    assert SideBySide(30.0).ask(["a", "b"], str.upper) == {"a": "A", "b": "B"}


def test_one_that_never_answers_is_told_as_such_and_the_others_are_heard(never: threading.Event) -> None:
    def question(name: str) -> str:
        if name == "b":
            never.wait()
        return name.upper()

    found = SideBySide(3.0).ask(["a", "b", "c"], question)

    assert (found["a"], found["c"]) == ("A", "C")
    assert isinstance(found["b"], HostUnreachable)
    assert found["b"].seen == "nothing within 3 s"


def test_the_time_in_which_somebody_is_asked_is_no_delay() -> None:
    answered = threading.Event()
    moment = 0.0

    def question(name: str) -> str:
        nonlocal moment
        time.sleep(2.5)
        moment = time.monotonic()
        answered.set()
        time.sleep(0.05)
        return name

    machines = SideBySide(2.0, lambda: moment if answered.is_set() else time.monotonic())
    assert machines.ask(["a"], question) == {"a": "a"}


def test_who_does_not_answer_after_that_is_told_as_such(never: threading.Event) -> None:
    began = time.monotonic()
    machines = SideBySide(0.1, lambda: min(time.monotonic(), began + 0.3))
    assert isinstance(machines.ask(["a"], lambda _: never.wait())["a"], HostUnreachable)
    assert time.monotonic() - began >= 0.4


def test_one_that_still_owes_an_answer_is_not_asked_again(never: threading.Event) -> None:
    asked: list[str] = []
    heard = threading.Event()

    def question(name: str) -> str:
        asked.append(name)
        heard.set()
        never.wait()
        return name

    machines = SideBySide(0.1)
    machines.ask(["a"], question)
    heard.wait()
    assert isinstance(machines.ask(["a"], question)["a"], HostUnreachable)
    assert asked == ["a"]


def test_an_error_is_an_answer() -> None:
    def question(name: str) -> str:
        if name == "b":
            raise KlusterKitError("no root", host="b")
        raise ValueError("nonsense")

    found = SideBySide(30.0).ask(["a", "b"], question)

    assert str(found["b"]) == "no root"
    assert "can't be understood" in str(found["a"])
