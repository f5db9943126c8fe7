"""The bytes of a state file: one snapshot document, then one line for each journal record, chained by hashes.

The snapshot ends with the line ``digest: sha256:…``, which covers every byte before it. A record is the line
``--- {"seq":N,"prev":"…","record":{…},"hash":"…"}``, where ``prev`` is the hash of the line before (the snapshot's
digest for the first) and ``hash`` covers every byte of the line before ``,"hash":``. So stock YAML tools read the whole
as a stream of documents, JSON reads each record, and a changed byte is found wherever it is.

A crash can only leave the beginning of what was being written, so bytes after the last newline are a torn record: never
acknowledged, and dropped. Everything else that doesn't verify is damage.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

import yaml

from klusterkit.foreign import words_of
from klusterkit.state.errors import RecordInvalid, StateDamaged, StateNotRecognised

HEADER = "# The state of one Kubernetes cluster, written by KlusterKit: keep this file and a key that opens it.\n"
_DIGEST_LINE = re.compile(rb"^digest: sha256:([0-9a-f]{64})\n", re.MULTILINE)
_RECORD_END = re.compile(rb',"hash":"([0-9a-f]{64})"\}')
_RECORD_END_LENGTH = len(b',"hash":""}') + 64
# Legal in JSON, but not printable or a line break in YAML 1.1 (its sections 5.1 and 5.4).
_NOT_IN_YAML = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")

Record = Mapping[str, Any]


class _Dumper(yaml.CSafeDumper):
    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 - the library's signature
        """Write what occurs twice twice: a reader should not have to follow anchors."""
        return True


@dataclass(frozen=True, slots=True)
class Stream:
    """A state file's content, verified.

    Attributes:
        snapshot: the first document, not yet validated.
        digest: the snapshot's digest (hex).
        records: the journal records, in order.
        head: the hash that the next record must name as ``prev``.
        end: length in bytes of what verified; what follows is a torn record.
        torn: whether there is such a rest.
    """

    snapshot: dict[str, Any]
    digest: str
    records: list[Record]
    head: str
    end: int
    torn: bool


def encode_snapshot(document: Mapping[str, Any]) -> tuple[bytes, str]:
    """The snapshot document as bytes, and its digest (hex)."""
    text = yaml.dump(dict(document), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=10_000)
    body = (HEADER + text).encode()
    digest = hashlib.sha256(body).hexdigest()
    return body + f"digest: sha256:{digest}\n".encode(), digest


def encode_record(seq: int, prev: str, record: Record, where: str) -> tuple[bytes, str]:
    """One record as its line, and its hash (hex).

    Raises:
        RecordInvalid: it has a value that JSON and UTF-8 don't know (an object, NaN, half a surrogate pair).
    """
    try:
        body = json.dumps(record, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
        line = f'--- {{"seq":{seq},"prev":"{prev}","record":{_NOT_IN_YAML.sub(_escape, body)}'.encode()
    except (TypeError, ValueError) as error:
        raise RecordInvalid(
            f"a journal record can't be written as JSON: {error}",
            where=f"{where}, record {seq}",
            hint="this is a bug in KlusterKit; nothing was written, and the run can be resumed",
        ) from error
    digest = hashlib.sha256(line).hexdigest()
    return line + f',"hash":"{digest}"}}\n'.encode(), digest


def record_of(line: bytes) -> Record:
    """The record in a line, as every reader will see it. Raises ValueError, KeyError, TypeError."""
    return json.loads(line[len(b"--- ") :])["record"]


def _escape(match: re.Match[str]) -> str:
    return f"\\u{ord(match[0]):04x}"


def decode(data: bytes, where: str) -> Stream:
    """Read and verify the bytes of a state file.

    Raises:
        StateNotRecognised: there is no snapshot document at the beginning.
        StateDamaged: the snapshot or a record isn't what was written.
    """
    snapshot_end, digest = _verify_snapshot(data, where)
    document = _parse_snapshot(data[:snapshot_end], where)
    del document["digest"]

    records: list[Record] = []
    head, end = digest, snapshot_end
    lines = data[snapshot_end:].split(b"\n")
    tail = lines.pop()
    for seq, line in enumerate(lines, start=1):
        record, head = _verify_record(line, seq, head, where)
        records.append(record)
        end += len(line) + 1
    _refuse_damaged_newline(tail, len(records) + 1, where)
    return Stream(document, digest, records, head, end, torn=bool(tail))


def _verify_snapshot(data: bytes, where: str) -> tuple[int, str]:
    line = _DIGEST_LINE.search(data)
    if line is None:
        _refuse_foreign(data, where)
        raise _snapshot_damaged("its line 'digest: sha256:…' is missing or not whole", where)
    digest = hashlib.sha256(data[: line.start()]).hexdigest()
    if line[1].decode() != digest:
        raise _snapshot_damaged("its content doesn't match its digest", where)
    return line.end(), digest


def _refuse_foreign(data: bytes, where: str) -> None:
    if HEADER.encode() not in data and b"klusterkit.io/" not in data:
        seen = "is empty" if not data.strip() else "has neither KlusterKit's header nor its apiVersion"
        raise StateNotRecognised(
            f"{where} is not a KlusterKit state file: it {seen}",
            where=where,
            hint="name the right file with --state; if this was one, its previous generations are beside it (.1 to .3)",
        )


def _parse_snapshot(document: bytes, where: str) -> dict[str, Any]:
    try:
        parsed: object = yaml.load(document, Loader=yaml.CSafeLoader)
    except yaml.YAMLError as error:
        raise _snapshot_damaged(f"{words_of(error)}", where) from error
    if not isinstance(parsed, dict):
        raise _snapshot_damaged("it is no mapping", where)
    return cast("dict[str, Any]", parsed)


def _snapshot_damaged(what: str, where: str) -> StateDamaged:
    return StateDamaged(
        f"the snapshot in {where} is damaged or was edited: {what}",
        where=f"{where}, snapshot",
        hint=(
            f"take an undamaged copy, or the version before it, {where}.1; if you edited it on purpose, "
            "docs/state-file.md says under 'Editing by hand' how to renew the digest"
        ),
        record=None,
    )


def _verify_record(line: bytes, seq: int, prev: str, where: str) -> tuple[Record, str]:
    covered, ending = line[:-_RECORD_END_LENGTH], line[-_RECORD_END_LENGTH:]
    digest = hashlib.sha256(covered).hexdigest()
    if ending != f',"hash":"{digest}"}}'.encode():
        raise _record_damaged(seq, "its content doesn't match its hash", where)
    try:
        entry = json.loads(line[len(b"--- ") :])
        follows = entry["seq"] == seq and entry["prev"] == prev
        record: Record = entry["record"]
    except (ValueError, KeyError, TypeError) as error:
        raise _record_damaged(seq, "it is no record", where) from error
    if not follows:
        raise _record_damaged(seq, "it doesn't follow the one before: a record was removed, added or moved", where)
    return record, digest


def _refuse_damaged_newline(tail: bytes, seq: int, where: str) -> None:
    """A whole record with anything but a newline after it was acknowledged once: that is damage, no torn write."""
    for end in _RECORD_END.finditer(tail):
        whole = hashlib.sha256(tail[: end.start()]).hexdigest() == end[1].decode()
        if whole and end.end() < len(tail):
            raise _record_damaged(seq, "it doesn't end with a newline", where)


def _record_damaged(seq: int, what: str, where: str) -> StateDamaged:
    return StateDamaged(
        f"journal record {seq} in {where} is damaged: {what}",
        where=f"{where}, record {seq}",
        hint=(
            "keep a copy of the file as it is, and take an undamaged one if there is any; else docs/state-file.md says "
            "under 'A damaged record' how to go on with the records before this one, and what is then unknown"
        ),
        record=seq,
    )
