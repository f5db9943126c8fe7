"""The single file that hosts without Python run: made once for the sources as they are, and brought to lab hosts."""

from __future__ import annotations

import fcntl
import hashlib
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.support.lab import LAB, Lab
from tests.support.operator import Ended

ROOT = Path(__file__).parents[2]
PLACE = "/usr/local/bin"
"""Where it is put on a host."""


def onefile() -> Path:
    """The file for these sources, made unless an earlier test has."""
    folder = ROOT / "build" / "onefile" / _digest()
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_suffix(".lock").open("w") as lock:  # tests of another part may want it, too
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "nodeadm").exists():  # made last
            subprocess.run([ROOT / "scripts" / "dist", folder], check=True, cwd=ROOT, capture_output=True)
    return (folder / "cctl").resolve()


def tools(packed: bytes, **says: str) -> bytes:
    """A file like it: the same script in front, something else behind. ``says`` overrides its placeholders."""
    text = (ROOT / "onefile" / "stub.sh").read_text()
    values = {"VERSION": "0.1.0", "MACHINE": "x86_64", "DIGEST": hashlib.sha256(packed).hexdigest(), **says}
    for name, value in values.items():
        text = text.replace(f"@{name}@", value)
    start = len(text.encode()) + 1
    return text.replace("@START@", f"{start:07d}").encode() + packed


def _digest() -> str:
    sources = [path for name in ("klusterkit", "onefile") for path in (ROOT / name).rglob("*") if path.is_file()]
    digest = hashlib.sha256(sys.version.encode())
    for path in sorted([*sources, ROOT / "requirements.lock"]):
        if "__pycache__" not in path.parts:
            digest.update(f"{path.relative_to(ROOT)} {hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return digest.hexdigest()[:16]


@dataclass
class HostWithTools:
    """A lab host with the single file under the names of the three tools."""

    lab: Lab
    name: str

    def install(self) -> None:
        """Bring it there. The file is one, the names are links."""
        self.copy(onefile(), f"{PLACE}/cctl")
        self(f"cd {PLACE} && ln -sf cctl etcdadm && ln -sf cctl nodeadm")

    def copy(self, source: Path, place: str) -> None:
        """Bring a file to the host, executable if it is."""
        with source.open("rb") as file:
            mode = f"{source.stat().st_mode & 0o777:o}"
            command = self._command(f"cat > {place}.part && chmod {mode} {place}.part && mv {place}.part {place}")
            subprocess.run(command, stdin=file, check=True, capture_output=True)

    def __call__(self, script: str, *, rc: int | None = 0, timeout: float = 300) -> Ended:
        """Run a script there as root, and check how it ends unless that may be any."""
        command = self._command(script)
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=timeout, check=False
        )
        said = f"{done.stdout}{done.stderr}"
        assert rc is None or done.returncode == rc, f"{script} ended with {done.returncode}:\n{said}"
        return Ended(done.returncode, done.stdout, done.stderr)

    def run(self, *words: str, rc: int | None = 0, timeout: float = 300) -> Ended:
        """Run a program there, such as one of the tools."""
        return self(shlex.join(words), rc=rc, timeout=timeout)

    def _command(self, script: str) -> list[str]:
        return [LAB, "--instance", self.lab.instance, "ssh", self.name, "--", script]
