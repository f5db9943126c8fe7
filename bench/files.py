"""Three hosts, a hundred folders and files on each: KlusterKit, pyinfra and Ansible in turn, on the same hosts.

Each run is a new process, and connects anew. A round is: nothing there, everything there, a tenth changed. There is one
of each of the others, and one of ours before, between and after them. What they leave on the hosts is compared, so that
all three have done the same.
"""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from statistics import median

from bench import hostpython, lab, others, ours, work
from bench.figure import Figure, progress, spread, took

HOSTS = ("b1", "b2", "b3")
SITUATIONS = ("first apply", "nothing to do", "a tenth changed")
PROMISED = {
    ("first apply", "pyinfra"): 1 / 15,
    ("first apply", "Ansible"): 1 / 80,
    ("nothing to do", "pyinfra"): 1 / 25,
}


@dataclass
class Contender:
    """One of the three.

    Attributes:
        write: writes down the work as its own input.
        run: does it, in a new process.
        after: what is to be done after a run, and isn't measured.
        times: seconds by situation.
    """

    name: str
    write: Callable[[list[work.Entry]], None]
    run: Callable[[], None]
    after: Callable[[], None] = lambda: None
    times: dict[str, list[float]] = field(default_factory=lambda: {name: [] for name in SITUATIONS})


def figures() -> Iterator[Figure]:
    """Ours against each of the others, situation by situation."""
    with lab.hosts(*HOSTS) as made, tempfile.TemporaryDirectory(prefix="kkb") as folder:
        us, *rivals = _contenders(made, Path(folder))
        # A round of the others takes minutes, one of ours seconds: it is the one that a moment of the machine distorts.
        for contender in (us, *(each for rival in rivals for each in (rival, us))):
            _round(made, contender)
    for situation in SITUATIONS:
        for them in rivals:
            yield _figure(situation, us.times[situation], them)


def _figure(situation: str, us: list[float], them: Contender) -> Figure:
    theirs = them.times[situation]
    return Figure(
        f"{len(HOSTS)} hosts × {len(work.entries())} file steps, {situation}, against {them.name}",
        median(us) / median(theirs),
        PROMISED.get((situation, them.name)),
        note=f"{spread(us)} against {spread(theirs)}: 1/{median(theirs) / median(us):.0f}",
    )


def _contenders(made: lab.Lab, folder: Path) -> list[Contender]:
    environment = made.environment
    addresses = {host: environment[f"LAB_HOST_{host}"] for host in HOSTS}
    key, known_hosts = environment["LAB_SSH_KEY"], environment["LAB_KNOWN_HOSTS"]
    packages = hostpython.download(Path("build/bench/python"))
    for host in HOSTS:
        hostpython.install(made, host, packages)
    site = others.Site(others.install(), folder, tuple(addresses.values()), key, known_hosts)
    command = ours.prepare(folder, addresses, key, known_hosts)
    return [
        Contender("KlusterKit", partial(work.save, path=folder / "work.json"), partial(_run, command)),
        Contender("pyinfra", partial(others.write_pyinfra, site), partial(others.run_pyinfra, site)),
        Contender(
            "Ansible",
            partial(others.write_ansible, site),
            partial(others.run_ansible, site),
            partial(others.disconnect, site),
        ),
    ]


def _run(command: list[str]) -> None:
    subprocess.run(command, check=True)


def _round(made: lab.Lab, contender: Contender) -> None:
    for host in HOSTS:
        made.on(host, f"rm -rf {work.TOP}")
    for situation, generation in zip(SITUATIONS, (0, 0, 1), strict=True):
        entries = work.entries(generation)
        contender.write(entries)
        taken = took(contender.run)
        contender.times[situation].append(taken)
        contender.after()
        progress(f"{contender.name}, {situation}: {taken:.2f} s")
        for host in HOSTS:
            _check(made, host, entries, contender)


def _check(made: lab.Lab, host: str, entries: list[work.Entry], contender: Contender) -> None:
    listed = made.on(host, f"cd {work.TOP} && find . -printf '%m %u:%g %P\\n' && find . -type f -exec sha256sum {{}} +")
    seen, wanted = sorted(listed.splitlines()), sorted(work.listing(entries))
    if seen != wanted:
        differing = sorted({*seen} ^ {*wanted})[:4]
        raise RuntimeError(f"{contender.name} left {host} otherwise than it should: {differing}")
