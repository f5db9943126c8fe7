"""What to do about what isn't as wanted while a run is unfinished: what the run has done isn't mended by hand.

Whoever starts the kubelet on a host that is on its way out works against the run; so does whoever removes the member of
etcd that is about to be promoted.
"""

from __future__ import annotations

from collections.abc import Sequence

from klusterkit.engine.journal import Journal, passed
from klusterkit.engine.step import Undo
from klusterkit.session.running.ending import leaving_by
from klusterkit.session.status.etcd import MEMBERS
from klusterkit.session.status.judging import CLOCK
from klusterkit.session.status.model import SSH, Component

_NO_RUNS_DOING = (SSH, CLOCK)


def in_view_of(run: Journal, components: Sequence[Component]) -> list[Component]:
    """The components, with other hints where the run has begun to change what is looked at."""
    tasks = [task for task in run.plan.tasks if task.step.undoing is not Undo.NOTHING and run[task.id].to_undo]
    changed, leaving = {task.host for task in tasks}, set(leaving_by(run.plan.outcome))
    if not changed:
        return [*components]
    ends = leaving.issuperset(component.machine for component in components if component.machine)

    def advised(component: Component) -> Component:
        # Of what leaves nothing is wanted any more; where a machine stays, the fault may be what the run waits for.
        goes = component.machine in leaving if component.machine else ends or component.name == MEMBERS
        if component.ok or component.name in _NO_RUNS_DOING or not (goes or component.machine in changed):
            return component
        hint = _hint(run) if goes else f"{_hint(run)}. If that doesn't mend it: {component.hint}"
        return component.model_copy(update={"hint": hint})

    return [advised(component) for component in components]


def _hint(run: Journal) -> str:
    if run.only_back:
        return f"'{run.plan.operation}' is being taken back: `cctl rollback` goes on with that"
    back = "it can't be taken back any more" if passed(run.plan, run.states) else "`cctl rollback` takes it back"
    return f"'{run.plan.operation}' is unfinished: `cctl resume` goes on with it, {back}"
