"""Bring the content of a bundle to hosts before anything is done there, so that what is done later has it at hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pydantic import BaseModel, ConfigDict

from klusterkit.cluster import Machine
from klusterkit.engine.errors import UsageError
from klusterkit.engine.facts import Facts
from klusterkit.engine.plan import Plan
from klusterkit.plans.draft import Draft
from klusterkit.plans.request import Options
from klusterkit.plans.shared import UPLOAD_SPEED
from klusterkit.plans.sharing import Peer, share
from klusterkit.tasks.artifacts import Upload

SPARE = 1 << 30
"""Bytes that stay free on a host."""


class Content(BaseModel):
    """A file of a bundle."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    """Of the program or project, or an image's full reference."""
    version: str
    sha256: str
    size: int

    @property
    def label(self) -> str:
        """Tells it from all others of a bundle, which may hold several versions of one name; without slashes."""
        known = self.name if ":" in self.name else f"{self.name}-{self.version}"
        return known.replace("/", ".")


class PushRequest(BaseModel):
    """What is brought to whom."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    machines: tuple[Machine, ...]
    facts: dict[str, Facts]
    contents: tuple[Content, ...]
    there: dict[str, tuple[str, ...]]
    """By machine, the digests that it has already."""
    lineage: str
    serial: int
    operation: str
    options: Options = Options()

    def lacking(self, machine: Machine) -> list[Content]:
        """What a machine hasn't."""
        return [content for content in self.contents if content.sha256 not in self.there.get(machine.name, ())]

    def checked(self) -> PushRequest:
        """The request itself. Raises ``UsageError`` where there is no room for it."""
        for machine in self.machines:
            wanted, free = sum(content.size for content in self.lacking(machine)), self.facts[machine.name].disk_free
            if wanted and free < wanted + SPARE:
                raise UsageError(
                    f"{machine.name} has too little room below /var/lib",
                    host=machine.name,
                    seen=f"{free / 1e9:.1f} GB free; {wanted / 1e9:.1f} GB are brought, and 1 GB stays free",
                    hint="free some, or push to the others alone: --ip ADDRESS",
                )
        return self


def compile_push(request: PushRequest) -> Plan:
    """The plan that brings each machine what it lacks. Pure and deterministic. Raises ``UsageError``."""
    draft = Draft()
    draft.budgets["uploads"] = request.options.uploads
    for machine in request.checked().machines:
        _bring(draft, request, machine)
    peers = [Peer.of(each.name, str(each.address), request.facts[each.name]) for each in request.machines]
    if request.options.share:
        draft.tasks = list(share(draft.tasks, peers, holders=_holders(request)))
    return draft.plan(request, {machine.name: request.facts[machine.name] for machine in request.machines})


def _bring(draft: Draft, request: PushRequest, machine: Machine) -> None:
    on, budget = draft.on(machine.name), f"uploads/{machine.name}"
    for content in request.lacking(machine):
        draft.budgets[budget] = request.options.uploads_each
        on.add(
            f"artifacts/{content.label}",
            Upload(name=content.name, sha256=content.sha256, size=content.size),
            cost=0.02 + content.size / UPLOAD_SPEED,
            timeout=3600.0,
            budgets=("uploads", budget),
        )


def _holders(request: PushRequest) -> Mapping[str, Sequence[str]]:
    return {
        content.sha256: [machine.name for machine in request.machines if content.sha256 in request.there[machine.name]]
        for content in request.contents
    }
