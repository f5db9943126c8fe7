"""What the caller wants to know of a host besides what is always asked."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Question(BaseModel):
    """Names to look for. Each answer in ``Facts`` is the part of the list that the host has, in the list's order."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kernel_features: tuple[str, ...] = ()
    programs: tuple[str, ...] = ()
    units: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()
