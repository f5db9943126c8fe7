from __future__ import annotations

from datetime import UTC, datetime

import pytest

from klusterkit.pki import Authority


@pytest.fixture(scope="session")
def now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)


@pytest.fixture(scope="session")
def authority() -> Authority:
    return Authority.create("kubernetes")
