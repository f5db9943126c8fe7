"""What comes from a host is read, and never acted on by the terminal."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from klusterkit.report.faults import Fault, show_fault
from klusterkit.report.screen import columns, screen
from klusterkit.report.words import plain

HOSTILE = "\x1b]0;pwned\x07\x1b[2J\x1b]52;c;cm0=\x07 hostname \x9b8mhidden\rover\x7f"
"""Sets the window's title, clears the screen, fills the clipboard, hides what follows, and writes over the line."""


class Terminal(io.StringIO):
    """One with colours, or a file."""

    encoding = "utf-8"  # type: ignore[assignment]

    def __init__(self, *, colors: bool) -> None:
        super().__init__()
        self._colors = colors

    def isatty(self) -> bool:
        return self._colors


@pytest.mark.parametrize("colors", [True, False])
def test_an_error_shows_what_a_host_said_without_its_control_characters(colors: bool) -> None:
    terminal = Terminal(colors=colors)
    fault = Fault(f"{HOSTILE} failed", seen=HOSTILE, hint=HOSTILE, hosts=(f"h{HOSTILE}",))
    show_fault(screen(terminal, color=False), Fault(HOSTILE, reasons=(fault, fault)))
    shown = terminal.getvalue()
    assert "hostname" in shown
    assert "hidden" in shown
    for code in ("\x1b]", "\x1b[2J", "\x07", "\x9b", "\r", "\x7f"):
        assert code not in shown


def test_whatever_is_shown_is_shown_so_and_colours_stay() -> None:
    terminal = Terminal(colors=True)
    table = columns("A", "B")
    table.add_row(HOSTILE, f"[bad]{HOSTILE}")
    console = screen(terminal)
    console.print(table)
    console.print(f"{HOSTILE}\tend", style="bad")
    shown = terminal.getvalue()
    assert "\x1b[1" in shown  # headings are bold
    for code in ("\x1b]", "\x1b[2J", "\x07", "\x9b", "\r"):
        assert code not in shown


@given(st.text())
def test_all_but_controls_is_left_as_it_is(text: str) -> None:
    left = plain(text)
    assert plain(left) == left
    assert left == "".join(char for char in text if char in "\t\n" or not (ord(char) < 32 or 127 <= ord(char) < 160))
