"""All files of a host, as one listing that two moments can be compared by."""

from __future__ import annotations

from collections.abc import Iterable

from kklab.hosts import basetree, listing
from kklab.hosts.host import Host
from kklab.hosts.listing import Listing

OUTSIDE = (
    # made by the kernel or gone with a reboot
    *("/proc", "/sys", "/dev", "/run", "/tmp", "/var/tmp"),  # noqa: S108
    # what any use of a host leaves behind: journal, logins, sudo's lectures
    *("/var/log", "/var/lib/sudo"),
    # systemd's own notes: random seed, timer stamps, catalogue
    "/var/lib/systemd",
    # dbus, networkd and apt keep caches here
    "/var/cache",
)
"""What a digest leaves out, because a host changes it by merely being on or being looked at."""


def listing_of(host: Host, without: Iterable[str] = ()) -> Listing:
    """Every path of a host but those `OUTSIDE` and those at or below `without`; it may be on or off."""
    found = listing.with_upper(listing.load(basetree.listing_file()), host.upper)
    for path, real in host.bound().items():
        found[path] = listing.line_of(str(real))
        found |= listing.of_tree(real, at=path)
    left_out = tuple(path.rstrip("/") for path in (*OUTSIDE, *without))
    below = tuple(f"{path}/" for path in left_out)
    return {path: line for path, line in found.items() if path not in left_out and not path.startswith(below)}
