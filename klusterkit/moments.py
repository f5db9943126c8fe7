"""Moments, told in one way everywhere: operators of a cluster, and its hosts, may be in any time zone."""

from __future__ import annotations

import time


def moment(seconds: float) -> str:
    """Of seconds since the epoch, in UTC, as RFC 3339 and Kubernetes have it: ``2026-11-23T12:03:11Z``."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))
