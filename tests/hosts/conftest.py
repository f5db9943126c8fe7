import os
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from bad_input import Site, laptop
from private_host import PrivateHost

from tests.support.lab import Lab


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


@pytest.fixture(scope="session")
def site(tmp_path_factory):
    """A lab host that nothing may change. Tests leave it as it was."""
    lab = Lab(f"bad-input-{os.getpid()}")
    try:
        yield Site(lab, tmp_path_factory.mktemp("prepared"))
    finally:
        lab("down", "--all", check=False)


@pytest.fixture
def operator(site, tmp_path):
    """An operator who has kept the credential and described the cluster."""
    return laptop(site, tmp_path / "laptop")
