"""What tests of units have in common."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from klusterkit.report.words import speak_as


@pytest.fixture(autouse=True)
def speaks_as_cctl() -> Iterator[None]:
    """Commands are told as cctl's, whichever tool the test before was about: a process is one tool's."""
    yield
    speak_as("cctl")
