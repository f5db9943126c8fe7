"""How things stand, watched: redrawn on a terminal, what changes as lines elsewhere."""

from __future__ import annotations

import time

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from klusterkit.report.statusview import Component, Report, picture
from klusterkit.report.words import clock, several


class Redrawn:
    """The whole picture, drawn again at every look. On a terminal."""

    def __init__(self, screen: Console, pause: float) -> None:
        self._pause = pause
        self._live = Live(console=screen, auto_refresh=False, screen=False, vertical_overflow="visible")
        self._live.start()

    def show(self, report: Report, run: Text | None) -> None:
        """Draw it."""
        said = f"seen at {clock(time.time())}, again every {self._pause:g} s; Ctrl-C ends this"
        parts = [*([run, Text()] if run else []), picture(report), Text(said, "quiet")]
        self._live.update(Group(*parts), refresh=True)

    def close(self) -> None:
        """Leave the last picture standing."""
        self._live.stop()


class Changes:
    """A line for each component that isn't as it was at the look before. In a file, or for another program."""

    def __init__(self, screen: Console) -> None:
        self._screen = screen
        self._before: dict[tuple[str, str], Component] = {}
        self._run = ""

    def show(self, report: Report, run: Text | None) -> None:
        """Print what is new."""
        now = {(each.machine, each.name): each for each in report.components}
        if not self._before:
            right = sum(component.ok for component in report.components)
            self._line(Text(f"{several(right, 'component')} as they should be", "good"))
        if run and run.plain != self._run:
            self._line(run)
        self._run = run.plain if run else ""
        for place, component in now.items():
            before = self._before.get(place)
            if before is None and component.ok:
                continue
            if before is None or (before.ok, before.seen) != (component.ok, component.seen):
                self._line(_changed(component, known=before is not None))
        self._before = now

    def close(self) -> None:
        """Nothing is left to tidy."""

    def _line(self, text: Text) -> None:
        self._screen.print(Text.assemble((clock(time.time()), "quiet"), " ", text), soft_wrap=True)


def _changed(component: Component, *, known: bool) -> Text:
    where = f"{component.machine} {component.name}: " if component.machine else f"{component.name}: "
    if component.ok:
        return Text.assemble((where, "good"), f"{component.seen}{', as it should be' if known else ''}")
    seen = "; ".join(component.seen.splitlines())
    return Text.assemble((where, "bad"), f"{seen} (wanted: {component.wanted})")
