"""Each command line in the pages, and each that a message tells to type, is one that there is."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer

from tests.support.command_lines import in_blocks, in_words, parse, unknown_in

ROOT = Path(__file__).parents[3]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
OLD_COMMANDS = ROOT / "docs" / "from-the-originals.md"
"""Has tests of its own."""


def typed() -> Iterator[tuple[str, list[str]]]:
    for page in PAGES:
        for words in in_blocks(page.read_text()):
            yield f"{page.name}: {' '.join(words)}", words


CALLS = dict(typed())


def test_the_pages_have_calls_of_all_tools() -> None:
    assert {words[0] for words in CALLS.values()} == {"cctl", "etcdadm", "nodeadm"}
    assert len(CALLS) > 60


@pytest.mark.parametrize("call", CALLS)
def test_what_is_to_be_typed_is_understood(call: str) -> None:
    parse(CALLS[call])


@pytest.mark.parametrize("page", [page for page in PAGES if page != OLD_COMMANDS], ids=lambda page: page.name)
def test_what_is_told_of_in_words_is_there(page: Path) -> None:
    assert {named: wrong for named in in_words(page.read_text()) if (wrong := unknown_in(named))} == {}


def test_what_messages_tell_to_type_is_there() -> None:
    found = {named for source in (ROOT / "klusterkit").rglob("*.py") for named in _in_source(source)}
    assert len(found) > 40
    assert {named: wrong for named in found if (wrong := unknown_in(named))} == {}


def _in_source(source: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(source.read_text())):
        if isinstance(node, ast.JoinedStr):
            yield from in_words("".join(part.value if isinstance(part, ast.Constant) else "X" for part in node.values))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield from in_words(node.value)


@pytest.mark.parametrize(
    ("block", "calls"),
    [
        ("cctl status # how it is", ["cctl status"]),
        (
            "cctl create cluster … --vip 10.0.0.9 \\\n  --router-id 7",
            ["cctl create cluster --vip 10.0.0.9 --router-id 7"],
        ),
        ("$ cctl resume\ncctl is said\n$ cctl rollback", ["cctl resume", "cctl rollback"]),
        ("host1# etcdadm init", ["etcdadm init"]),
        ("ssh root@m1 etcdadm version && sudo A=b cctl status", ["etcdadm version", "cctl status"]),
        ("cctl get all -o json | jq . > cctl; scp cctl m1:", ["cctl get all -o json"]),
        ('eval "$(cctl completion bash)"', ["cctl completion bash"]),
    ],
)
def test_calls_are_found_as_a_shell_would(block: str, calls: list[str]) -> None:
    assert [" ".join(words) for words in in_blocks(f"```\n{block}\n```\n")] == calls


@pytest.mark.parametrize(
    ("named", "wrong"),
    [
        ("cctl resume --adopt|--retry TASK", []),
        ("cctl plan … --detailed-exitcode", []),
        ("cctl upgrade cluster", ["upgrade"]),
        ("cctl bundle list\\|sbom BUNDLE --nonsense", ["--nonsense"]),
        ("etcdadm init phase certificates", []),
    ],
)
def test_what_is_not_there_is_named(named: str, wrong: list[str]) -> None:
    assert unknown_in(named) == wrong


@pytest.mark.parametrize("call", ["cctl upgrade cluster", "cctl create machine --iq 10.0.0.5", "cctl apply a b"])
def test_what_the_parser_would_refuse_is_refused(call: str) -> None:
    with pytest.raises(typer.BadParameter.__bases__[0]):
        parse(call.split())
