"""The instance's file of host keys, while several hosts are made side by side."""

from __future__ import annotations

from pathlib import Path

import pytest
from kklab import places
from kklab.hosts.instance import HostRecord, Instance


@pytest.fixture
def instance(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Instance:
    monkeypatch.setattr(places, "STATE", tmp_path)
    instance = Instance("keys")
    instance.known_hosts.parent.mkdir(parents=True)
    for name, address in (("m1", "10.0.0.11"), ("m2", "10.0.0.12")):
        (instance.hosts_folder / name / "identity").mkdir(parents=True)
        instance.save(HostRecord(name, address))
    return instance


def test_a_host_whose_key_is_just_being_made_is_left_out(instance: Instance) -> None:
    made, making = (instance.hosts_folder / name / "identity" for name in ("m1", "m2"))
    (made / "ssh_host_ed25519_key.pub").write_text("ssh-ed25519 AAAAkey m1\n")
    (made / "machine-id").write_text("1\n")
    (making / "ssh_host_ed25519_key.pub").touch()

    instance.write_known_hosts()

    assert instance.known_hosts.read_text() == "10.0.0.11 ssh-ed25519 AAAAkey\n"
