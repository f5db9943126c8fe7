"""What libraries and the operating system say of an error, in words for an operator: none of theirs are for one."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from pydantic import ValidationError
    from pydantic_core import ErrorDetails

_MISFITS = {
    "missing": "is missing",
    "extra_forbidden": "is not known",
    "string_type": "should be text",
    "int_type": "should be a whole number",
    "int_parsing": "should be a whole number",
    "int_from_float": "should be a whole number",
    "float_type": "should be a number",
    "float_parsing": "should be a number",
    "bool_type": "should be true or false",
    "bool_parsing": "should be true or false",
    "list_type": "should be a list",
    "tuple_type": "should be a list",
    "dict_type": "should be a mapping",
    "model_type": "should be a mapping",
    "model_attributes_type": "should be a mapping",
    "json_invalid": "is no JSON",
}
"""By pydantic's types of errors ("Validation Errors" in its documentation)."""

_OF_OPENSSL = re.compile(r"^\[\w+(: \w+)?\] | \(_ssl\.c:\d+\)$")


def misfit(error: ValidationError) -> str:
    """The first thing that doesn't fit: ``port should be a whole number``. Its value isn't told: it may be a secret."""
    return misfits(error)[0]


def misfits(error: ValidationError) -> list[str]:
    """All things that don't fit."""
    return [_at_its_place(each) for each in error.errors(include_url=False, include_input=False)]


def _at_its_place(detail: ErrorDetails) -> str:
    place, what = ".".join(map(str, detail["loc"])), unfit(detail)
    if _said_by_us(detail):
        return f"{place}: {what}" if place else what
    return f"{place or 'it'} {what}"


def unfit(detail: ErrorDetails) -> str:
    """What is wrong with one field, without its place: ``should be a whole number``, or what its own validator says."""
    if ours := _said_by_us(detail):
        return ours
    return _MISFITS.get(detail["type"]) or re.sub(r"^[A-Za-z]\w* (?=should |is |must )", "", detail["msg"])


def _said_by_us(detail: ErrorDetails) -> str:
    raised = detail.get("ctx", {}).get("error")
    return str(raised) if isinstance(raised, Exception) else ""


def words_of(error: BaseException) -> str:
    """Why something failed: what a system, a library for YAML or SSH, or TLS means by its exception."""
    inner = _inner(error)
    if inner is not None:
        return words_of(inner)
    if isinstance(error, UnicodeError):
        return "it is no text"
    if type(error).__module__.partition(".")[0] == "yaml":
        mark = getattr(error, "problem_mark", None)
        return f"it is not YAML: {getattr(error, 'problem', '')} in line {mark.line + 1}" if mark else "it is not YAML"
    if why := getattr(error, "verify_message", None):  # of TLS
        return f"its certificate is not trusted: {why}"
    said = str(getattr(error, "strerror", None) or getattr(error, "reason", None) or error)
    if isinstance(error, TimeoutError) and said in ("", "timed out"):
        return "no answer in time"
    return _OF_OPENSSL.sub("", said) or ("it was cut off" if isinstance(error, EOFError) else type(error).__name__)


def _inner(error: BaseException) -> BaseException | None:
    """What an exception only passes on: urllib's of its connection, paramiko's of each address that it has tried."""
    tried: Any = getattr(error, "errors", None)
    causes: list[Any] = [getattr(error, "reason", None)]
    causes += cast(dict[Any, Any], tried).values() if isinstance(tried, dict) else ()
    return next((cause for cause in causes if isinstance(cause, BaseException)), None)
