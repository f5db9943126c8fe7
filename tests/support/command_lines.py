"""Command lines of the tools, as pages and messages have them: found there, and read by the tools' own parsers."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Sequence
from itertools import chain, takewhile
from typing import Any

from klusterkit.cli.cctl import cctl
from klusterkit.cli.etcdadm import etcdadm
from klusterkit.cli.nodeadm import nodeadm
from klusterkit.cli.tools.phases import as_options

PROGRAMS = {"cctl": cctl, "etcdadm": etcdadm, "nodeadm": nodeadm}

_BLOCK = re.compile(r"^```\w*\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_PROMPT = re.compile(r"(?:\w+#|\$) ")
_IN_WORDS = re.compile(rf"`((?:{'|'.join(PROGRAMS)}) [^`]+)`")
_REDIRECTION = re.compile(r"\d?>+ ?(?:&\d|\S+)")
_BEFORE_A_TOOL = re.compile(r"sudo|ssh|[\w.]+@\S+|[A-Z_]+=\S*")


def parse(words: Sequence[str]) -> None:
    """Have a command line read, down to the command that it means, and not run. Raises what the parser does."""
    tool, *given = words
    arguments = as_options(given) if tool == "etcdadm" else given
    context: Any = PROGRAMS[tool]().make_context(tool, list(arguments))
    while hasattr(context.command, "resolve_command"):
        rest = [*context._protected_args, *context.args]
        name, command, left = context.command.resolve_command(context, rest)
        context = command.make_context(name, left, parent=context)


def in_blocks(page: str) -> Iterator[list[str]]:
    """The calls of the tools in a page's fenced blocks. Where a block has prompts, other lines are output."""
    for block in _BLOCK.findall(page):
        lines = block.replace("\\\n", " ").splitlines()
        typed = [line[found.end() :] for line in lines if (found := _PROMPT.match(line))] or lines
        yield from chain.from_iterable(map(_calls, typed))


def _calls(line: str) -> Iterator[list[str]]:
    # "…" stands for options that the reader knows by then.
    for inner in re.findall(r"\$\(([^()]+)\)", line):
        yield from _calls(inner)
    if not any(tool in line for tool in PROGRAMS):
        return
    reader = shlex.shlex(_REDIRECTION.sub("", line), posix=True, punctuation_chars=True)
    reader.whitespace_split = True
    words = iter([word for word in reader if word != "…"])
    while command := list(takewhile(lambda word: not set(word) <= set("();|&"), words)):
        while command and _BEFORE_A_TOOL.fullmatch(command[0]):
            command = command[1:]
        if command and command[0] in PROGRAMS:
            yield command


def in_words(text: str) -> list[str]:
    """What a text names between backquotes, such as ``cctl resume --adopt TASK``: read by people, not by a parser."""
    return _IN_WORDS.findall(text)


def unknown_in(named: str) -> list[str]:
    """The commands and options in such a text that there are not."""
    ours = named.partition(" -- ")[0]
    tool, *words = re.split(r"[\s|\\]+", ours)
    program: Any = PROGRAMS[tool]()
    command = program
    for word in as_options(words):
        if not hasattr(command, "commands") or not re.fullmatch(r"[a-z]+", word):
            break
        if word not in command.commands:
            return [word]
        command = command.commands[word]
    known = {*_options_of(command), *chain.from_iterable(each.opts for each in program.params)}
    return [option for option in re.findall(r"(?<![\w-])--?[a-z][a-z-]*", ours) if option not in known]


def _options_of(command: Any) -> Iterator[str]:
    yield from chain.from_iterable(each.opts for each in command.params)
    yield from ("--help", "-h")
    for inner in getattr(command, "commands", {}).values():
        yield from _options_of(inner)
