"""Commands that are imported when they are called for: help and completion have 150 ms."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from importlib import import_module
from typing import Any, cast

import typer
from typer.core import TyperArgument, TyperCommand, TyperGroup, TyperOption

from klusterkit.cli.options import GLOBAL, flattened

PLAIN = {"add_completion": False, "rich_markup_mode": None, "pretty_exceptions_enable": False}
"""Help without rich: importing it takes as long as all the rest."""

HELP_NAMES = {"help_option_names": ["-h", "--help"]}


class Option(TyperOption):
    """An option that costs nothing where it isn't given.

    Typer makes a pydantic adapter for each option of a command, even to convert None: 150 ms for ours.
    """

    def process_value(self, ctx: Any, value: Any) -> Any:
        """The value as its type says. Completion asks where options are, not what they are worth."""
        if ctx.resilient_parsing or (value is None and not self.required):
            return value
        return super().process_value(ctx, value)


class Argument(TyperArgument):
    """An argument whose help says what it is, and not how Python calls that."""

    def display_type_rich(self, ctx: Any) -> str | None:
        """Nothing: ``MACHINE`` instead of ``MACHINE <list[str]>``."""


class _Parameters:
    # Mixed into commands and groups.
    def get_params(self, ctx: Any) -> list[Any]:
        parameters: list[Any] = cast(Any, super()).get_params(ctx)
        for parameter in parameters:  # typer makes them, and asks nobody of which class
            if type(parameter) is TyperOption:
                parameter.__class__ = Option
            elif type(parameter) is TyperArgument:
                parameter.__class__ = Argument
        return parameters


class Command(_Parameters, TyperCommand):
    """A command whose help lists its own options first, and those of all commands after them."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write the options under two headings."""
        sections: dict[str, list[tuple[str, str]]] = {}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record is not None:
                sections.setdefault(_heading(parameter), []).append(record)
        for heading in sorted(sections, key=lambda name: name == GLOBAL):
            with formatter.section(heading):
                formatter.write_dl(sections[heading])


def _heading(parameter: Any) -> str:
    if parameter.param_type_name == "argument":
        return "Arguments"
    return getattr(parameter, "rich_help_panel", None) or "Options"


class Group(_Parameters, TyperGroup):
    """A group of commands that says what they are from their modules alone."""

    commands: Commands  # type: ignore[assignment] - a mapping, made as it is read

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write the commands first, then the options."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, self.commands.summary(name)) for name in self.commands])
        Command.format_options(cast(Command, self), ctx, formatter)


class Commands(Mapping[str, Any]):
    """Commands by their names, each made when it is asked for.

    Args:
        modules: for each name, the module with its function ``run``, or a group: its help and its commands.
    """

    def __init__(self, modules: Mapping[str, str | tuple[str, Mapping[str, Any]]]) -> None:
        self._modules = modules

    def __iter__(self) -> Iterator[str]:
        return iter(self._modules)

    def __len__(self) -> int:
        return len(self._modules)

    def __getitem__(self, name: str) -> Any:
        entry = self._modules[name]
        if isinstance(entry, str):
            return _command(name, entry)
        text, inner = entry
        return Group(
            name=name,
            help=text,
            commands=cast(Any, Commands(inner)),
            no_args_is_help=True,
            context_settings=HELP_NAMES,
            rich_markup_mode=None,
        )

    def summary(self, name: str) -> str:
        """What a command does, in one line."""
        entry = self._modules[name]
        text = import_module(entry).__doc__ if isinstance(entry, str) else entry[0]
        return (text or "").partition("\n")[0].rstrip(".")


def _command(name: str, module: str) -> TyperCommand:
    loaded = import_module(module)
    app = typer.Typer(**cast(Any, PLAIN))
    app.command(name, cls=Command, help=loaded.__doc__, context_settings=HELP_NAMES)(flattened(loaded.run))
    return cast(TyperCommand, typer.main.get_command(app))


def program(name: str, text: str, modules: Mapping[str, Any], root: Any = None) -> TyperGroup:
    """A whole command line: its name, its help, its commands, and the function that takes its own options."""
    settings = {**PLAIN, "add_completion": True}
    app = typer.Typer(**cast(Any, settings))
    callback = flattened(root) if root else (lambda: None)
    app.callback(cls=Group, help=text, no_args_is_help=True, context_settings=HELP_NAMES)(callback)
    group = cast(TyperGroup, typer.main.get_command(app))
    group.name, group.commands = name, cast(Any, Commands(modules))
    return group


def names(modules: Mapping[str, Any], path: Sequence[str] = ()) -> Iterator[tuple[str, ...]]:
    """The path of each command: ``create``, ``machine``."""
    for name, entry in modules.items():
        if isinstance(entry, str):
            yield (*path, name)
        else:
            yield from names(entry[1], (*path, name))
