"""What runs have done to hosts, kept there: read and written, sealed so that only this state can have written it."""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass, field
from typing import Any, cast

from klusterkit.engine.errors import PermanentError
from klusterkit.engine.host import File, Host
from klusterkit.engine.record import PLACE, HostRecord

SECRET = "records.key"  # noqa: S105 - the name of one
"""What records are sealed with, in the state."""


def new_key() -> bytes:
    """For a new state; digits, as what is masked in texts has to be text."""
    return secrets.token_hex(32).encode()


@dataclass(frozen=True)
class Records:
    """The records of one state's hosts.

    Attributes:
        key: they are sealed with it; None takes each for what it says, and seals none.
    """

    key: bytes | None = field(repr=False)

    def read(self, host: Host) -> HostRecord:
        """What has been done on a host.

        Raises:
            PermanentError: it can't be read, is none, or was changed on the host.
        """
        try:
            content = host.read(PLACE)
        except FileNotFoundError:
            return HostRecord()
        try:
            data = json.loads(content)
            if isinstance(data, dict):
                return HostRecord.parse(cast("dict[str, Any]", data), host.name, key=self.key)
        except ValueError:
            pass
        raise PermanentError(
            f"{PLACE} on {host.name} is damaged",
            host=host.name,
            seen=content[:80].decode(errors="replace"),
            hint="bring it back from a backup of the host",
        )

    def write(self, host: Host, record: HostRecord) -> None:
        """Keep it there; one that tells of nothing is removed."""
        if not record.done:
            host.remove(PLACE)
            return
        data = record.data() if self.key is None else record.sealed(self.key, host.name)
        content = json.dumps(data, separators=(",", ":")).encode()
        host.write(File(path=PLACE, content=content, mode=0o600))


UNSEALED = Records(key=None)
"""For who gives the host no secret: a tool on the host itself, whose state lies there too."""
