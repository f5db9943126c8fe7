"""Each message that docs/troubleshooting.md quotes is one that KlusterKit says."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "troubleshooting.md").read_text()
SPAN = re.compile(r"(`+) ?(.+?) ?\1(?!`)")
IN_TABLES = [found[2] for row in re.findall(r"^\| (`.*?) \| ", PAGE, re.MULTILINE) for found in SPAN.finditer(row)]
IN_WORDS = [found[2] for found in SPAN.finditer(PAGE) if re.search(" …|… ", found[2])]
QUOTED = list(dict.fromkeys([*IN_TABLES, *IN_WORDS]))


def sayings(code: str) -> Iterator[str]:
    """The texts in a module that isn't for its readers, "…" for what is filled in when they are said."""
    tree = ast.parse(code)
    unsaid = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            unsaid.update(map(id, node.values))
            yield "".join(part.value if isinstance(part, ast.Constant) else "…" for part in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in unsaid:
            yield node.value


SAID = [
    " ".join(text.split()) for source in (ROOT / "klusterkit").rglob("*.py") for text in sayings(source.read_text())
]


def test_the_page_quotes_messages() -> None:
    assert len(IN_TABLES) > 100
    assert len(set(IN_TABLES)) == len(IN_TABLES), "each is told of once"


@pytest.mark.parametrize("message", QUOTED)
def test_a_quoted_message_is_one_that_is_said(message: str) -> None:
    assert len(message) >= 8, "shorter ones would be found anywhere"
    assert any(message in said for said in SAID)


def test_what_is_only_for_readers_of_the_code_is_not_said() -> None:
    code = '"""Of the module."""\nraise Wrong(f"the key of {where} "\n    f"is not known")\n"""Of a value."""\n'
    assert [*sayings(code)] == ["the key of … is not known"]
