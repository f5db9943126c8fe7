"""A host's cable: plugged in or not, slow, lossy.

Loss is a `tc` filter on the machine's end of the cable: a classic BPF program that draws a random number for each
packet, which every kernel with cls_bpf has. Delay is `tc`'s netem where the kernel has it, and a delay line
(`delay_line`) between cable and bridge where it has not. Both work in each direction: with a delay of 50 ms a round
trip takes 100 ms longer.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from kklab import command
from kklab.errors import LabError
from kklab.hosts import network
from kklab.hosts.cgroup import Group

START_SECONDS = 10.0
LD_RANDOM = "32 0 0 4294963256"
"""Load a random 32-bit number (SKF_AD_RANDOM)."""
DROP = "6 0 0 2"
ACCEPT = "6 0 0 4294967295"
JUMP_IF_AT_LEAST = "53 1 0"


class Cable:
    """The cable of one host.

    Args:
        instance: the instance that the host belongs to.
        host: the host's name.
    """

    def __init__(self, instance: str, host: str) -> None:
        self._instance = instance
        self._host = host
        self._link = network.cable_name(instance, host)
        self._line = network.delay_line_name(instance, host)
        # What runs the delay line is known by its group, as what runs the host is.
        self._group = Group(instance, f"{host}.cable")

    def create(self) -> None:
        """Lay the cable anew."""
        self.remove()
        network.create_cable(self._instance, self._host)

    def remove(self) -> None:
        """Take the cable away, with all that was set on it."""
        self._stop_line()
        network.delete_cable(self._instance, self._host)

    def plug(self, *, up: bool) -> None:
        """Plug it in, or pull it."""
        command.run(["ip", "link", "set", self._link, "up" if up else "down"])

    def shape(self, *, delay_ms: float, loss_percent: float, log: Path) -> None:
        """Make packets late, or lose some, in each direction; 0 makes it a good cable again.

        Args:
            log: where a delay line writes what goes wrong.
        """
        self._stop_line()
        command.run(["tc", "qdisc", "delete", "dev", self._link, "clsact"], check=False)
        port = self._delay(delay_ms, log)
        if loss_percent:
            _lose(port, loss_percent)

    def _delay(self, delay_ms: float, log: Path) -> str:
        """Delay packets; returns the interface that is the bridge's port now."""
        inside = ["ip", "netns", "exec", network.namespace_name(self._instance, self._host)]
        ends = (["tc", "qdisc", "{}", "dev", self._link], [*inside, "tc", "qdisc", "{}", "dev", network.INSIDE])
        for end in ends:
            command.run([word.format("delete") for word in end] + ["root"], check=False)
        if not delay_ms:
            return self._link
        netem = ["root", "netem", "delay", f"{delay_ms}ms", "limit", "100000"]
        if all(command.succeeds([word.format("add") for word in end] + netem) for end in ends):
            return self._link
        self._start_line(delay_ms, log)
        return self._line

    def _start_line(self, delay_ms: float, log: Path) -> None:
        network.create_delay_line(self._instance, self._host)
        program = Path(__file__).with_name("delay_line.py")
        self._group.launch([sys.executable, str(program), self._link, self._line, str(delay_ms)], log)
        deadline = time.monotonic() + START_SECONDS
        while not network.has_carrier(self._line):
            if time.monotonic() > deadline:
                raise LabError(f"the delay line of {self._host} doesn't start", f"see {log}")
            time.sleep(0.02)

    def _stop_line(self) -> None:
        self._group.kill()
        self._group.remove()
        network.delete_delay_line(self._instance, self._host)


def _lose(port: str, percent: float) -> None:
    threshold = min(int(percent / 100 * 2**32), 2**32 - 1)
    program = ",".join(("4", LD_RANDOM, f"{JUMP_IF_AT_LEAST} {threshold}", DROP, ACCEPT))
    command.run(["tc", "qdisc", "add", "dev", port, "clsact"])
    for direction in ("ingress", "egress"):
        where = ["dev", port, direction, "protocol", "all"]
        command.run(["tc", "filter", "add", *where, "bpf", "direct-action", "bytecode", program])
