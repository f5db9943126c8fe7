"""Large files to a host: streamed through a lane of their own, resumed after a cut, renamed when they are right."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Generator
from pathlib import Path
from typing import BinaryIO

from klusterkit.engine.errors import CommandFailed, HostUnreachable, PermanentError, TemporaryError
from klusterkit.foreign import words_of
from klusterkit.hosts.link import Link
from klusterkit.hosts.pace import Pace
from klusterkit.hosts.quoting import word

_READ = 1 << 20
_PIECE = 64 << 20
"""Bytes that are sent with one request. A cut costs at most the bytes on their way, not the piece."""
_SLOWEST = 256 << 10
"""Bytes per second below which a link counts as broken."""
_SHARING = 8
"""So many uploads may share a pace that was set."""
_TRIES = 20


def upload(link: Link, source: Path, sha256: str, path: str, mode: int, pace: Pace) -> None:
    """Bring ``source`` to ``path``. See :meth:`klusterkit.engine.host.Host.upload`."""
    for attempt in range(1, _TRIES + 1):
        try:
            return _upload(link, source, sha256, path, mode, pace)
        except HostUnreachable:
            # The link makes a new connection, with its own patience; what arrived counts.
            if attempt == _TRIES:
                raise
            link.call(b":")
    return None


def _upload(link: Link, source: Path, sha256: str, path: str, mode: int, pace: Pace) -> None:
    found = link.call(b"kk_part %s %s" % (word(path), word(sha256)), timeout=600.0, long=True)
    part = f"{path}.part"
    match found.out.strip():
        case b"done":
            return _run(link, b"chmod -- %05o %s" % (mode, word(path)), path)
        case b"whole":
            return _put_in_place(link, part, path, mode)
        case _:
            pass
    with _opened(source) as file:
        digest = hashlib.sha256()
        if not _resumes(file, found.out.decode().split(), digest):
            file.seek(0)
            digest = hashlib.sha256()
            _run(link, b"kk_home && printf '' >%s" % word(part), path)
        _send(link, file, digest, part, path, pace)
    if digest.hexdigest() != sha256:
        _run(link, b"rm -f -- " + word(part), path)
        raise PermanentError(
            f"{source} has another checksum than it should",
            host=link.name,
            seen=f"SHA-256 {digest.hexdigest()}, wanted {sha256}",
            hint="remove it, and fetch it again",
        )
    _check(link, part, sha256, path)
    return _put_in_place(link, part, path, mode)


def _resumes(file: BinaryIO, part: list[str], digest: hashlib._Hash) -> bool:  # pyright: ignore[reportPrivateUsage]
    """Whether the host has a beginning of this file; if so, ``file`` and ``digest`` stand behind it."""
    size = int(part[0]) if part else 0
    if not size or size > os.fstat(file.fileno()).st_size:
        return False
    left = size
    while left and (data := file.read(min(left, _READ))):
        digest.update(data)
        left -= len(data)
    return digest.hexdigest() == part[1]


def _send(link: Link, file: BinaryIO, digest: hashlib._Hash, part: str, path: str, pace: Pace) -> None:  # pyright: ignore[reportPrivateUsage]
    total = os.fstat(file.fileno()).st_size
    while (left := total - file.tell()) > 0:
        size = min(left, _PIECE)
        feed = _pieces(file, digest, size, pace)
        patience = 60 + size / _SLOWEST + _SHARING * pace.seconds(size)
        reply = link.call(_receiver(size, part), timeout=patience, repeat=False, long=True, feed=feed)
        if reply.rc:
            raise _failed(link, path, reply.err)


def _receiver(size: int, part: str) -> bytes:
    # The second cat takes what the first didn't (a full disk, say): nothing of it may reach the shell as a command.
    # It doesn't count as work of a run (descriptor 8): cut off, it may wait for the rest for ever. dd rather than head,
    # which takes 8 KiB at a time.
    return (
        b"dd bs=256K iflag=fullblock,count_bytes count=%d status=none 8>&- "
        b"| { cat >>%s; kk_rc=$?; cat >/dev/null; [ $kk_rc -eq 0 ]; } 8>&-"
    ) % (size, word(part))


def _pieces(file: BinaryIO, digest: hashlib._Hash, size: int, pace: Pace) -> Generator[bytes]:  # pyright: ignore[reportPrivateUsage]
    while size:
        pace.wait(min(size, _READ))
        data = file.read(min(size, _READ))
        if not data:  # it became shorter: what was promised has to come, and the checksum tells
            data = bytes(min(size, _READ))
        digest.update(data)
        size -= len(data)
        yield data


def _check(link: Link, part: str, sha256: str, path: str) -> None:
    check = b'kk_sum %s && [ "$kk_sum" = %s ]' % (word(part), word(sha256))
    if link.call(check, timeout=600.0, long=True).rc:
        _run(link, b"rm -f -- " + word(part), path)
        raise TemporaryError(
            f"{path} arrived damaged on {link.name}",
            host=link.name,
            hint="it is sent again; if that happens often, look at the host's memory and disk",
        )


def _put_in_place(link: Link, part: str, path: str, mode: int) -> None:
    folder = path.rpartition("/")[0] or "/"
    script = b"kk_of_root %(p)s && chmod %(m)05o %(p)s && sync %(p)s && mv -fT -- %(p)s %(t)s && sync %(f)s"
    values = {b"p": word(part), b"m": mode, b"t": word(path), b"f": word(folder)}
    # Repeated after a lost answer, the part is gone and the target is right.
    script = b"if [ -e %(p)s ]; then " + script + b"; else [ -e %(t)s ]; fi"
    _run(link, script % values, path)


def _run(link: Link, script: bytes, path: str) -> None:
    reply = link.call(script, timeout=600.0, long=True)
    if reply.rc:
        raise _failed(link, path, reply.err)


def _failed(link: Link, path: str, err: bytes) -> CommandFailed:
    return CommandFailed(
        f"{path} can't be written on {link.name}",
        host=link.name,
        seen=err.decode(errors="replace").strip(),
        hint="see that its folder is there and that the file system has room",
    )


def _opened(source: Path) -> BinaryIO:
    try:
        return source.open("rb")
    except OSError as error:
        raise PermanentError(f"{source} can't be read: {words_of(error)}", hint="fetch it again") from None
