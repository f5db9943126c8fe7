"""The hosts of a command: reached with the state's credential, by keys that the state pins, each once and lazily."""

from __future__ import annotations

import contextlib
import re
import threading
from collections.abc import Callable, Generator, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

from klusterkit.cluster import Machine
from klusterkit.engine.errors import HostLocked, KlusterKitError, UsageError
from klusterkit.engine.host import Host
from klusterkit.engine.journal import Journal
from klusterkit.engine.plan import Plan
from klusterkit.hosts import Fleet, HostKeys, Lease, Login, PrivateKey, Question, ShellHost, Target, load_private_key
from klusterkit.hosts.errors import ForeignCluster, StaleState
from klusterkit.hosts.fence import FENCE, Ending
from klusterkit.hosts.pace import Pace
from klusterkit.session.hold import Hold
from klusterkit.session.running.briefs import all_names
from klusterkit.session.running.ending import visited_by
from klusterkit.state import user_name, who
from klusterkit.tasks import asked

T = TypeVar("T")

AT_ONCE = 32
"""Hosts that are looked at, or told something, at the same time."""

QUESTION = Question(
    kernel_features=asked.KERNEL_FEATURES,
    programs=asked.PROGRAMS,
    units=asked.UNITS,
    paths=asked.PATHS,
)
"""What is asked of every host besides what is always asked."""


_JUMP = re.compile(
    r"(?:(?P<user>.+)@)?"
    r"(?:(?P<v6>[0-9A-Fa-f.]*:[0-9A-Fa-f.]*:[0-9A-Fa-f:.]*)|(?:\[(?P<bracketed>[^\[\]@]+)\]|(?P<host>[^\[\]@:]+))"
    r"(?::(?P<port>[0-9]+))?)"
)
"""ssh(1), ``-J``: an address with colons of its own is bare, or in brackets where a port follows."""
_CLOSING = 1.0
"""Seconds for saying good-bye to machines that were only looked at."""


def login_of(machine: Machine, key: PrivateKey) -> Login:
    """How a machine is entered."""
    return Login(address=str(machine.address), user=machine.user, port=machine.port, key=key)


def _fleet(hold: Hold, machines: Iterable[Machine], keys: HostKeys) -> Fleet:
    targets = hold.only if hold.only is not None else _targets(hold, machines)
    hold.settings.before_hosts()
    # Whoever only looks has somebody who waits for the answer: a host that is gone is told at once.
    return Fleet(targets, keys, question=QUESTION, patience=0.0, pace=Pace(hold.settings.bandwidth))


def _targets(hold: Hold, machines: Iterable[Machine]) -> dict[str, Target]:
    machines = list(machines)
    if not machines:  # there is nobody to log in to, and no secret to be opened for it
        return {}
    key, jump = private_key(hold), hold.settings.ssh_jump
    through = jump_login(jump, key) if jump else None
    return {machine.name: Target(login=login_of(machine, key), jump=through) for machine in machines}


def host_keys(hold: Hold) -> HostKeys:
    """Keys that the state pins, then those that the user knows."""
    settings = hold.settings
    return HostKeys(hold.snapshot.host_keys, settings.known_hosts, settings.host_keys, settings.ask_host_key)


def claim(hold: Hold, fleet: Fleet, journal: Journal, towards: Ending) -> None:
    """Have hosts that were only looked at locked for a run, each when it is met again. It is refused if it has seen a
    later state than this one.
    """
    # Of the hosts of another state, most are only asked; a master may be told of another one.
    changed = {task.host for task in journal.plan.tasks if task.step.subject}
    fleet.claim(_lease(hold, journal, towards), hold.settings.patience, but=hold.guests - changed)


def refuse_taken(fleet: Fleet, hosts: Iterable[str]) -> None:
    """Meet all hosts of a run that is gone on with. What else may be wrong with one is its tasks' affair.

    Raises:
        HostLocked: somebody else works there.
        StaleState, ForeignCluster: another state, or a later one, has been there.
    """

    def meet(name: str) -> None:
        try:
            fleet[name].connect()
        except (HostLocked, StaleState, ForeignCluster):
            raise
        except KlusterKitError:
            return

    each_host(hosts, meet)


def each_host(hosts: Iterable[str], act: Callable[[str], T]) -> dict[str, T]:
    """Do something for each host, for many at once. Raises what the first of them raised."""
    names = list(hosts)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return dict(zip(names, pool.map(act, names), strict=True))


@contextmanager
def fleet_for_plan(hold: Hold, plan: Plan) -> Generator[Fleet]:
    """The hosts of a plan, to look at only, until a run claims them (:func:`claim`)."""
    with _fleet(hold, machines_of(hold, plan), host_keys(hold)) as fleet:
        yield fleet


@contextmanager
def fleet_for_machines(hold: Hold, machines: Sequence[Machine]) -> Generator[Fleet]:
    """Machines to look at only. One that is still being connected to in the end holds nobody up."""
    fleet = _fleet(hold, machines, host_keys(hold))
    try:
        yield fleet
    finally:
        closing = threading.Thread(target=fleet.close, daemon=True)
        closing.start()
        closing.join(_CLOSING)


@contextmanager
def fleet_for_meeting(hold: Hold, machines: Sequence[Machine]) -> Generator[Fleet]:
    """Machines that may be new: keys that the operator accepts are pinned in the state at the end, if all went well."""
    keys = host_keys(hold)
    with _fleet(hold, machines, keys) as fleet:
        yield fleet
    _pin(hold, [line for machine in machines for line in keys.lines(str(machine.address), machine.port)])


def _pin(hold: Hold, met: Iterable[str]) -> None:
    """Keep host keys in the state. What the user's own files say of hosts is pinned too: the state file is carried to
    other machines.
    """
    known = set(hold.snapshot.host_keys)
    if new := [line for line in dict.fromkeys(met) if line not in known]:
        snapshot = hold.snapshot
        hold.state.fold(snapshot.model_copy(update={"host_keys": [*snapshot.host_keys, *new]}))


@contextmanager
def fleet_of_one(hold: Hold) -> Generator[Fleet]:
    """The only host of a command, to look at only. A key that the operator accepts is pinned, if the command writes."""
    keys = host_keys(hold)
    with _fleet(hold, (), keys) as fleet:
        yield fleet
    if hold.state.writable and not hold.state.records:  # folding would end the run
        logins = [target.login for target in (hold.only or {}).values() if target.login]
        _pin(hold, [line for login in logins for line in keys.lines(login.address, login.port or 22)])


def refuse_passed(hold: Hold, host: Host) -> None:
    """Look whether a host has seen a later state of this cluster than ours, or belongs to another cluster.

    A run finds that as well, but only when it has begun.

    Raises:
        StaleState, ForeignCluster.
    """
    if host.name in hold.guests:
        return
    with contextlib.suppress(FileNotFoundError):  # no run has changed it yet
        _lease(hold).check(host.read(FENCE), host.name)


def refuse_before_run(hold: Hold, host: ShellHost) -> None:
    """Look whether a run would be refused this host: nothing has begun yet, and nothing need be taken back.

    Raises:
        HostLocked: somebody else works there, or what somebody started.
        StaleState, ForeignCluster.
    """
    if host.name not in hold.guests:
        host.foresee(_lease(hold))


def _lease(hold: Hold, journal: Journal | None = None, towards: Ending = "done") -> Lease:
    # What hosts remember is the serial that the state will have when the run has ended: a copy of the state from before
    # the run proposes the same one with another run, and is refused.
    lineage = hold.snapshot.lineage if hold.claims else ""
    past = all_names(hold.snapshot.runs)
    serial, whose = hold.snapshot.serial + 1, f"{who()}, {hold.state.path}"
    if journal is None:
        return Lease(lineage, serial, whose, past=past, guests=hold.guests)
    records = lambda: journal.length  # noqa: E731
    return Lease(lineage, serial, whose, journal.run, towards=towards, past=past, guests=hold.guests, records=records)


def machines_of(hold: Hold, plan: Plan | None) -> list[Machine]:
    """Those of the state, and those that the plan, if there is one, will add or only visits."""
    outcome = plan.outcome if plan else {}
    added = [Machine.from_object(data) for data in (*outcome.get("machines", []), *visited_by(outcome))]
    return [*hold.machines, *added]


def private_key(hold: Hold) -> PrivateKey:
    """The credential. Raises ``UsageError`` where there is none."""
    credentials = hold.snapshot.credentials
    if not credentials:
        raise UsageError(
            f"{hold.state.path} has no credential yet",
            hint="cctl create credential --user root --private-key ~/.ssh/id_rsa",
        )
    return load_private_key(hold.secret(credentials[0]["key"]))


def jump_login(text: str, key: PrivateKey | None) -> Login:
    """The login of ``--ssh-jump``. Raises ``UsageError``."""
    found = _JUMP.fullmatch(text)
    if found is None:
        raise UsageError(
            f"--ssh-jump {text!r} names no host",
            hint="--ssh-jump [USER@]HOST[:PORT]; an IPv6 address with a port stands in brackets",
        )
    host = found["bracketed"] or found["v6"] or found["host"]
    port = int(found["port"]) if found["port"] else None
    return Login(address=host, user=found["user"] or user_name(), port=port, key=key)
