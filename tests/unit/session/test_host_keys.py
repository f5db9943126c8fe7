"""Host keys that the state pins are listed, and forgotten when the operator says so or the host is gone for good."""

from __future__ import annotations

import base64
from collections.abc import Callable
from contextlib import AbstractContextManager

import pytest

from klusterkit.engine.errors import UsageError
from klusterkit.session.hold import Hold
from klusterkit.session.hostkeys import forget_host_keys, pinned_host_keys, without_keys_of

Opened = Callable[[], AbstractContextManager[Hold]]

BLOB = base64.b64encode(b"\0\0\0\x0bssh-ed25519\0\0\0\x20" + b"k" * 32).decode()
LINES = [f"{host} ssh-ed25519 {BLOB}" for host in ("10.0.0.5", "10.0.0.6", "[10.0.0.6]:2222", "gate.example")]


@pytest.fixture
def hold(opened: Opened) -> Hold:
    with opened() as hold:
        hold.state.fold(hold.snapshot.model_copy(update={"host_keys": LINES}))
        yield hold  # type: ignore[misc]


def pinned(hold: Hold) -> list[str]:
    return [key["host"] for key in pinned_host_keys(hold)]


def test_each_is_shown_with_the_fingerprint_that_ssh_keygen_prints(hold: Hold) -> None:
    first = pinned_host_keys(hold)[0]

    assert first["host"] == "10.0.0.5"
    assert first["type"] == "ssh-ed25519"
    assert first["fingerprint"] == "SHA256:sArVyTbDlP2ByuRNM59Xf/iwOUmdy69sxylyNl3iUQQ"


@pytest.mark.parametrize(
    ("host", "stay"),
    [
        ("10.0.0.5", ["10.0.0.6", "[10.0.0.6]:2222", "gate.example"]),
        ("w1", ["10.0.0.5", "[10.0.0.6]:2222", "gate.example"]),
        ("[10.0.0.6]:2222", ["10.0.0.5", "10.0.0.6", "gate.example"]),
        ("gate.example", ["10.0.0.5", "10.0.0.6", "[10.0.0.6]:2222"]),
    ],
    ids=["address", "machine", "port", "jump host"],
)
def test_those_of_one_host_are_forgotten_by_any_name_of_it(hold: Hold, host: str, stay: list[str]) -> None:
    (forgotten,) = forget_host_keys(hold, host)

    assert forgotten["host"] not in stay
    assert pinned(hold) == stay


def test_of_a_host_that_has_none_nothing_is_forgotten_and_it_is_said_whose_there_are(hold: Hold) -> None:
    with pytest.raises(UsageError, match=r"pins no key of 10\.0\.0\.7") as refused:
        forget_host_keys(hold, "10.0.0.7")

    assert refused.value.seen == "pinned are keys of 10.0.0.5, 10.0.0.6, [10.0.0.6]:2222, gate.example"
    assert pinned_host_keys(hold)[0]["host"] == "10.0.0.5"


def test_keys_of_a_machine_that_is_gone_are_not_kept_for_what_comes_at_its_address(hold: Hold) -> None:
    gone = [machine for machine in hold.machines if machine.name == "w1"]

    assert without_keys_of(gone, LINES) == [LINES[0], LINES[2], LINES[3]]
