"""Where the keys that open a state file come from.

In this order (``key_source``): an identity file that the command names, the file that ``KLUSTERKIT_IDENTITY_FILE``
names, the passphrase in the file that ``KLUSTERKIT_PASSPHRASE_FILE`` names, the user's own identity file, which the
first command that needs one makes; and a passphrase asked for on the terminal where a state file has one. Identity
files are those of age-keygen(1).
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from klusterkit.foreign import words_of
from klusterkit.moments import moment
from klusterkit.state import age, disk
from klusterkit.state.errors import KeyInvalid
from klusterkit.state.schema import AgeWrap, PassphraseWrap, Wrap
from klusterkit.state.sealing import (
    SealingKey,
    unwrap_by_passphrase,
    unwrap_with_identity,
    wrap_by_passphrase,
    wrap_for_recipient,
)

IDENTITY_VARIABLE = "KLUSTERKIT_IDENTITY_FILE"
PASSPHRASE_VARIABLE = "KLUSTERKIT_PASSPHRASE_FILE"  # noqa: S105 - the name of a variable
SHORTEST_PASSPHRASE = 12


class KeySource(Protocol):
    """Something that wraps a new data key, and unwraps one that was wrapped for it."""

    def wrap(self, data_key: SealingKey) -> Sequence[Wrap]:
        """Wrap a data key so that this source opens it again. Raises KeyInvalid, StateNotWritable."""
        ...

    def unwrap(self, wraps: Sequence[Wrap], lineage: str) -> bytes | None:
        """The data key, or None where no wrap is for this source. Raises KeyInvalid."""
        ...

    def describe(self) -> str:
        """What was tried, for an error message."""
        ...

    @property
    def notices(self) -> Sequence[str]:
        """What the operator should be told about these keys."""
        ...


@dataclass
class IdentityFile:
    """An age identity file.

    Args:
        path: the file.
        make: make the file with a new identity when a data key is to be wrapped and there is none.
    """

    path: Path
    make: bool = False
    _notices: list[str] = field(default_factory=list[str], init=False)

    def wrap(self, data_key: SealingKey) -> Sequence[Wrap]:
        """Wrap for each identity in the file; whoever keeps what is sealed is told which file that is."""
        if self.make:
            made = self._make() if not self.path.exists() else False
            self._notices.append(
                f"{'made a key' if made else 'sealed for your key'}: {self.path}. Without it nobody can open the "
                f"secrets in the state file. Carry it along with the file, keep a copy elsewhere, or add recipients of "
                f"your own (age public keys): `cctl state recipient add AGE1…`"
            )
        return [wrap_for_recipient(data_key, self._public(secret)) for secret in self._read()]

    def unwrap(self, wraps: Sequence[Wrap], lineage: str) -> bytes | None:  # noqa: ARG002 - age needs no lineage
        """Try each identity on the wrap that is for it."""
        if self.make and not self.path.exists():
            return None
        for secret in self._read():
            recipient = self._public(secret)
            for wrap in wraps:
                if isinstance(wrap, AgeWrap) and wrap.recipient == recipient:
                    return unwrap_with_identity(wrap, secret)
        return None

    def describe(self) -> str:
        """The file and the public keys in it."""
        if not self.path.exists():
            return f"{self.path} (no such file)"
        return f"{self.path} ({', '.join(map(self._public, self._read()))})"

    @property
    def notices(self) -> Sequence[str]:
        """That the file was made, or that others can read it."""
        return tuple(self._notices)

    def _read(self) -> list[str]:
        try:
            with self.path.open(encoding="utf-8") as file:
                exposed = os.fstat(file.fileno()).st_mode & 0o077
                lines = [line.strip() for line in file]
        except (OSError, UnicodeDecodeError) as error:
            raise KeyInvalid(
                f"can't read the identity file {self.path}: {words_of(error)}",
                where=str(self.path),
                hint="name an age identity file that this user can read, or let KlusterKit use its own",
            ) from error
        notice = f"{self.path} can be read by other users of this machine: chmod 600 {self.path}"
        if exposed and notice not in self._notices:
            self._notices.append(notice)
        identities = [line for line in lines if line and not line.startswith("#")]
        if not identities:
            raise KeyInvalid(
                f"there is no identity in {self.path}",
                where=str(self.path),
                hint=f"it should have a line that begins with {age.SECRET_PREFIX}; age-keygen makes such a file",
            )
        return identities

    def _public(self, secret: str) -> str:
        return age.public_key(secret, str(self.path))

    def _make(self) -> bool:
        """Whether it was this command that made it."""
        secret, public = age.generate()
        with disk.writing(self.path.parent, "make the folder"):
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            disk.create(self.path, f"# created: {moment(time.time())}\n# public key: {public}\n{secret}\n".encode())
        except FileExistsError:  # another command was first: its key will do
            return False
        return True


@dataclass(frozen=True)
class Passphrase:
    """A passphrase.

    Args:
        ask: gives the passphrase; its argument says whether it is a new one, to be asked for twice.
        source: where it comes from, for messages.
    """

    ask: Callable[[bool], str]
    source: str = "a passphrase"

    @classmethod
    def from_file(cls, path: Path) -> Passphrase:
        """The passphrase that is the first line of a file."""

        def read(_new: bool) -> str:
            try:
                return (path.read_text(encoding="utf-8").splitlines() or [""])[0]
            except (OSError, UnicodeDecodeError) as error:
                raise KeyInvalid(
                    f"can't read the passphrase in {path}: {words_of(error)}",
                    where=str(path),
                    hint=f"{PASSPHRASE_VARIABLE} should name a text file that this user can read",
                ) from error

        return cls(read, f"the passphrase in {path}")

    def wrap(self, data_key: SealingKey) -> Sequence[Wrap]:
        """Wrap under a new passphrase."""
        passphrase = self.ask(True)
        if len(passphrase) < SHORTEST_PASSPHRASE:
            raise KeyInvalid(
                f"{self.source} is too short: {SHORTEST_PASSPHRASE} characters are the least",
                where=self.source,
                hint="whoever gets the state file can guess as fast as their machines allow: take several words",
            )
        return [wrap_by_passphrase(data_key, passphrase)]

    def unwrap(self, wraps: Sequence[Wrap], lineage: str) -> bytes | None:
        """Ask, where there is a passphrase to ask for."""
        wrapped = [wrap for wrap in wraps if isinstance(wrap, PassphraseWrap)]
        if not wrapped:
            return None
        passphrase = self.ask(False)
        keys = (unwrap_by_passphrase(wrap, passphrase, lineage) for wrap in wrapped)
        return next((key for key in keys if key is not None), None)

    def describe(self) -> str:
        """Where the passphrase comes from; never what it is."""
        return self.source

    @property
    def notices(self) -> Sequence[str]:
        """Nothing to say."""
        return ()


@dataclass(frozen=True)
class FirstThatOpens:
    """Several sources: the first one wraps, any one opens."""

    sources: tuple[KeySource, ...]

    def wrap(self, data_key: SealingKey) -> Sequence[Wrap]:
        """Wrap for the first source."""
        return self.sources[0].wrap(data_key)

    def unwrap(self, wraps: Sequence[Wrap], lineage: str) -> bytes | None:
        """What the first source that can gives."""
        keys = (source.unwrap(wraps, lineage) for source in self.sources)
        return next((key for key in keys if key is not None), None)

    def describe(self) -> str:
        """All that were tried."""
        return ", then ".join(source.describe() for source in self.sources)

    @property
    def notices(self) -> Sequence[str]:
        """Those of all sources."""
        return tuple(notice for source in self.sources for notice in source.notices)


def default_identity_path(environ: Mapping[str, str] = os.environ) -> Path:
    """The user's own identity file (XDG Base Directory Specification)."""
    home = environ.get("HOME") or str(Path.home())
    return Path(environ.get("XDG_CONFIG_HOME") or Path(home, ".config"), "klusterkit", "identity.txt")


def key_source(
    *,
    identity: Path | None = None,
    ask_passphrase: Callable[[bool], str] | None = None,
    prefer_passphrase: bool = False,
    environ: Mapping[str, str] = os.environ,
) -> KeySource:
    """The keys that a command has at hand: all may open a file, the first one is what a new file is made for.

    Args:
        identity: the identity file that the command line names.
        ask_passphrase: asks on the terminal; None where there is no terminal.
        prefer_passphrase: whether a new file is to be opened by that passphrase, not by an identity.
        environ: the environment.
    """
    sources: list[KeySource] = []
    named = identity or Path(environ.get(IDENTITY_VARIABLE, ""))
    if named != Path():
        sources.append(IdentityFile(named))
    elif passphrase_file := environ.get(PASSPHRASE_VARIABLE):
        sources.append(Passphrase.from_file(Path(passphrase_file)))
    else:
        sources.append(IdentityFile(default_identity_path(environ), make=True))
    if ask_passphrase is not None:
        sources.insert(0 if prefer_passphrase else len(sources), Passphrase(ask_passphrase))
    return FirstThatOpens(tuple(sources))


def passphrase_at_hand(
    ask_passphrase: Callable[[bool], str] | None, environ: Mapping[str, str] = os.environ
) -> Passphrase | None:
    """The passphrase that can be had: from the file that the environment names, or else asked for on the terminal."""
    if named := environ.get(PASSPHRASE_VARIABLE):
        return Passphrase.from_file(Path(named))
    return Passphrase(ask_passphrase) if ask_passphrase else None
