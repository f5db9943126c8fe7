"""Options: each is defined once, as a field of a dataclass, however many commands take it."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from dataclasses import MISSING, dataclass, fields, is_dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Self, cast, get_type_hints

import typer

from klusterkit.cli.durations import bounded

if TYPE_CHECKING:
    from klusterkit.session.settings import Settings

GLOBAL = "Global options"
"""The heading under which help lists what every command takes."""


_FINGERPRINT = re.compile(r"SHA256:[A-Za-z0-9+/]{43}")


class Output(StrEnum):
    """How a result is shown."""

    TEXT = "text"
    WIDE = "wide"
    JSON = "json"
    YAML = "yaml"
    NAME = "name"


def _given(*names: str, **keywords: Any) -> Any:
    return typer.Option(*names, rich_help_panel=GLOBAL, **keywords)


@dataclass(frozen=True)
class Shared:
    """What every command of every tool takes, before the subcommand or after it. None where it wasn't said."""

    state: Annotated[
        Path | None,
        _given("--state", metavar="FILE", help="State file [CCTL_STATE, or ./cctl-state.yaml]"),
    ] = None
    output: Annotated[
        Output | None, _given("--output", "-o", metavar="FORMAT", help="text, wide, json, yaml or name")
    ] = None
    yes: Annotated[bool | None, _given("--yes", "-y", help="Answer the question whether to do it")] = None
    mirror: Annotated[
        str | None,
        _given("--mirror", metavar="WHERE", help="Folder or URL with artifacts [KLUSTERKIT_MIRROR, or official sites]"),
    ] = None
    bundle: Annotated[
        Path | None,
        _given("--bundle", metavar="FILE", help="Signed bundle that has all artifacts [KLUSTERKIT_BUNDLE]"),
    ] = None
    allow_older_bundle: Annotated[
        bool | None, _given("--allow-older-bundle", help="Use a bundle older than the last one that was used")
    ] = None
    bandwidth: Annotated[
        str | None, _given("--bandwidth", metavar="RATE", help="Send at most so many bytes a second to hosts: 50M")
    ] = None
    ssh_jump: Annotated[
        str | None, _given("--ssh-jump", metavar="[USER@]HOST[:PORT]", help="Reach hosts through this one")
    ] = None
    known_hosts: Annotated[
        list[Path] | None, _given("--known-hosts", metavar="FILE", help="Host keys that are known [~/.ssh/known_hosts]")
    ] = None
    host_key: Annotated[
        list[str] | None, _given("--host-key", metavar="SHA256:…", help="Fingerprint of a host key that is accepted")
    ] = None
    patience: Annotated[
        float | None, _given("--patience", metavar="SECONDS", min=0, help="Wait so long for a host whose link is gone")
    ] = None
    no_color: Annotated[bool | None, _given("--no-color", help="No colours [NO_COLOR]")] = None
    debug: Annotated[bool | None, _given("--debug", help="Show the log, and where an error comes from")] = None

    def over(self, earlier: Self | None) -> Self:
        """These, and of the earlier ones those that weren't said again."""
        unsaid = [field.name for field in fields(self) if getattr(self, field.name) is None]
        return replace(self, **{name: getattr(earlier, name) for name in unsaid}) if earlier else self

    @property
    def color(self) -> bool:
        """Whether colours are welcome, if it is a terminal."""
        return not self.no_color

    @property
    def called(self) -> str:
        """How the next command has to begin to mean the same."""
        return f"cctl --state {self.state}" if self.state else "cctl"

    def said(self) -> dict[str, Any]:
        """What a session's settings take from here, by their names."""
        from klusterkit.cli.terminal import host_key_question

        self._refuse_what_names_no_host_key()
        return {
            "state": self.state and self.state.expanduser(),
            "mirror": self.mirror,
            "bundle": self.bundle and self.bundle.expanduser(),
            "allow_older_bundle": self.allow_older_bundle,
            "bandwidth": _rate(self.bandwidth),
            "ssh_jump": self.ssh_jump,
            "known_hosts": tuple(path.expanduser() for path in self.known_hosts or ()),
            "host_keys": tuple(self.host_key or ()),
            "patience": None if self.patience is None else bounded("--patience", self.patience),
            "debug": self.debug,
            "ask_host_key": host_key_question(),
        }

    def _refuse_what_names_no_host_key(self) -> None:
        """What a typing error would have ignored: a host would be refused later, for another reason."""
        for path in self.known_hosts or ():
            if not path.expanduser().is_file():
                raise typer.BadParameter(f"--known-hosts {path}: there is no such file")
        for key in self.host_key or ():
            if not _FINGERPRINT.fullmatch(key):
                raise typer.BadParameter(
                    f"--host-key {key}: a fingerprint is SHA256: and 43 characters (ssh-keygen -l)"
                )

    def show_as(self, *formats: Output) -> Output:
        """How to show the result. Raises ``typer.BadParameter`` for a format that the command doesn't have."""
        wanted = self.output or Output.TEXT
        if wanted not in (Output.TEXT, *formats):
            raise typer.BadParameter(f"this command has no -o {wanted}: {', '.join((Output.TEXT, *formats))}")
        return wanted


@dataclass(frozen=True)
class Common(Shared):
    """What every command of ``cctl`` takes: also what opens the secrets of a state file."""

    identity: Annotated[
        Path | None,
        _given("--identity", metavar="FILE", help="age identity that opens the state file's secrets"),
    ] = None
    passphrase: Annotated[
        bool | None, _given("--passphrase", help="Ask for the passphrase that opens (or, new, will open) the secrets")
    ] = None
    recipient: Annotated[
        list[str] | None,
        _given("--recipient", metavar="AGE1…", help="One more age public key that opens a new state file"),
    ] = None
    insecure_plaintext_state: Annotated[
        bool | None, _given("--insecure-plaintext-state", help="Keep a new state file's secrets in plain text")
    ] = None

    def settings(self) -> Settings:
        """As a session takes them."""
        from klusterkit.cli.terminal import passphrase_question
        from klusterkit.session.settings import Settings

        if self.passphrase and passphrase_question() is None:
            raise typer.BadParameter("--passphrase has no terminal to ask on: name a file, KLUSTERKIT_PASSPHRASE_FILE")
        return Settings.from_environment(
            **self.said(),
            identity=self.identity and self.identity.expanduser(),
            plaintext=self.insecure_plaintext_state,
            prefer_passphrase=self.passphrase,
            recipients=tuple(self.recipient or ()),
            ask_passphrase=passphrase_question(),
        )


_RATE = re.compile(r"(\d+(?:\.\d+)?)([kMG]?)(?:B?/s)?")


def _rate(text: str | None) -> int | None:
    if text is None:
        return None
    found = _RATE.fullmatch(text)
    rate = int(float(found[1]) * {"": 1, "k": 1e3, "M": 1e6, "G": 1e9}[found[2]]) if found else 0
    if rate < 1:
        raise typer.BadParameter(f"--bandwidth {text}: bytes a second, such as 500k or 50M")
    return rate


def said(options: Any) -> dict[str, Any]:
    """Of a group of options those that were said, by the names of its fields."""
    return {field.name: value for field in fields(options) if (value := getattr(options, field.name)) is not None}


def flattened(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function as typer wants it: a parameter whose type is a dataclass of options becomes its fields.

    What is :class:`Shared` also takes over what was said before the subcommand.
    """
    hints = get_type_hints(function, include_extras=True)
    hints.pop("return", None)
    groups = {name: hint for name, hint in hints.items() if is_dataclass(hint) and isinstance(hint, type)}

    def call(context: typer.Context, **values: Any) -> Any:
        for name, group in groups.items():
            made = group(**{field.name: values.pop(field.name) for field in fields(group)})
            values[name] = made.over(cast(Any, context.find_object(group))) if isinstance(made, Shared) else made
        return function(**values, **({"context": context} if "context" in hints else {}))

    parameters = [_parameter("context", typer.Context)]
    for name, given in inspect.signature(function).parameters.items():
        if name == "context":
            continue
        if name in groups:
            parameters += _fields(groups[name])
        else:
            parameters.append(_parameter(name, hints[name], given.default))
    call.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    call.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return call


def _fields(group: type[Any]) -> list[inspect.Parameter]:
    hints = get_type_hints(group, include_extras=True)
    return [
        _parameter(each.name, hints[each.name], inspect.Parameter.empty if each.default is MISSING else each.default)
        for each in fields(group)
    ]


def _parameter(name: str, annotation: Any, default: Any = inspect.Parameter.empty) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, annotation=annotation, default=default)
