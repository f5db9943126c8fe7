"""What a command tells before its result: what the session noticed, and which run it finds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from klusterkit.cli.options import Shared

if TYPE_CHECKING:
    from klusterkit.engine.journal import Journal
    from klusterkit.session import Session


def say_notices(session: Session, common: Shared) -> None:
    """Say on standard error what the session has to tell, once."""
    while session.notices:
        say(session.notices.pop(0), common)


def say(note: str, common: Shared) -> None:
    """Say on standard error what the operator should know."""
    from rich.text import Text

    from klusterkit.report.screen import aside

    aside(color=common.color).print(Text.assemble(("note: ", "care"), note))


def in_progress(session: Session, common: Shared, verb: str) -> Journal:
    """The run in progress, after saying which it is and how far it has come. Raises ``NoRun``."""
    from klusterkit.moments import moment
    from klusterkit.report.ending import in_words
    from klusterkit.report.screen import aside
    from klusterkit.session.errors import NoRun

    journal = session.run
    if journal is None:
        raise NoRun("no run is in progress", hint="`cctl history` shows what has ended")
    begun = f"begun {moment(journal.began)} by {journal.who}"
    aside(color=common.color).print(f"{verb} '{journal.plan.operation}', {begun}: {in_words(journal.states)}.")
    return journal


def called(common: Shared) -> str:
    """How the next command has to begin to mean the same state file."""
    return common.called
