"""Python for lab hosts, which have none: Ansible needs it there. Debian's own, unpacked on the host."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from bench.lab import Lab


def download(folder: Path) -> list[Path]:
    """The packages of Debian's present Python, downloaded once into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    said = subprocess.run(["apt-cache", "depends", "python3-minimal"], check=True, capture_output=True, text=True)
    minimal = re.search(r"\b(python3\.\d+)-minimal\b", said.stdout)
    if minimal is None:
        raise RuntimeError("apt knows no package python3-minimal; run `apt-get update`")
    names = [f"{minimal[1]}-minimal", f"lib{minimal[1]}-minimal", f"lib{minimal[1]}-stdlib"]
    if len(list(folder.glob("*.deb"))) < len(names):
        # apt drops its rights for a download, and then can't write into a folder of root's.
        subprocess.run(["apt-get", "-qq", "-o", "APT::Sandbox::User=root", "download", *names], cwd=folder, check=True)
    return sorted(folder.glob("*.deb"))


def install(lab: Lab, host: str, packages: list[Path]) -> None:
    """Unpack them on a host, and make ``python3`` lead there."""
    for package in packages:
        files = subprocess.run(["dpkg-deb", "--fsys-tarfile", str(package)], check=True, capture_output=True).stdout
        lab.on(host, "tar -x --keep-directory-symlink -f - -C /", stdin=files)
    lab.on(host, "cd /usr/bin && ln -sf python3.[0-9]* python3 && ./python3 -c 'import json'")
