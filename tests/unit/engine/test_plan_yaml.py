"""A saved plan is exactly the plan that was reviewed, or it is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from klusterkit.engine.errors import PlanInvalid
from klusterkit.engine.plan import Plan, Retry
from tests.unit.engine.bench import Cell, Gate, Inside, plan, task

SAMPLE = plan(
    task("m1/file", step=Cell(value="# a file\nwith = lines\n")),
    task("m1/gate", "m1/file", step=Gate(value="open"), budgets=("slow",), timeout=7.5),
    task("m1/in", "m1/gate", step=Inside(value="x"), undone_by="m1/file"),
    budgets={"slow": 1},
    facts={"m1": {"cpus": 4, "addresses": ["10.0.0.5/24"]}},
    seen={"m1/file": "sha256:00"},
    outcome={"machines": [{"name": "m1", "version": "1.37.2", "ready": True, "note": None}]},
)

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)
awkward = st.sampled_from(
    [
        *("line\nline\n", "no end\nhere", "\nleads", "trail  \nspaces ", "tabs\t\n\tin", " indented\n more\n"),
        *(
            "\n",
            "\n\n",
            "yes",
            "null",
            "~",
            "1.0",
            "0o17",
            "2024-01-01",
            "=",
            "#",
            "- x",
            ": ",
            "'",
            '"',
            "\\",
            "&a",
            "*a",
        ),
        *("!tag", "%"),
        *("\r\n", "\x85", "\u2028", "\ufeff", "\x00", "\x07", "é", "日本\n語\n", "🐙\n", "a" * 300, "word " * 60),
        *("x\n" * 200, "---\n", "...\n", "--- a\n... b\n", "{{ x }}", "@", "`", "?", "| \n", "> \n"),
    ]
)
plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts | awkward,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)


def reread(made: Plan) -> Plan:
    return Plan.from_yaml(made.to_yaml())


def test_a_plan_comes_back_from_yaml_as_it_was() -> None:
    again = reread(SAMPLE)
    assert again == SAMPLE
    assert again.digest == SAMPLE.digest
    assert again.to_yaml() == SAMPLE.to_yaml()


@given(st.one_of(texts, awkward, st.lists(awkward, max_size=4).map("".join)), texts)
def test_every_text_comes_back_exactly(value: str, operation: str) -> None:
    made = plan(task("a", step=Cell(value=value))).changed(operation=operation)
    again = reread(made)
    assert again.tasks[0].step.value == value  # type: ignore[attr-defined]
    assert again == made
    assert again.digest == made.digest


@given(st.dictionaries(texts, plain, max_size=4), st.dictionaries(texts, st.dictionaries(texts, plain), max_size=2))
def test_all_plain_data_comes_back_exactly(outcome: dict[str, Any], facts: dict[str, Any]) -> None:
    made = plan(task("a")).changed(outcome=outcome, facts=facts)
    again = reread(made)
    assert again == made
    assert again.digest == made.digest


@given(
    st.floats(0, 1e9),
    st.floats(0, 1e9),
    st.builds(Retry, attempts=st.integers(1, 99), wait=st.floats(0, 1e6), longest=st.floats(0, 1e6)),
)
def test_numbers_come_back_exactly(timeout: float, cost: float, retry: Retry) -> None:
    made = plan(task("a", timeout=timeout, cost=cost, retry=retry))
    assert reread(made) == made


def test_a_text_of_several_lines_reads_in_the_plan_as_it_does_in_its_file() -> None:
    assert "value: |\n      # a file\n      with = lines\n" in SAMPLE.to_yaml()


def test_a_plan_begins_with_what_it_is_and_its_digest() -> None:
    assert list(yaml.safe_load(SAMPLE.to_yaml()))[:3] == ["apiVersion", "kind", "digest"]


def edited(old: str, new: str) -> PlanInvalid:
    text = SAMPLE.to_yaml()
    assert text.count(old) == 1
    with pytest.raises(PlanInvalid) as caught:
        Plan.from_yaml(text.replace(old, new))
    assert caught.value.exit_code == 3
    assert caught.value.hint
    return caught.value


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("with = lines", "with = other lines"),
        ("timeout: 7.5", "timeout: 8.5"),
        ("cpus: 4", "cpus: 5"),
        ("version: 1.37.2", "version: 1.36.3"),
        ("serial: 1", "serial: 2"),
        ("slow: 1", "slow: 2"),
        ("operation: test", "operation: rest"),
        ("ready: true", "ready: 1"),
    ],
)
def test_a_plan_that_was_edited_is_refused(old: str, new: str) -> None:
    assert "edited after it was saved" in str(edited(old, new))


def test_an_unknown_kind_in_a_saved_plan_is_named() -> None:
    assert "unknown kind of step: 'unit.gone'" in str(edited("kind: unit.gate", "kind: unit.gone"))


def test_a_field_of_the_wrong_type_is_named_by_its_place() -> None:
    assert "tasks.1.timeout" in str(edited("timeout: 7.5", "timeout: soon"))


def test_a_step_that_is_no_mapping_is_refused() -> None:
    data = yaml.safe_load(SAMPLE.to_yaml())
    data["tasks"][0]["step"] = "unit.cell"
    with pytest.raises(PlanInvalid, match=r"a step is a mapping with a kind, not 'unit\.cell'"):
        Plan.parse(data)


def test_a_field_that_nobody_knows_is_refused() -> None:
    assert "surprise" in str(edited("serial: 1", "serial: 1\nsurprise: 1"))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "no digest"),
        ("just words", "no digest"),
        ("- a\n- list\n", "no digest"),
        ("a: [", "not YAML"),
        ("a: 1\nb: 2\n", "no digest"),
        (f"digest: {SAMPLE.digest}\nkind: Plan\n", "apiVersion and kind are None and 'Plan'"),
        (f"digest: {SAMPLE.digest}\napiVersion: klusterkit.io/v9\nkind: Plan\n", "'klusterkit.io/v9'"),
        ("!!python/object/apply:os.getcwd []", "not YAML"),
    ],
)
def test_what_is_no_saved_plan_is_refused_in_words(text: str, says: str) -> None:
    with pytest.raises(PlanInvalid) as caught:
        Plan.from_yaml(text)
    assert says in str(caught.value)


def test_a_saved_plan_without_its_digest_is_refused() -> None:
    text = "".join(line for line in SAMPLE.to_yaml().splitlines(keepends=True) if not line.startswith("digest:"))
    with pytest.raises(PlanInvalid, match="no digest"):
        Plan.from_yaml(text)


@pytest.mark.parametrize(
    "digest", ["", "null", "~", "''", "sha256:00", "[]", f"0{SAMPLE.digest}", SAMPLE.digest.upper()]
)
def test_an_edited_plan_whose_digest_was_spoiled_is_refused(digest: str) -> None:
    text = SAMPLE.to_yaml().replace("with = lines", "with = other lines")
    with pytest.raises(PlanInvalid, match="no digest"):
        Plan.from_yaml(text.replace(f"digest: {SAMPLE.digest}", f"digest: {digest}"))


def test_a_plan_with_the_digest_of_another_is_refused() -> None:
    edited(SAMPLE.digest, plan(task("other")).digest)


def test_a_plan_survives_a_file(tmp_path: Path) -> None:
    path = tmp_path / "plan.yaml"
    path.write_text(SAMPLE.to_yaml(), encoding="utf-8", newline="")
    assert Plan.from_yaml(path.read_text(encoding="utf-8")) == SAMPLE
