"""How kubectl is called on a host: as the cluster's administrator, keeping what it caches out of root's home."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from klusterkit.engine.errors import CommandFailed, CommandFailedTemporarily
from klusterkit.engine.host import Completed
from klusterkit.engine.step import Context

KUBECTL = "/usr/local/bin/kubectl"
ADMIN = "/etc/kubernetes/admin.conf"
CACHE = "/run/klusterkit/kubectl"
"""What kubectl learns about the API; by default it would keep that in root's home."""

COMPACT = "--output=jsonpath={@}"
"""An object as JSON without white space: of what a program says, a megabyte is kept, and definitions are large."""

_NO_SUCH_KIND = ("no matches for kind", "doesn't have a resource type")
_CONTENT = (
    *("error validating", "is invalid", "error parsing", "error converting YAML", "(BadRequest)", "strict decoding"),
    *("failed to create typed patch object", "failed to convert new object"),
)


def command(*arguments: str, kubeconfig: str = ADMIN) -> list[str]:
    """The command line."""
    return [KUBECTL, f"--kubeconfig={kubeconfig}", f"--cache-dir={CACHE}", *arguments]


def ask(on: Context, *arguments: str, stdin: bytes = b"", timeout: float = 20.0) -> Completed:
    """Run it, whatever comes of it."""
    return on.host.run(command(*arguments), stdin=stdin, timeout=min(timeout, on.timeout))


def answer(on: Context, *arguments: str) -> str:
    """What it says, without white space around it. Raises ``CommandFailedTemporarily`` where it fails."""
    return told(on, *arguments).text


def told(on: Context, *arguments: str) -> Completed:
    """How it ended: well. Raises ``CommandFailedTemporarily`` where it fails."""
    ended = ask(on, *arguments)
    if not ended.ok:
        raise _failed(on, ended, arguments)
    return ended


def change(on: Context, *arguments: str, stdin: bytes = b"") -> None:
    """Run it and insist. What the API server refuses for its content is permanent, all else may pass."""
    ended = ask(on, *arguments, stdin=stdin, timeout=60.0)
    if ended.ok:
        return
    failed = _failed(on, ended, arguments)
    if is_about_content(ended) or has_no_such_kind(ended):
        hint = "correct the manifest and plan again"
        raise CommandFailed(failed.message, host=failed.host, seen=failed.seen, hint=hint)
    raise failed


def data_of(ended: Completed) -> Any:
    """What it has said, if that is JSON; None where it has said nothing. Raises ``CommandFailed`` for what was cut."""
    try:
        return json.loads(ended.out) if ended.out else None
    except ValueError:
        what, size = "what kubectl says is too much to be read", f"{len(ended.out)} bytes or more"
        raise CommandFailed(what, seen=size, hint="objects of a megabyte are for kubectl itself") from None


def has_no_such_kind(ended: Completed) -> bool:
    """Whether the API server knows no kind of object that it was told of; a definition may be yet to come."""
    return _says(ended, _NO_SUCH_KIND)


def is_about_content(ended: Completed) -> bool:
    """Whether an object was refused for what it says: trying again doesn't help."""
    return _says(ended, _CONTENT)


def _says(ended: Completed, some: Sequence[str]) -> bool:
    said = ended.err.decode(errors="replace")
    return not ended.ok and any(words in said for words in some)


def _failed(on: Context, ended: Completed, arguments: Sequence[str]) -> CommandFailedTemporarily:
    what = f"kubectl {' '.join(arguments)} failed on {on.host.name}"
    return CommandFailedTemporarily(what, host=on.host.name, seen=ended.said)
