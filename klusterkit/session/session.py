"""A session: everything that a command line can ask for, one method each; the modules beside tell what it takes."""

from __future__ import annotations

from collections.abc import Callable, Collection, Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from klusterkit.session.hold import Hold, open_hold
from klusterkit.session.settings import Settings

if TYPE_CHECKING:  # what a command doesn't need isn't imported: `cctl get` has to answer at once
    from klusterkit.bundle.minisign import PublicKey
    from klusterkit.cluster import Cluster, Machine
    from klusterkit.engine.events import Sink
    from klusterkit.engine.executor import Outcome
    from klusterkit.engine.journal import Journal
    from klusterkit.engine.plan import Plan
    from klusterkit.engine.runner import Report, Runner
    from klusterkit.hosts import Holder
    from klusterkit.session.access.kubeconfig import Given
    from klusterkit.session.machines.preflight import Examined
    from klusterkit.session.onlooker import Onlooker
    from klusterkit.session.running.runs import Choice
    from klusterkit.session.status import StatusReport
    from klusterkit.session.versions import ClusterVersions
    from klusterkit.state import Snapshot


class Session:
    """One command's session. Opened with :meth:`open`."""

    def __init__(self, hold: Hold) -> None:
        self._hold = hold
        self._runner: Runner | None = None
        self._stop_wanted = False

    @classmethod
    @contextmanager
    def open(
        cls,
        settings: Settings,
        *,
        create: bool = False,
        write: str | None = None,
        first: Callable[[], object] = lambda: None,
    ) -> Generator[Session]:
        """Open the state file; see :func:`klusterkit.session.hold.open_hold`."""
        with open_hold(settings, write=write, create=create, first=first) as hold:
            yield cls(hold)

    @property
    def snapshot(self) -> Snapshot:
        """The state between two runs."""
        return self._hold.snapshot

    @property
    def notices(self) -> list[str]:
        """What the operator should be told on standard error."""
        return self._hold.notices

    @property
    def cluster(self) -> Cluster | None:
        """The cluster, once there is one."""
        return self._hold.cluster

    @property
    def machines(self) -> list[Machine]:
        """The machines that belong to the cluster."""
        return self._hold.machines

    @property
    def run(self) -> Journal | None:
        """The run in progress."""
        return self._hold.run

    @property
    def history(self) -> Sequence[Mapping[str, Any]]:
        """Finished runs in brief, oldest first; see :func:`klusterkit.session.running.briefs.brief_of`."""
        from klusterkit.session.running.briefs import told

        return [told(brief) for brief in self.snapshot.runs]

    def objects(self, kind: str, names: Sequence[str] = (), addresses: Collection[str] = ()) -> list[dict[str, Any]]:
        """The objects of a kind; see :func:`klusterkit.session.catalogue.objects_of`."""
        from klusterkit.session.catalogue import objects_of

        return objects_of(self._hold, kind, names, addresses)

    def create_credential(
        self, user: str, private_key: Path, passphrase: Callable[[], str] | None = None, *, replace: bool = False
    ) -> None:
        """Keep the login for all machines."""
        from klusterkit.session.objects import create_credential

        create_credential(self._hold, user, private_key, passphrase, replace=replace)

    @staticmethod
    def check_credential(user: str, private_key: Path) -> None:
        """Raise what :meth:`create_credential` would that needs no state file, and no passphrase."""
        from klusterkit.session.objects import check_credential

        check_credential(user, private_key)

    @staticmethod
    def check_cluster(**wanted: Any) -> None:
        """Raise what :meth:`create_cluster` would that needs no state file."""
        from klusterkit.session.objects import WantedCluster, described_cluster

        described_cluster(WantedCluster(**wanted))

    def create_cluster(self, **wanted: Any) -> Cluster:
        """Keep the cluster (the fields of :class:`klusterkit.session.objects.WantedCluster`), make its authorities."""
        from klusterkit.session.objects import WantedCluster, create_cluster

        return create_cluster(self._hold, WantedCluster(**wanted))

    @property
    def sealing(self) -> dict[str, Any]:
        """Who opens the state file; see :func:`klusterkit.session.sealing.sealing_of`."""
        from klusterkit.session.sealing import sealing_of

        return sealing_of(self._hold)

    def add_recipient(self, public_key: str) -> None:
        """Let one more age identity open the state file."""
        from klusterkit.session.sealing import add_recipient

        add_recipient(self._hold, public_key)

    def remove_recipient(self, public_key: str) -> None:
        """Let an age identity open the state file no longer."""
        from klusterkit.session.sealing import remove_recipient

        remove_recipient(self._hold, public_key)

    def rekey(self) -> None:
        """Seal every secret anew."""
        from klusterkit.session.sealing import rekey

        rekey(self._hold)

    @property
    def host_keys(self) -> list[dict[str, str]]:
        """The host keys that the state pins (:func:`klusterkit.session.hostkeys.pinned_host_keys`)."""
        from klusterkit.session.hostkeys import pinned_host_keys

        return pinned_host_keys(self._hold)

    def forget_host_keys(self, host: str) -> list[dict[str, str]]:
        """Pin the keys of a host no more. Returns them. Raises ``UsageError`` when none is."""
        from klusterkit.session.hostkeys import forget_host_keys

        return forget_host_keys(self._hold, host)

    def trust_bundle_keys(self, keys: Sequence[str], *, forget: bool = False) -> list[str]:
        """Pin public keys (files, or the lines themselves), or pin them no more. Returns those that are pinned then."""
        from klusterkit.session.supply import trust

        found = [trust.public_key(text) for text in keys]
        (trust.forget if forget else trust.trust)(self._hold, found)
        return self.snapshot.bundle_keys

    @property
    def bundle_keys(self) -> list[PublicKey]:
        """The public keys whose bundles are trusted. Raises ``NotTrusted`` when there is none."""
        from klusterkit.session.supply.trust import trusted_keys

        return trusted_keys(self._hold)

    def check_bundle(self, path: Path, plan: Plan) -> int:
        """Whether a run takes all that a plan needs from a bundle; see ``completeness.check_for_run``."""
        from klusterkit.session.running.completeness import check_for_run

        return check_for_run(self._hold, path, plan)

    def plan_bundle_push(self, onlooker: Onlooker, **wanted: Any) -> Plan:
        """Look at hosts, verify the bundle, compile (fields of :class:`klusterkit.session.supply.push.WantedPush`)."""
        from klusterkit.session.supply.push import WantedPush, plan_push

        return plan_push(self._hold, WantedPush(**wanted), onlooker)

    def plan_create_machine(self, onlooker: Onlooker, **wanted: Any) -> Plan:
        """Look at hosts, bring artifacts, compile (fields of :class:`klusterkit.session.machines.create.Wanted`)."""
        from klusterkit.session.machines.create import Wanted, plan_create

        return plan_create(self._hold, Wanted(**wanted), onlooker)

    def plan_delete(self, **wanted: Any) -> Plan:
        """Look who is there, compile (the fields of :class:`klusterkit.session.machines.delete.Wanted`)."""
        from klusterkit.session.machines.delete import Wanted, plan_delete

        return plan_delete(self._hold, Wanted(**wanted))

    def plan_objects(self, onlooker: Onlooker, text: str, where: str, *, prune: bool, drain: Mapping[str, Any]) -> Plan:
        """Compare objects with the state, compile; see :func:`klusterkit.session.machines.applying.plan_objects`."""
        from klusterkit.plans.deletion import DrainOptions
        from klusterkit.session.machines.applying import plan_objects

        return plan_objects(self._hold, text, where, onlooker, prune=prune, drain=DrainOptions(**drain))

    def plan_registry_update(self, onlooker: Onlooker, **wanted: Any) -> Plan:
        """Prove the access, compile (the fields of :class:`klusterkit.session.machines.registry.WantedAccess`)."""
        from klusterkit.session.machines.registry import WantedAccess, plan_registry_update

        return plan_registry_update(self._hold, WantedAccess(**wanted), onlooker)

    def plan_deploy(self, onlooker: Onlooker, **wanted: Any) -> Plan:
        """Ask the cluster, compile (the fields of :class:`klusterkit.session.workloads.deploying.WantedDeploy`)."""
        from klusterkit.session.workloads.deploying import WantedDeploy, plan_deploy

        return plan_deploy(self._hold, WantedDeploy(**wanted), onlooker)

    def preflight(self, machines: Sequence[Any]) -> list[Examined]:
        """Whether hosts can become machines (fields of :class:`klusterkit.session.machines.wanted.WantedMachine`)."""
        from klusterkit.session.machines.preflight import examine
        from klusterkit.session.machines.wanted import WantedMachine

        return examine(self._hold, [WantedMachine.model_validate(each) for each in machines])

    def look(self, plan: Plan) -> dict[str, Outcome]:
        """What each task sees on its host, and what it would change."""
        from klusterkit.session.running.staleness import look

        return look(self._hold, plan)

    def refuse_stale(self, plan: Plan) -> None:
        """Raise ``PlanStale`` where the state has moved on since a plan was made. Hosts are looked at at its start."""
        from klusterkit.session.running.staleness import refuse_other_state

        refuse_other_state(self._hold, plan)

    def save_plan(self, plan: Plan, path: Path, outcomes: Mapping[str, Outcome]) -> Plan:
        """Save a plan, bound to what was seen when it was made."""
        from klusterkit.session.running.plans import save_plan
        from klusterkit.session.running.staleness import with_seen

        bound = with_seen(plan, outcomes)
        save_plan(bound, path)
        return bound

    def start(self, plan: Plan, tell: Sink) -> Report:
        """Run exactly this plan."""
        from klusterkit.session.running.runs import start

        return start(self._hold, plan, tell, self._running)

    @property
    def journaled(self) -> bool:
        """Whether a run is in progress."""
        return bool(self._hold.state.records)

    def hosts_of_run(self, named: Collection[str]) -> frozenset[str]:
        """Hosts of the run in progress by their names or addresses."""
        from klusterkit.session.connect import machines_of
        from klusterkit.session.running.gonehosts import hosts_of_run

        journal = self._hold.run
        return hosts_of_run(journal, machines_of(self._hold, journal.plan), named) if journal else frozenset()

    def resume(self, tell: Sink, decisions: Mapping[str, Choice] | None = None, gone: Collection[str] = ()) -> Report:
        """Go on with the run in progress, without hosts that are gone for good."""
        from klusterkit.session.running.runs import resume

        return resume(self._hold, decisions or {}, tell, self._running, gone)

    def rollback(self, tell: Sink, gone: Collection[str] = ()) -> Report:
        """Take the run in progress back, but on hosts that are gone for good."""
        from klusterkit.session.running.runs import rollback

        return rollback(self._hold, tell, self._running, gone)

    def _running(self, runner: Runner) -> None:
        self._runner = runner
        if self._stop_wanted:
            runner.stop()

    def stop(self) -> None:
        """Let what runs end, start nothing more. Safe in a signal handler."""
        self._stop_wanted = True
        if self._runner:
            self._runner.stop()

    def stop_now(self) -> None:
        """Wait for nothing any more."""
        self._stop_wanted = True
        if self._runner:
            self._runner.stop_now()

    def unlock(self, host: str, port: int, agree: Callable[[Holder], bool]) -> Holder | None:
        """Break a host's lock; see :func:`klusterkit.session.running.unlocking.unlock`."""
        from klusterkit.session.running.unlocking import unlock

        return unlock(self._hold, host, port, agree)

    def kubeconfig(self, **wanted: Any) -> str:
        """A new administrator's kubeconfig (the fields of ``session.access.WantedAccess``). It is a secret."""
        from klusterkit.session.access.kubeconfig import WantedAccess, admin_kubeconfig

        return admin_kubeconfig(self._hold, WantedAccess(**wanted))

    def give_access(self, **wanted: Any) -> Given:
        """Write the cluster to a kubeconfig (fields of :class:`klusterkit.session.access.kubeconfig.WantedAccess`)."""
        from klusterkit.session.access.kubeconfig import WantedAccess, give_access

        return give_access(self._hold, WantedAccess(**wanted))

    def ssh(self, machine: str, command: Sequence[str], *, tty: bool) -> int:
        """A shell or a command on a machine, on this terminal. Returns the exit status."""
        from klusterkit.session.access.remote import ssh

        return ssh(self._hold, machine, command, tty=tty)

    def versions(self) -> ClusterVersions | None:
        """The versions of all parts on all machines; None where there are none."""
        from klusterkit.session.versions import versions_of

        return versions_of(self._hold)

    def status(self) -> StatusReport:
        """How far the run in progress is, and what each machine is like."""
        from klusterkit.session.status import status_of

        return status_of(self._hold)

    def looks(self, pause: float) -> Generator[StatusReport]:
        """Likewise, again and again, with a pause between (seconds)."""
        from klusterkit.session.status import looks

        return looks(self._hold, pause)
