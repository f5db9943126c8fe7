"""Versions: the one that there is, those to come, and those of others."""

import hashlib
from pathlib import Path
from typing import Any

import pytest

from klusterkit.state import StateFile, StateNotRecognised, StateVersionUnknown
from klusterkit.state.migrations import MIGRATIONS, migrate
from klusterkit.state.schema import API_VERSION


def edited(path: Path, old: str, new: str) -> None:
    body = path.read_text().replace(old, new).rsplit("digest: ", 1)[0]
    path.write_text(f"{body}digest: sha256:{hashlib.sha256(body.encode()).hexdigest()}\n")


def test_a_version_walks_the_table_up_to_the_current_one() -> None:
    """With versions that never were: the table's shape is what is tested."""

    def step(to: str) -> Any:
        return lambda document: {**document, "apiVersion": to, "walked": [*document.get("walked", []), to]}

    table = {"test/v1": step("test/v2"), "test/v2": step(API_VERSION)}

    document = migrate({"apiVersion": "test/v1", "kind": "State"}, "state", table)

    assert document["walked"] == ["test/v2", API_VERSION]


def test_the_current_version_is_left_as_it_is() -> None:
    document = {"apiVersion": API_VERSION, "kind": "State"}

    assert migrate(document, "state") is document
    assert API_VERSION not in MIGRATIONS


def test_an_unknown_version_is_refused_with_advice(path: Path) -> None:
    StateFile.create(path, None)
    edited(path, API_VERSION, "klusterkit.io/v9")

    with pytest.raises(StateVersionUnknown) as raised:
        StateFile.load(path)

    assert "klusterkit.io/v9" in raised.value.message
    assert API_VERSION in raised.value.message
    assert "newer" in raised.value.hint
    assert raised.value.exit_code == 3


def test_another_kind_of_document_is_not_recognised(path: Path) -> None:
    StateFile.create(path, None)
    edited(path, "kind: State", "kind: Pod")

    with pytest.raises(StateNotRecognised, match="not a KlusterKit state file"):
        StateFile.load(path)


def test_an_unknown_field_is_named_without_its_value(path: Path) -> None:
    """A newer version may have put it there: it is not dropped silently, and may be a secret."""
    StateFile.create(path, None)
    edited(path, "runs: []", "runs: []\nshiny: canary")

    with pytest.raises(StateNotRecognised, match="shiny") as raised:
        StateFile.load(path)

    assert "canary" not in raised.value.message


def test_a_field_of_the_wrong_type_is_named(path: Path) -> None:
    StateFile.create(path, None)
    edited(path, "machines: []", "machines: 3")

    with pytest.raises(StateNotRecognised, match="machines should be a list"):
        StateFile.load(path)
