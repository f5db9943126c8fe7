"""What docs/state-file.md tells an operator to type works as it stands there."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from klusterkit.state import IdentityFile, KeySource, Passphrase, StateDamaged, StateFile, lock
from tests.support.debian import installed

DOCUMENT = (Path(__file__).parents[3] / "docs/state-file.md").read_text()
PASSPHRASE = "correct horse battery"


def code(heading: str) -> str:
    found = re.search(rf"^## {heading}\n.*?^```\w+\n(.*?)^```$", DOCUMENT, re.MULTILINE | re.DOTALL)
    assert found is not None
    return found[1]


@pytest.fixture(scope="session")
def age_program() -> None:
    """Debian's age, which is not KlusterKit's own library."""
    installed("age")


def make(path: Path, keys: KeySource) -> None:
    with lock(path, "test") as held:
        state = StateFile.create(path, keys, lock=held)
        state.fold(state.with_secret(state.snapshot, "etcd-ca.key", b"the \xff value\n"))
        state.append({"n": 1}, {"n": 2})


def run_script(tmp_path: Path, *arguments: str | Path, typed: str = "") -> subprocess.CompletedProcess[bytes]:
    script = tmp_path / "open_state.py"
    script.write_text(code("Open it without KlusterKit"))
    # In a session of its own there is no terminal, so getpass reads standard input.
    command = [sys.executable, "-I", script, *arguments]
    return subprocess.run(command, input=typed.encode(), capture_output=True, start_new_session=True, check=False)


def test_the_script_has_about_twenty_lines_and_uses_nothing_of_ours() -> None:
    script = code("Open it without KlusterKit")

    assert len([line for line in script.splitlines() if line]) <= 20
    assert "klusterkit" not in script
    assert "pyrage" not in script


def test_the_script_opens_a_secret_with_an_identity(
    path: Path, keys: IdentityFile, tmp_path: Path, age_program: None
) -> None:
    make(path, keys)

    done = run_script(tmp_path, path, "etcd-ca.key", keys.path)

    assert done.stdout == b"the \xff value\n", done.stderr


def test_the_script_opens_a_secret_as_one_of_several_recipients(
    path: Path, keys: IdentityFile, tmp_path: Path, age_program: None
) -> None:
    made = tmp_path / "age-keygen.txt"
    subprocess.run(["age-keygen", "-o", made], check=True, capture_output=True)
    public = subprocess.run(["age-keygen", "-y", made], check=True, capture_output=True, text=True).stdout.strip()
    with lock(path, "test") as held:
        state = StateFile.create(path, keys, lock=held)
        state.add_recipient(public)
        state.fold(state.with_secret(state.snapshot, "ca", b"value"))

    assert run_script(tmp_path, path, "ca", made).stdout == b"value"
    assert StateFile.load(path, IdentityFile(made)).secret("ca").get_secret_value() == b"value"


def test_the_script_opens_a_secret_with_a_passphrase(path: Path, tmp_path: Path) -> None:
    make(path, Passphrase(lambda _new: PASSPHRASE))

    done = run_script(tmp_path, path, "etcd-ca.key", typed=PASSPHRASE + "\n")

    assert done.stdout == b"the \xff value\n", done.stderr


def test_the_script_opens_nothing_with_the_wrong_key(
    path: Path, keys: IdentityFile, tmp_path: Path, age_program: None
) -> None:
    make(path, keys)
    wrong = IdentityFile(tmp_path / "wrong.txt", make=True)
    StateFile.create(tmp_path / "other.yaml", wrong)

    done = run_script(tmp_path, path, "etcd-ca.key", wrong.path)

    assert done.returncode != 0
    assert done.stdout == b""


def shell(script: str, folder: Path) -> None:
    subprocess.run(["sh", "-eu", "-c", script], cwd=folder, check=True)


def test_an_edit_by_hand_is_accepted_with_its_digest_renewed(path: Path) -> None:
    StateFile.create(path, None)
    path.write_text(path.read_text().replace("versions: {}", "versions: {etcd: 3.6.5}"))
    with pytest.raises(StateDamaged):
        StateFile.load(path)

    shell(code("Editing by hand"), path.parent)

    assert StateFile.load(path).snapshot.versions == {"etcd": "3.6.5"}


def test_the_records_before_a_damaged_one_are_kept(path: Path) -> None:
    with lock(path, "test") as held:
        state = StateFile.create(path, None, lock=held)
        for number in range(1, 31):
            state.append({"number": number})
    data = path.read_bytes()
    path.write_bytes(data.replace(b'"number":17}', b'"number":71}'))
    with pytest.raises(StateDamaged) as raised:
        StateFile.load(path)
    assert raised.value.record == 17

    shell(code("A damaged record"), path.parent)

    assert [record["number"] for record in StateFile.load(path).records] == list(range(1, 17))
    assert path.with_name("cctl-state.yaml.damaged").read_bytes().count(b"number") == 30
    assert path.stat().st_mode & 0o077 == 0


def test_the_fields_in_the_documentation_are_those_of_the_file(path: Path) -> None:
    snapshot = StateFile.create(path, None).snapshot.document()
    rows = re.findall(r"^\| ((?:`\w+`(?:, )?)+) \|", DOCUMENT, re.MULTILINE)
    documented = [name for row in rows for name in re.findall(r"`(\w+)`", row)]

    assert sorted(documented) == sorted(snapshot)


def test_jq_reads_the_journal_as_documented(path: Path, keys: KeySource) -> None:
    import json

    make(path, keys)
    lines = subprocess.run(["sed", "-n", "s/^--- //p", path], capture_output=True, text=True, check=True).stdout

    assert [json.loads(line)["record"] for line in lines.splitlines()] == [{"n": 1}, {"n": 2}]
