"""The processes that a run goes through, as hypothesis draws them."""

from __future__ import annotations

from hypothesis import strategies as st

from tests.simulation.story import BACK, FORWARD, Episode

DIRECTIONS = st.sampled_from((FORWARD, BACK))


def episodes(most: int, *, moments: int, writes: int, events: int) -> st.SearchStrategy[tuple[Episode, ...]]:
    """Processes that are killed, stopped, or find the disk full; at first one that goes forward.

    Args:
        most: how many come after the first.
        moments: at which a process may be killed.
        writes: after which the disk may be full.
        events: after which the operator may stop it.
    """
    killed = st.builds(
        Episode,
        direction=DIRECTIONS,
        burns_at=st.integers(1, moments),
        tear=st.floats(0, 1),
        meanwhile=st.integers(0, 3),
        reboot=st.booleans(),
    )
    full = st.builds(Episode, direction=DIRECTIONS, full_at=st.integers(1, writes), meanwhile=st.integers(0, 2))
    stopped = st.builds(Episode, direction=DIRECTIONS, stops_at=st.integers(1, events), now=st.booleans())
    first = st.builds(Episode, burns_at=st.integers(1, moments), meanwhile=st.integers(0, 3), reboot=st.booleans())
    rest = st.lists(
        st.one_of(killed, killed, killed, full, stopped, st.builds(Episode, direction=DIRECTIONS)), max_size=most
    )
    return st.tuples(first, rest).map(lambda both: (both[0], *both[1]))
