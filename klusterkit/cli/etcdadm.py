"""``etcdadm``: one etcd member, on its own host."""

from __future__ import annotations

import sys

from klusterkit.cli.guard import guarded
from klusterkit.cli.lazy import program

_HELP = """One etcd member, on its own host.

For now cctl does all that it will do, over SSH.
"""


def main() -> None:
    """The program."""
    sys.exit(guarded(program("etcdadm", _HELP, {"version": "klusterkit.cli.commands.version"}), sys.argv[1:]))
