"""The values of secrets, and all texts in which none of them may be."""

from __future__ import annotations

import base64
import contextlib
from collections.abc import Iterable, Iterator
from pathlib import Path

from klusterkit.state import IdentityFile, StateFile
from tests.support.lab import Lab
from tests.support.operator import Operator

IN_PLACE = ("identity.txt", "kubeconfig")
"""Files of the operator that are for secrets."""
SMALL = 1 << 20
"""Bytes that a file of the cache has at most if it is searched."""

KEYS = [f"{kind}PRIVATE KEY-----" for kind in ("", "EC ", "RSA ", "OPENSSH ")]
ENCODED = [base64.b64encode(f"-----BEGIN {key}".encode()).decode().rstrip("=")[:-1] for key in KEYS]
FIND_KEYS = (
    "grep -rlI --exclude-dir=proc --exclude-dir=sys --exclude-dir=usr "
    + " ".join(f"-e '{text}'" for text in ("PRIVATE KEY-----", *ENCODED))
    + " / 2>/dev/null || true"
)
"""Keys as they are, and as kubeconfigs hold them: in base64."""


def pieces(value: bytes) -> Iterator[bytes]:
    """A secret's telling parts: every full line of it, and the whole in base64, whose last characters may vary."""
    lines = [line.strip() for line in value.splitlines() if line.strip() and not line.startswith(b"-----")]
    yield from (line for line in lines if len(line) >= 20)
    yield base64.b64encode(value)[:-4]


def leaks(secrets: Iterable[bytes], texts: Iterable[tuple[str, bytes]]) -> list[str]:
    """The names of the texts that hold a piece of a secret."""
    wanted = {piece for value in secrets for piece in pieces(value)}
    return [name for name, text in texts if any(piece in text for piece in wanted)]


def kept_in_state(operator: Operator) -> list[bytes]:
    """Every secret of the state file, and the identity that opens it."""
    identity = operator.folder / ".config" / "klusterkit" / "identity.txt"
    state = StateFile.load(operator.state, IdentityFile(identity))
    names = [name for name in state.snapshot.secrets if not name.endswith((".crt", ".pub"))]
    return [*(state.secret(name).get_secret_value() for name in names), identity.read_bytes().split(b"\n")[-2]]


def written_and_shown(operator: Operator) -> list[tuple[str, bytes]]:
    """All that commands have written or shown on the control machine, and all processes' arguments."""
    files = [path for path in operator.folder.rglob("*") if path.is_file() and path.name not in IN_PLACE]
    return [
        *((str(path), path.read_bytes()) for path in files),
        *_cached(operator),
        *(("terminal", text.encode()) for text in operator.said),
        *(("process arguments", text) for text in operator.seen_arguments),
    ]


def _cached(operator: Operator) -> Iterator[tuple[str, bytes]]:
    """The small files of the operator's cache, which is outside its folder: all tests share it.

    The large ones are gigabytes of programs and archives of images, the same for all clusters, that come by digests
    which were known before there was a secret. What a command writes of its own, where a secret might be, is small.
    """
    for path in Path(operator.environment["KLUSTERKIT_CACHE"]).rglob("*"):
        with contextlib.suppress(FileNotFoundError):  # other tests collect artifacts meanwhile
            if path.is_file() and path.stat().st_size <= SMALL:
                yield str(path), path.read_bytes()


def with_private_keys(lab: Lab, host: str) -> set[str]:
    """The files on a host that hold a private key, whosever it is: that of its SSH server is on each."""
    found = {*lab("ssh", host, "--", FIND_KEYS).splitlines()}
    assert any(path.startswith("/etc/ssh/") for path in found), "the search finds nothing"
    return found
