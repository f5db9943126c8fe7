"""What every command runs under: errors become words and exit codes, and no traceback reaches a terminal unasked."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import typer

from klusterkit import lean
from klusterkit.cli.exit_codes import ExitCode
from klusterkit.cli.signals import Interrupted, interruptible, leave
from klusterkit.cli.unheard import give_up, open_closed_streams
from klusterkit.foreign import words_of

if TYPE_CHECKING:
    from pydantic import ValidationError
    from typer.core import TyperGroup

    from klusterkit.report.faults import Fault

# typer has taken click in, and exports of its exceptions only this one.
_UsageError: type[Exception] = typer.BadParameter.__bases__[0]


def guarded(command: TyperGroup, arguments: Sequence[str]) -> int:
    """Run a command line. Returns its exit status; whatever went wrong has been said on standard error."""
    lean.begin()
    debug = "--debug" in arguments
    open_closed_streams()
    try:
        with interruptible():
            _refuse_empty(arguments)
            code = command(args=list(arguments), prog_name=command.name, standalone_mode=False)
            sys.stdout.flush()
            return int(code or ExitCode.DONE)
    except Interrupted as interrupted:
        leave(str(interrupted))
    except BrokenPipeError:  # whoever read our output has enough
        give_up(sys.stdout)
        return ExitCode.ERROR
    except _UsageError as error:
        return _usage(error, command.name or "", arguments)
    except typer.Abort:
        return ExitCode.ERROR
    except Exception as error:  # noqa: BLE001 - the last place that can turn it into words
        return _say(error, debug=debug)


def _refuse_empty(arguments: Sequence[str]) -> None:
    """An option whose value is an empty text, as a shell makes one of a variable that isn't set.

    Each would be taken for something: this folder for a file, the official sites for a mirror, no label for one.
    """
    own = arguments[: arguments.index("--")] if "--" in arguments else arguments
    for option, following in pairwise([*own, "end"]):
        name, equals, value = option.partition("=")
        if name.startswith("-") and name != "-" and not (value if equals else following):
            from klusterkit.engine.errors import UsageError

            raise UsageError(f"{name} is given an empty value", hint="give it one, or leave the option out")


def _usage(error: Any, tool: str, arguments: Sequence[str]) -> int:
    message: str = error.format_message()
    if type(error).__name__ == "NoArgsIsHelpError":
        typer.echo(message, err=True)
        return ExitCode.USAGE
    context = error.ctx
    place = context.command_path if context else tool
    from klusterkit.cli.old_words import instead_of

    hint = instead_of(tool, arguments) or f"see {place} --help"
    typer.echo(f"error: {message}\n  what to do: {hint}", err=True)
    return ExitCode.USAGE


def _say(error: Exception, *, debug: bool) -> int:
    from klusterkit.session.masking import masked

    if debug:
        import traceback

        sys.stderr.write(masked("".join(traceback.format_exception(error))))
    from pydantic import ValidationError

    from klusterkit.report.faults import show_fault
    from klusterkit.report.screen import aside

    if isinstance(error, ValidationError):
        error = _misfit(error)
    show_fault(aside(color="--no-color" not in sys.argv), fault_of(error).rewritten(masked))
    return exit_code_of(error)


def _misfit(error: ValidationError) -> Exception:
    """A request that can't be made of what was given: values of files are looked at where they are used."""
    from klusterkit.engine.errors import UsageError
    from klusterkit.foreign import misfit

    hint = "correct it in the command, or in the file that it names; --debug shows where it was wanted"
    return UsageError(f"what is asked for can't be used: {misfit(error)}", hint=hint)


def exit_code_of(error: Exception) -> int:
    """The exit status that goes with an error."""
    from klusterkit.engine.errors import info_of

    info = info_of(error)
    return info.exit_code if info else ExitCode.ERROR


def fault_of(error: Exception) -> Fault:
    """An error in words, with all its reasons."""
    from klusterkit.engine.errors import info_of
    from klusterkit.report.faults import Fault

    info = info_of(error)
    if info is None:
        return _foreign(error)
    return Fault(
        what=info.message,
        hosts=(info.host,) if info.host else (),
        where=getattr(error, "where", None),
        seen=getattr(error, "seen", None),
        hint=info.hint,
        reasons=tuple(fault_of(reason) for reason in getattr(error, "reasons", ())),
    )


def _foreign(error: Exception) -> Fault:
    from klusterkit.report.faults import Fault

    if isinstance(error, OSError):
        return Fault(
            words_of(error),
            where=str(error.filename) if error.filename else None,
            hint="see that it is there, that this user may use it, and that its disk has room; --debug shows what for",
        )
    return Fault(
        f"{type(error).__name__}: {error}",
        hint="this is a bug in KlusterKit; --debug shows where. `cctl status` says whether a run is in progress",
    )
