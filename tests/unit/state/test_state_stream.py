"""The bytes of the file: what a crash leaves is dropped, everything else that isn't as written is noticed."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import assume, given
from hypothesis import strategies as st

from klusterkit.state import RecordInvalid, StateDamaged, StateError
from klusterkit.state.stream import decode, encode_record, encode_snapshot

SNAPSHOT = {"apiVersion": "klusterkit.io/v1alpha1", "kind": "State", "name": "Ω no", "list": ["no", 1, "1e3", None]}

# What JSON and YAML 1.1 agree on: no floats without a dot (documented), no keys longer than YAML's 1024 characters.
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)
records = st.dictionaries(texts, values, max_size=5)


def stream_of(journal: list[dict[str, Any]]) -> tuple[bytes, list[int]]:
    """A whole file, and where each of its parts ends."""
    data, head = encode_snapshot(SNAPSHOT)
    ends = [len(data)]
    for seq, record in enumerate(journal, start=1):
        line, head = encode_record(seq, head, record, "state")
        data += line
        ends.append(len(data))
    return data, ends


JOURNAL: list[dict[str, Any]] = [
    {"record": "begin", "task": "m1/etcd", "before": {"path": "/etc/\u2028x"}},
    {"record": "end", "task": "m1/etcd"},
    {"record": "begin", "note": '","hash":"' + "0" * 64 + '"}'},
]
WHOLE, ENDS = stream_of(JOURNAL)


@given(st.lists(records, max_size=6))
def test_what_was_written_is_read(journal: list[dict[str, Any]]) -> None:
    data, _ = stream_of(journal)

    content = decode(data, "state")

    assert content.records == journal
    assert content.snapshot == SNAPSHOT
    assert (content.end, content.torn) == (len(data), False)


@given(st.lists(records, max_size=6))
def test_stock_yaml_reads_the_same(journal: list[dict[str, Any]]) -> None:
    data, _ = stream_of(journal)

    for loader in (yaml.SafeLoader, yaml.CSafeLoader):
        documents = list(yaml.load_all(data, Loader=loader))
        assert [document["record"] for document in documents[1:]] == journal
        assert [document["seq"] for document in documents[1:]] == list(range(1, len(journal) + 1))
        assert documents[0].pop("digest").startswith("sha256:")
        assert documents[0] == SNAPSHOT


@given(records)
def test_a_record_is_one_line_whose_json_stands_behind_the_marker(record: dict[str, Any]) -> None:
    line, digest = encode_record(7, "0" * 64, record, "state")

    assert line.endswith(b"\n")
    assert len(line.decode().splitlines()) == 1
    assert json.loads(line.removeprefix(b"--- ")) == {"seq": 7, "prev": "0" * 64, "record": record, "hash": digest}


@pytest.mark.parametrize("value", [object(), float("nan"), "\ud800", b"bytes"])
def test_what_json_cannot_hold_is_refused_before_anything_is_written(value: object) -> None:
    with pytest.raises(RecordInvalid) as raised:
        encode_record(3, "0" * 64, {"value": value}, "state")

    assert "record 3" in raised.value.where


def test_a_cut_at_any_byte_leaves_all_records_before_it() -> None:
    for cut in range(ENDS[0], len(WHOLE)):
        content = decode(WHOLE[:cut], "state")

        whole = sum(end <= cut for end in ENDS[1:])
        assert content.records == JOURNAL[:whole], cut
        assert content.end == ENDS[whole], cut
        assert content.torn is (cut > ENDS[whole]), cut


def test_a_cut_inside_the_snapshot_is_noticed() -> None:
    for cut in range(ENDS[0]):
        with pytest.raises(StateError):
            decode(WHOLE[:cut], "state")


@pytest.mark.parametrize("change", [1, 0x20, 0x80, ord("\n") ^ ord("}")])
def test_any_changed_byte_of_a_whole_file_is_noticed_and_its_part_is_named(change: int) -> None:
    """Also in the last record, and in the newline at its end."""
    for position in range(len(WHOLE)):
        damaged = bytearray(WHOLE)
        damaged[position] ^= change

        with pytest.raises(StateDamaged) as raised:
            decode(bytes(damaged), "state")

        assert raised.value.record == (sum(end <= position for end in ENDS) or None), position


@given(position=st.integers(0, ENDS[2] - 1), change=st.integers(1, 255), cut=st.integers(ENDS[2] + 1, len(WHOLE) - 1))
def test_any_changed_byte_before_a_torn_record_is_noticed(position: int, change: int, cut: int) -> None:
    damaged = bytearray(WHOLE[:cut])
    damaged[position] ^= change

    with pytest.raises(StateError):
        decode(bytes(damaged), "state")


@given(position=st.integers(ENDS[2], len(WHOLE) - 1), junk=st.binary(max_size=20), zeros=st.integers(0, 50))
def test_whatever_a_torn_record_holds_it_is_dropped(position: int, junk: bytes, zeros: int) -> None:
    """A file system may leave zeros, or old blocks, where a write was cut off.

    But a whole record with something else than its newline behind it is damage: see above.
    """
    torn = WHOLE[:position] + junk.replace(b"\n", b"") + bytes(zeros)
    assume(not torn.startswith(WHOLE[:-1]))

    assert decode(torn, "state").records == JOURNAL[:2]


LINES = WHOLE[ENDS[0] :].splitlines(keepends=True)


@pytest.mark.parametrize(
    ("lines", "number"),
    [
        ([LINES[1], LINES[2]], 1),
        ([LINES[0], LINES[2]], 2),
        ([LINES[0], LINES[0], LINES[1]], 2),
        ([LINES[0], LINES[2], LINES[1]], 2),
        ([LINES[0], b"\n", LINES[1]], 2),
        ([LINES[0], LINES[1], b"--- {}\n", LINES[2]], 3),
        ([*LINES, stream_of([{"of": "another file"}])[0][ENDS[0] :]], 4),
    ],
    ids=["first removed", "removed", "repeated", "exchanged", "empty line", "foreign document", "from another file"],
)
def test_records_removed_added_or_moved_are_noticed_by_number(lines: list[bytes], number: int) -> None:
    with pytest.raises(StateDamaged) as raised:
        decode(WHOLE[: ENDS[0]] + b"".join(lines), "state")

    assert raised.value.record == number
    assert f"record {number}" in raised.value.where
    assert "docs/state-file.md" in raised.value.hint


def test_a_record_with_right_hashes_that_is_no_record_is_damage() -> None:
    line, _ = encode_record(1, decode(WHOLE[: ENDS[0]], "state").head, {}, "state")
    data = WHOLE[: ENDS[0]] + _rehashed(line.replace(b'"record"', b'"recorx"'))

    with pytest.raises(StateDamaged, match="no record"):
        decode(data, "state")


def _rehashed(line: bytes) -> bytes:
    import hashlib

    covered = line[: line.rindex(b',"hash":')]
    return covered + f',"hash":"{hashlib.sha256(covered).hexdigest()}"}}\n'.encode()


def test_a_snapshot_never_holds_anchors_or_wrapped_lines() -> None:
    shared = {"x": "word " * 200}
    data, _ = encode_snapshot({**SNAPSHOT, "a": shared, "b": shared})

    assert b"&id" not in data
    assert decode(data, "state").snapshot["b"] == shared
    assert data.count(b"word word") > 0
    assert all(line.count(b"word") in (0, 200) for line in data.splitlines())


def test_the_example_in_the_documentation_has_the_shape_of_a_record() -> None:
    document = Path(__file__).parents[3].joinpath("docs/state-file.md").read_text()
    line = LINES[1].decode().rstrip()

    for part in ('--- {"seq":', ',"prev":"', '","record":{', '},"hash":"', '"}'):
        assert part in line
        assert part in document
