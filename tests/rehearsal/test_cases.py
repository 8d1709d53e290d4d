"""Deployments as people report them, each a service that is not like the one of the requirements: they end as is right.

They stand here and not among the scenarios that ship: those are for users, and each of them ends as it must.
"""

from pathlib import Path

import pytest

from sandbox.scenarios.load import load
from surefoot.rehearsal.judge import mismatches
from surefoot.rehearsal.rehearse import rehearse
from surefoot.rehearsal.stage import NeverEnds

CASES = {file.stem: file for file in sorted((Path(__file__).parent / "cases").glob("*.yaml"))}
KNOWN_WRONG = {
    "02-nobody-wanted": "A service that wants no task has the score 0, and is blocked.",
}
"""Case → what Surefoot does instead. Whoever mends one takes it out: a case that passes unexpectedly fails."""


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    [
        pytest.param(
            name,
            marks=pytest.mark.xfail(strict=True, raises=(AssertionError, NeverEnds), reason=KNOWN_WRONG[name])
            if name in KNOWN_WRONG
            else (),
        )
        for name in CASES
    ],
)
def test_it_ends_as_is_right(name: str) -> None:
    scenario = load(CASES[name])
    rehearsal = rehearse(scenario)
    assert mismatches(rehearsal, scenario.expect) == [], rehearsal.finished.reason


def test_what_is_known_wrong_is_a_case() -> None:
    assert set(KNOWN_WRONG) <= set(CASES)


@pytest.mark.parametrize("name", CASES)
def test_it_can_be_read(name: str) -> None:
    assert load(CASES[name]).teaches.endswith(".")
