"""What all parts of the description have in common."""

from __future__ import annotations

from typing import Any, Self

from pydantic import BaseModel, ConfigDict, ModelWrapValidatorHandler, ValidationError, model_validator

from klusterkit.cluster.errors import InvalidCluster
from klusterkit.foreign import unfit


class Model(BaseModel):
    """A part of the description of a cluster: never changed, only replaced.

    Raises:
        InvalidCluster: in place of pydantic's own error, which speaks to programmers.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    @model_validator(mode="wrap")
    @classmethod
    def _in_words(cls, data: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        try:
            return handler(data)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            field = ".".join(str(part) for part in first["loc"])
            seen = "" if first["type"] == "missing" else f", got {first['input']!r}"
            raise InvalidCluster(
                f"it {unfit(first)}{seen}", where=f"{cls.__name__.lower()} {field}".strip().replace("_", " ")
            ) from None

    @classmethod
    def of(cls, **fields: Any) -> Self:
        """From fields as an operator or a file gives them: text where the model has addresses, versions, names.

        Raises:
            InvalidCluster: a field that can't be.
        """
        return cls.model_validate(fields)

    def replace(self, **fields: Any) -> Self:
        """The same with some fields changed, validated as a new one is."""
        return self.of(**dict(self) | fields)
