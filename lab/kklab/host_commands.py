"""Commands on hosts."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from kklab import locks, places
from kklab.errors import LabError
from kklab.hosts import basetree, disk_digest, listing
from kklab.hosts.host import Host
from kklab.hosts.instance import HostRecord, Instance, check_host_name
from kklab.progress import say

AT_ONCE = 8


def up(instance: Instance, names: Sequence[str]) -> None:
    """Make hosts as far as they aren't there, switch them on, wait for SSH."""
    for name in names:
        check_host_name(name)
    basetree.ensure()
    instance.create()
    for name in names:
        instance.add(name)

    def start(host: Host) -> None:
        host.create()
        host.power_on()

    _on_each(instance, names, start, "up")


def power_off(instance: Instance, names: Sequence[str]) -> None:
    """Pull the plug of hosts."""
    _on_each(instance, names, Host.power_off, "off")


def power_on(instance: Instance, names: Sequence[str]) -> None:
    """Switch hosts on."""
    _revive(instance, names)
    _on_each(instance, names, Host.power_on, "on")


def reset(instance: Instance, names: Sequence[str]) -> None:
    """Make hosts pristine and switch them on."""
    _revive(instance, names)
    _on_each(instance, names, Host.reset, "pristine")


def down(instance: Instance, names: Sequence[str]) -> None:
    """End hosts; without names all of the instance, and then the instance itself."""
    _on_each(instance, names or instance.names(), Host.delete, "gone")
    if not instance.names():
        instance.delete()


def show(instance: Instance) -> None:
    """Print one line for each host."""
    rows = [("NAME", "ADDRESS", "POWER", "LINK", "MEMORY", "CPUS")]
    for name in instance.names():
        record = instance.record(name)
        memory = f"{record.memory >> 20}M" if record.memory else "-"
        power = "on" if Host(instance, name).is_on() else "off"
        rows.append((name, record.address, power, _link_text(record), memory, f"{record.cpus or '-'}"))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def env(instance: Instance) -> None:
    """Print shell lines that say where everything is."""
    from kklab.artifacts import mirror  # here, because no other command on hosts needs what it imports

    values = {"LAB_INSTANCE": instance.name, "LAB_MIRROR": str(mirror.folder())}
    if instance.names():
        values |= {
            "LAB_SSH_KEY": str(instance.ssh_key),
            "LAB_KNOWN_HOSTS": str(instance.known_hosts),
            "LAB_SUBNET": str(instance.subnet),
            "LAB_GATEWAY": str(instance.gateway),
            "LAB_HOSTS": " ".join(instance.names()),
        }
    for name in instance.names():
        values[f"LAB_HOST_{name.replace('-', '_')}"] = instance.record(name).address
    for key, value in values.items():
        print(f"export {key}={shlex.quote(value)}")


def ssh(instance: Instance, name: str, user: str, words: Sequence[str]) -> None:
    """Become an SSH client that runs the words on a host, or a shell without any."""
    instance.record(name)
    rest = list(words[1:] if words[:1] == ["--"] else words)
    argv = Host(instance, name).ssh_command(user, rest)
    os.execvp(argv[0], argv)  # noqa: S606 - a client in place of this process


def link(instance: Instance, name: str, words: Sequence[str]) -> None:
    """Change what a host's cable does; it stays so over power-off and power-on.

    Raises:
        LabError: the words say nothing that a cable can do.
    """
    changes = link_changes(words)
    with _locked(instance, name):
        instance.change(name, **changes)
        host = Host(instance, name)
        if host.is_on():
            host.apply_cable()


def link_changes(words: Sequence[str]) -> dict[str, object]:
    """What `down`, `up`, `delay 50ms` or `loss 5%` changes in a host's record."""
    match list(words):
        case ["down"]:
            return {"up": False}
        case ["up"]:
            return {"up": True}
        case ["delay", text] if found := re.fullmatch(r"(\d+(?:\.\d+)?)(ms|s)", text):
            return {"delay_ms": float(found[1]) * (1000 if found[2] == "s" else 1)}
        case ["loss", text] if (found := re.fullmatch(r"(\d+(?:\.\d+)?)%", text)) and float(found[1]) <= 100:
            return {"loss_percent": float(found[1])}
        case _:
            raise LabError(
                f"a cable can't do {' '.join(words)!r}", "say down, up, delay 50ms (0ms ends it) or loss 5% (0%)"
            )


def limit(instance: Instance, name: str, memory: int | None, cpus: float | None) -> None:
    """Set what a host may use; it stays so over power-off and power-on."""
    with _locked(instance, name):
        instance.change(name, memory=memory, cpus=cpus)
        host = Host(instance, name)
        if host.is_on():
            host.apply_limits()


def digest(instance: Instance, name: str, with_listing: bool, without: Sequence[str]) -> None:
    """Print the digest of a host's files, and with `with_listing` a line for each path before it."""
    instance.record(name)
    found = disk_digest.listing_of(Host(instance, name), without)
    if with_listing:
        print(listing.as_text(found), end="")
    print(f"digest sha256:{listing.digest(found)}")


def _revive(instance: Instance, names: Sequence[str]) -> None:
    """Make an instance's bridge again, which is gone when the machine was restarted."""
    for name in names:
        instance.record(name)
    instance.create()


def _on_each(instance: Instance, names: Sequence[str], act: Callable[[Host], None], word: str) -> None:
    for name in names:
        instance.record(name)

    def act_alone(name: str) -> None:
        with _locked(instance, name):
            act(Host(instance, name))
        say(f"{name}: {word}")

    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(act_alone, dict.fromkeys(names)))


def _locked(instance: Instance, name: str):
    return locks.held(places.locks() / f"{instance.name}.{name}", f"host {name}")


def _link_text(record: HostRecord) -> str:
    if not record.up:
        return "down"
    delay = f" delay {record.delay_ms:g}ms" if record.delay_ms else ""
    return f"up{delay}" + (f" loss {record.loss_percent:g}%" if record.loss_percent else "")
