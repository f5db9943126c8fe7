"""An SSH agent for one key, inside this process: the key is on no disk, and gone when the process is.

The protocol is draft-ietf-sshm-ssh-agent; of its requests, the two that a login takes are answered.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from klusterkit.hosts.credentials import PrivateKey
from klusterkit.hosts.sshlibrary import paramiko

_FAILURE, _IDENTITIES, _SIGNATURE = 5, 12, 14
_ALGORITHMS = {2: "rsa-sha2-256", 4: "rsa-sha2-512"}
"""What flags of a request ask for, of an RSA key (RFC 8332)."""
_LONGEST = 1 << 18
"""Bytes of a request (OpenSSH, ``AGENT_MAX_LEN``)."""


class _Request:
    IDENTITIES = 11
    SIGN = 13


@contextmanager
def agent(key: PrivateKey, place: Path) -> Generator[None]:
    """An agent that listens at a socket as long as the ``with`` block runs.

    Args:
        key: the one that it has.
        place: of the socket, in a folder that only this user can enter.
    """
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(place))
        listening.listen()
        threading.Thread(target=_serve, args=(listening, key), daemon=True).start()
        try:
            yield
        finally:
            listening.shutdown(socket.SHUT_RDWR)  # ends the thread, too
            place.unlink(missing_ok=True)


def _serve(listening: socket.socket, key: PrivateKey) -> None:
    with contextlib.suppress(OSError):
        while True:
            client, _ = listening.accept()
            threading.Thread(target=_answer_all, args=(client, key), daemon=True).start()


def _answer_all(client: socket.socket, key: PrivateKey) -> None:
    with contextlib.suppress(OSError, EOFError, struct.error), client, client.makefile("rwb") as stream:
        while True:
            (length,) = struct.unpack(">I", stream.read(4))
            if not 0 < length <= _LONGEST:
                return
            answer = answer_to(stream.read(length), key)
            stream.write(struct.pack(">I", len(answer)) + answer)
            stream.flush()


def answer_to(request: bytes, key: PrivateKey) -> bytes:
    """The answer to one request, both without their lengths."""
    message, answer = paramiko.Message(request), paramiko.Message()
    match message.get_byte()[0]:
        case _Request.IDENTITIES:
            answer.add_byte(bytes([_IDENTITIES]))
            answer.add_int(1)
            answer.add_string(key.key.asbytes())
            answer.add_string(b"cctl")
        case _Request.SIGN if message.get_string() == key.key.asbytes():
            data, flags = message.get_string(), message.get_int()
            algorithm = next((name for flag, name in _ALGORITHMS.items() if flags & flag), None)
            answer.add_byte(bytes([_SIGNATURE]))
            answer.add_string(key.key.sign_ssh_data(data, algorithm).asbytes())
        case _:
            answer.add_byte(bytes([_FAILURE]))
    return answer.asbytes()
