"""All three tools in one program: the name that it is called by says which one it is, as with busybox."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module
from typing import NoReturn

from klusterkit.cli.exit_codes import ExitCode

TOOLS = ("cctl", "etcdadm", "nodeadm")


def chosen(arguments: Sequence[str]) -> tuple[str | None, list[str]]:
    """The tool that a command line means, and what it is given: by its own name, or by the word after it.

    ``cctl status``, ``cctl-0.1.0-linux-amd64 status`` and ``klusterkit cctl status`` mean the same.
    """
    called = arguments[0].rpartition("/")[2].partition("-")[0] if arguments else ""
    if called in TOOLS:
        return called, list(arguments[1:])
    if len(arguments) > 1 and arguments[1] in TOOLS:
        return arguments[1], list(arguments[2:])
    return None, []


def main() -> NoReturn:
    """Run the tool. The first argument is the name that the file was called by."""
    tool, rest = chosen(sys.argv[1:])
    if tool is None:
        sys.stderr.write(f"usage: klusterkit {'|'.join(TOOLS)} ARGUMENT…, or link it under one of these names\n")
        sys.exit(ExitCode.USAGE)
    sys.argv = [tool, *rest]
    import_module(f"klusterkit.cli.{tool}").main()
    sys.exit(ExitCode.DONE)
