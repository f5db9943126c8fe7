import shutil
from pathlib import Path

import pytest

from tests.unit.cli.laptop import Operator


@pytest.fixture(name="operator")
def _operator(tmp_path: Path) -> Operator:
    return Operator(tmp_path)


@pytest.fixture(name="prepared", scope="module")
def _prepared(tmp_path_factory: pytest.TempPathFactory) -> Operator:
    operator = Operator(tmp_path_factory.mktemp("operator"))
    operator.cctl("create", "credential", "--user", "root", "--private-key", "~/id")
    operator.cctl("create", "cluster", "--pod-network", "192.168.0.0/16", "--service-network", "192.169.0.0/24")
    return operator


@pytest.fixture(name="begun")
def _begun(prepared: Operator, tmp_path: Path) -> Operator:
    """An operator with a credential and a cluster."""
    shutil.copytree(prepared.home, tmp_path, dirs_exist_ok=True)
    return Operator(tmp_path)
