"""The host keys that the state pins: listed, and forgotten when a host has been installed anew."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from klusterkit.cluster import Machine
from klusterkit.engine.errors import UsageError
from klusterkit.hosts.credentials import fingerprint, public_key
from klusterkit.hosts.hostkeys import entry_name
from klusterkit.hosts.openssh import SSH_PORT
from klusterkit.session.hold import Hold


def pinned_host_keys(hold: Hold) -> list[dict[str, str]]:
    """Each with its ``host`` (as in ``known_hosts``: address, or ``[ADDRESS]:PORT``), ``type`` and ``fingerprint``."""
    return [_described(line) for line in hold.snapshot.host_keys]


def forget_host_keys(hold: Hold, host: str) -> list[dict[str, str]]:
    """Pin the keys of a host no more. The next command that meets it takes its key for one that isn't known.

    Args:
        hold: of the state file, to be written.
        host: the name or the address of a machine, or what a key is listed under.

    Returns:
        What was forgotten, as :func:`pinned_host_keys` tells it.

    Raises:
        UsageError: no key of it is pinned.
        RunInProgress: hosts of a run are known by these keys.
    """
    hold.refuse_run_in_progress()
    pinned = hold.snapshot.host_keys
    meant = [each for each in hold.machines if host in (each.name, each.node_name, str(each.address))]
    stay = without_keys_of(meant, [line for line in pinned if _host(line) != host])
    if stay == pinned:
        known = ", ".join(dict.fromkeys(map(_host, pinned)))
        raise UsageError(f"{hold.state.path} pins no key of {host}", seen=f"pinned are keys of {known or 'no host'}")
    hold.state.fold(hold.snapshot.model_copy(update={"host_keys": stay}))
    return [_described(line) for line in pinned if line not in stay]


def without_keys_of(machines: Iterable[Machine], lines: Sequence[str]) -> list[str]:
    """Lines of ``known_hosts`` but for those of these machines."""
    hosts = {entry_name(str(machine.address), machine.port or SSH_PORT) for machine in machines}
    return [line for line in lines if _host(line) not in hosts]


def _host(line: str) -> str:
    return line.split()[0]


def _described(line: str) -> dict[str, str]:
    host, kind, blob = line.split()[:3]
    return {"host": host, "type": kind, "fingerprint": fingerprint(public_key(kind, blob) or b"")}
