"""Questions. They are asked on a terminal only; without one the command says which option answers them."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import cache, partial
from typing import TYPE_CHECKING

import typer

from klusterkit.report.words import plain

if TYPE_CHECKING:
    from klusterkit.hosts.errors import UnknownHostKey


def terminal() -> bool:
    """Whether somebody is there to answer."""
    return sys.stdin.isatty() and sys.stderr.isatty()


def refuse_unasked(*, yes: bool | None) -> None:
    """Raise ``UsageError`` where the command will have a question, nobody can be asked, and ``--yes`` was not given.

    To be called before any host is met: who can't be asked in the end needn't wait for it. What is wrong with the
    command itself is told first; with ``--yes`` it would be the same.
    """
    if not yes and not terminal():
        from klusterkit.engine.errors import UsageError

        raise UsageError(
            "there is no terminal to ask on: nothing was done",
            hint="say --yes; of what can be planned, save the plan with `cctl plan … --out FILE`, read it, and "
            "`cctl apply FILE`",
        )


def unasked(*, yes: bool | None) -> Callable[[], None]:
    """:func:`refuse_unasked` for who asks it again and again: a terminal that was there once may be gone later."""
    return cache(partial(refuse_unasked, yes=yes))


def confirmed(question: str, *, yes: bool | None) -> bool:
    """Whether to do it; a no is acknowledged. Raises ``UsageError`` where nobody can be asked without ``--yes``."""
    refuse_unasked(yes=yes)
    if yes or _asked(question):
        return True
    typer.echo("Cancelled: nothing was done.", err=True)
    return False


def host_key_question() -> Callable[[UnknownHostKey], bool] | None:
    """Asks whether a host's key is the right one; None without a terminal: then it is refused."""
    return _host_key if terminal() else None


def _host_key(unknown: UnknownHostKey) -> bool:
    typer.echo(f"{unknown.message}. It has the fingerprint\n  {unknown.key_type} {unknown.fingerprint}", err=True)
    if unknown.misread:
        typer.echo(f"({unknown.misread})", err=True)
    return _asked("Is that the right host?")


def passphrase_question() -> Callable[[bool], str] | None:
    """Asks for the passphrase of the state file, a new one twice; None without a terminal."""
    return _passphrase if terminal() else None


def _passphrase(new: bool) -> str:
    text = "New passphrase for the state file" if new else "Passphrase of the state file"
    return str(typer.prompt(text, hide_input=True, confirmation_prompt=new, err=True))


def key_passphrase_question() -> Callable[[], str] | None:
    """Asks for the passphrase of an SSH key; None without a terminal."""
    return (lambda: str(typer.prompt("Passphrase of the SSH key", hide_input=True, err=True))) if terminal() else None


def _asked(question: str) -> bool:
    typer.echo(f"{plain(question)} [y/N] ", nl=False, err=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def signing_passphrase_question() -> Callable[[bool], str] | None:
    """Asks for the passphrase of a key that bundles are signed with, a new one twice; None without a terminal."""
    return _signing_passphrase if terminal() else None


def _signing_passphrase(new: bool) -> str:
    text = "New passphrase for the signing key" if new else "Passphrase of the signing key"
    return str(typer.prompt(text, hide_input=True, confirmation_prompt=new, err=True))


def registry_password_question() -> Callable[[], str] | None:
    """Asks for the password of a registry's account; None without a terminal."""
    text = "Password of the registry's account"
    return (lambda: str(typer.prompt(text, hide_input=True, err=True))) if terminal() else None
