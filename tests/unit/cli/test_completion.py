"""What a shell is told at the tab key: commands, options, and names out of the state file."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from klusterkit.cli.cctl import COMMANDS, cctl
from klusterkit.cli.guard import guarded
from klusterkit.cli.kinds import KINDS
from klusterkit.cluster import Cluster, Machine
from klusterkit.engine.journal import Journal, Record
from klusterkit.engine.plan import Plan, Task
from klusterkit.state import StateFile, lock
from klusterkit.tasks.files import TextFile

PROGRAM = "from klusterkit.cli.cctl import main; main()"
MACHINES = [
    Machine.of(name="10.0.0.5", address="10.0.0.5", roles="master"),
    Machine.of(name="w1", address="10.0.0.6", roles="node"),
]


class Keyboard:
    """A folder with a state file, and somebody who presses the tab key there."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        with lock(self.state, "test") as held:
            state = StateFile.create(self.state, None, lock=held)
            cluster = Cluster.of(pod_network="192.168.0.0/16", service_network="192.169.0.0/24")
            objects = {"cluster": cluster.to_object(), "machines": [machine.to_object() for machine in MACHINES]}
            runs = [{"name": "20260101T000000-aaaa", "operation": "create machine", "outcome": "done", "timing": {}}]
            state.fold(state.snapshot.model_copy(update={**objects, "runs": runs}))

    @property
    def state(self) -> Path:
        return self.folder / "cctl-state.yaml"

    def tab(self, line: str) -> list[str]:
        words = line.split(" ")
        environment = {
            **os.environ,
            "_CCTL_COMPLETE": "complete_bash",
            "COMP_WORDS": line,
            "COMP_CWORD": str(len(words) - 1),
        }
        command = [sys.executable, "-c", PROGRAM]
        done = subprocess.run(command, cwd=self.folder, env=environment, capture_output=True, text=True, timeout=60)
        assert done.stderr == ""
        return done.stdout.split()


@pytest.fixture(name="keyboard")
def _keyboard(tmp_path: Path) -> Keyboard:
    return Keyboard(tmp_path)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("cctl un", ["unlock"]),
        ("cctl create ", ["credential", "cluster", "machine"]),
        ("cctl create machine --ro", ["--role"]),
        ("cctl create machine --role ", ["master", "node", "worker"]),
        ("cctl get ", [*KINDS, "all"]),
        ("cctl get run", ["run"]),
        ("cctl get run ", ["20260101T000000-aaaa"]),
        ("cctl get runs/2026", ["runs/20260101T000000-aaaa"]),
        ("cctl get ma", ["machine"]),
        ("cctl get machine ", ["10.0.0.5", "w1"]),
        ("cctl get machine/w", ["machine/w1"]),
        ("cctl get machine --ip 10.0.0.", ["10.0.0.5", "10.0.0.6"]),
        ("cctl get cluster ", []),
        ("cctl ssh ", ["10.0.0.5", "w1"]),
        ("cctl ssh w", ["w1"]),
        ("cctl delete machine w", ["w1"]),
        ("cctl history --run ", ["20260101T000000-aaaa"]),
        ("cctl --state nowhere ssh ", []),
    ],
)
def test_what_fits_is_offered(keyboard: Keyboard, line: str, words: list[str]) -> None:
    assert keyboard.tab(line) == words


def test_tasks_that_can_be_decided_about_are_offered(keyboard: Keyboard) -> None:
    steps = {name: TextFile(path=f"/{name}", content="") for name in ("done", "cut", "later")}
    tasks = tuple(Task(id=f"m1/{name}", host="m1", step=step) for name, step in steps.items())
    with lock(keyboard.state, "test") as held:
        state = StateFile.load(keyboard.state, lock=held)
        plan = Plan(operation="test", lineage=state.snapshot.lineage, serial=state.snapshot.serial, tasks=tasks)
        journal = Journal.open(state, plan, run="r", who="somebody")
        for task in ("m1/done", "m1/cut"):
            journal.write(Record(record="begin", at=1.0, task=task, attempt=1, before={}))
        journal.write(Record(record="end", at=2.0, task="m1/done"))

    assert keyboard.tab("cctl resume --retry ") == ["m1/cut"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_there_is_a_script_for_each_shell(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert guarded(cctl(), ["completion", shell]) == 0
    assert f"_CCTL_COMPLETE=complete_{shell}" in capsys.readouterr().out


def test_the_script_makes_bash_complete(keyboard: Keyboard, capsys: pytest.CaptureFixture[str]) -> None:
    assert guarded(cctl(), ["completion", "bash"]) == 0
    program = keyboard.folder / "cctl"
    program.write_text(f"#!{sys.executable}\n{PROGRAM}\n")
    program.chmod(0o755)
    press = "COMP_WORDS=(cctl s); COMP_CWORD=1; _cctl_completion cctl s cctl; echo ${COMPREPLY[@]}"
    script = f"PATH={keyboard.folder}:$PATH\n{capsys.readouterr().out}\n{press}"
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, timeout=60, cwd=keyboard.folder)

    assert done.stderr == ""
    assert done.stdout.split() == [name for name in COMMANDS if name.startswith("s")]
