"""The values of secrets, and all texts in which none of them may be."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator

from klusterkit.state import IdentityFile, StateFile
from tests.support.operator import Operator

IN_PLACE = ("identity.txt", "kubeconfig")
"""Files of the operator that are for secrets."""


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
        *(("terminal", text.encode()) for text in operator.said),
        *(("process arguments", text) for text in operator.seen_arguments),
    ]
