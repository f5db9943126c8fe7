"""Killed anywhere, as often as one likes, a run can go on to its end or back to its beginning."""

from __future__ import annotations

import pytest
from hypothesis import given

from tests.simulation.model.scenarios import Scenario, prove, scenarios
from tests.simulation.settings import CI, SWEEP


@CI
@given(scenarios(faulty=False))
def test_killed_runs_end_where_undisturbed_ones_do_or_where_they_began(scenario: Scenario) -> None:
    prove(scenario)


@CI
@given(scenarios(faulty=True))
def test_so_do_runs_whose_steps_fail_or_hang_and_whose_hosts_come_and_go(scenario: Scenario) -> None:
    prove(scenario)


@CI
@given(scenarios(faulty=True, final=True))
def test_past_a_point_of_no_return_a_run_only_ends_done(scenario: Scenario) -> None:
    prove(scenario)


@pytest.mark.sweep
@SWEEP
@given(scenarios(faulty=False))
def test_killed_runs_keep_their_promises_in_many_cases(scenario: Scenario) -> None:
    prove(scenario)


@pytest.mark.sweep
@SWEEP
@given(scenarios(faulty=True, final=True))
def test_killed_runs_among_faults_keep_their_promises_in_many_cases(scenario: Scenario) -> None:
    prove(scenario)
