"""A run on a terminal: what runs where and for how long, how far it has come, how long it still takes."""

from __future__ import annotations

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from klusterkit.engine.errors import ErrorInfo
from klusterkit.engine.events import Event
from klusterkit.report.ending import words_of
from klusterkit.report.lines import ended, waiting
from klusterkit.report.planview import path_of
from klusterkit.report.progress import Progress, Running
from klusterkit.report.screen import columns
from klusterkit.report.words import duration, roughly

_ROWS = 8
"""So many running tasks are shown, those that run longest."""

_MANY = 5000
"""From this many tasks on, working out how long it still takes is itself work, and done less often."""


class LiveView:
    """The lower lines of the terminal, redrawn; a failure scrolls away above them at once, the same one once a host."""

    def __init__(self, screen: Console, progress: Progress) -> None:
        self._screen = screen
        self._progress = progress
        self._told: set[tuple[str | None, str]] = set()
        self.beat = 0.2 if progress.total < _MANY else 2.0
        self._live = Live(console=screen, auto_refresh=False, transient=True)
        self._live.start()

    def show(self, event: Event) -> None:
        """Take the event in; what has failed, and what is tried again, is printed."""
        self._progress.learn(event)
        line = ended(event, self._progress.took)
        if event.event == "stopping":
            self._screen.print(waiting(self._progress))
        elif line is not None and event.error is not None and self._is_new(event, event.error):
            self._screen.print(line)

    def _is_new(self, event: Event, error: ErrorInfo) -> bool:
        """Whether this host has not failed in these words before: a link that is cut fails all that runs there."""
        words = (event.host, words_of(event.task or "", error))
        new = words not in self._told
        self._told.add(words)
        return new

    def tick(self) -> None:
        """Draw again."""
        self._live.update(picture(self._progress, self._screen.width), refresh=True)

    def close(self) -> None:
        """Take the drawing away: what is said in the end says it better."""
        self._live.stop()


def picture(progress: Progress, width: int) -> RenderableType:
    """The drawing."""
    rows: list[RenderableType] = [_bar(progress, width)]
    oldest = sorted(progress.running.values(), key=lambda there: there.since)
    if oldest:
        rows.append(_running(progress, oldest[:_ROWS], width))
    if len(oldest) > _ROWS:
        rows.append(Text(f"  and {len(oldest) - _ROWS} more", "quiet"))
    last = ended(progress.last, progress.took) if progress.last else None
    if last is not None:
        last = Text.assemble(("  last: ", "quiet"), last)
        last.truncate(width - 1, overflow="ellipsis")
        rows.append(last)
    return Group(*rows)


def _bar(progress: Progress, width: int) -> Table:
    eta = progress.eta
    words = [progress.counted, duration(progress.now() - progress.began)]
    if progress.stopping:
        words.append("stopping")
    elif eta is not None and progress.done < progress.total:
        words.append(f"{roughly(eta)} left")
    said = Text(", ".join(words), no_wrap=True)
    bar = ProgressBar(total=1.0, completed=progress.share, width=max(10, min(40, width - len(said) - 3)))
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_row(bar, said)
    return table


def _running(progress: Progress, tasks: list[Running], width: int) -> Table:
    hosts, paths = progress.plan.hosts, [path_of(task) for task in progress.plan.tasks]
    table = columns("", "", "", "")
    # As wide as most will need, so that little jumps when tasks come and go.
    table.columns[0].min_width = min(2 + max(map(len, hosts)), width // 4) if len(hosts) > 1 else 0
    table.columns[1].min_width = min(max(map(len, paths)), width * 2 // 5)
    table.columns[2].min_width = len("88.8 s")
    table.columns[2].justify = "right"
    for there in tasks:
        task = progress.plan.by_id[there.task]
        host = f"  {task.host}" if len(hosts) > 1 else ""
        seconds = duration(progress.now() - there.since)
        what = Text(there.note or there.title, "care" if there.note else "quiet", no_wrap=True, overflow="ellipsis")
        table.add_row(host, Text(path_of(task), "place"), seconds, what)
    return table
