"""What is there just as it is asked for is no error, and no change."""

from __future__ import annotations

from pathlib import Path

import pytest

from klusterkit.cli.cctl import cctl
from klusterkit.cli.guard import guarded
from klusterkit.cluster import Cluster, Machine
from klusterkit.state import StateFile, lock

ASKED = ["machine", "--ip", "10.0.0.5", "--role", "master"]


@pytest.fixture(name="state")
def _state(tmp_path: Path) -> Path:
    path = tmp_path / "state.yaml"
    with lock(path, "test") as held:
        state = StateFile.create(path, None, lock=held)
        objects = {
            "cluster": Cluster.of(pod_network="192.168.0.0/16", service_network="192.169.0.0/24").to_object(),
            "machines": [Machine.of(name="10.0.0.5", address="10.0.0.5", roles="master").to_object()],
            "credentials": [{"name": "ssh-credential", "user": "root", "key": "key", "fingerprint": ""}],
        }
        state.fold(state.snapshot.model_copy(update=objects))
    return path


@pytest.mark.parametrize(
    "words",
    [["create", *ASKED, "--yes"], ["plan", "create", *ASKED], ["plan", "create", *ASKED, "--detailed-exitcode"]],
)
def test_creating_a_machine_that_is_there_says_that_nothing_is_to_do(
    state: Path, words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    before = state.read_bytes()

    assert guarded(cctl(), [*words, "--state", str(state)]) == 0
    assert "Nothing to do" in "".join(capsys.readouterr())
    assert state.read_bytes() == before


@pytest.mark.parametrize("words", [["apply", "--yes"], ["plan", "apply"], ["plan", "apply", "--detailed-exitcode"]])
def test_objects_that_are_given_back_as_they_were_leave_nothing_to_do(
    state: Path, words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert guarded(cctl(), ["get", "cluster,machine", "-o", "yaml", "--state", str(state)]) == 0
    file = state.with_name("objects.yaml")
    file.write_text(capsys.readouterr().out)
    before = state.read_bytes()

    assert guarded(cctl(), [*words, "-f", str(file), "--state", str(state)]) == 0
    assert "Nothing to do" in "".join(capsys.readouterr())
    assert state.read_bytes() == before
