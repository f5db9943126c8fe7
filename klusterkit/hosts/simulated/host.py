"""A host in memory, behind the protocol that real hosts have."""

from __future__ import annotations

import errno
import hashlib
import posixpath
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from klusterkit.engine.errors import CommandFailed, HostUnreachable, PermanentError, StepTimeout
from klusterkit.engine.facts import Facts
from klusterkit.engine.host import HOME, Completed, Entry, File, JobState
from klusterkit.hosts.errors import JobVanished
from klusterkit.hosts.question import Question
from klusterkit.hosts.simulated.clock import Clock
from klusterkit.hosts.simulated.faults import Call, Entered, Faults
from klusterkit.hosts.simulated.jobs import Job
from klusterkit.hosts.simulated.machine import Act, Machine
from klusterkit.hosts.simulated.tree import Node

T = TypeVar("T")


class SimulatedHost:
    """A connection to a simulated machine.

    A second object on the same ``machine`` is a second connection, from another process if one likes.

    Args:
        name: the machine's name in the plan.
        clock: the machine's time, if there is no machine yet.
        machine: what is connected to.
        question: what ``facts`` looks for.
        patience: seconds after which a call that hangs counts as a lost connection.
    """

    def __init__(
        self,
        name: str,
        *,
        clock: Clock | None = None,
        machine: Machine | None = None,
        question: Question | None = None,
        patience: float = 120.0,
    ) -> None:
        self._name = name
        self.machine = machine or Machine(name, clock)
        self.faults = Faults()
        self._question = question or Question()
        self._patience = patience

    @property
    def name(self) -> str:
        """The machine's name in the plan."""
        return self._name

    @property
    def clock(self) -> Clock:
        """The machine's time."""
        return self.machine.clock

    def program(self, name: str, act: Act, takes: float = 0.0) -> None:
        """Have a program: see :class:`~klusterkit.hosts.simulated.machine.Program`."""
        self.machine.program(name, act, takes)

    def power_off(self) -> None:
        """Pull the plug."""
        self.machine.power_off()

    def power_on(self) -> None:
        """Switch on again."""
        self.machine.power_on()

    def digest(self) -> str:
        """Of the machine's files, without KlusterKit's own."""
        return self.machine.digest()

    def facts(self) -> Facts:
        """Look at the machine."""
        return self._act("facts", (), lambda: self.machine.look(self._question))

    def neighbour(self, address: str, interface: str) -> str:
        """Who the model says answers for an address, at once."""
        return self._act("neighbour", (address, interface), lambda: self.machine.neighbours.get(address, ""))

    def stat(self, *paths: str) -> tuple[Entry, ...]:
        """What stands at each path."""
        return self._act("stat", paths, lambda: tuple(self._entry(path) for path in paths))

    def read(self, path: str) -> bytes:
        """A file's content."""
        return self._act("read", (path,), lambda: self.machine.tree.read(path))

    def write(self, *files: File) -> None:
        """Write each file whole or not at all."""
        paths = [file.path for file in files]
        self._act("write", paths, lambda: self._write(files), lambda: self._write(files[: len(files) // 2]))

    def mkdir(self, path: str | Sequence[str], mode: int = 0o755, owner: str = "root:root") -> None:
        """Make folders."""
        paths = [path] if isinstance(path, str) else path

        def make() -> None:
            for each in paths:
                self._own_folder(each)
                self.machine.tree.mkdir(each, mode, owner)

        self._act("mkdir", paths, make, make)

    def remove(self, *paths: str, recursive: bool = False) -> None:
        """Remove what stands there."""

        def remove(some: Sequence[str]) -> None:
            for path in some:
                self.machine.tree.remove(path, recursive=recursive)

        self._act("remove", paths, lambda: remove(paths), lambda: remove(paths[: len(paths) // 2]))

    def keep(self, path: str, place: str) -> None:
        """Copy what stands at ``path`` to ``place``, unless a copy is there."""

        def keep() -> None:
            node = self.machine.tree.copy(path)
            if node is not None and self.machine.tree.find(place) is None:
                self.machine.tree.makedirs(posixpath.dirname(place), 0o700)
                self.machine.tree.put(place, node)

        self._act("keep", (path, place), keep)

    def put_back(self, place: str, path: str) -> None:
        """Make ``path`` what was kept at ``place``."""

        def put_back() -> None:
            node = self.machine.tree.copy(place)
            if node is None:
                raise FileNotFoundError(errno.ENOENT, "nothing was kept there", place)
            self.machine.tree.replace(path, node)

        self._act("put_back", (place, path), put_back)

    def upload(self, source: Path, sha256: str, path: str, mode: int = 0o644) -> None:
        """Bring a file from here."""
        content = source.read_bytes()
        part = f"{path}.part"

        def whole() -> None:
            if hashlib.sha256(content).hexdigest() != sha256:
                raise PermanentError(f"{source} doesn't have the checksum {sha256}", host=self.name)
            self._own_folder(path)
            self.machine.tree.write(path, content, mode)
            self.machine.tree.remove(part)

        half = content[: len(content) // 2]
        self._act("upload", (str(source), path), whole, lambda: self.machine.tree.write(part, half, 0o600))

    def run(self, argv: Sequence[str], *, stdin: bytes = b"", timeout: float = 60.0) -> Completed:
        """Run a short program and wait."""
        entered = self._enter("run", argv)
        program = self.machine.find_program(argv)
        if entered.hangs or program.takes > timeout:
            self.clock.sleep(timeout)
            raise StepTimeout(f"{argv[0]} took longer than {timeout:g} s", host=self.name)
        if program.takes:
            self.clock.sleep(program.takes)
        with self.machine.lock:
            completed = program.act(self.machine, argv, stdin)
        entered.leave()
        return completed

    def job(self, key: str, argv: Sequence[str], *, stdin: bytes = b"", timeout: float = 600.0) -> Completed:
        """Run a long program that outlives the connection, and wait for its end."""
        entered = self._enter("job", (key, *argv))
        with self.machine.lock:
            job = self.machine.jobs.start(key, argv, stdin, timeout, hangs=entered.hangs)
        if entered.in_the_middle:
            entered.leave()
        completed = self._wait(key, job)
        entered.leave()
        if job.timed_out:
            raise StepTimeout(f"{job.argv[0]} took longer than {job.timeout:g} s", host=self.name)
        return completed

    def job_state(self, key: str) -> JobState:
        """What the machine knows about the program with this key."""
        return self._act("job_state", (key,), lambda: self.machine.jobs.state(key))

    def job_stop(self, key: str) -> None:
        """End the program with this key."""
        self._act("job_stop", (key,), lambda: self.machine.jobs.stop(key), lambda: self.machine.jobs.stop(key))

    def _wait(self, key: str, job: Job) -> Completed:
        if job.boot == self.machine.boots and job.completed is None:
            self.clock.sleep_until(job.settles)
        self._reach()
        with self.machine.lock:
            state = self.machine.jobs.state(key)
        if state.completed is None:
            raise JobVanished(
                f"{job.argv[0]} is gone and left no result", host=self.name, seen=f"job {key}: {state.status}"
            )
        return state.completed

    def _entry(self, path: str) -> Entry:
        node = self.machine.tree.find(path)
        return node.entry(path) if node else Entry(path=path, type="absent")

    def _own_folder(self, path: str) -> None:
        """KlusterKit's own folder is there when something is to be put into it."""
        if path.startswith(f"{HOME}/"):
            self.machine.tree.makedirs(HOME, 0o700)

    def _write(self, files: Sequence[File]) -> None:
        for file in files:
            self._own_folder(file.path)
            self.machine.tree.put(file.path, Node("file", file.mode, file.owner, file.content))

    def _enter(self, method: str, args: Sequence[str]) -> Entered:
        entered = self.faults.enter(Call(self.name, method, tuple(args)))
        self._reach()
        return entered

    def _reach(self) -> None:
        if not self.machine.powered:
            raise HostUnreachable(f"{self.name} doesn't answer", host=self.name, hint="see that it is switched on")

    def _act(
        self, method: str, args: Sequence[str], whole: Callable[[], T], half: Callable[[], object] = lambda: None
    ) -> T:
        """One call: faults first, then its whole, or the half after which the caller dies."""
        entered = self._enter(method, args)
        if entered.hangs:
            self.clock.sleep(self._patience)
            raise HostUnreachable(f"{self.name} doesn't answer", host=self.name)
        if entered.in_the_middle:
            with self.machine.lock:
                half()
            entered.leave()
        try:
            with self.machine.lock:
                result = whole()
        except OSError as error:
            if isinstance(error, FileNotFoundError) and method in ("read", "put_back"):
                raise
            seen = f"{error.filename}: {error.strerror}"
            raise CommandFailed(f"{method} failed on {self.name}", host=self.name, seen=seen) from None
        entered.leave()
        return result
