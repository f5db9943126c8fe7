"""Numbers and commands in words, the same everywhere."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence

_OF_EVERY_TOOL = re.compile(r"\bcctl (?=(resume|rollback|status|history)\b)")
_TRUSTING = re.compile(r"\bcctl bundle trust (?=KEY\b)")
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
"""C0 and C1 (ISO 6429), and DEL, but for tabs and ends of lines."""
_speaking = ["cctl"]


def speak_as(command: str) -> None:
    """From now on, say commands that every tool has as this one's: ``etcdadm --host 10.0.0.5``."""
    _speaking[0] = command


def in_own_words(text: str) -> str:
    """A text with the commands of the tool that shows it. What goes wrong below doesn't know which tool that is."""
    text = _OF_EVERY_TOOL.sub(lambda _: f"{_speaking[0]} ", text)
    return text if _speaking == ["cctl"] else _TRUSTING.sub("--bundle-key ", text)


def plain(text: str) -> str:
    """A text without what a terminal would act on. What comes from a host may say anything, and must only be read."""
    return _CONTROLS.sub("", text)


def to_do(title: str, *, undoing: bool) -> str:
    """What is done in a task, by its step's title: ``write /etc/hosts``; on the way back ``undo: write /etc/hosts``.

    A run is taken back, a task is undone; ``take back: …`` is what steps are called that put a machine's host back.
    """
    return f"undo: {title}" if undoing else title


def duration(seconds: float) -> str:
    """``0.8 s``, ``42 s``, ``2 min 05 s``, ``1 h 10 min``."""
    if seconds < 9.95:
        return f"{max(seconds, 0.0):.1f} s"
    whole = round(seconds)
    if whole < 100:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {rest:02} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02} min"


def roughly(seconds: float) -> str:
    """An estimate, no more exact than it can be: ``a few seconds``, ``about 40 s``, ``about 5 min``."""
    if seconds < 7.5:
        return "a few seconds"
    if seconds < 90:
        return f"about {round(seconds / 5) * 5} s"
    minutes = round(seconds / 60)
    if minutes < 90:
        return f"about {minutes} min"
    return f"about {round(minutes / 60)} h"


def several(count: int, noun: str) -> str:
    """``1 task``, ``97 tasks``, ``1,000 hosts``."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def listed(items: Sequence[str], most: int = 4) -> str:
    """``a, b and c``, or ``a, b, c, d and 93 more``."""
    shown = list(items[:most])
    rest = len(items) - len(shown)
    if rest:
        return f"{', '.join(shown)} and {rest:,} more"
    if len(shown) < 2:
        return "".join(shown)
    return f"{', '.join(shown[:-1])} and {shown[-1]}"


def clock(seconds: float) -> str:
    """The time of day, local, for whoever looks on: ``12:03:11``. A time to come back to is a ``moment``."""
    return time.strftime("%H:%M:%S", time.localtime(seconds))
