"""A delay line: carries packets between a host's cable and a TAP interface of the bridge, each a while later.

For kernels without netem. A program of its own: `delay_line.py CABLE TAP MILLISECONDS`, ended by a signal.
Both interfaces pass packets with the header of virtio_net, so that checksums and segments that the kernel has
left for later stay so.
"""

from __future__ import annotations

import collections
import contextlib
import fcntl
import os
import selectors
import socket
import struct
import sys
import time
from collections.abc import Callable

TUNSETIFF = 0x400454CA
IFF_TAP, IFF_NO_PI, IFF_VNET_HDR = 0x0002, 0x1000, 0x4000
SOL_PACKET, PACKET_VNET_HDR, PACKET_IGNORE_OUTGOING = 263, 15, 23
ETH_P_ALL = 0x0003
LONGEST = 70_000
BATCH = 64

Write = Callable[[bytes], object]


def open_tap(name: str) -> int:
    """A descriptor that reads what the bridge sends to the interface, and writes what it is to receive."""
    tap = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(tap, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TAP | IFF_NO_PI | IFF_VNET_HDR))
    return tap


def open_cable(name: str) -> socket.socket:
    """A socket that reads what the host sends, and writes what it is to receive."""
    cable = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    cable.setsockopt(SOL_PACKET, PACKET_VNET_HDR, 1)
    cable.setsockopt(SOL_PACKET, PACKET_IGNORE_OUTGOING, 1)
    cable.bind((name, ETH_P_ALL))
    cable.setblocking(False)
    return cable


def carry(cable: socket.socket, tap: int, delay: float) -> None:
    """Carry packets in both directions until the process ends; `delay` in seconds."""
    waiting: collections.deque[tuple[float, Write, bytes]] = collections.deque()
    ways: dict[int, tuple[Callable[[], bytes], Write]] = {
        cable.fileno(): (lambda: cable.recv(LONGEST), lambda packet: os.write(tap, packet)),
        tap: (lambda: os.read(tap, LONGEST), cable.send),
    }
    selector = selectors.DefaultSelector()
    for descriptor in ways:
        selector.register(descriptor, selectors.EVENT_READ)
    while True:
        rest = waiting[0][0] - time.monotonic() if waiting else None
        for key, _ in selector.select(None if rest is None else max(0.0, rest)):
            read, write = ways[key.fd]
            # A pulled cable is an error on either end, and what is sent into it is lost.
            with contextlib.suppress(OSError):
                for _ in range(BATCH):
                    waiting.append((time.monotonic() + delay, write, read()))
        while waiting and waiting[0][0] <= time.monotonic():
            _, write, packet = waiting.popleft()
            with contextlib.suppress(OSError):
                write(packet)


def main() -> None:
    """Carry packets as the arguments say."""
    cable, tap, milliseconds = sys.argv[1:]
    carry(open_cable(cable), open_tap(tap), float(milliseconds) / 1000)


if __name__ == "__main__":
    main()
