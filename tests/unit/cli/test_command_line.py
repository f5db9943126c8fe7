"""The command line itself: help, options, errors, exit codes."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from klusterkit.cli.cctl import COMMANDS, cctl
from klusterkit.cli.guard import guarded
from klusterkit.cli.lazy import names

ROOT = Path(__file__).parents[3]
PATHS = list(names(COMMANDS))


def command(*arguments: str, program: str = "cctl", **environ: str) -> subprocess.CompletedProcess[str]:
    """Run a program as an operator does, without a terminal."""
    code = f"from klusterkit.cli.{program} import main; main()"
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, **environ},
    )


def imported_by(*arguments: str, **environ: str) -> set[str]:
    script = (
        "import sys, atexit\n"
        "atexit.register(lambda: print('\\n'.join(sys.modules), file=sys.stderr))\n"
        "from klusterkit.cli.cctl import main\nmain()"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments], capture_output=True, text=True, env={**os.environ, **environ}
    )
    return {name.partition(".")[0] for name in done.stderr.splitlines()}


HEAVY = {"pydantic", "rich", "networkx", "fabric", "paramiko", "cryptography", "yaml", "structlog", "tenacity"}


@pytest.mark.parametrize("arguments", [["--help"], ["create", "machine", "--help"], ["get", "-h"]])
def test_help_imports_nothing_that_takes_long(arguments: list[str]):
    assert not HEAVY & imported_by(*arguments)


def test_completion_imports_nothing_that_takes_long():
    environ = {"_CCTL_COMPLETE": "complete_bash", "COMP_WORDS": "cctl --state x create machine --", "COMP_CWORD": "5"}
    assert not HEAVY & imported_by(**environ)


def test_completion_knows_commands_and_options():
    def completed(words: str) -> list[str]:
        environ = {"COMP_WORDS": words, "COMP_CWORD": str(words.count(" "))}
        return command(_CCTL_COMPLETE="complete_bash", **environ).stdout.split()

    assert completed("cctl cre") == ["create"]
    assert completed("cctl create ") == ["credential", "cluster", "machine"]
    assert {"--ip", "--role", "--state"} <= set(completed("cctl create machine --"))


def test_help_names_every_command_in_one_line_of_80_columns():
    lines = command("--help").stdout.splitlines()
    for name in COMMANDS:
        assert any(re.match(rf"  {name} +\S", line) for line in lines), name
    start, end = lines.index("Commands:"), lines.index("Options:")
    assert end - start == len(COMMANDS) + 2


@pytest.mark.parametrize("path", PATHS, ids=" ".join)
def test_every_command_has_help(path: tuple[str, ...], capsys: pytest.CaptureFixture[str]):
    assert guarded(cctl(), [*path, "--help"]) == 0
    said = capsys.readouterr().out
    assert "--state FILE" in said.partition("Global options:")[2]
    assert re.findall(r"<[a-z][^>]*>", said) == []  # how Python calls a value, which typer adds of itself


@pytest.mark.parametrize(
    "arguments",
    [
        ["nonsense"],
        ["--nonsense", "version"],
        ["apply"],
        ["plan", "apply"],
        ["deploy"],
        ["deploy", "-f", "web.yaml", "--timeout", "soon"],
        ["deploy", "-f", "web.yaml", "--timeout", "0"],
        ["update", "registry"],
        ["plan", "update", "registry"],
        ["update", "registry", "--registry-username", "puller"],
        ["update", "registry", "--registry-password-file", "nowhere"],
        ["create", "machine", "--role", "master"],
        ["create", "machine", "--ip", "10.0.0.1"],
        ["create", "machine", "--file", "machines.yaml", "--role", "master"],
        ["create", "machine", "--ip", "10.0.0.1", "--ip", "10.0.0.2", "--role", "node", "--name", "n"],
        ["create", "machine", "--ip", "10.0.0.1", "--role", "node", "--uploads", "0"],
        ["create", "cluster", "--vip", "10.0.0.9"],
        ["create", "cluster", "--router-id", "7"],
        ["create", "machine", "--ip", "10.0.0.1", "--role", "king"],
        ["get", "pods"],
        ["resume", "--adopt", "t", "--skip", "t"],
        ["kubeconfig", "--use"],
        ["kubeconfig", "--merge", "--days", "0"],
        ["version", "-o", "name"],
        ["version", "-o", "x"],
        ["create", "cluster", "-o", "wide"],
        ["create", "credential", "--private-key", "k", "-o", "wide"],
        ["kubeconfig", "-o", "json"],
    ],
    ids=" ".join,
)
def test_a_wrong_command_line_is_refused_with_3_and_says_where_help_is(
    arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("CCTL_STATE", str(tmp_path / "state.yaml"))
    assert guarded(cctl(), arguments) == 3
    said = capsys.readouterr()
    assert said.err.startswith("error: ")
    assert re.search(r"what to do: see cctl.* --help", said.err)
    assert not said.out
    assert not list(tmp_path.iterdir())


def test_a_mistyped_command_is_guessed():
    assert "Did you mean 'create'?" in command("creat").stderr


@pytest.mark.parametrize("group", [[], ["plan"], ["plan", "create"], ["create"], ["state", "recipient"]], ids=str)
def test_no_command_shows_plain_help_and_is_no_success(group: list[str]):
    done = command(*group)
    assert done.returncode == 3
    assert "Commands:\n" in done.stderr
    assert "╭" not in done.stderr


@pytest.mark.parametrize(
    "path", [("status",), ("get", "cluster"), ("resume",), ("rollback", "--yes"), ("history",), ("kubeconfig",)]
)
def test_without_a_state_file_a_command_says_so_and_makes_none(
    path: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert guarded(cctl(), [*path, "--state", str(tmp_path / "state.yaml")]) == 3
    said = capsys.readouterr().err
    assert said.startswith("error: there is no state file at")
    assert "what to do:" in said
    assert not (tmp_path / "state.yaml").exists()


def test_global_options_are_taken_before_and_after_the_subcommand(tmp_path: Path):
    first, second = str(tmp_path / "first"), str(tmp_path / "second")
    for arguments in (["--state", first, "get", "cluster"], ["get", "cluster", "--state", first]):
        assert f"no state file at {first}" in command(*arguments).stderr
    assert f"no state file at {second}" in command("--state", first, "get", "cluster", "--state", second).stderr


def test_version_is_text_or_data():
    known = {"klusterkit": "0.1.0", "kubernetes": ["v1.36.3", "v1.37.2"]}
    assert json.loads(command("version", "-o", "json").stdout) == known
    assert command("version").stdout == "KlusterKit 0.1.0, for Kubernetes v1.36.3 and v1.37.2\n"


@pytest.mark.parametrize("program", ["etcdadm", "nodeadm"])
def test_the_other_two_programs_answer_help_and_version(program: str):
    assert command("version", program=program).stdout.startswith("KlusterKit ")
    usage = command("--help", program=program)
    assert usage.returncode == 0
    assert usage.stdout.startswith(f"Usage: {program} ")
    assert command("init", program=program).returncode == 3
