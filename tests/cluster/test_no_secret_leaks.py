"""After a whole creation with debug logging, no secret's value is anywhere but in its place."""

from __future__ import annotations

import base64
import re
import subprocess
from collections.abc import Iterable

import pytest

from tests.cluster.leaks import kept_in_state, leaks, pieces, with_private_keys, written_and_shown
from tests.cluster.sampler import Sampler
from tests.support.operator import Operator

pytestmark = pytest.mark.cluster

PLACES = ("/etc/kubernetes/", "/etc/etcd/pki/", "/var/lib/kubelet/pki/", "/etc/ssh/")
"""Where private keys belong on a host."""

FIND_VALUES = "cd / && grep -rlaF -f - --exclude-dir=proc --exclude-dir=sys --exclude-dir=usr --exclude-dir=dev " + (
    "--exclude-dir=io.containerd.content.v1.content --exclude-dir=artifacts . 2>/dev/null || true"
)
"""Files of any kind, the data of etcd and systemd's journal among them, but for images and archives as they came."""


@pytest.fixture(scope="module")
def secrets(cluster: Operator) -> list[bytes]:
    """Every secret of the state file, and every private key that was issued to the host."""
    kept, issued = kept_in_state(cluster), keys_on_the_host(cluster)
    assert len(kept) >= 6
    assert len(issued) >= 2 + 7 + 3
    return [*kept, *issued]


def keys_on_the_host(cluster: Operator) -> list[bytes]:
    """In files of their own, and in kubeconfigs."""
    find = "find /etc/kubernetes /etc/etcd /var/lib/kubelet/pki -name '*.{}' -exec cat {{}} +"
    files = cluster.lab("ssh", "c1", "--", find.format("key")).encode()
    configs = cluster.lab("ssh", "c1", "--", find.format("conf")).encode()
    return [
        *re.findall(rb"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?-----END [A-Z ]*PRIVATE KEY-----\n", files, re.DOTALL),
        *(base64.b64decode(key) for key in re.findall(rb"client-key-data: (\S+)", configs)),
    ]


@pytest.fixture(scope="module")
def texts(cluster: Operator) -> list[tuple[str, bytes]]:
    found = written_and_shown(cluster)
    names = [name for name, _ in found]
    assert any(b'"event": "done"' in text for name, text in found if name.endswith(".jsonl"))
    assert any("cctl-state.yaml" in name for name in names)
    assert any(name.endswith("saved-plan.yaml") for name in names)
    assert any(b"+++" in text for name, text in found if name == "terminal")
    return found


def test_no_secret_is_in_state_journal_log_terminal_or_arguments(
    secrets: list[bytes], texts: list[tuple[str, bytes]]
) -> None:
    assert leaks(secrets, texts) == []


PLANTED = ("cctl-state.yaml.log/planted.jsonl", "planted-plan.yaml", "tmp/planted.pem", "{cache}/planted-{lab}")


@pytest.mark.parametrize("place", PLANTED)
def test_the_search_finds_a_secret_that_is_planted_in_a_file(
    cluster: Operator, secrets: list[bytes], place: str
) -> None:
    outside = {"cache": cluster.environment["KLUSTERKIT_CACHE"], "lab": cluster.lab.instance}
    planted = cluster.folder / place.format(**outside)
    planted.write_bytes(b'{"said": "' + list(pieces(secrets[0]))[-1] + b'"}')
    try:
        assert leaks(secrets, written_and_shown(cluster)) == [str(planted)]
    finally:
        planted.unlink()


def test_the_search_finds_a_secret_that_is_planted_in_an_argument(secrets: list[bytes]) -> None:
    found: list[str] = []
    with Sampler() as sampler:
        for _ in range(30):  # a sample of all processes takes a while
            subprocess.run(["sh", "-c", "sleep 1", next(pieces(secrets[0]))], check=True)
            if found := leaks(secrets, [("process arguments", text) for text in [*sampler.seen]]):
                break

    assert found


def holding(cluster: Operator, secrets: Iterable[bytes]) -> list[str]:
    """Files on the host that hold a piece of a secret."""
    wanted = "".join(f"{piece.decode()}\n" for value in secrets for piece in pieces(value))
    return [path.removeprefix(".") for path in cluster.lab("ssh", "c1", "--", FIND_VALUES, stdin=wanted).split()]


@pytest.mark.parametrize("encoding", ["cat", "base64 --wrap=0"])
def test_the_search_finds_a_key_that_is_planted_on_the_host(
    cluster: Operator, secrets: list[bytes], encoding: str
) -> None:
    among_others = "(head -c 100000 /bin/sh; cat /root/planted) > /root/binary"
    try:
        cluster.lab("ssh", "c1", "--", f"{encoding} /etc/kubernetes/pki/sa.key > /root/planted; {among_others}")

        assert "/root/planted" in with_private_keys(cluster.lab, "c1")
        assert {"/root/planted", "/root/binary"} <= {*holding(cluster, secrets)}
    finally:
        cluster.lab("ssh", "c1", "--", "rm -f /root/planted /root/binary")


def test_programs_were_seen_while_they_ran(cluster: Operator) -> None:
    assert any(b"kubeadm" in text for text in cluster.seen_arguments)


def test_keys_are_on_the_host_in_their_places_only(cluster: Operator, secrets: list[bytes]) -> None:
    found = [*with_private_keys(cluster.lab, "c1"), *holding(cluster, secrets)]

    assert [path for path in found if not path.startswith(PLACES)] == []


def test_no_key_on_the_host_can_be_read_by_others(cluster: Operator) -> None:
    finder = "find /etc/kubernetes /etc/etcd /var/lib/kubelet/pki \\( -name '*.key' -o -name '*.conf' \\) -perm /077"

    assert cluster.lab("ssh", "c1", "--", finder).strip() == ""
