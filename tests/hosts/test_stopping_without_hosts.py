"""Ctrl-C when hosts are gone: nobody waits for connections that can't be made."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

from clients import until
from private_host import PrivateHost
from small_runs import SmallSite, files


def connected_to(port: int) -> bool:
    """Whether somebody on this machine has a connection to a port (``/proc/net/tcp``: state 01 is established)."""
    rows = (line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:])
    return any(row[2].endswith(f":{port:04X}") and row[3] == "01" for row in rows)


def test_the_second_ctrl_c_does_not_wait_for_a_host_that_says_nothing(own_host: PrivateHost, tmp_path: Path) -> None:
    """Its kernel takes connections, and its sshd is stopped: an attempt takes 10 s to fail."""
    site = SmallSite(own_host, tmp_path / "operator")
    plan = site.save(*files("/run/a"))
    os.kill(own_host.init, signal.SIGSTOP)
    try:
        process = site.start("apply", plan)
        until(lambda: connected_to(own_host.port))
        time.sleep(1)  # it looks at the host, before the run begins
        process.send_signal(signal.SIGINT)
        time.sleep(0.5)
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=6)
    finally:
        os.kill(own_host.init, signal.SIGCONT)
    assert process.returncode == 130
    assert '"record":"run"' not in site.state.read_text(), out
    site("apply", plan)
    assert site.on_host("cat /run/a") == "/run/a\n"
