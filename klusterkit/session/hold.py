"""What one command holds: the state file, locked if it writes, its secrets, and the run in progress."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from klusterkit import __version__
from klusterkit.cluster import Cluster, Machine
from klusterkit.engine.errors import KlusterKitError, UsageError
from klusterkit.session.errors import RunInProgress
from klusterkit.session.masking import Mask
from klusterkit.session.settings import Settings
from klusterkit.state import KeySource, Lock, Snapshot, StateFile, StateNotRecognised, key_source, lock

if TYPE_CHECKING:
    from klusterkit.engine.journal import Journal
    from klusterkit.hosts import Target
    from klusterkit.session.running.records import Records


class Hold:
    """What the operations of this package work on. Made by :func:`open_hold`.

    Attributes:
        settings: what the command was told.
        state: the state file, locked if the command may write.
        mask: knows every secret that was opened.
        notices: what the operator should be told on standard error.
    """

    @property
    def only(self) -> Mapping[str, Target] | None:
        """How the hosts of the command are reached, where no credential in the state says that."""
        return None

    @property
    def guests(self) -> frozenset[str]:
        """Hosts that are only asked: they belong to another state."""
        return frozenset()

    @property
    def claims(self) -> bool:
        """Whether hosts are to know that they belong to this state, and refuse others from then on."""
        return True

    @property
    def belonging(self) -> set[str]:
        """Hosts that belong to this state between two runs."""
        return {machine.name for machine in self.machines}

    def __init__(self, settings: Settings, state: StateFile, notices: Sequence[str]) -> None:
        self.settings = settings
        self.state = state
        self.mask = Mask()
        self.notices: list[str] = []
        self._noticed: set[str] = set()
        self.notice(*state.notices, *notices)

    def read_again(self) -> None:
        """See what other commands have written since. Only for a command that doesn't write."""
        self.state = self.state.again()

    @property
    def snapshot(self) -> Snapshot:
        """The state between two runs."""
        return self.state.snapshot

    @property
    def cluster(self) -> Cluster | None:
        """The cluster, once there is one."""
        return Cluster.from_object(self.snapshot.cluster) if self.snapshot.cluster else None

    @property
    def machines(self) -> list[Machine]:
        """The machines that belong to the cluster."""
        return [Machine.from_object(data) for data in self.snapshot.machines]

    @property
    def run(self) -> Journal | None:
        """The run in progress: interrupted, failed, or waiting for an answer.

        Raises:
            StateNotRecognised: a later version began it, and this one can't read what it does.
        """
        if not self.state.records:
            return None
        from klusterkit import tasks  # finds the kinds of steps that its plan names
        from klusterkit.engine.journal import Journal  # these two are slow to import: `cctl get` needs neither

        _ = tasks
        begun_by, ours = self.state.records[0].get("version") or "another version", __version__
        try:
            journal = Journal(self.state)
        except (KlusterKitError, ValueError) as error:  # pydantic's are among the latter
            raise StateNotRecognised(
                f"the run in progress was begun by KlusterKit {begun_by}; this is {ours}, which can't read it",
                where=str(self.state.path),
                hint="go on with the version that began it",
            ) from error
        if journal.version not in ("", ours):
            self.notice(f"the run was begun by KlusterKit {begun_by}, this is {ours}: its steps may mean other things")
        return journal

    def notice(self, *texts: str) -> None:
        """Have the operator told, each thing once."""
        self.notices += [text for text in texts if text not in self._noticed]
        self._noticed.update(texts)

    def secret(self, name: str) -> bytes:
        """A secret's value. From now on it is masked in all that this command writes or shows.

        A command that only reads needs no key before this: what else the file says is not encrypted.
        """
        if self.state.locked:
            self.state.unlock(keys_of(self.settings))
            self.notice(*self.state.notices)
        value = self.state.secret(name).get_secret_value()
        self.mask.learn(value)
        return value

    @property
    def records(self) -> Records:
        """What runs have done to this state's hosts, as it is kept there. Raises ``SecretMissing``: no key seals it."""
        from klusterkit.session.running.records import SECRET, Records

        return Records(key=self.secret(SECRET))

    def has_artifact(self, sha256: str) -> bool:
        """Whether :meth:`artifact` has it."""
        from klusterkit.bundle import ArtifactStore

        return ArtifactStore(self.settings.cache).size(sha256) is not None

    def artifact(self, sha256: str) -> Path:
        """This machine's verified copy of an artifact. Raises ``UsageError`` if it isn't here."""
        from klusterkit.bundle import ArtifactStore

        return ArtifactStore(self.settings.cache).path(sha256)

    def the_cluster(self) -> Cluster:
        """The cluster. Raises ``UsageError`` when there is none yet."""
        cluster = self.cluster
        if cluster is None:
            raise UsageError(
                f"{self.state.path} has no cluster yet",
                hint="cctl create cluster --pod-network 10.2.0.0/16 --service-network 10.1.0.0/16",
            )
        return cluster

    def refuse_run_in_progress(self) -> None:
        """Raise ``RunInProgress`` if a run has to be finished or taken back first."""
        if self.state.records:
            raise RunInProgress(
                f"'{self.state.records[0]['plan']['operation']}' was begun and has not ended",
                hint="`cctl status` shows how far it came; `cctl resume` finishes it, `cctl rollback` takes it back",
            )


@contextmanager
def open_hold(
    settings: Settings,
    *,
    write: str | None = None,
    create: bool = False,
    first: Callable[[], object] = lambda: None,
) -> Generator[Hold]:
    """Open the state file for one command.

    Args:
        settings: what the command was told.
        write: the command in words, for the lock, if it writes; None only reads and takes no lock.
        create: whether a missing state file is made.
        first: raises where a missing one would be made in vain: its key, which stays, is then not made either.

    Raises:
        StateError: the file is missing, damaged, locked, or encrypted for somebody else.
    """
    if write is None:
        state = StateFile.load(settings.state)
        _refuse_options_of_new_files(settings, state)
        yield Hold(settings, state, ())
        return
    keys = keys_of(settings)
    with lock(settings.state, write) as held:
        notices = [held.notice] if held.notice else []
        if not create or settings.state.exists():
            state = StateFile.load(settings.state, keys, lock=held)
            _refuse_options_of_new_files(settings, state)
            yield Hold(settings, state, notices)
            return
        first()
        with _new_state(settings, keys, held) as state:
            yield Hold(settings, state, notices)


@contextmanager
def _new_state(settings: Settings, keys: KeySource, held: Lock) -> Generator[StateFile]:
    """A new state file, which goes again if the command that it was made for is refused."""
    from klusterkit.session.running.records import SECRET, new_key

    source = None if settings.plaintext else keys
    state = StateFile.create(
        settings.state, source, lock=held, public_keys=settings.recipients, secrets={SECRET: new_key()}
    )
    made = state.snapshot.serial
    try:
        yield state
    finally:
        if state.snapshot.serial == made:
            state.path.unlink(missing_ok=True)


def _refuse_options_of_new_files(settings: Settings, state: StateFile) -> None:
    """What says how a new file is sealed is not ignored where the file is there, and sealed in another way."""
    strangers = [key for key in settings.recipients if key not in state.snapshot.encryption.recipients]
    if strangers:
        raise UsageError(
            f"{state.path} is there already, and {', '.join(strangers)} doesn't open it: --recipient is for a new file",
            hint="`cctl state recipient add AGE1…` lets one more key open it",
        )
    if settings.plaintext and not state.plaintext:
        raise UsageError(
            f"{state.path} is there already, and encrypted: --insecure-plaintext-state is for a new file",
            hint="leave the option out; each cluster has its own state file: name another one with --state",
        )


def keys_of(settings: Settings) -> KeySource:
    """What opens a state file, and what a new one is sealed for."""
    return key_source(
        identity=settings.identity,
        ask_passphrase=settings.ask_passphrase,
        prefer_passphrase=settings.prefer_passphrase,
    )


def expanded(path: Path) -> Path:
    """With ``~`` filled in: shells don't do it after ``--option=``."""
    return path.expanduser()
