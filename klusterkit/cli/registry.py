"""Options for a private registry."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from klusterkit.foreign import words_of

if TYPE_CHECKING:
    from klusterkit.session.settings import RegistryAccess


Authority = Annotated[Path | None, typer.Option("--registry-ca", metavar="FILE", help="Its authority, in PEM")]
Username = Annotated[str | None, typer.Option("--registry-username", metavar="NAME", help="Its account for us")]
PasswordFile = Annotated[
    Path | None, typer.Option("--registry-password-file", metavar="FILE", help="Holds the account's password")
]


@dataclass(frozen=True)
class RegistryOptions:
    """A registry that has the images. None where there is none."""

    registry: Annotated[
        str | None,
        typer.Option(
            "--registry",
            metavar="HOST[:PORT][/PREFIX]",
            help="Registry that has the images, a folder for each official one",
        ),
    ] = None
    registry_ca: Authority = None
    registry_username: Username = None
    registry_password_file: PasswordFile = None

    @property
    def access(self) -> RegistryAccess | None:
        """As a session takes it."""
        from pydantic import SecretStr

        from klusterkit.session.settings import RegistryAccess

        if self.registry is None:
            if self.registry_ca or self.registry_username or self.registry_password_file:
                raise typer.BadParameter("--registry-… says more of a registry: name it with --registry")
            return None
        return RegistryAccess(
            place=self.registry,
            ca=self.registry_ca and self.registry_ca.expanduser(),
            username=self.registry_username,
            password=SecretStr(_password(self.registry_password_file) if self.registry_username else ""),
        )


@dataclass(frozen=True)
class AccessOptions:
    """What is other than before of a registry that a cluster has."""

    registry_ca: Authority = None
    registry_username: Username = None
    registry_password_file: PasswordFile = None

    def wanted(self) -> dict[str, Any]:
        """The fields of the session's request."""
        from pydantic import SecretStr

        account = self.registry_username or self.registry_password_file
        if not (account or self.registry_ca):
            raise typer.BadParameter("say what is new: --registry-username, --registry-password-file, --registry-ca")
        return {
            "ca": self.registry_ca and self.registry_ca.expanduser(),
            "username": self.registry_username,
            "password": SecretStr(_password(self.registry_password_file)) if account else None,
        }


def _password(file: Path | None) -> str:
    from klusterkit.cli.terminal import registry_password_question

    if file is None:
        ask = registry_password_question()
        if ask is None:
            raise typer.BadParameter("--registry-username has no terminal to ask on: name --registry-password-file")
        return ask()
    try:
        lines = file.expanduser().read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise typer.BadParameter(f"--registry-password-file {file}: {words_of(error)}") from None
    return lines[0] if lines else ""
