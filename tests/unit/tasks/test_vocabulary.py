"""Every kind of step can be read back from a plan, by whatever command reads it."""

from __future__ import annotations

import pkgutil
import subprocess
import sys

import klusterkit.tasks

KINDS = "from klusterkit.engine.step import Step; print(*sorted(Step._kinds))"


def kinds_after(*modules: str) -> set[str]:
    """The kinds that are known when these modules, and what they import, are all that was imported."""
    program = "; ".join([*(f"import {module}" for module in modules), KINDS])
    return set(
        subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()
    )


def test_every_kind_there_is_can_be_read() -> None:
    modules = [f"klusterkit.tasks.{module.name}" for module in pkgutil.iter_modules(klusterkit.tasks.__path__)]
    assert kinds_after("klusterkit.tasks.every") == kinds_after(*modules)


def test_a_kind_is_found_when_a_plan_names_it_and_none_before() -> None:
    read = "klusterkit.tasks; from klusterkit.engine.step import Step; Step.parse({'kind': 'gate.api'})"
    assert kinds_after("klusterkit.tasks") == set()
    assert kinds_after(read) == kinds_after("klusterkit.tasks.every")
