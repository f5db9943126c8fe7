"""KlusterKit's side of the comparison. ``python -m bench.onerun FOLDER`` is one run, in a process of its own.

The run is what ``cctl`` makes of a plan: a state file with its journal and its secrets encrypted, locked; hosts over
SSH with a pinned key, each under a lease; a log beside the state file; and in the end the fold into a new snapshot.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from bench import work
from klusterkit.cluster import Machine, Role
from klusterkit.engine.plan import Plan, Task
from klusterkit.engine.step import Step
from klusterkit.session import Session, Settings
from klusterkit.session.running.records import SECRET, new_key
from klusterkit.state import IdentityFile, StateFile, lock
from klusterkit.tasks.files import Directory, TextFile


def prepare(folder: Path, hosts: Mapping[str, str], key: str, known_hosts: str) -> list[str]:
    """A state file that knows the hosts and their credential. Returns the command that runs the work."""
    settings = _settings(folder)
    with lock(settings.state, "bench") as held:
        source, secrets = IdentityFile(settings.identity or folder, make=True), {SECRET: new_key()}
        state = StateFile.create(settings.state, source, lock=held, secrets=secrets)
        machines = [Machine.of(name=name, address=address, roles=Role.NODE) for name, address in hosts.items()]
        objects = [machine.to_object() for machine in machines]
        keys = [line for line in Path(known_hosts).read_text().splitlines() if line.split()[0] in hosts.values()]
        state.fold(state.snapshot.model_copy(update={"machines": objects, "host_keys": keys}))
    with Session.open(settings, write="bench") as session:
        session.create_credential("root", Path(key))
    return [sys.executable, "-m", "bench.onerun", str(folder)]


def _settings(folder: Path) -> Settings:
    state = folder / "cctl-state.yaml"
    return Settings(state=state, identity=folder / "identity.txt", cache=folder / "cache", known_hosts=())


def plan(entries: list[work.Entry], hosts: list[str], lineage: str, serial: int) -> Plan:
    """The work on each host, every entry after its folder."""
    made = {entry.path for entry in entries}
    tasks = [
        Task(id=f"{host}{entry.path}", host=host, step=_step(entry), needs=_needs(host, entry, made))
        for host in hosts
        for entry in entries
    ]
    return Plan(operation="bench", lineage=lineage, serial=serial, tasks=tuple(tasks))


def _step(entry: work.Entry) -> Step:
    mode = int(entry.mode, 8)
    if entry.content is None:
        return Directory(path=entry.path, mode=mode)
    return TextFile(path=entry.path, content=entry.content, mode=mode)


def _needs(host: str, entry: work.Entry, made: set[str]) -> tuple[str, ...]:
    parent = str(PurePosixPath(entry.path).parent)
    return (f"{host}{parent}",) if parent in made else ()


def run(folder: Path) -> int:
    """One run: 0 if it came to its end."""
    entries = work.load(folder / "work.json")
    with Session.open(_settings(folder), write="bench") as session:
        hosts = [machine.name for machine in session.machines]
        wanted = plan(entries, hosts, session.snapshot.lineage, session.snapshot.serial)
        report = session.start(wanted, lambda _: None)
    for error in report.errors.values():
        sys.stderr.write(f"{error.message}: {error.seen}\n")
    return 0 if report.outcome == "done" else 1
