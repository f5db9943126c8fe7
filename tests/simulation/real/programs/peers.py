"""What hosts serve each other artifacts by: a server that is a unit of its own, and the script that fetches."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Sequence

from klusterkit.engine.host import Completed
from klusterkit.hosts.simulated import Machine
from klusterkit.tasks.artifacts import place
from klusterkit.tasks.asked import PEER_SERVER
from klusterkit.tasks.peers import FOLDER, PORT, UNIT
from tests.simulation.real.programs.program import Program
from tests.support import kernel
from tests.support.posix import said

TOKEN = f"{FOLDER}/token"


class Peers(Program):
    """The server of one host, and its way to those of others.

    Args:
        machine: that it runs on.
        find: the one at an address, if that host is on.
    """

    def __init__(self, machine: Machine, find: Callable[[str], Peers | None]) -> None:
        super().__init__(machine)
        self._find = find
        machine.program("systemd-run", self._start)
        machine.program(PEER_SERVER, lambda *_: said())
        machine.program("/bin/sh", self._fetch, takes=1.0)
        machine.systemd.on_stop(UNIT, lambda _: kernel.close_sockets(machine, UNIT))

    def gives(self, token: str, sha256: str) -> bytes:
        """What it answers to who asks with a token; nothing where it refuses or isn't there."""
        serving = UNIT in self.machine.systemd.active and self.has(TOKEN, place(sha256))
        known = serving and self.tree.read(TOKEN).decode().strip() == token
        return self.tree.read(place(sha256)) if known else b""

    def _start(self, machine: Machine, argv: Sequence[str], _: bytes) -> Completed:
        if UNIT in machine.systemd.active:
            return said(1, err=f"Failed to start transient service unit: Unit {UNIT} was already loaded.")
        assert f"--unit={UNIT}" in argv
        machine.systemd.becomes(UNIT, "active")
        kernel.listen(machine, UNIT, PORT)
        return said()

    def _fetch(self, machine: Machine, _: Sequence[str], stdin: bytes) -> Completed:
        """Of a file, all or nothing. Whose checksum is wrong is found by whoever asked."""
        settings = dict(re.findall(r"^(\w+)='([^']*)'$", stdin.decode(), re.MULTILINE))
        for peer in settings["peers"].split():
            server = self._find(peer.rpartition(":")[0])
            content = server.gives(settings["token"], settings["sha256"]) if server else b""
            if content:
                machine.tree.write(settings["part"], content, 0o600)
                assert hashlib.sha256(content).hexdigest() == settings["sha256"]
                return said()
        return said(1)
