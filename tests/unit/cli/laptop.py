"""An operator's machine: a home, a key, and a folder to work in."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

STRANGER = "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p"
"""A public key, whose owner is somebody else."""


class Operator:
    """Somebody with a home, a key, and a folder to work in."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.key = home / "id"
        if not self.key.exists():
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", self.key], check=True)

    def cctl(
        self, *arguments: str, code: int = 0, without: str = "", **environment: str
    ) -> subprocess.CompletedProcess[str]:
        """Run it; ``without`` closes standard streams, as a shell writes that: ``>&-``."""
        script = "from klusterkit.cli.cctl import main; main()"
        environ = {
            name: value for name, value in os.environ.items() if not name.startswith(("KLUSTERKIT", "XDG", "CCTL"))
        }
        done = subprocess.run(
            ["sh", "-c", f'exec "$0" "$@" {without}', sys.executable, "-c", script, *arguments],
            cwd=self.home,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            env={**environ, "HOME": str(self.home), **environment},
        )
        assert done.returncode == code, done.stderr
        return done
