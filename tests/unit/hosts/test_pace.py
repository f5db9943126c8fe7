"""A pace holds for all that is sent, by whomever, and costs nothing where there is none."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from klusterkit.hosts import pace
from klusterkit.hosts.pace import BURST, Pace


class Clock:
    """Passes only while somebody waits."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@given(sizes=st.lists(st.integers(1, 5_000_000), max_size=40), rate=st.integers(1, 10**8), pauses=st.floats(0, 5))
def test_no_more_is_sent_than_the_pace_allows(sizes: list[int], rate: int, pauses: float) -> None:
    clock = Clock()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pace, "time", clock)
        limit, sent = Pace(rate), 0
        for size in sizes:
            limit.wait(size)
            # Before the last of it may go, the time for all of it has passed, but for what a pause has saved up.
            assert sent <= (clock.now - 1000.0 + BURST) * rate + 1
            sent += size
            clock.now += pauses


@given(sizes=st.lists(st.integers(1, 5_000_000), min_size=1, max_size=40), rate=st.integers(1000, 10**8))
def test_it_is_not_slower_than_the_pace(sizes: list[int], rate: int) -> None:
    clock = Clock()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pace, "time", clock)
        limit = Pace(rate)
        for size in sizes:
            limit.wait(size)

    assert clock.now - 1000.0 <= sum(sizes[:-1]) / rate + 1e-6


def test_without_a_pace_nobody_waits() -> None:
    clock = Clock()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pace, "time", clock)
        Pace(None).wait(10**12)

    assert clock.now == 1000.0
    assert Pace(None).seconds(10**12) == 0
