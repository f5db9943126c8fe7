"""The two screens: standard output for results, standard error for everything else."""

from __future__ import annotations

import os
import sys
from typing import TextIO

from rich.console import Console
from rich.table import Table
from rich.theme import Theme

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
    }
)
"""All colours that there are, by what they mean."""

UNBOUND = 200
"""Columns where nobody looks: a file or another program gets long lines rather than broken ones."""


def screen(file: TextIO, *, color: bool = True) -> Console:
    """A console for this file. Colours only on a terminal, and not with ``NO_COLOR`` or ``TERM=dumb``."""
    width = None if file.isatty() or "COLUMNS" in os.environ else UNBOUND
    plain = None if color else True
    return Console(file=file, width=width, theme=_THEME, no_color=plain, highlight=False, markup=False, emoji=False)


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
