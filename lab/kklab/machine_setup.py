"""Installing what a bare machine lacks."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from kklab import command
from kklab.errors import LabError
from kklab.hosts import basetree
from kklab.progress import Progress, say

PACKAGES = (
    # hosts
    *("debootstrap", "systemd-container", "iproute2", "nftables", "openssh-client", "kmod"),
    # programs with C in them
    *("gcc", "libc6-dev", "libseccomp-dev", "pkg-config"),
    "ca-certificates",
    # what bundles are compared with
    "minisign",
)
GO_PACKAGE = "golang-go"
"""Any Go will do: one that is too old fetches a newer one, see `golang.toolchain`."""


def run() -> None:
    """Install missing packages through apt, and make or verify the base tree.

    Raises:
        LabError: this machine has no apt.
    """
    missing = [package for package in _wanted() if not _is_installed(package)]
    if missing:
        _install(missing)
    say("packages: all there")
    basetree.verify()
    basetree.ensure()
    say(f"base tree: {basetree.root()}")


def _wanted() -> list[str]:
    has_go = shutil.which("go") or Path("/usr/local/go/bin/go").exists()
    return [*PACKAGES, *([] if has_go else [GO_PACKAGE])]


def _is_installed(package: str) -> bool:
    said = command.run(["dpkg-query", "-W", "-f=${db:Status-Status}", package], check=False)
    return said == "installed"


def _install(packages: list[str]) -> None:
    if not shutil.which("apt-get"):
        raise LabError("this machine has no apt", f"install by hand: {' '.join(packages)}")
    env = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    progress = Progress({"package lists": 10.0, "packages": 30.0 if GO_PACKAGE not in packages else 60.0})
    with progress.step("package lists", "apt-get update"):
        command.run(["apt-get", "update"], env=env)
    with progress.step("packages", " ".join(packages)):
        command.run(["apt-get", "install", "-y", "--no-install-recommends", *packages], env=env)
