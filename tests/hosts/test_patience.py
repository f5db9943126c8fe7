"""A run waits for a host whose link is gone as long as it was told to, however short its tasks are."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest
from clients import until
from private_host import PrivateHost
from small_runs import SmallSite, files

from klusterkit.session import Session, Settings
from klusterkit.session.running import runs
from klusterkit.session.running.plans import load_plan


def test_a_host_that_comes_back_within_the_patience_does_not_hang(
    own_host: PrivateHost, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = SmallSite(own_host, tmp_path / "operator")
    plan = load_plan(site.home / site.save(*files("/var/lib/klusterkit/a", "/var/lib/klusterkit/b"), timeout=0.5))
    monkeypatch.setenv("HOME", str(site.home))
    monkeypatch.setattr(runs, "GRACE", 0.5)  # seconds, which are 30: who has them to spare
    reports: list[str] = []

    def lose_the_link(event: str) -> None:
        if event == "done" and not reports:
            reports.append("link lost")
            own_host.power_off()

    with Session.open(Settings.from_environment(state=site.state, patience=60.0), write="apply") as session:
        walk = threading.Thread(
            target=lambda: reports.append(session.start(plan, lambda event: lose_the_link(event.event)).outcome)
        )
        walk.start()
        until(lambda: reports == ["link lost"], 30)
        time.sleep(3)
        own_host.start()
        walk.join(60)
    assert reports == ["link lost", "done"]
