"""``scripts/side_by_side.py`` in a project whose tests are few and small."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PROGRAM = """
import sys
from pathlib import Path
sys.path.insert(0, "scripts")
import side_by_side
side_by_side.INSTANCES = Path("instances")
sys.exit(side_by_side.main())
"""
WAIT = """
import time
from pathlib import Path

def until(file):
    end = time.monotonic() + 300
    while not Path(file).exists():
        assert time.monotonic() < end
        time.sleep(0.02)
"""
RUN = {"clusters": "1", "commands": "4", "hosts": "2", "simulation": "1", "unit": "1"}
"""How many tests each part has here: one of each folder."""
A_HOST = f"""{WAIT}
import pytest

@pytest.fixture
def host():
    try:
        Path("PART.host").touch()
        yield
    finally:
        time.sleep(1)  # as hosts take a while to go
        Path("PART.host").unlink()

def test_it(host): until("never")
"""


class Project:
    """Its files, and what runs its tests."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.proof = root / "docs/proof.md"
        self._hosts = 0
        for folder in ("scripts", "docs", "tests", "instances"):
            (root / folder).mkdir()
        shutil.copy(ROOT / "scripts/side_by_side.py", root / "scripts")
        shutil.copy(ROOT / "tests/conftest.py", root / "tests")
        (root / ".venv").symlink_to(sys.prefix)
        (root / "pytest.ini").write_text("[pytest]\nmarkers = sweep\n")
        self.proof.write_text("of the last time")
        apart = (f"unit/{each}" for each in ("cli", "engine", "hosts", "scripts"))
        for part in ("cluster", "hosts", "lab", "simulation", "unit", *apart):
            (root / "tests" / part).mkdir()
            self.has(part, "def test_it(): pass")

    def has(self, part: str, tests: str) -> None:
        """The same ones in every run and in the sweep."""
        self._hosts += tests is A_HOST
        text, name, folder = tests.replace("PART", part), part.replace("/", "_"), self.root / "tests" / part
        (folder / f"test_{name}.py").write_text(text)
        (folder / f"test_swept_{name}.py").write_text(f"{text}\nimport pytest\npytestmark = pytest.mark.sweep\n")

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """As from a terminal of its own."""
        program = [sys.executable, "-c", PROGRAM, *arguments]
        return subprocess.Popen(
            program, cwd=self.root, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
        )

    def run(self, *arguments: str) -> tuple[int, str]:
        """To its end: its exit code, and what it said."""
        process = self.start(*arguments)
        said, _ = process.communicate(timeout=300)
        return process.returncode, said

    def hosts(self) -> list[Path]:
        return list(self.root.glob("*.host"))

    def stop_amid(self, *arguments: str, tell: Callable[[int, int], None], asked: int) -> tuple[int, str]:
        """Once all hosts are there."""
        process, end = self.start(*arguments), time.monotonic() + 300
        while len(self.hosts()) < self._hosts:
            assert time.monotonic() < end
            time.sleep(0.02)
        for _ in range(2):  # an impatient hand, or `timeout` and make, which both tell
            tell(process.pid, asked)
            time.sleep(0.3)
        said, _ = process.communicate(timeout=300)
        return process.returncode, said


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


def test_all_parts_pass(project: Project) -> None:
    code, said = project.run()
    last = said.splitlines()[-1]
    assert code == 0
    assert sorted(last.split("; ")) == [f"{part}: passed" for part in RUN]
    assert dict(re.findall(r"(\w+) +\| =+ (\d+) passed", said)) == RUN, "each once"


def test_the_exit_code_is_that_of_the_part_that_was_the_first_to_fail(project: Project) -> None:
    project.has(
        "cluster",
        f"{WAIT}\nimport pytest\ndef test_it(): until('the-last-began'); pytest.exit('no more', returncode=7)",
    )
    project.has("hosts", "def test_it(): assert False")
    project.has("unit", "from pathlib import Path\ndef test_it(): Path('the-last-began').touch()")
    code, said = project.run()
    assert code == 1
    assert "clusters: exit code 7" in said
    assert "unit: passed" in said


def test_parts_that_cannot_be_started_have_not_passed(project: Project) -> None:
    (project.root / ".venv").unlink()
    assert project.run()[0] != 0


def test_what_fails_is_told_while_the_others_still_run(project: Project) -> None:
    project.has("cluster", f"{WAIT}\ndef test_first(): assert False\ndef test_second(): until('first-was-told')")
    process = project.start()
    assert process.stdout
    assert any("::test_first FAILED" in line for line in process.stdout)
    (project.root / "first-was-told").touch()
    said, _ = process.communicate(timeout=300)
    assert "1 failed, 1 passed" in said


def test_what_has_failed_is_told_again_at_the_end(project: Project) -> None:
    project.has("cluster", "def test_it(): assert 'this' == 'that'")
    project.has("unit", "import pytest\n@pytest.fixture\ndef host(): raise OSError('gone')\ndef test_it(host): pass")
    project.has("simulation", "import nothing_that_there_is")
    _, said = project.run()
    *told, last = said.splitlines()[-5:]
    assert {*told} == {
        "FAILED tests/cluster/test_cluster.py::test_it - AssertionError: assert 'this' == 'that'",
        "ERROR tests/unit/test_unit.py::test_it - OSError: gone",
        "ERROR tests/simulation/test_simulation.py",
        "ERROR tests/simulation/test_swept_simulation.py",
    }
    assert "unit: exit code 1" in last


def test_what_was_kept_of_the_last_time_may_be_damaged(project: Project) -> None:
    (project.root / "build").mkdir()
    (project.root / "build/took-tests-unit.json").write_text('{"tests/unit/test_unit.py::test_')
    assert project.run()[0] == 0


@pytest.mark.parametrize(
    ("tell", "asked"),
    [
        (os.kill, signal.SIGINT),
        (os.kill, signal.SIGTERM),
        (os.killpg, signal.SIGINT),  # as a terminal does
        (os.killpg, signal.SIGHUP),
    ],
)
def test_stopped_it_waits_until_each_part_has_taken_down_its_hosts(
    project: Project, tell: Callable[[int, int], None], asked: signal.Signals
) -> None:
    for part in ("cluster", "hosts", "simulation"):
        project.has(part, A_HOST)
    code, said = project.stop_amid(tell=tell, asked=asked)
    assert code == 130
    assert not project.hosts()
    if asked != signal.SIGHUP:  # nobody reads what is told then
        assert "clusters: exit code 2" in said
        assert "unit: exit code 130" in said


def test_a_sweep_writes_one_page_of_the_tables_of_all_parts(project: Project) -> None:
    project.has("simulation", "def test_that_it_holds(): assert False")
    code, _ = project.run("sweep")
    page = project.proof.read_text()
    assert code == 1
    assert "| it | shown | " in page
    assert "| that it holds | 1 failed | " in page
    assert "of the last time" not in page
    assert str(project.root) not in page


def test_a_sweep_leaves_the_page_when_a_part_has_left_no_table(project: Project) -> None:
    project.has("simulation", "import os\ndef test_it(): os._exit(1)")
    code, said = project.run("sweep")
    assert code == 1
    assert project.proof.read_text() == "of the last time"
    assert "proof.md is left as it was: simulation came to no end" in said


def test_a_sweep_leaves_the_page_when_it_is_interrupted(project: Project) -> None:
    project.has("cluster", A_HOST)
    project.has("simulation", A_HOST)
    code, said = project.stop_amid("sweep", tell=os.kill, asked=signal.SIGINT)
    assert code == 2
    assert project.proof.read_text() == "of the last time"
    assert "clusters and simulation came to no end" in said


LEAVES_HOSTS = "import os\ndef test_it(): os.mkdir(f'instances/PART-{os.getpid()}')"


def test_hosts_that_a_part_has_left_are_told_and_make_it_fail(project: Project) -> None:
    project.has("unit", LEAVES_HOSTS)
    project.has("lab", LEAVES_HOSTS.replace("()}", "()}-0"))
    code, said = project.run()
    left = [path.name for path in (project.root / "instances").iterdir()]
    assert code == 1
    assert len(left) == 2
    for instance in left:
        assert f"{instance}: its hosts are left; `lab/lab --instance {instance} down --all` ends them" in said


def test_hosts_that_others_make_meanwhile_are_theirs(project: Project) -> None:
    project.has("unit", LEAVES_HOSTS.replace("getpid", "getppid"))
    project.has("lab", LEAVES_HOSTS.replace("{os.getpid()}", "5ab12c"))
    code, said = project.run()
    assert len(list((project.root / "instances").iterdir())) == 2
    assert (code, "are left" in said) == (0, False)


def test_hosts_that_were_there_before_are_theirs_who_made_them(project: Project) -> None:
    for process in range(os.getpid(), os.getpid() + 5000):  # those of the parts will be among them
        (project.root / f"instances/unit-{process}").mkdir()
    code, said = project.run()
    assert (code, "are left" in said) == (0, False)
