"""``deploy``: look what the cluster has and would refuse, compile the plan. Nothing is changed on any host."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from pydantic import BaseModel, ConfigDict

from klusterkit.engine.errors import ErrorInfo, HostUnreachable, UsageError
from klusterkit.engine.executor import Executor, LocalExecutor, Outcome, Verb
from klusterkit.engine.plan import Plan
from klusterkit.engine.step import Context
from klusterkit.plans.deploy import AT_ONCE, DeployRequest, compile_deploy
from klusterkit.plans.owned import owned
from klusterkit.session.connect import fleet_for_meeting
from klusterkit.session.errors import Refused
from klusterkit.session.hold import Hold
from klusterkit.session.machines.masters import answering, look_at_masters
from klusterkit.session.onlooker import Onlooker
from klusterkit.session.running.inputs import keep_inputs, named
from klusterkit.session.running.staleness import call_of
from klusterkit.session.workloads.manifests import Manifest, read_manifests
from klusterkit.session.workloads.placing import look_at_api, placed
from klusterkit.tasks import readiness
from klusterkit.tasks.apiobject import Reference
from klusterkit.tasks.deploying import Deploy
from klusterkit.tasks.rollout import RolledOut


class WantedDeploy(BaseModel):
    """What the operator asks for."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    sources: tuple[tuple[str, str], ...]
    """What to call each text, and the text: manifests in YAML or JSON."""
    namespace: str = "default"
    """Of objects that say none."""
    force: bool = False
    """Whether fields are taken over that others manage."""
    within: float | None = 300.0
    """Seconds for each object to get ready; None doesn't wait."""

    @property
    def operation(self) -> str:
        """The request in the operator's words."""
        return f"deploy {', '.join(where for where, _ in self.sources)}"


def plan_deploy(hold: Hold, wanted: WantedDeploy, onlooker: Onlooker) -> Plan:
    """The plan for objects that aren't as they should be, or not ready; an empty one where all are.

    Raises:
        UsageError: there is no cluster, or what is asked for can't be read.
        Refused: objects can't be deployed, or the cluster doesn't take them; all reasons.
        HostRefused, HostUnreachable: a host can't be looked at.
    """
    hold.refuse_run_in_progress()
    manifests = read_manifests(wanted.sources, wanted.namespace, owned(hold.the_cluster()))
    masters = [machine for machine in hold.machines if machine.is_master]
    if not masters:
        raise UsageError("the cluster has no master yet", hint="cctl create machine --ip 10.0.0.5 --role master")
    with fleet_for_meeting(hold, masters) as fleet:
        onlooker.stage(f"asking the cluster about {len(manifests)} objects")
        asked_on = answering(look_at_masters(hold, fleet, masters))
        host = fleet[asked_on]
        at = placed(manifests, look_at_api(Context(host=host, run="look", task="look")), wanted.namespace)
        objects, values = steps(at, force=wanted.force)
        request = DeployRequest(
            operation=wanted.operation,
            objects=objects,
            waited=_waited(objects) if wanted.within else (),
            within=wanted.within or 0.0,
            asked_on=asked_on,
            facts=host.facts(),
            lineage=hold.snapshot.lineage,
            serial=hold.snapshot.serial,
        )
        executor = LocalExecutor(fleet, secret=_secrets(hold, values), mask=hold.mask)
        request = differing(request, executor, {each.target: each.where for each in at})
    if request.objects and (same := len(objects) - len(request.objects)):
        hold.notice(f"{same} of {len(objects)} objects are as they should be already")
    keep_inputs(hold, {name: values[name] for each in request.objects for name in each.secrets.values()})
    return compile_deploy(request).changed(serial=hold.snapshot.serial)


def steps(manifests: Iterable[Manifest], *, force: bool) -> tuple[tuple[Deploy, ...], dict[str, bytes]]:
    """What brings them about; and the values that Secrets hold, by the names that the steps give them."""
    made: list[Deploy] = []
    values: dict[str, bytes] = {}
    for each in manifests:
        secrets = {key: named(len(values) + number) for number, key in enumerate(each.values, start=1)}
        values |= {name: each.values[key] for key, name in secrets.items()}
        made.append(Deploy(manifest=each.data, secrets=secrets, force=force))
    return tuple(made), values


def _waited(objects: Iterable[Deploy]) -> tuple[Reference, ...]:
    return tuple(each.target for each in objects if each.target.type in readiness.KINDS)


def _secrets(hold: Hold, values: Mapping[str, bytes]) -> Callable[[str], bytes]:
    """The values are nowhere yet. From now on they are masked in all that this command writes or shows."""
    for value in values.values():
        hold.mask.learn(value)
    return lambda name: values[name] if name in values else hold.secret(name)


def differing(request: DeployRequest, executor: Executor, places: Mapping[Reference, str]) -> DeployRequest:
    """The request without objects that are as they should be, and ready.

    Args:
        request: with all of them.
        executor: asks the cluster.
        places: where each object stands, in words.

    Raises:
        Refused: the API server would refuse objects; all reasons.
        HostUnreachable: the master can't be asked any more.
    """
    plan = compile_deploy(request)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        asked = pool.map(executor.perform, ([call_of(Verb.OBSERVE, task)] for task in plan.tasks))
        outcomes = [(task.step, outcome) for task, (outcome,) in zip(plan.tasks, asked, strict=True)]
    objects = [(step, outcome) for step, outcome in outcomes if isinstance(step, Deploy)]
    _refuse([(places[step.target], outcome.error) for step, outcome in objects if outcome.error])
    different = tuple(step for step, outcome in objects if not _satisfied(outcome))
    unready = {step.target for step, outcome in outcomes if isinstance(step, RolledOut) and not _satisfied(outcome)}
    waited = tuple(each for each in request.waited if each in {*unready, *(step.target for step in different)})
    return request.model_copy(update={"objects": different, "waited": waited})


def _satisfied(outcome: Outcome) -> bool:
    return outcome.observation is not None and outcome.observation.satisfied


def _refuse(errors: Sequence[tuple[str, ErrorInfo]]) -> None:
    for _, error in errors:
        if error.lost:
            raise HostUnreachable(error.message, host=error.host, seen=error.seen, hint=error.hint)
    if errors:
        reasons = [UsageError(f"{where}: {each.message}", seen=each.seen, hint=each.hint) for where, each in errors]
        raise Refused("the cluster would not take some objects; nothing was changed", reasons)
