"""An operator's state file with a cluster in it, opened as commands open it; no host is there."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from klusterkit.cluster import Endpoint, Machine
from klusterkit.session.hold import Hold, open_hold
from klusterkit.session.objects import WantedCluster, create_cluster, create_credential
from klusterkit.session.settings import Settings

Opened = Callable[[], AbstractContextManager[Hold]]

MACHINES = (
    Machine.of(name="10.0.0.5", address="10.0.0.5", roles="master", node_name="m1", version="1.36.3"),
    Machine.of(name="w1", address="10.0.0.6", roles="node", node_name="w1", version="1.36.3", labels={"disk": "ssd"}),
)


@pytest.fixture(scope="session")
def key_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("ssh") / "id"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", path], check=True)
    return path


@pytest.fixture(scope="session")
def made_home(tmp_path_factory: pytest.TempPathFactory, key_file: Path) -> Path:
    """A home with the state file of a cluster of a master and a worker."""
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(home))
        with open_hold(_settings(home), write="test", create=True) as hold:
            create_credential(hold, "root", key_file, None)
            networks = {"pod_network": "192.168.0.0/16", "service_network": "192.169.0.0/24"}
            cluster = create_cluster(hold, WantedCluster(**networks, kubernetes_version="1.36.3"))
            placed = cluster.replace(endpoint=Endpoint(host="10.0.0.5"))
            objects = {"cluster": placed.to_object(), "machines": [machine.to_object() for machine in MACHINES]}
            hold.state.fold(hold.snapshot.model_copy(update=objects))
    return home


@pytest.fixture
def home(tmp_path: Path, made_home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("KUBECONFIG", "XDG_CONFIG_HOME", "KLUSTERKIT_IDENTITY_FILE", "KLUSTERKIT_PASSPHRASE_FILE"):
        monkeypatch.delenv(name, raising=False)
    shutil.copytree(made_home, tmp_path, dirs_exist_ok=True)
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


@pytest.fixture
def opened(home: Path) -> Opened:
    """Opens the state file for a command that writes."""

    @contextmanager
    def open_it() -> Generator[Hold]:
        with open_hold(_settings(home), write="test") as hold:
            yield hold

    return open_it


def _settings(home: Path) -> Settings:
    return Settings.from_environment(state=home / "cctl-state.yaml")
