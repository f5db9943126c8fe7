"""Times as operators write them."""

from __future__ import annotations

import re

import typer

LONGEST = 365 * 24 * 3600
"""Seconds."""
_DURATION = re.compile(r"(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?")


def seconds(option: str, text: str) -> float:
    """Of a duration as Go writes it, ``1h30m``, or a number of seconds. Raises ``typer.BadParameter``."""
    if text.isdecimal():
        return bounded(option, int(text), text)
    found = _DURATION.fullmatch(text)
    if not text or not found:
        raise typer.BadParameter(f"{option} {text}: a time is 90s, 5m or 1h30m")
    hours, minutes, seconds = (int(part or 0) for part in found.groups())
    return bounded(option, hours * 3600 + minutes * 60 + seconds, text)


def bounded(option: str, number: float, text: str = "") -> float:
    """The number of seconds, if anybody can mean to wait so long. Raises ``typer.BadParameter``.

    What is longer is a slip, and past 292 years nothing can wait for it (``threading.TIMEOUT_MAX``).
    """
    if not 0 <= number <= LONGEST:  # nor is what is no number at all
        raise typer.BadParameter(f"{option} {text or number}: a time is from 0 to {LONGEST} s, which is a year")
    return float(number)
