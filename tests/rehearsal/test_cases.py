"""Deployments as people report them, each a service that is not like the one of the requirements: they end as is right.

They stand here and not among the scenarios that ship: those are for users, and each of them ends as it must.
"""

from pathlib import Path

import pytest

from sandbox.scenarios.load import load
from surefoot.rehearsal.judge import mismatches
from surefoot.rehearsal.rehearse import rehearse

CASES = {file.stem: file for file in sorted((Path(__file__).parent / "cases").glob("*.yaml"))}


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_it_ends_as_is_right(name: str) -> None:
    scenario = load(CASES[name])
    rehearsal = rehearse(scenario)
    assert mismatches(rehearsal, scenario.expect) == [], rehearsal.finished.reason


@pytest.mark.parametrize("name", CASES)
def test_it_can_be_read(name: str) -> None:
    assert load(CASES[name]).teaches.endswith(".")
