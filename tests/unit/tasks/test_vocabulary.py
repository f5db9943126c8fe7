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


def test_importing_the_vocabulary_registers_all_of_it() -> None:
    modules = [f"klusterkit.tasks.{module.name}" for module in pkgutil.iter_modules(klusterkit.tasks.__path__)]
    assert kinds_after("klusterkit.tasks") == kinds_after(*modules)
