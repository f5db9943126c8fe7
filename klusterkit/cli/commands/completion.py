"""Print what makes a shell complete commands, options and names.

For one shell:    eval "$(cctl completion bash)"
For all of them:  cctl completion bash >/etc/bash_completion.d/cctl
                  cctl completion zsh >"${fpath[1]}/_cctl"
                  cctl completion fish >~/.config/fish/completions/cctl.fish
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from klusterkit.cli.options import Common


class Shell(StrEnum):
    """Those that there is a script for."""

    BASH = "bash"
    ZSH = "zsh"
    FISH = "fish"


def run(shell: Annotated[Shell, typer.Argument(metavar="SHELL", help="bash, zsh or fish")], common: Common) -> None:
    """Print it."""
    from typer._completion_shared import get_completion_script  # pyright: ignore[reportPrivateUsage] - it has no other

    _ = common
    typer.echo(get_completion_script(prog_name="cctl", complete_var="_CCTL_COMPLETE", shell=shell))
