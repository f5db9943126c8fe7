"""Which host keys are known. Nothing that proves who we are is sent to a host whose key isn't."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from klusterkit.hosts.credentials import fingerprint, public_key
from klusterkit.hosts.errors import ChangedHostKey, HostKeyRevoked, UnknownHostKey
from klusterkit.hosts.sshlibrary import HostKeyEntry, InvalidHostKey, paramiko

Ask = Callable[[UnknownHostKey], bool]


class HostKeys:
    """Keys by host. Thread-safe.

    What the state file pins for a host counts before what the user's files say of it.

    Args:
        lines: pinned keys, in the format of ``known_hosts``.
        files: more such files; those that aren't there are left out.
        fingerprints: ``SHA256:…`` of keys that are accepted when they are met for the first time.
        ask: whether a key that isn't known is the host's. Asked by one thread at a time.

    Attributes:
        accepted: lines of keys that were accepted since, to be pinned.
    """

    def __init__(
        self,
        lines: Iterable[str] = (),
        files: Iterable[Path] = (),
        fingerprints: Iterable[str] = (),
        ask: Ask | None = None,
    ) -> None:
        self._revoked: set[str] = set()
        self._misread: list[str] = []
        self._pinned = self._parse(("", line) for line in lines)
        self._found = self._parse(each for path in files if path.is_file() for each in _lines(path))
        self._fingerprints = frozenset(fingerprints)
        self._ask = ask
        self._lock = threading.Lock()
        self._asking = False
        self._answered = 0.0
        self.accepted: list[str] = []

    def known(self, address: str, port: int) -> dict[str, paramiko.PKey]:
        """Keys of this host by their type."""
        with self._lock:
            return self._known(entry_name(address, port))

    def lines(self, address: str, port: int) -> list[str]:
        """Keys of this host as lines of ``known_hosts``."""
        name = entry_name(address, port)
        return [f"{name} {kind} {key.get_base64()}" for kind, key in self.known(address, port).items()]

    def check(self, host: str, address: str, port: int, key: paramiko.PKey) -> None:
        """Whether the key that a host shows is its own.

        Args:
            host: its name in the plan, for the error.
            address: where it was met.
            port: of its sshd.
            key: what it showed.

        Raises:
            UnknownHostKey: no key of the host is known.
            ChangedHostKey: another one is.
            HostKeyRevoked: a file says that this key isn't to be used any more.
        """
        name, kind, print_ = entry_name(address, port), key.get_name(), fingerprint(key.asbytes())
        with self._lock:
            if print_ in self._revoked:
                raise HostKeyRevoked(
                    f"the key of {name} has been revoked",
                    host=host,
                    seen=f"{kind} {print_}",
                    hint="a known_hosts file says @revoked of it: give the host a new key",
                )
            known = self._known(name)
            if not known:
                line = f"{name} {kind} {key.get_base64()}"
                self._meet(UnknownHostKey(host, name, kind, print_, line, self._misread), key)
            elif known.get(kind) != key:
                others = ", ".join(f"{each.get_name()} {fingerprint(each.asbytes())}" for each in known.values())
                raise ChangedHostKey(host, name, kind, print_, others)

    def _known(self, name: str) -> dict[str, paramiko.PKey]:
        for source in (self._pinned, self._found):
            if found := source.lookup(name):
                return dict(found.items())
        return {}

    def last_asked(self) -> float:
        """When somebody was last thinking about a question, on the monotonic clock: now, while somebody is."""
        return time.monotonic() if self._asking else self._answered

    def _meet(self, unknown: UnknownHostKey, key: paramiko.PKey) -> None:
        if unknown.fingerprint not in self._fingerprints and not self._allowed(unknown):
            raise unknown
        self._pinned.add(unknown.known_hosts.split()[0], unknown.key_type, key)
        self.accepted.append(unknown.known_hosts)

    def _allowed(self, unknown: UnknownHostKey) -> bool:
        if self._ask is None:
            return False
        self._asking = True
        try:
            return self._ask(unknown)
        finally:
            self._asking, self._answered = False, time.monotonic()

    def _parse(self, lines: Iterable[tuple[str, str]]) -> paramiko.HostKeys:
        keys = paramiko.HostKeys()
        for place, line in lines:
            marker, _, rest = line.strip().partition(" ") if line.startswith("@") else ("", "", line.strip())
            if not rest or rest.startswith("#"):
                continue
            entry = _entry(rest)
            if entry is None or not entry.hostnames:
                self._misread += [place] if place and not _holds_key(rest) else []
                continue
            if marker == "@revoked":
                self._revoked.add(fingerprint(entry.key.asbytes()))
            elif not marker:  # an authority that signs host keys is something that paramiko doesn't know
                for name in entry.hostnames:
                    if entry.key.get_name() not in (keys.lookup(name) or {}):  # the first one counts
                        keys.add(name, entry.key.get_name(), entry.key)
        return keys


class CheckedKeys(paramiko.MissingHostKeyPolicy):
    """Paramiko's question about a key that it doesn't know, answered by :class:`HostKeys`.

    Paramiko is told of no key at all, so that it asks about each: what is known has one home.
    """

    def __init__(self, keys: HostKeys, host: str, address: str, port: int) -> None:
        self._keys = keys
        self._where = (host, address, port)

    def missing_host_key(self, client: paramiko.SSHClient, hostname: str, key: paramiko.PKey) -> None:
        """Raise unless it is the host's. Authentication comes after this."""
        _ = client, hostname
        self._keys.check(*self._where, key)


def entry_name(address: str, port: int) -> str:
    """What a host is called in ``known_hosts``."""
    return address if port == 22 else f"[{address}]:{port}"


def _entry(line: str) -> HostKeyEntry | None:
    try:
        return HostKeyEntry.from_line(line)
    except (paramiko.SSHException, ValueError, InvalidHostKey):
        return None  # a line that OpenSSH wouldn't understand, either, or of a type that is not known here


def _holds_key(line: str) -> bool:
    """Whether it is a line of ``known_hosts`` (sshd(8)), of whatever type of key."""
    fields = line.split()
    return len(fields) > 2 and public_key(fields[1], fields[2]) is not None


def _lines(path: Path) -> list[tuple[str, str]]:
    """Each line, and before it where it stands."""
    text = path.read_text(errors="replace")
    return [(f"{path}, line {number}", line) for number, line in enumerate(text.split("\n"), start=1)]
