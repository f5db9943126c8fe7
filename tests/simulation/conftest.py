from __future__ import annotations

from collections.abc import Iterator

import pytest

from klusterkit.tasks.gates import Gate


@pytest.fixture(scope="module")
def without_pauses() -> Iterator[None]:
    """Between two looks of a gate nothing happens on simulated hosts by itself."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Gate, "pause", 0.0)
        yield
