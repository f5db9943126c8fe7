"""The command line itself: help, options, errors, exit codes."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from typer.core import TyperGroup

import klusterkit.cluster.errors
import klusterkit.engine.errors
import klusterkit.engine.runner
import klusterkit.pki.errors
import klusterkit.session.errors
import klusterkit.state.errors
from klusterkit.cli.cctl import COMMANDS
from klusterkit.cli.exit_codes import ExitCode
from klusterkit.cli.guard import exit_code_of, guarded
from klusterkit.cli.lazy import names
from klusterkit.cli.machine import MachineOptions
from klusterkit.cli.options import Common, Output, flattened

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
def test_every_command_has_help(path: tuple[str, ...]):
    done = command(*path, "--help")
    assert done.returncode == 0
    assert "--state FILE" in done.stdout.partition("Global options:")[2]


def test_exit_codes_in_the_documentation_are_those_in_the_code():
    rows = re.findall(r"^\| (\d+) \| (\w+) \|", (ROOT / "docs/exit-codes.md").read_text(), re.MULTILINE)
    names = {
        "done",
        "error",
        "changes",
        "usage",
        "locked",
        "unreachable",
        "resumable",
        "decision",
        "drift",
        "interrupted",
    }
    assert {name for _, name in rows} == names
    assert [(int(code), name.upper()) for code, name in rows] == [(code.value, code.name) for code in ExitCode]


def every_error() -> list[type[Exception]]:
    roots: list[type[Exception]] = [
        klusterkit.engine.errors.KlusterKitError,
        klusterkit.state.errors.StateError,
        klusterkit.cluster.errors.InvalidCluster,
        klusterkit.pki.errors.PKIError,
    ]
    for root in roots:
        roots.extend(kind for kind in root.__subclasses__() if kind not in roots)
    return roots


@pytest.mark.parametrize("kind", every_error(), ids=lambda kind: kind.__name__)
def test_every_error_has_an_exit_code_of_the_table(kind: type[Exception]):
    error = kind.__new__(kind)
    error.message = error.hint = "x"  # type: ignore[attr-defined]
    assert exit_code_of(error) in set(ExitCode)


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        (klusterkit.engine.errors.UsageError, ExitCode.USAGE),
        (klusterkit.engine.errors.HostLocked, ExitCode.LOCKED),
        (klusterkit.engine.errors.HostUnreachable, ExitCode.UNREACHABLE),
        (klusterkit.engine.errors.HostRefused, ExitCode.UNREACHABLE),
        (klusterkit.engine.errors.DecisionNeeded, ExitCode.DECISION),
        (klusterkit.engine.errors.VerificationFailed, ExitCode.DRIFT),
        (klusterkit.engine.errors.CommandFailed, ExitCode.ERROR),
        (klusterkit.session.errors.RunInProgress, ExitCode.RESUMABLE),
        (klusterkit.engine.runner.PointOfNoReturn, ExitCode.RESUMABLE),
    ],
)
def test_errors_that_end_a_command_have_their_own_exit_codes(kind: type[Exception], code: ExitCode):
    assert exit_code_of(kind("x")) == code


def test_an_invalid_description_is_a_usage_error():
    assert exit_code_of(klusterkit.cluster.errors.InvalidCluster("x")) == ExitCode.USAGE


@pytest.mark.parametrize(
    "arguments",
    [
        ["nonsense"],
        ["--nonsense", "version"],
        ["apply"],
        ["create", "machine", "--role", "master"],
        ["create", "machine", "--ip", "10.0.0.1", "--role", "king"],
        ["get", "pods"],
        ["resume", "--adopt", "t", "--skip", "t"],
        ["version", "-o", "name"],
        ["version", "-o", "x"],
    ],
    ids=" ".join,
)
def test_a_wrong_command_line_is_refused_with_3_and_says_where_help_is(arguments: list[str], tmp_path: Path):
    done = command(*arguments, CCTL_STATE=str(tmp_path / "state.yaml"))
    assert done.returncode == 3
    assert done.stderr.startswith("error: ")
    assert re.search(r"what to do: see cctl.* --help", done.stderr)
    assert not done.stdout
    assert not list(tmp_path.iterdir())


def test_a_mistyped_command_is_guessed():
    assert "Did you mean 'create'?" in command("creat").stderr


def test_no_command_shows_help_and_is_no_success():
    done = command()
    assert done.returncode == 3
    assert "Commands:" in done.stderr


@pytest.mark.parametrize(
    "path", [("status",), ("get", "cluster"), ("resume",), ("rollback",), ("history",), ("kubeconfig",)]
)
def test_without_a_state_file_a_command_says_so_and_makes_none(path: tuple[str, ...], tmp_path: Path):
    done = command(*path, "--state", str(tmp_path / "state.yaml"), HOME=str(tmp_path))
    assert done.returncode == 3
    assert done.stderr.startswith("error: there is no state file at")
    assert "what to do:" in done.stderr
    assert not (tmp_path / "state.yaml").exists()
    assert "Traceback" not in done.stderr


def test_global_options_are_taken_before_and_after_the_subcommand(tmp_path: Path):
    first, second = str(tmp_path / "first"), str(tmp_path / "second")
    for arguments in (["--state", first, "get", "cluster"], ["get", "cluster", "--state", first]):
        assert f"no state file at {first}" in command(*arguments).stderr
    assert f"no state file at {second}" in command("--state", first, "get", "cluster", "--state", second).stderr


def test_what_is_said_later_counts_and_the_rest_stays():
    earlier = Common(state=Path("a"), mirror="m", yes=True)
    assert Common(state=Path("b")).over(earlier) == Common(state=Path("b"), mirror="m", yes=True)
    assert Common(state=Path("b")).over(None) == Common(state=Path("b"))


def raising(error: BaseException) -> TyperGroup:
    """A command line whose only command raises this."""
    app = typer.Typer(add_completion=False, rich_markup_mode=None)

    @app.callback()
    def root() -> None: ...

    @app.command()
    def fail(debug: bool = False) -> None:
        raise error

    group = typer.main.get_command(app)
    assert isinstance(group, TyperGroup)
    return group


def test_a_bug_is_words_and_a_traceback_only_with_debug(capsys: pytest.CaptureFixture[str]):
    assert guarded(raising(KeyError("x")), ["fail"]) == ExitCode.ERROR
    quiet = capsys.readouterr().err
    assert "error: KeyError: 'x'" in quiet
    assert "bug in KlusterKit" in quiet
    assert "Traceback" not in quiet
    assert guarded(raising(KeyError("x")), ["fail", "--debug"]) == ExitCode.ERROR
    assert "Traceback" in capsys.readouterr().err


def test_errors_of_the_system_name_their_file(capsys: pytest.CaptureFixture[str]):
    assert guarded(raising(PermissionError(13, "Permission denied", "/etc/x")), ["fail"]) == ExitCode.ERROR
    assert capsys.readouterr().err.split() == ["error:", "Permission", "denied", "where:", "/etc/x"]


def test_all_reasons_of_a_refusal_are_listed(capsys: pytest.CaptureFixture[str]):
    reasons = [
        klusterkit.engine.errors.UsageError("swap is on", host="m1", hint="swapoff -a"),
        klusterkit.engine.errors.UsageError("port 6443 is taken", host="m1", seen="nginx"),
    ]
    refused = klusterkit.session.errors.Refused("m1 can't be used", reasons)
    assert guarded(raising(refused), ["fail"]) == ExitCode.USAGE
    said = capsys.readouterr().err
    for words in ("error: m1 can't be used", "1. swap is on", "swapoff -a", "2. port 6443 is taken", "nginx"):
        assert words in said


def test_state_errors_say_their_place(capsys: pytest.CaptureFixture[str]):
    error = klusterkit.state.errors.StateDamaged("record 17 was changed", where="x, record 17", hint="y", record=17)
    assert guarded(raising(error), ["fail"]) == ExitCode.ERROR
    said = capsys.readouterr().err
    assert "where:      x, record 17" in said
    assert "what to do: y" in said


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


def test_a_dataclass_of_options_stands_for_its_fields_wherever_it_is_used():
    def one(machine: MachineOptions, common: Common) -> None: ...

    def other(machine: MachineOptions, common: Common, out: str = "") -> None: ...

    first, second = (flattened(each).__annotations__ for each in (one, other))
    assert set(second) - set(first) == {"out"}
    assert {"ip", "role", "state", "output"} <= set(first)


def machine(**options: object) -> MachineOptions:
    return MachineOptions(**{"ip": ["10.0.0.5"], "role": "master", **options})  # type: ignore[arg-type]


def test_labels_are_pairs_and_others_are_refused():
    assert machine(label=["a=b", "c=", "d=e=f"]).wanted()["labels"] == {"a": "b", "c": "", "d": "e=f"}
    with pytest.raises(typer.BadParameter, match="KEY=VALUE"):
        machine(label=["nonsense"]).wanted()


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
    settings = machine(public_keys=[f"{public[0]},{scanned}"]).settings(Common(host_key=["SHA256:x"]))
    assert settings.host_keys == ("SHA256:x", *shown)


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
