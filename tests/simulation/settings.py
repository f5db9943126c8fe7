"""How many cases hypothesis tries: enough for every run of the tests, and many more for the sweep."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

CI = settings(
    deadline=None,  # real threads on a shared machine
    max_examples=120,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
SWEEP = settings(CI, max_examples=6000)
