"""Who opens the state file: said, changed, and sealed anew from the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from klusterkit.state import IdentityFile, KeySource, StateFile, StateKeyMissing
from klusterkit.state import age as age_keys
from tests.unit.cli.laptop import STRANGER, Operator


def recipients(operator: Operator) -> list[str]:
    return operator.cctl("state", "recipient", "list").stdout.splitlines()


def opened(operator: Operator, keys: KeySource) -> bytes:
    state = StateFile.load(operator.home / "cctl-state.yaml", keys)
    return state.secret("ssh-credential.key").get_secret_value()


def own(operator: Operator) -> IdentityFile:
    return IdentityFile(operator.home / ".config/klusterkit/identity.txt")


@pytest.fixture(name="colleague")
def _colleague(tmp_path: Path) -> tuple[IdentityFile, str]:
    """Somebody else's identity, and its public key."""
    secret, public = age_keys.generate()
    path = tmp_path / "colleague.txt"
    path.touch(mode=0o600)
    path.write_text(f"{secret}\n")
    return IdentityFile(path), public


def test_a_recipient_that_was_added_opens_the_state_file(begun: Operator, colleague: tuple[IdentityFile, str]):
    keys, public = colleague
    begun.cctl("state", "recipient", "add", public)
    assert len(recipients(begun)) == 2
    assert public in recipients(begun)
    assert opened(begun, keys) == opened(begun, own(begun))


def test_a_recipient_that_was_removed_opens_it_no_longer(begun: Operator, colleague: tuple[IdentityFile, str]):
    keys, public = colleague
    begun.cctl("state", "recipient", "add", public)
    begun.cctl("state", "recipient", "remove", public)
    assert public not in recipients(begun)
    with pytest.raises(StateKeyMissing):
        opened(begun, keys)


@pytest.mark.parametrize("command", ["add", "remove"])
def test_what_is_no_recipient_is_refused_and_the_state_stays(begun: Operator, command: str):
    before = (begun.home / "cctl-state.yaml").read_bytes()
    said = begun.cctl("state", "recipient", command, "age1nobody", code=3).stderr
    assert "what to do: " in said
    assert (begun.home / "cctl-state.yaml").read_bytes() == before


def test_the_last_recipient_stays(begun: Operator):
    (last,) = recipients(begun)
    said = begun.cctl("state", "recipient", "remove", last, code=3).stderr
    assert "the only one" in " ".join(said.split())
    assert recipients(begun) == [last]


def test_rekeying_seals_every_secret_anew_for_the_same_recipients(begun: Operator, colleague: tuple[IdentityFile, str]):
    keys, public = colleague
    begun.cctl("state", "recipient", "add", public)
    before = StateFile.load(begun.home / "cctl-state.yaml").snapshot
    assert "anew" in begun.cctl("state", "rekey").stdout
    after = StateFile.load(begun.home / "cctl-state.yaml").snapshot
    assert set(after.encryption.recipients) == set(before.encryption.recipients)
    assert len(after.encryption.wraps) == 2
    assert after.secrets.keys() == before.secrets.keys()
    assert not set(map(str, after.secrets.values())) & set(map(str, before.secrets.values()))
    assert opened(begun, keys) == opened(begun, own(begun))


def test_rekeying_encrypts_a_state_file_in_plain_text(operator: Operator):
    operator.cctl("--insecure-plaintext-state", "create", "credential", "--private-key", "id")
    assert json.loads(operator.cctl("state", "recipient", "list", "-o", "json").stdout)["mode"] == "plaintext"
    assert "note: made a key:" in operator.cctl("state", "rekey").stderr
    assert "PLAIN TEXT" not in operator.cctl("get", "credential").stderr
    assert len(recipients(operator)) == 1


def test_a_passphrase_file_stays_a_way_in_when_a_recipient_goes(operator: Operator):
    (operator.home / "passphrase").write_text("correct horse battery staple\n")
    with_passphrase = {"KLUSTERKIT_PASSPHRASE_FILE": "passphrase"}
    operator.cctl("create", "credential", "--private-key", "id", "--recipient", STRANGER, **with_passphrase)
    operator.cctl("state", "recipient", "remove", STRANGER, **with_passphrase)
    shown = json.loads(operator.cctl("state", "recipient", "list", "-o", "json").stdout)
    assert shown == {"mode": "sealed", "recipients": [], "passphrase": True}
    operator.cctl("create", "cluster", **with_passphrase)
