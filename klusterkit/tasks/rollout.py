"""Waiting for what an operator has deployed, and saying why it isn't ready."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from klusterkit.engine.errors import CommandFailed
from klusterkit.engine.step import Context
from klusterkit.tasks import kubectl, readiness
from klusterkit.tasks.apiobject import Reference
from klusterkit.tasks.gates import Gate

_SHOWN = 6


class RolledOut(Gate):
    """An object is ready in its latest form: of a workload all pods are up to date and available, a job has completed.

    What can't get better by waiting (a job that failed, a rollout past its own deadline) fails at once. What isn't
    ready is told with the reasons that its pods and the scheduler give.
    """

    kind: ClassVar[str] = "gate.rollout"
    pause: ClassVar[float] = 0.5
    hint: ClassVar[str] = (
        "mend the cause and `cctl resume`; or `cctl rollback`, correct the manifest, and deploy it again"
    )

    target: Reference

    @property
    def title(self) -> str:
        """What is waited for."""
        return f"wait until {self.target} is ready"

    def missing(self, on: Context) -> str:
        """What is missing, with the reasons of its pods. Raises ``CommandFailed`` where waiting doesn't help."""
        found = self._get(on, *self.target.words)
        if found is None:
            return "it is not there"
        if hopeless := readiness.hopeless(found):
            raise CommandFailed(
                f"{self.target} has failed",
                host=on.host.name,
                seen="\n".join([hopeless, *self._reasons(on, found)]),
                hint=self.hint,
            )
        missing = readiness.missing(found)
        return "\n".join([missing, *self._reasons(on, found)]) if missing else ""

    def _reasons(self, on: Context, found: readiness.Object) -> list[str]:
        pods = [found] if self.target.type == readiness.POD else self._pods(on, readiness.labels_of_pods(found))
        reasons = [reason for pod in pods for reason in readiness.reasons(pod)]
        more = [f"and {len(reasons) - _SHOWN} more"] if len(reasons) > _SHOWN else []
        return [*readiness.refusals(found), *reasons[:_SHOWN], *more]

    def _pods(self, on: Context, labels: Mapping[str, str]) -> list[readiness.Object]:
        selector = ",".join(f"{key}={value}" for key, value in labels.items())
        where = (f"--selector={selector}", f"--namespace={self.target.namespace}")
        found = self._get(on, "pods", *where) if selector else None
        return found["items"] if found else []

    def _get(self, on: Context, *what: str) -> dict[str, Any] | None:
        return kubectl.data_of(kubectl.told(on, "get", *what, "--ignore-not-found", kubectl.COMPACT))
