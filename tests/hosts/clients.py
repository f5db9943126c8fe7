"""Other processes that work on a private host, and what they leave there."""

import contextlib
import subprocess
import sys
import time
from pathlib import Path


@contextlib.contextmanager
def client(host, action):
    """Another process that works on the host. Killed at the end, if it wasn't before."""
    (host.folder / "known_hosts").write_text("\n".join(host.known_hosts) + "\n")
    (host.folder / "ssh_config").touch()
    command = [sys.executable, str(Path(__file__).with_name("client.py")), str(host.folder), str(host.port), action]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout.readline() == "connected\n"
            yield process
        finally:
            process.kill()


def until(done, seconds=20):
    deadline = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < deadline, f"not after {seconds} s"
        time.sleep(0.02)


def lines(host, path):
    try:
        return host.read(path).decode().split()
    except FileNotFoundError:
        return []
