"""Options: one definition each, wherever they are taken."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
import typer

from klusterkit.cli.cctl import cctl
from klusterkit.cli.deletion import LeavingMachines
from klusterkit.cli.exit_codes import ExitCode
from klusterkit.cli.guard import guarded
from klusterkit.cli.machine import MachineOptions
from klusterkit.cli.options import Common, Output, flattened


def test_what_is_said_later_counts_and_the_rest_stays():
    earlier = Common(state=Path("a"), mirror="m", yes=True)
    assert Common(state=Path("b")).over(earlier) == Common(state=Path("b"), mirror="m", yes=True)
    assert Common(state=Path("b")).over(None) == Common(state=Path("b"))


def test_a_dataclass_of_options_stands_for_its_fields_wherever_it_is_used():
    def one(machine: MachineOptions, common: Common) -> None: ...

    def other(machine: MachineOptions, common: Common, out: str = "") -> None: ...

    first, second = (flattened(each).__annotations__ for each in (one, other))
    assert set(second) - set(first) == {"out"}
    assert {"ip", "role", "state", "output"} <= set(first)


def machine(**options: object) -> MachineOptions:
    return MachineOptions(**{"ip": ["10.0.0.5"], "role": "master", **options})  # type: ignore[arg-type]


def test_labels_are_pairs_and_others_are_refused():
    (wanted,) = machine(label=["a=b", "c=", "d=e=f"]).wanted()["machines"]
    assert wanted["labels"] == {"a": "b", "c": "", "d": "e=f"}
    with pytest.raises(typer.BadParameter, match="KEY=VALUE"):
        machine(label=["nonsense"]).wanted()


def test_several_addresses_are_several_machines_that_are_alike():
    wanted = machine(ip=["10.0.0.5", "10.0.0.6"], iface="eth1", taint=["a:NoSchedule"]).wanted()["machines"]
    assert [each["address"] for each in wanted] == ["10.0.0.5", "10.0.0.6"]
    assert all((each["interface"], each["taints"]) == ("eth1", ("a:NoSchedule",)) for each in wanted)


def test_how_much_happens_at_once_is_said_only_where_the_operator_says_it():
    assert machine().wanted()["options"] == {"share": True}
    assert machine(uploads=8, imports=1).wanted()["options"] == {"share": True, "uploads": 8, "imports": 1}


def test_machines_serve_each_other_unless_the_operator_says_otherwise():
    assert machine(no_peers=True).wanted()["options"] == {"share": False}


def test_host_keys_in_files_are_accepted_by_the_fingerprint_that_ssh_keygen_shows(tmp_path: Path):
    files = [tmp_path / "a", tmp_path / "b"]
    for file, kind in zip(files, ("ed25519", "ecdsa"), strict=True):
        subprocess.run(["ssh-keygen", "-q", "-t", kind, "-N", "", "-f", file], check=True)
    public = [Path(f"{file}.pub") for file in files]
    shown = [
        subprocess.run(["ssh-keygen", "-lf", file], capture_output=True, text=True, check=True).stdout.split()[1]
        for file in public
    ]
    scanned = tmp_path / "scanned"
    scanned.write_text(f"# m1\n10.0.0.5 {public[1].read_text()}")
    settings = machine(public_keys=[f"{public[0]},{scanned}"]).settings(Common(host_key=[shown[0]]))
    assert settings.host_keys == (shown[0], *shown)


@pytest.mark.parametrize("content", ["", "# only words\n", "ssh-ed25519 nonsense\n"])
def test_a_file_without_a_public_key_is_refused(tmp_path: Path, content: str):
    (tmp_path / "key").write_text(content)
    with pytest.raises(typer.BadParameter, match="key"):
        machine(public_keys=[str(tmp_path / "key")]).settings(Common())


def test_a_format_that_a_command_does_not_have_is_refused():
    assert Common().show_as() is Output.TEXT
    assert Common(output=Output.JSON).show_as(Output.JSON) is Output.JSON
    with pytest.raises(typer.BadParameter, match="no -o yaml: text, json"):
        Common(output=Output.YAML).show_as(Output.JSON)


@pytest.mark.parametrize(
    "options",
    [
        {"host_key": ["garbage"]},
        {"host_key": ["SHA256:" + "a" * 42]},
        {"host_key": ["MD5:" + "a" * 43]},
        {"host_key": ["SHA256:" + "a" * 43, ""]},
        {"known_hosts": [Path("/nonexist")]},
        {"known_hosts": [Path("/")]},
    ],
    ids=str,
)
def test_a_mistyped_host_key_is_refused_and_not_ignored(options: dict[str, Any]):
    with pytest.raises(typer.BadParameter, match=r"--host-key|--known-hosts"):
        Common(**options).settings()


@pytest.mark.parametrize(
    "words",
    [
        ["--mirror", "", "create", "machine"],
        ["create", "machine", "--mirror="],
        ["create", "machine", "--ip", "", "--role", "node"],
        ["get", "--state", ""],
        ["status", "--identity="],
        ["delete", "cluster", "--confirm", ""],
        ["create", "machine", "-f", ""],
    ],
)
def test_an_option_without_a_value_is_refused_by_its_name(words: list[str], capsys: pytest.CaptureFixture[str]):
    assert guarded(cctl, words) == ExitCode.USAGE
    option = next(word.rstrip("=") for word in words if word.startswith("-"))
    said = capsys.readouterr().err
    assert f"error: {option} is given an empty value" in said
    assert "leave the option out" in said


@pytest.mark.parametrize(
    "words", [["--label=disk="], ["-", ""], ["", "get"], ["ssh", "m1", "--", "grep", "--regexp", ""]]
)
def test_empty_words_that_are_no_values_of_options_are_left_to_the_command(
    words: list[str], capsys: pytest.CaptureFixture[str]
):
    guarded(cctl, words)
    assert "empty value" not in capsys.readouterr().err


def test_a_machine_that_leaves_is_named_once():
    assert LeavingMachines(machine=["w1"], ip=["10.0.0.8", "10.0.0.8"]).wanted()["machines"] == ("w1", "10.0.0.8")


@pytest.mark.parametrize("patience", [float("inf"), float("nan"), 1e10, -1.0])
def test_a_patience_that_nobody_has_is_refused_before_anything_begins(patience: float):
    with pytest.raises(typer.BadParameter, match=r"--patience .* a year"):
        Common(patience=patience).settings()


@pytest.mark.parametrize("patience", [None, 0.0, 31_536_000.0])
def test_any_other_patience_is_taken(patience: float | None):
    assert Common(patience=patience).said()["patience"] == patience
