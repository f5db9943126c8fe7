import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from private_host import PrivateHost


@pytest.fixture(scope="session")
def private_host(tmp_path_factory):
    """A host that tests share: they leave it as it was, but for files of their own."""
    host = PrivateHost(tmp_path_factory.mktemp("host"))
    yield host
    host.power_off()


@pytest.fixture
def own_host(tmp_path):
    """A host for one test, to be broken."""
    host = PrivateHost(tmp_path / "host")
    yield host
    host.power_off()
