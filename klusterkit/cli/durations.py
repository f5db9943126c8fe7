"""Times as operators write them."""

from __future__ import annotations

import re

import typer

_DURATION = re.compile(r"(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?")


def seconds(option: str, text: str) -> float:
    """Of a duration as Go writes it, ``1h30m``, or a number of seconds. Raises ``typer.BadParameter``."""
    if text.isdecimal():
        return float(text)
    found = _DURATION.fullmatch(text)
    if not text or not found:
        raise typer.BadParameter(f"{option} {text}: a time is 90s, 5m or 1h30m")
    hours, minutes, seconds = (int(part or 0) for part in found.groups())
    return float(hours * 3600 + minutes * 60 + seconds)
