"""Without a terminal and ``--yes``, what is wrong with a command is told first, then that nobody can be asked."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from klusterkit.cli.etcdadm import etcdadm
from klusterkit.cli.guard import guarded
from tests.unit.cli.laptop import Operator

UNASKED = "there is no terminal to ask on"
NOWHERE = "198.51.100.7"
"""An address that nobody has (RFC 5737)."""
MACHINE = f"create machine --ip {NOWHERE} --role node"


@pytest.fixture(name="host")
def _host() -> Iterator[socket.socket]:
    """Something that listens where the sshd of a host would, or of one that others are reached through."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.setblocking(False)
        yield listening


def met(host: socket.socket) -> bool:
    try:
        host.accept()
    except BlockingIOError:
        return False
    return True


@pytest.mark.parametrize("command", [f"{MACHINE[:-4]}master", "delete cluster --confirm cctl-cluster", "rollback"])
def test_a_missing_state_file_is_told_first(operator: Operator, command: str) -> None:
    said = operator.cctl(*command.split(), code=3).stderr

    assert "there is no state file" in said
    assert UNASKED not in said
    assert not list(operator.home.glob("cctl-state*"))


def test_a_missing_credential_is_told_first(operator: Operator) -> None:
    operator.cctl("create", "cluster", "--pod-network", "192.168.0.0/16", "--service-network", "192.169.0.0/24")

    said = operator.cctl(*MACHINE.split(), code=3).stderr

    assert "has no credential yet" in said
    assert UNASKED not in said


@pytest.mark.parametrize(
    ("command", "told"),
    [
        (MACHINE, "has no master"),
        ("create machine --ip 192.168.0.5 --role master", "192.168.0.0/16"),
        (f"{MACHINE} --label node-role.kubernetes.io/worker=", "may not give its node the label"),
        (f"{MACHINE} -o yaml", "this command has no -o yaml"),
        (f"create machine --ip {NOWHERE} --role master --ssh-jump a@b@:x", "names no host"),
        ("delete machine w1", "the cluster has no machine w1"),
        ("delete cluster --confirm other", "--confirm cctl-cluster"),
        ("bundle push", "no bundle is named"),
        ("bundle push none.tar --ip 10.0.0.300", "'10.0.0.300' is not an IP address"),
        ("update registry --registry-ca none.pem", "runs from no private registry"),
        ("apply -f none.yaml", "No such file"),
        ("unlock --host w1", "there is no machine 'w1'"),
    ],
)
def test_what_is_wrong_with_the_command_is_told_first(begun: Operator, command: str, told: str) -> None:
    said = " ".join(begun.cctl(*command.split(), code=3).stderr.split())

    assert told in said
    assert UNASKED not in said


def test_what_is_as_it_is_asked_for_needs_no_answer(begun: Operator) -> None:
    (begun.home / "objects.yaml").write_text(begun.cctl("get", "cluster", "-o", "yaml").stdout)

    assert "Nothing to do" in begun.cctl("apply", "-f", "objects.yaml").stderr


@pytest.mark.parametrize("command", [f"create machine --ip {NOWHERE} --role master", f"unlock --host {NOWHERE}"])
def test_then_that_nobody_can_be_asked_before_any_host_is_met(
    begun: Operator, host: socket.socket, command: str
) -> None:
    before = (begun.home / "cctl-state.yaml").read_bytes()

    said = begun.cctl(*command.split(), "--ssh-jump", f"127.0.0.1:{host.getsockname()[1]}", code=3).stderr

    assert UNASKED in said
    assert "--yes" in said
    assert not met(host)
    assert (begun.home / "cctl-state.yaml").read_bytes() == before


def test_a_cluster_without_machines_does_not_end_unasked(begun: Operator) -> None:
    assert UNASKED in begun.cctl("delete", "cluster", "--confirm", "cctl-cluster", code=3).stderr
    assert "cctl-cluster" in begun.cctl("get", "cluster").stdout


def test_a_registry_is_not_asked_for_what_nobody_can_agree_to(operator: Operator) -> None:
    operator.cctl("create", "credential", "--private-key", "id")
    operator.cctl("create", "cluster", "--registry", "127.0.0.1:9")
    (operator.home / "password").write_text("correct horse")
    account = ["--registry-username", "operator", "--registry-password-file", "password"]

    assert UNASKED in operator.cctl("update", "registry", *account, code=3).stderr


@pytest.mark.parametrize(
    ("words", "told"),
    [("init --snapshot none.db", "none.db"), ("init", UNASKED), ("init --bundle-key none", "none")],
)
def test_the_tools_for_one_host_tell_it_in_the_same_order(
    host: socket.socket, words: str, told: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    where = ["--host", f"127.0.0.1:{host.getsockname()[1]}", "--state", str(tmp_path / "state.yaml")]

    assert guarded(etcdadm(), [*where, *words.split()]) == 3

    said = capfd.readouterr().err
    assert told in said
    assert (UNASKED in said) is (told == UNASKED)
    assert not met(host)
    assert not (tmp_path / "state.yaml").exists()
