"""What shells are told at each press of the tab key: it may take 150 ms, so nothing that is slow to import is asked.

Names come from the text of the state file, as KlusterKit writes it: neither is YAML parsed nor are secrets opened.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer

from klusterkit.cli.kinds import ALL, KINDS

_MACHINES = re.compile(r"^machines:\n((?:[- ].*\n)*)", re.MULTILINE)
_NAME = re.compile(r"^  metadata:\n    name: (.+)$", re.MULTILINE)
_ADDRESS = re.compile(r"^    - type: InternalIP\n      address: (.+)$", re.MULTILINE)
_RUNS = re.compile(r"^runs:\n((?:[- ].*\n)*)", re.MULTILINE)
_RUN = re.compile(r"^- name: (.+)$", re.MULTILINE)
_RECORD = "--- "


def machines(context: typer.Context, incomplete: str) -> list[str]:
    """Names of machines."""
    return _beginning(incomplete, _found(_MACHINES, _NAME, _state(context)))


def addresses(context: typer.Context, incomplete: str) -> list[str]:
    """Their addresses."""
    return _beginning(incomplete, _found(_MACHINES, _ADDRESS, _state(context)))


def ended_runs(context: typer.Context, incomplete: str) -> list[str]:
    """Names of runs that have ended."""
    return _beginning(incomplete, _found(_RUNS, _RUN, _state(context)))


def objects(context: typer.Context, args: list[str], incomplete: str) -> list[str]:
    """Kinds; after a kind or in a path, names of that kind."""
    _ = args
    kind, slash, rest = incomplete.partition("/")
    if slash:
        return [f"{kind}/{name}" for name in _named(context, kind, rest)]
    words: list[str] = context.params.get("words") or []
    return _named(context, words[0], incomplete) if words else _beginning(incomplete, [*KINDS, ALL])


def _named(context: typer.Context, kind: str, incomplete: str) -> list[str]:
    """Names of objects of a kind."""
    if kind.startswith("ma"):
        return machines(context, incomplete)
    return ended_runs(context, incomplete) if kind.startswith("run") else []


def open_tasks(context: typer.Context, incomplete: str) -> list[str]:
    """Tasks of the run in progress that have begun and not ended well: those that can be decided about."""
    last: dict[str, str] = {}
    for record in _records(_state(context)):
        if "task" in record:
            last[record["task"]] = record["record"]
    return _beginning(incomplete, [task for task, record in last.items() if record not in ("end", "leave")])


def _records(text: str) -> Iterator[dict[str, Any]]:
    for line in text.splitlines():
        if line.startswith(_RECORD):
            try:
                yield json.loads(line.removeprefix(_RECORD))["record"]
            except (ValueError, KeyError, TypeError):
                return


def _found(part: re.Pattern[str], each: re.Pattern[str], text: str) -> list[str]:
    section = part.search(text)
    return [found.strip("'\"") for found in each.findall(section[1])] if section else []


def _beginning(incomplete: str, words: list[str]) -> list[str]:
    return [word for word in words if word.startswith(incomplete)]


def _state(context: typer.Context) -> str:
    """The text of the state file; nothing where there is none, or it isn't ours to read."""
    named = context.params.get("state") or context.find_root().params.get("state")
    path = Path(named or os.environ.get("CCTL_STATE") or "cctl-state.yaml").expanduser()
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return ""
