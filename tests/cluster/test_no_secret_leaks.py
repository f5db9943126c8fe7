"""After a whole creation with debug logging, no secret's value is anywhere but in its place."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from klusterkit.state import IdentityFile, StateFile
from tests.support.operator import Operator

pytestmark = pytest.mark.cluster

PLACES = ("/etc/kubernetes/", "/etc/etcd/pki/", "/var/lib/kubelet/pki/", "/etc/ssh/")
"""Where private keys belong on a host."""


def pieces(value: bytes) -> Iterator[bytes]:
    """A secret's telling parts: for a key, every full line of it."""
    lines = [line.strip() for line in value.splitlines() if line.strip() and not line.startswith(b"-----")]
    yield from (line for line in lines if len(line) >= 20)


def leaks(secrets: Iterable[bytes], texts: Iterable[tuple[str, bytes]]) -> list[str]:
    """The names of the texts that hold a piece of a secret."""
    wanted = {piece for value in secrets for piece in pieces(value)}
    return [name for name, text in texts if any(piece in text for piece in wanted)]


@pytest.fixture(scope="module")
def secrets(cluster: Operator) -> list[bytes]:
    """Every secret of the state file, and every private key that was issued to the host."""
    identity = cluster.folder / ".config" / "klusterkit" / "identity.txt"
    state = StateFile.load(cluster.state, IdentityFile(identity))
    kept = [state.secret(name).get_secret_value() for name in state.secret_names if not name.endswith((".crt", ".pub"))]
    finder = "find /etc/kubernetes /etc/etcd /var/lib/kubelet/pki -name '*.key' -exec cat {} +"
    issued = cluster.lab("ssh", "c1", "--", finder).encode()
    assert len(kept) >= 5
    assert issued.count(b"PRIVATE KEY") >= 2 * 7
    return [*kept, issued, identity.read_bytes().split(b"\n")[-2]]


@pytest.fixture(scope="module")
def texts(cluster: Operator) -> list[tuple[str, bytes]]:
    """All that the run has written or shown on the control machine, and what processes showed as arguments."""
    assert cluster.created is not None
    files = [path for path in cluster.folder.rglob("*") if path.is_file()]
    written = [(str(path), path.read_bytes()) for path in files if not _in_place(path)]
    assert any(name.endswith(".jsonl") for name, _ in written)
    assert any("cctl-state.yaml" in name for name, _ in written)
    shown = [("terminal", (cluster.created.out + cluster.created.err).encode())]
    return [*written, *shown, *(("process arguments", text) for text in cluster.seen_arguments)]


def _in_place(path: Path) -> bool:
    return path.name in ("identity.txt", "kubeconfig")


def test_no_secret_is_in_state_journal_log_terminal_or_arguments(
    secrets: list[bytes], texts: list[tuple[str, bytes]]
) -> None:
    assert leaks(secrets, texts) == []


def test_the_search_finds_a_secret_that_is_planted(secrets: list[bytes], texts: list[tuple[str, bytes]]) -> None:
    line = next(pieces(secrets[0]))

    assert leaks(secrets, [*texts, ("planted", b"it said: " + line)]) == ["planted"]


def test_programs_were_seen_while_they_ran(cluster: Operator) -> None:
    assert any(b"kubeadm" in text for text in cluster.seen_arguments)


def test_keys_are_on_the_host_in_their_places_only(cluster: Operator) -> None:
    finder = "grep -rlI --exclude-dir=proc --exclude-dir=sys --exclude-dir=usr 'PRIVATE KEY-----' / 2>/dev/null || true"
    found = cluster.lab("ssh", "c1", "--", finder).split()

    assert [path for path in found if not path.startswith(PLACES)] == []


def test_no_key_on_the_host_can_be_read_by_others(cluster: Operator) -> None:
    finder = "find /etc/kubernetes /etc/etcd /var/lib/kubelet/pki \\( -name '*.key' -o -name '*.conf' \\) -perm /077"

    assert cluster.lab("ssh", "c1", "--", finder).strip() == ""
