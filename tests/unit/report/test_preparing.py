"""Whoever waits for a plan is told for what."""

from __future__ import annotations

import io

import pytest
from example_runs import paper, said

from klusterkit.report.preparing import Preparing
from klusterkit.report.screen import screen

MIB = 1 << 20


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def bring(preparing: Preparing) -> None:
    preparing.stage("bringing 3 artifacts")
    for _ in range(3):
        preparing.came("kubelet", 20 * MIB)
    preparing.ended("kubelet")
    preparing.ended("was here already")


def test_lines_name_each_stage_and_what_was_fetched() -> None:
    console = paper()
    with Preparing(console) as preparing:
        bring(preparing)
    assert said(console).splitlines() == ["bringing 3 artifacts", "fetched kubelet, 60 MiB"]


def test_a_terminal_has_one_line_that_is_drawn_again_and_gone_in_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    file = Terminal()
    with Preparing(screen(file, color=False)) as preparing:
        bring(preparing)
    first, _, drawn = file.getvalue().partition("\n")
    assert "bringing 3 artifacts" in first
    assert "0 here, 20 MiB fetched: kubelet" in drawn
    assert "\n" not in drawn
    assert drawn.endswith("\r\x1b[K")
