"""Who carries out a step's verbs: a call goes in, an outcome comes out, both plain data.

The coordinator alone owns plan, journal and lock. An executor only carries idempotent calls, so that it can as well be
a worker at another site: the JSON executor shows that nothing goes in that couldn't travel.
"""

from __future__ import annotations

import contextlib
import json
import threading
import traceback
from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Any, Protocol

from pydantic import BaseModel, ConfigDict

from klusterkit.engine.errors import ErrorInfo, StepCrashed, StepHung, VerificationFailed, info_of
from klusterkit.engine.host import Host, JobState
from klusterkit.engine.step import AnyStep, Context, Difference, Observation
from klusterkit.engine.texts import each_text

GRACE = 30.0
"""Seconds that a step may take past its timeout before it counts as hung: the host layer ends programs in time."""


class Verb(StrEnum):
    """What is asked of a step."""

    OBSERVE = "observe"
    APPLY = "apply"
    """Apply, then verify."""
    UNDO = "undo"
    """Undo, then see that the host is as it was before."""
    STOP = "stop"
    """Nothing but ending what earlier attempts left running."""
    PROBE = "probe"
    """Observe, and read the host's record of the attempt's long program."""
    DIFFER = "differ"
    """Observe, and tell what applying would change."""


class Call(BaseModel):
    """One verb of one task."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    verb: Verb
    run: str
    task: str
    host: str
    step: AnyStep
    timeout: float
    attempt: int = 1
    stop_applies: int = 0
    """The long programs of this many first attempts are ended before the verb."""
    stop_undos: int = 0
    """Likewise, of attempts to undo."""
    before: dict[str, Any] = {}


class Outcome(BaseModel):
    """What came of a call: an error, or what the verb gives."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    error: ErrorInfo | None = None
    observation: Observation | None = None
    job: JobState | None = None
    differences: tuple[Difference, ...] = ()


class Executor(Protocol):
    """Carries out calls. Calls given together have the same verb, host and kind of step."""

    def perform(self, calls: Sequence[Call]) -> list[Outcome]:
        """Carry them out and wait. Never raises for what a step raises: that is an outcome."""
        ...

    def cancel(self) -> None:
        """Let steps that only wait for something end now, with ``Cancelled``. What acts comes to its end."""
        ...


class LocalExecutor:
    """Runs steps in this process.

    Args:
        hosts: a host by its name. It may connect, and raise what a connection raises.
        secret: a secret's value by its name.
        artifact: the verified local copy of an artifact by its SHA-256.
        mask: takes secrets out of a text: what a program said may quote one, and an outcome is journaled and shown.
        acting: told a host by its name, before steps act on it.
        on_crash: told the traceback of what a step raised that isn't ours.
        grace: seconds past their timeout after which calls count as hung.
    """

    def __init__(
        self,
        hosts: Callable[[str], Host],
        *,
        secret: Callable[[str], bytes] | None = None,
        artifact: Callable[[str], Path] | None = None,
        mask: Callable[[str], str] = lambda text: text,
        acting: Callable[[str], None] = lambda _: None,
        on_crash: Callable[[str], None] = lambda _: None,
        grace: float = GRACE,
    ) -> None:
        self._hosts = hosts
        sources: dict[str, Any] = {"secret": secret, "artifact": artifact}
        self._sources = {name: source for name, source in sources.items() if source is not None}
        self._mask = mask
        self._acting = acting
        self._on_crash = on_crash
        self._grace = grace
        self._cancelled = threading.Event()

    def perform(self, calls: Sequence[Call]) -> list[Outcome]:
        """Carry out the calls in a thread of their own, so that one that hangs can be left behind."""
        results: list[list[Outcome]] = []
        worker = threading.Thread(target=lambda: results.append(self._guarded(calls)), daemon=True)
        worker.start()
        longest = min(max(call.timeout for call in calls) + self._grace, threading.TIMEOUT_MAX)
        worker.join(longest)
        if results:
            return results[0]
        names = ", ".join(call.task for call in calls[:3])
        hung = StepHung(
            f"{names}: no answer after {longest:.0f} s",
            host=calls[0].host,
            hint="see what the host is doing; `cctl resume` looks at it again and goes on",
        )
        return [Outcome(error=hung.info())] * len(calls)

    def cancel(self) -> None:
        """Let steps that only wait end now."""
        self._cancelled.set()

    def _guarded(self, calls: Sequence[Call]) -> list[Outcome]:
        try:
            return [self._masked(outcome) for outcome in self._perform(calls)]
        except Exception as error:  # noqa: BLE001 - whatever a step raises ends its task, not the run
            info = info_of(error) or self._crashed(calls[0], error)
        return [self._masked(Outcome(error=info.model_copy(update={"host": info.host or calls[0].host})))] * len(calls)

    def _crashed(self, call: Call, error: Exception) -> ErrorInfo:
        with contextlib.suppress(Exception):  # its log may not be writable; the task ends all the same
            self._on_crash(self._mask("".join(traceback.format_exception(error))))
        return StepCrashed(
            f"{call.task}: {type(error).__name__} in the step itself",
            host=call.host,
            hint="this is a bug in KlusterKit; --debug shows where",
        ).info()

    def _masked(self, outcome: Outcome) -> Outcome:
        """Outputs of programs, differences and reasons are texts that come from a host.

        What undo needs isn't changed: steps keep no contents of files in it, and a secret may be a word like any other
        (``postgres``), that would then be put back as ``[secret]``.
        """
        if outcome.error is None and outcome.observation is None:
            return outcome
        plain = outcome.model_dump(mode="json", exclude={"observation": {"before"}})
        masked = each_text(plain, self._mask)
        if masked == plain:
            return outcome
        if outcome.observation is not None:
            masked["observation"]["before"] = outcome.observation.before
        return Outcome.model_validate(masked)

    def _perform(self, calls: Sequence[Call]) -> list[Outcome]:
        host = self._hosts(calls[0].host)
        contexts = [self._context(host, call) for call in calls]
        steps = [call.step for call in calls]
        if calls[0].verb in (Verb.APPLY, Verb.UNDO):
            self._acting(calls[0].host)
        for call, on in zip(calls, contexts, strict=True):
            _stop_leftovers(call, on)
        kind = type(steps[0])
        match calls[0].verb:
            case Verb.OBSERVE:
                return [Outcome(observation=seen) for seen in kind.observe_many(steps, contexts)]
            case Verb.DIFFER:
                seen = kind.observe_many(steps, contexts)
                return [_differ(step, on, each) for step, on, each in zip(steps, contexts, seen, strict=True)]
            case Verb.APPLY:
                kind.apply_many(steps, contexts, [call.before for call in calls])
            case Verb.UNDO:
                for call, on in zip(calls, contexts, strict=True):
                    _undo(call, on)
            case Verb.PROBE:
                return [_probe(call.step, on) for call, on in zip(calls, contexts, strict=True)]
            case Verb.STOP:
                pass
        return [Outcome()] * len(calls)

    def _context(self, host: Host, call: Call) -> Context:
        undoing = call.verb is Verb.UNDO
        return Context(
            host=host,
            run=call.run,
            task=call.task,
            attempt=call.attempt,
            undoing=undoing,
            cancelled=self._cancelled,
            timeout=call.timeout,
            **self._sources,
        )


def _stop_leftovers(call: Call, on: Context) -> None:
    for number in range(1, call.stop_applies + 1):
        on.host.job_stop(on.as_attempt(number, undoing=False).key)
    for number in range(1, call.stop_undos + 1):
        on.host.job_stop(on.as_attempt(number, undoing=True).key)


def _undo(call: Call, on: Context) -> None:
    call.step.undo(on, call.before)
    seen = call.step.observe(on)
    if _plain(seen.before) != _plain(call.before):
        raise VerificationFailed(
            f"{call.step.title}: undone, but the host isn't as it was before",
            host=on.host.name,
            seen=f"before {_shown(call.before)}, now {_shown(seen.before)}",
        )


def _plain(before: Mapping[str, Any]) -> Any:
    """As it would come back from the journal: there are no tuples in JSON."""
    return json.loads(json.dumps(before))


def _shown(before: Mapping[str, Any]) -> str:
    text = json.dumps(before, sort_keys=True)
    return text if len(text) <= 300 else f"{text[:300]}…"


def _differ(step: AnyStep, on: Context, seen: Observation) -> Outcome:
    return Outcome(observation=seen, differences=() if seen.satisfied else tuple(step.differences(on, seen)))


def _probe(step: AnyStep, on: Context) -> Outcome:
    # Whether there is a record is what is asked here. What the program said stays where apply finds it: it can be a
    # megabyte, and needn't be text.
    job = JobState(status=on.host.job_state(on.key).status)
    return Outcome(observation=step.observe(on), job=job)
