"""Numbers in words."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from klusterkit.report.words import duration, listed, roughly, several


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0.0 s"),
        (0.84, "0.8 s"),
        (9.96, "10 s"),
        (99.4, "99 s"),
        (100, "1 min 40 s"),
        (125, "2 min 05 s"),
        (3600, "1 h 00 min"),
        (4200, "1 h 10 min"),
        (-1, "0.0 s"),
    ],
)
def test_durations_are_as_exact_as_they_are_of_use(seconds: float, words: str):
    assert duration(seconds) == words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(2, "a few seconds"), (42, "about 40 s"), (100, "about 2 min"), (600, "about 10 min"), (7200, "about 2 h")],
)
def test_estimates_do_not_pretend_to_be_exact(seconds: float, words: str):
    assert roughly(seconds) == words


@given(st.lists(st.text("ab", min_size=1), max_size=9), st.integers(1, 5))
def test_a_list_in_words_accounts_for_every_item(items: list[str], most: int):
    words = listed(items, most)
    assert (f"{len(items) - most:,} more" in words) == (len(items) > most)


def test_counts_agree_with_their_nouns():
    assert [several(count, "task") for count in (0, 1, 2, 1000)] == ["0 tasks", "1 task", "2 tasks", "1,000 tasks"]
