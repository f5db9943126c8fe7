from collections.abc import Iterator
from pathlib import Path

import pytest

from klusterkit.state import IdentityFile, KeySource, Lock, StateFile, lock


@pytest.fixture
def path(tmp_path: Path) -> Path:
    folder = tmp_path / "cluster"
    folder.mkdir()
    return folder / "cctl-state.yaml"


@pytest.fixture
def keys(tmp_path: Path) -> KeySource:
    return IdentityFile(tmp_path / "keys" / "identity.txt", make=True)


@pytest.fixture
def held(path: Path) -> Iterator[Lock]:
    with lock(path, "test") as held:
        yield held


@pytest.fixture
def state(path: Path, keys: KeySource, held: Lock) -> StateFile:
    return StateFile.create(path, keys, lock=held)
