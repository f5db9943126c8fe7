"""Where the packaged program begins.

PyInstaller's loader finds the libraries beside the program through the environment. That is for this process alone:
what it starts (a shell, ``sudo``, ``ssh``) has to load the host's own.
"""

from __future__ import annotations

import os


def _give_back_environment() -> None:
    before = os.environ.pop("LD_LIBRARY_PATH_ORIG", None)
    if before is None:
        os.environ.pop("LD_LIBRARY_PATH", None)
    else:
        os.environ["LD_LIBRARY_PATH"] = before
    for name in [name for name in os.environ if name.startswith("_PYI_")]:
        del os.environ[name]


_give_back_environment()

from klusterkit.cli.multicall import main  # noqa: E402 - the environment first

main()
