"""What is otherwise than a scenario expects is told."""

from dataclasses import replace

import pytest

from contracts.base import Target
from contracts.deployment import Cause, DeploymentFinished, Outcome
from sandbox.aws.call_log import Call
from sandbox.scenarios.model import Expected
from surefoot.rehearsal.judge import mismatches
from surefoot.rehearsal.rehearse import Rehearsal

TARGET = Target(account="123456789012", region="us-west-2", cluster="c", service="s")
ENDED = DeploymentFinished(
    target=TARGET, run_id="run", outcome=Outcome.FAILED, cause=Cause.GATE, reason="The gate fell.", seconds=5
)
BEGAN = Call(0.0, "ecs", "UpdateService", "surefoot/recovery", "arn:role", True, "c/s", 200, "ecs-svc/1 web:2")
OTHER = ENDED.model_copy(update={"outcome": Outcome.SUCCEEDED})
REHEARSAL = Rehearsal(
    ENDED, {}, (), (BEGAN,), 5.0, live="web", fired=frozenset({"surefoot-c-s-error_rate"}), armed=frozenset({"c/s"})
)


def test_what_is_as_expected_has_no_fault() -> None:
    said = Expected(
        outcome=Outcome.FAILED,
        cause=Cause.GATE,
        says=("gate",),
        without=("moon",),
        changes=1,
        alerts=frozenset(),
        live="web",
        fires=frozenset({"error_rate"}),
        armed=frozenset({"c/s"}),
    )
    assert mismatches(REHEARSAL, said) == []


@pytest.mark.parametrize(
    ("expected", "fault"),
    [
        (Expected(outcome=Outcome.SUCCEEDED), "it ended failed, not succeeded"),
        (Expected(outcome=Outcome.FAILED, cause=Cause.ERROR), "its cause is gate, not error"),
        (Expected(outcome=Outcome.FAILED, says=("the moon",)), "its reason does not say 'the moon'"),
        (Expected(outcome=Outcome.FAILED, without=("gate",)), "its reason says 'gate'"),
        (Expected(outcome=Outcome.FAILED, live="1.0"), "web is live, not 1.0"),
        (Expected(outcome=Outcome.FAILED, fires=frozenset()), "Surefoot's own alarms that fired: error_rate, not none"),
        (Expected(outcome=Outcome.FAILED, armed=frozenset()), "Surefoot's own alarms watch c/s, not none"),
        (Expected(outcome=Outcome.FAILED, rolled_back_by="surefoot"), "it was rolled back by nobody, not by surefoot"),
        (Expected(outcome=Outcome.FAILED, newer=(Outcome.SUCCEEDED,)), "newer runs ended never, not succeeded"),
        (Expected(outcome=Outcome.FAILED, changes=2), "Surefoot began 1 deployments at AWS, not 2"),
        (Expected(outcome=Outcome.FAILED, alerts=frozenset({"error_rate"})), "critical alerts: none, not error_rate"),
    ],
)
def test_each_difference_is_told(expected: Expected, fault: str) -> None:
    assert mismatches(REHEARSAL, expected) == [fault]


def test_each_service_that_was_deployed_afterwards_must_end_so() -> None:
    rehearsal = replace(REHEARSAL, also=(ENDED, OTHER))
    assert mismatches(rehearsal, Expected(outcome=Outcome.FAILED)) == ["c/s ended succeeded, not failed"]
