"""Programs of Debian packages that tests use."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

KEPT = Path(__file__).parents[2] / "build" / "debian"


def installed(*packages: str) -> None:
    """Have packages whose programs are called like them."""
    if missing := [package for package in packages if shutil.which(package) is None]:
        install(*missing)


def install(*packages: str) -> None:
    """Install packages. Another apt-get, of other tests, is waited for, and no service is started."""
    apt = ["apt-get", "install", "-qy", "-o", "DPkg::Lock::Timeout=300", "--no-install-recommends", *packages]
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
    subprocess.run(apt, env=environment, check=True, capture_output=True)


def program(package: str, path: str) -> Path:
    """A file of a package that isn't installed, since its service would be started.

    Args:
        package: its name.
        path: of the file in it, relative to the root.
    """
    kept = KEPT / package
    if not kept.exists():
        KEPT.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=KEPT) as folder:
            subprocess.run(["apt-get", "download", "-q", package], cwd=folder, check=True, capture_output=True)
            made = Path(folder, "tree")
            subprocess.run(["dpkg-deb", "-x", next(Path(folder).glob("*.deb")), made], check=True)
            _keep(made, kept)
    return kept / path


def _keep(made: Path, kept: Path) -> None:
    """Somebody else may have been faster, with the same."""
    try:
        made.rename(kept)
    except OSError:
        if not kept.exists():
            raise
