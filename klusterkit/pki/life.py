"""When a certificate begins and ends."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from klusterkit.pki import pem


@dataclass(frozen=True)
class Life:
    """A certificate's serial number (hex) and the time in which it counts."""

    serial: str
    begins: datetime
    ends: datetime

    def over(self, now: datetime | None = None) -> bool:
        """Whether it has ended."""
        return (now or datetime.now(UTC)) > self.ends

    def days_left(self, now: datetime | None = None) -> int:
        """Whole days that are left; negative when it has ended."""
        return (self.ends - (now or datetime.now(UTC))).days


def life(cert_pem: str) -> Life:
    """Of the first certificate of a PEM text.

    Raises:
        ValueError: there is none, or it is damaged.
    """
    found = pem.read_certificate(cert_pem)
    return Life(f"{found.serial_number:x}", found.not_valid_before_utc, found.not_valid_after_utc)
