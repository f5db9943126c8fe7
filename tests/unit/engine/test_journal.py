"""The journal alone says what is known of a run, whoever reads it and in whatever order independent records came."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from klusterkit.engine.errors import Cancelled, ErrorInfo
from klusterkit.engine.journal import Direction, Journal, Record, Status, TaskState, counts
from tests.unit.engine.bench import MemoryStore, plan, task

FORWARD, BACK = Direction.FORWARD, Direction.BACK
ERROR = ErrorInfo(type="Boom", message="boom")
PLAN = plan(*(task(name) for name in "abc"))


def begin(name: str = "a", attempt: int = 1, **before: Any) -> Record:
    return Record(record="begin", at=1, task=name, attempt=attempt, before=before)


def end(name: str = "a", **fields: Any) -> Record:
    return Record(record="end", at=2, task=name, **fields)


def fail(name: str = "a", **fields: Any) -> Record:
    return Record(record="fail", at=2, task=name, error=ERROR, **fields)


def unbegin(name: str = "a", attempt: int = 1) -> Record:
    return Record(record="begin", at=3, task=name, attempt=attempt, direction=BACK)


def decide(choice: Any, name: str = "a") -> Record:
    return Record(record="decide", at=4, task=name, choice=choice)


ASK = Record(record="ask", at=3, task="a", error=ERROR)


def after(*records: Record) -> TaskState:
    state = TaskState()
    for record in records:
        state = state.after(record)
    return state


def opened(*records: Record) -> Journal:
    journal = Journal.open(MemoryStore(), PLAN, run="r", who="me")
    journal.write(*records)
    return journal


@pytest.mark.parametrize(
    ("records", "status"),
    [
        ([], Status.PENDING),
        ([begin()], Status.UNKNOWN),
        ([begin(), end()], Status.DONE),
        ([end(changed=False)], Status.DONE),
        ([begin(), fail()], Status.FAILED),
        ([fail()], Status.FAILED),
        ([begin(), ASK], Status.UNKNOWN),
        ([begin(), ASK, decide("adopt")], Status.DONE),
        ([begin(), ASK, decide("retry")], Status.FAILED),
        ([begin(), ASK, decide("skip")], Status.SKIPPED),
        ([begin(), end(), unbegin()], Status.UNDO_UNKNOWN),
        ([begin(), end(), unbegin(), end(direction=BACK)], Status.UNDONE),
        ([begin(), unbegin(), fail(direction=BACK)], Status.STUCK),
        ([begin(), end(), unbegin(), begin(attempt=2)], Status.UNKNOWN),
    ],
)
def test_a_status_is_what_the_records_say(records: list[Record], status: Status) -> None:
    assert after(*records).status is status
    assert opened(*records)["a"].status is status


def test_what_the_first_attempt_saw_survives_all_others() -> None:
    state = after(begin(was="first"), fail(), begin(attempt=2, was="half"), fail(), begin(attempt=3, was="other"))
    assert (state.before, state.attempt) == ({"was": "first"}, 3)


def test_an_empty_before_survives_as_well() -> None:
    assert after(begin(), fail(), begin(attempt=2, was="half")).before == {}


def test_what_undo_puts_back_survives_a_half_undo_and_the_way_forward_again() -> None:
    state = after(begin(was="first"), end(), unbegin(), begin(attempt=2, was="half undone"), end())
    assert state.before == {"was": "first"}


def test_what_changed_nothing_has_nothing_to_undo() -> None:
    assert not after(end(changed=False)).to_undo
    assert not after(begin(was="x"), end(changed=False)).to_undo
    assert after(begin(was="x"), end()).to_undo


def test_each_undo_begins_a_new_round_in_which_before_is_seen_anew() -> None:
    state = after(begin(was="first"), end(), unbegin(), end(direction=BACK))
    assert (state.round, state.before, state.to_undo) == (1, None, False)
    state = state.after(begin(attempt=2, was="second"))
    assert (state.round, state.before) == (1, {"was": "second"})


def test_an_answer_ends_the_question() -> None:
    for choice in ("adopt", "retry", "skip"):
        assert not after(begin(), ASK, decide(choice)).asked


def test_going_back_ends_the_question() -> None:
    assert not after(begin(), ASK, unbegin()).asked
    assert not after(begin(), ASK, end(direction=BACK)).asked


def test_leave_to_retry_is_for_one_attempt() -> None:
    assert after(begin(), ASK, decide("retry")).retry
    assert not after(begin(), ASK, decide("retry"), begin(attempt=2)).retry
    assert not after(begin(), ASK, decide("retry"), unbegin()).retry


def test_an_error_is_known_until_the_next_attempt() -> None:
    assert after(begin(), fail()).error == ERROR
    assert after(begin(), fail(), begin(attempt=2)).error is None


def test_what_a_task_takes_begins_where_it_was_taken_up() -> None:
    def took(*records: Record) -> tuple[float, float]:
        state = after(*records)
        return state.began, state.ended

    taken_up = begin().model_copy(update={"since": 0.5})
    assert took(taken_up, end()) == (0.5, 2)
    assert took(taken_up, end(source="look")) == (0.5, 2)
    assert took(end(changed=False, since=1.5)) == (1.5, 2)
    assert took(begin(), end()) == (1, 2), "as versions before wrote it"


def test_a_turn_changes_the_direction_and_is_written_once() -> None:
    store = MemoryStore()
    journal = Journal.open(store, PLAN, run="r", who="me")
    journal.turn(FORWARD)
    journal.turn(BACK)
    journal.turn(BACK)
    assert store.words() == ["run", "turn back"]
    assert Journal(store).direction is BACK


def test_a_run_is_finished_forward_when_all_is_done_or_skipped() -> None:
    journal = opened(begin("a"), end("a"), end("b", changed=False), begin("c"), decide("skip", "c"))
    assert journal.finished()
    assert not opened(begin("a"), end("a")).finished()


def test_a_run_is_finished_back_when_nothing_is_begun_any_more() -> None:
    journal = opened(begin("a"), end("a"), end("b", changed=False))
    journal.turn(BACK)
    assert not journal.finished()
    journal.write(unbegin("a"), end("a", direction=BACK))
    assert not journal.finished(), "b was looked at: forward again, it has to be looked at again"
    journal.write(end("b", direction=BACK))
    assert journal.finished()


def test_the_first_record_carries_run_plan_and_who() -> None:
    store = MemoryStore()
    Journal.open(store, PLAN, run="20261101T120000-ab12", who="me@here")
    again = Journal(store)
    assert (again.run, again.who, again.plan, again.plan.digest) == (
        "20261101T120000-ab12",
        "me@here",
        PLAN,
        PLAN.digest,
    )


def test_the_store_may_add_to_records_what_it_likes() -> None:
    store = MemoryStore()
    Journal.open(store, PLAN, run="r", who="me").write(begin())
    numbered = MemoryStore([{**record, "seq": 1, "hash": "ab"} for record in store.records])
    assert Journal(numbered)["a"].status is Status.UNKNOWN


def test_a_second_run_cannot_begin_beside_the_first() -> None:
    store = MemoryStore()
    Journal.open(store, PLAN, run="r", who="me")
    with pytest.raises(ValueError, match="another run is in progress"):
        Journal.open(store, PLAN, run="s", who="me")


@pytest.mark.parametrize("records", [[], [{"record": "begin", "at": 1.0, "task": "a"}]])
def test_a_journal_begins_with_a_run(records: list[dict[str, Any]]) -> None:
    with pytest.raises(ValueError, match="begins with the record of a run"):
        Journal(MemoryStore(records))


def test_what_could_not_be_written_is_not_believed() -> None:
    store = MemoryStore()
    journal = Journal.open(store, PLAN, run="r", who="me")
    store.fails_at = 1
    with pytest.raises(OSError, match="disk full"):
        journal.write(begin())
    assert journal["a"].status is Status.PENDING
    store.fails_at = None
    journal.write(begin())
    assert journal["a"].status is Status.UNKNOWN


def test_a_sealed_journal_takes_nothing_more() -> None:
    store = MemoryStore()
    journal = Journal.open(store, PLAN, run="r", who="me")
    journal.seal()
    with pytest.raises(Cancelled):
        journal.write(begin())
    assert store.words() == ["run"]
    assert journal["a"].status is Status.PENDING


def test_many_threads_can_write_at_once() -> None:
    store = MemoryStore()
    many = plan(*(task(f"t{number}") for number in range(16)))
    journal = Journal.open(store, many, run="r", who="me")

    def life(name: str) -> None:
        journal.write(begin(name))
        journal.write(end(name))

    threads = [threading.Thread(target=life, args=(name,)) for name in many.by_id]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert counts(journal.states.values()) == {Status.DONE: 16}
    assert Journal(store).states == journal.states


def test_states_are_in_the_order_of_the_plan() -> None:
    assert list(opened(begin("c"), begin("a")).states) == ["a", "b", "c"]


# Any order of records of tasks that have nothing to do with each other ----------------------------------------------

records_of_a_task = st.lists(
    st.one_of(
        st.builds(begin, attempt=st.integers(1, 5), was=st.integers(0, 3)),
        st.builds(end, changed=st.booleans(), direction=st.sampled_from((FORWARD, BACK))),
        st.builds(fail, direction=st.sampled_from((FORWARD, BACK))),
        st.builds(unbegin, attempt=st.integers(1, 5)),
        st.builds(decide, st.sampled_from(("adopt", "retry", "skip"))),
        st.just(ASK),
    ),
    max_size=6,
)


@given(st.tuples(records_of_a_task, records_of_a_task, records_of_a_task), st.randoms(use_true_random=False))
def test_any_order_of_independent_records_gives_the_same_states(lists: tuple[list[Record], ...], random: Any) -> None:
    queues = [
        [record.model_copy(update={"task": name}) for record in records]
        for name, records in zip("abc", lists, strict=True)
    ]
    in_turn = opened(*(record for queue in queues for record in queue))
    mixed: list[Record] = []
    while any(queues):
        mixed.append(random.choice([queue for queue in queues if queue]).pop(0))
    assert opened(*mixed).states == in_turn.states


@given(records_of_a_task)
def test_records_come_back_from_the_disk_as_they_were(records: list[Record]) -> None:
    store = MemoryStore()
    journal = Journal.open(store, PLAN, run="r", who="me")
    journal.write(*records)
    assert Journal(store).states == journal.states
    assert [Record.model_validate(data) for data in store.records[1:]] == records
