"""The two screens: standard output for results, standard error for everything else."""

from __future__ import annotations

import io
import os
import re
import sys
from collections.abc import Iterator
from typing import TextIO, cast

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.table import Table
from rich.theme import Theme

from klusterkit.report.words import plain

_THEME = Theme(
    {
        "head": "bold",
        "quiet": "bright_black",
        "good": "green",
        "bad": "bold red",
        "care": "yellow",
        "add": "green",
        "take": "red",
        "place": "cyan",
        "bar.complete": "cyan",
        "bar.finished": "green",
    }
)
"""All colours that there are, by what they mean."""

UNBOUND = 200
"""Columns where nobody looks: a file or another program gets long lines rather than broken ones."""


class _Unpadded(io.TextIOBase):
    # Cells are filled up with spaces to the width of their column. On a terminal nobody sees them.

    def __init__(self, file: TextIO) -> None:
        self._file = file

    @property
    def encoding(self) -> str:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Of the file."""
        return self._file.encoding

    def write(self, text: str, /) -> int:
        """Write whole lines without the spaces at their ends."""
        self._file.write(re.sub(r" +$", "", text, flags=re.MULTILINE))
        return len(text)

    def flush(self) -> None:
        """Flush the file."""
        self._file.flush()


class _Screen(Console):
    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterator[Segment]:
        """All that is shown comes by here. Texts are plain; what the terminal is to do are segments of their own."""
        for segment in super().render(renderable, options):
            text = segment.text if segment.control else plain(segment.text)
            yield segment if text == segment.text else Segment(text, segment.style)

    def on_broken_pipe(self) -> None:
        """Let whoever prints know: rich would end the program, and with 1, whatever it was about to say."""
        raise  # it is called where the error was caught


def screen(file: TextIO, *, color: bool = True) -> Console:
    """A console for this file. Colours only on a terminal, and not with ``NO_COLOR`` or ``TERM=dumb``."""
    terminal = file.isatty()
    width = None if terminal or "COLUMNS" in os.environ else UNBOUND
    plain = None if color else True
    target = file if terminal else cast(TextIO, _Unpadded(file))
    return _Screen(file=target, width=width, theme=_THEME, no_color=plain, highlight=False, markup=False, emoji=False)


def output(*, color: bool = True) -> Console:
    """Standard output."""
    return screen(sys.stdout, color=color)


def aside(*, color: bool = True) -> Console:
    """Standard error."""
    return screen(sys.stderr, color=color)


def columns(*headings: str, gap: int = 2) -> Table:
    """A table without lines, headings (if any) in bold; the last column breaks its text in the width that is left."""
    table = Table(box=None, pad_edge=False, padding=(0, gap, 0, 0), show_header=any(headings), header_style="head")
    for heading in headings[:-1]:
        table.add_column(heading, no_wrap=True)
    table.add_column(headings[-1], overflow="fold")
    return table
