"""How kubectl is called on a host: as the cluster's administrator, keeping what it caches out of root's home."""

from __future__ import annotations

from collections.abc import Sequence

from klusterkit.engine.errors import CommandFailed, CommandFailedTemporarily
from klusterkit.engine.host import Completed
from klusterkit.engine.step import Context

KUBECTL = "/usr/local/bin/kubectl"
ADMIN = "/etc/kubernetes/admin.conf"
CACHE = "/run/klusterkit/kubectl"
"""What kubectl learns about the API; by default it would keep that in root's home."""

_HOPELESS = ("error validating", "is invalid", "no matches for kind", "error parsing", "error converting YAML")


def command(*arguments: str, kubeconfig: str = ADMIN) -> list[str]:
    """The command line."""
    return [KUBECTL, f"--kubeconfig={kubeconfig}", f"--cache-dir={CACHE}", *arguments]


def ask(on: Context, *arguments: str, stdin: bytes = b"", timeout: float = 20.0) -> Completed:
    """Run it, whatever comes of it."""
    return on.host.run(command(*arguments), stdin=stdin, timeout=min(timeout, on.timeout))


def answer(on: Context, *arguments: str) -> str:
    """What it says, without white space around it. Raises ``CommandFailedTemporarily`` where it says nothing."""
    ended = ask(on, *arguments)
    if not ended.ok:
        raise _failed(on, ended, arguments)
    return ended.text


def change(on: Context, *arguments: str, stdin: bytes = b"") -> None:
    """Run it and insist. What the API server refuses for its content is permanent, all else may pass."""
    ended = ask(on, *arguments, stdin=stdin, timeout=60.0)
    if ended.ok:
        return
    failed = _failed(on, ended, arguments)
    if any(words in ended.said for words in _HOPELESS):
        hint = "correct the manifest and plan again"
        raise CommandFailed(failed.message, host=failed.host, seen=failed.seen, hint=hint)
    raise failed


def _failed(on: Context, ended: Completed, arguments: Sequence[str]) -> CommandFailedTemporarily:
    what = f"kubectl {' '.join(arguments)} failed on {on.host.name}"
    return CommandFailedTemporarily(what, host=on.host.name, seen=ended.said)
