"""What was done about a kubeconfig, and what that can't do."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from rich.console import Console
from rich.text import Text

from klusterkit.report.words import several


class Life(Protocol):
    """A certificate's serial number and end."""

    @property
    def serial(self) -> str: ...  # noqa: D102 - the names say it
    @property
    def ends(self) -> datetime: ...  # noqa: D102


class Given(Protocol):
    """A kubeconfig that was written; see :class:`klusterkit.session.access.kubeconfig.Given`."""

    @property
    def path(self) -> Path: ...  # noqa: D102
    @property
    def context(self) -> str: ...  # noqa: D102
    @property
    def until(self) -> datetime: ...  # noqa: D102
    @property
    def new(self) -> bool: ...  # noqa: D102
    @property
    def former(self) -> Life | None: ...  # noqa: D102
    @property
    def backups(self) -> Sequence[Path]: ...  # noqa: D102


def show_given(screen: Console, given: Given, command: str) -> None:
    """Say where it is, how long it is good, what the certificate before can still do, and how to use it."""
    days = several(round((given.until - datetime.now(UTC)).total_seconds() / 86_400), "day")
    good = f"good until {given.until:%Y-%m-%d} ({days})"
    if given.new:
        screen.print(f"{given.path}: context {given.context}, a new certificate, {good}")
    else:
        screen.print(f"{given.path}: context {given.context}, with the certificate that was there, {good}")
        screen.print(Text("  --rotate makes a new one; the one before stays good until its end", "quiet"))
    for backup in given.backups:
        screen.print(f"  as it was before: {backup}")
    if given.former is not None:
        _show_former(screen, given.former)
    screen.print(f"next: {command}", soft_wrap=True)


def _show_former(screen: Console, former: Life) -> None:
    ends = f"{former.ends:%Y-%m-%d %H:%M} UTC"
    screen.print(
        Text(f"  The certificate before (serial {former.serial[:16]}…) still opens the cluster until {ends}:", "care")
    )
    screen.print(
        Text(
            "  an API server can't revoke a client certificate. Only a new authority of the cluster ends it sooner.",
            "care",
        )
    )
