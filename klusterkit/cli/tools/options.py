"""What every command of ``etcdadm`` and ``nodeadm`` takes, and how such a command is opened and run."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from klusterkit.cli.exit_codes import ExitCode
from klusterkit.cli.options import GLOBAL, Output, Shared

if TYPE_CHECKING:
    from klusterkit.engine.plan import Plan
    from klusterkit.session.host.hold import Place
    from klusterkit.session.host.session import HostSession
    from klusterkit.session.onlooker import Onlooker


Compile = Callable[["HostSession", "Onlooker"], "Plan"]

BindAddress = Annotated[
    str | None,
    typer.Option("--bind-address", metavar="ADDRESS", help="Where it is reached [that of the default route]"),
]


@dataclass(frozen=True)
class OnHost(Shared):
    """What every command for one host takes. Without ``--host`` that is this machine."""

    host: Annotated[
        str | None,
        typer.Option("--host", metavar="[USER@]ADDRESS[:PORT]", help="Do it there [here]", rich_help_panel=GLOBAL),
    ] = None
    private_key: Annotated[
        Path | None,
        typer.Option(
            "--private-key", metavar="FILE", help="SSH key for other hosts [the agent's]", rich_help_panel=GLOBAL
        ),
    ] = None
    bundle_key: Annotated[
        list[str] | None,
        typer.Option(
            "--bundle-key",
            metavar="KEY",
            help="Trust bundles signed by this public key, from now on; several: once each",
            rich_help_panel=GLOBAL,
        ),
    ] = None
    log_level: Annotated[
        str | None,
        typer.Option("--log-level", "-l", metavar="LEVEL", help="The original's", rich_help_panel=GLOBAL, hidden=True),
    ] = None

    @property
    def called(self) -> str:
        """How the next command has to begin to mean the same."""
        options = {"--host": self.host, "--state": self.state}
        return " ".join([called_as(), *(f"{name} {value}" for name, value in options.items() if value)])

    def place(self) -> Place:
        """The host."""
        from klusterkit.session.host.hold import host_at, this_host

        return host_at(self.host, self.private_key, self.ssh_jump) if self.host else this_host(self.private_key)

    @contextmanager
    def session(
        self, write: str | None = None, *, lasting: bool = True, before_hosts: Callable[[], None] = lambda: None
    ) -> Generator[HostSession]:
        """A session with the host's own state file.

        Args:
            write: the command in words, if it writes.
            lasting: whether a command that writes also pins the keys that it is given, for those after it.
            before_hosts: raises where the command could not be gone through with; called before any host is met, and
                before a key is pinned.
        """
        from klusterkit.cli.notices import say_notices
        from klusterkit.report.words import speak_as
        from klusterkit.session.host.session import HostSession
        from klusterkit.session.settings import Settings

        place = self.place()
        said = self.said()
        said["debug"] = self.debug or self.log_level == "debug"
        said["state"] = said["state"] or place.state  # CCTL_STATE is another tool's
        said["cache"] = os.environ.get("KLUSTERKIT_CACHE") or place.cache
        said["bundle_keys"] = self._bundle_keys()
        settings = Settings.from_environment(**said, before_hosts=before_hosts)
        speak_as(self.called)
        with HostSession.on(settings, place, write=write) as session:
            say_notices(session, self)
            if self.bundle_key and write and lasting:
                before_hosts()
                session.pin_bundle_keys()
            yield session

    def _bundle_keys(self) -> tuple[str, ...]:
        if not self.bundle_key:
            return ()
        from klusterkit.session.supply.trust import public_key  # slow to import: cryptography

        return tuple(public_key(text).text for text in self.bundle_key)


@dataclass(frozen=True)
class Looking:
    """Whether to do it at all."""

    dry_run: Annotated[bool, typer.Option("--dry-run", "--plan", help="Show what would happen, and do nothing")] = False
    diff: Annotated[bool, typer.Option("--diff", help="Show what would change, file by file, and do nothing")] = False

    @property
    def only(self) -> bool:
        """Whether it is only shown."""
        return self.dry_run or self.diff


def called_as() -> str:
    """The name of the tool that was called."""
    return Path(sys.argv[0]).name


def plan_and_do(common: OnHost, looking: Looking, words: str, compiled: Compile, afterwards: str = "") -> int:
    """Plan, and show it or do it. Returns the exit status.

    Args:
        common: says for which host, and how to show it.
        looking: whether to show it only.
        words: the operation, for the lock on the state file.
        compiled: makes the plan.
        afterwards: what can be done when all has gone well.
    """
    from klusterkit.cli.notices import say_notices
    from klusterkit.cli.planned import carry_out, present
    from klusterkit.cli.terminal import unasked
    from klusterkit.report.preparing import Preparing
    from klusterkit.report.screen import aside

    common.show_as(Output.WIDE, Output.JSON, Output.YAML, Output.NAME)
    refuse = unasked(yes=looking.only or common.yes)
    with common.session(write=words, lasting=not looking.only, before_hosts=refuse) as session:
        with Preparing(aside(color=common.color)) as onlooker:
            plan = compiled(session, onlooker)
        if not plan.tasks:
            typer.echo(f"{plan.operation}: there is nothing to do", err=True)
            code = ExitCode.DONE
        elif looking.only:
            say_notices(session, common)
            present(common, plan, session.look(plan), diff=looking.diff)
            code = ExitCode.DONE
        else:
            code = carry_out(common, session, plan)
    if code == ExitCode.DONE and afterwards and not looking.only:
        typer.echo(afterwards, err=True)
    return code
