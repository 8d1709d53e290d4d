"""The alarms that watch a service's deployments, between a migration and the change that follows it."""

from typing import Any

import pytest

from contracts.deployment import Cause
from contracts.gates import Verdict
from contracts.monitor import ALARMS_SINCE_MIGRATION, CheckAlarms
from contracts.policy import Monitoring, ServicePolicy
from contracts.policy_parts import MonitoringPolicy
from contracts.results import StepFinished
from services._aws.errors import AwsError
from services._chassis.clock import moment
from services.monitor.domain.after_migration import SHOWN, gates_since_migration
from services.monitor.domain.alarms import QUIET
from services.monitor.domain.metrics import MINUTE
from services.monitor.domain.service_alarms import BEFORE, ServiceAlarm, ServiceAlarms
from services.monitor.jobs.check_alarms import CHECK
from services.monitor.ports import NotFound
from tests.kit import FakeRunning
from tests.services.monitor.harness import ALONE, BALANCED, START, TARGET, World

BEGAN, ENDED = START, START + 2 * MINUTE
LATER = ENDED + SHOWN


def alarm(name: str = "errors", state: str = "ALARM", since: float | None = BEGAN + 60, **more: Any) -> ServiceAlarm:
    return ServiceAlarm(name=name, state=state, since=since, reason="Threshold Crossed.", **more)


def verdicts(*known: ServiceAlarm, now: float = LATER) -> dict[str, Verdict]:
    gates = gates_since_migration(ServiceAlarms(known=known), BEGAN, ENDED, now)
    return {gate.name: gate.verdict for gate in gates}


@pytest.mark.parametrize(
    ("found", "since_migration", "before"),
    [
        (alarm(), Verdict.FAIL, Verdict.PASS),
        (alarm(state="OK"), Verdict.PASS, Verdict.PASS),
        (alarm(state="INSUFFICIENT_DATA"), Verdict.PASS, Verdict.PASS),
        (alarm(since=BEGAN - 1), Verdict.PASS, Verdict.FAIL),
        (alarm(since=None), Verdict.PASS, Verdict.FAIL),
        (alarm(fired=(BEGAN - 60,)), Verdict.PASS, Verdict.FAIL),
        (alarm(fired=(BEGAN - BEFORE - 60,)), Verdict.FAIL, Verdict.PASS),
        (alarm(muted="muted by night"), Verdict.PASS, Verdict.PASS),
        (alarm(evaluation="EVALUATION_ERROR"), Verdict.PASS, Verdict.PASS),
        (alarm(evaluation="PARTIAL_DATA"), Verdict.FAIL, Verdict.PASS),
    ],
)
def test_one_that_fires_is_held_against_the_migration_only_where_it_began_since(
    found: ServiceAlarm, since_migration: Verdict, before: Verdict
) -> None:
    assert verdicts(found) == {ALARMS_SINCE_MIGRATION: since_migration, QUIET: before}


def test_quiet_ones_count_once_they_can_have_noticed_the_migration() -> None:
    """What it has done to the last minute is known to CloudWatch up to three minutes after it."""
    quiet = alarm(state="OK")
    assert verdicts(quiet, now=LATER - 1) == {ALARMS_SINCE_MIGRATION: Verdict.INCONCLUSIVE}
    assert verdicts(alarm(), quiet, now=ENDED)[ALARMS_SINCE_MIGRATION] is Verdict.FAIL, "one that fires counts at once"
    assert verdicts(now=ENDED) == {ALARMS_SINCE_MIGRATION: Verdict.PASS, QUIET: Verdict.PASS}, "there is none"


def test_each_is_named_with_its_reason_and_what_says_nothing_is_said() -> None:
    silent = alarm("cpu", muted="muted by night"), alarm("memory", state="INSUFFICIENT_DATA"), alarm("old", state="OK")
    known = ServiceAlarms(known=(alarm(), *silent), missing=("gone",))
    gate, before = gates_since_migration(known, BEGAN, ENDED, LATER)
    at = moment(BEGAN + 60)
    assert gate.detail == (
        f"errors fires since {at:%H:%M:%S} UTC (Threshold Crossed), since the migration began; "
        "ECS ignores its alarms in a deployment that begins so"
    )
    assert before.detail == (
        "3 of 4 in no alarm; cpu is ALARM, and muted by night; memory has no data, which says nothing; "
        "CloudWatch has no gone"
    )


async def look(world: World, *named: str) -> StepFinished:
    policy = ServicePolicy(target=TARGET, monitoring=Monitoring(alarms=named)).part(MonitoringPolicy)
    command = CheckAlarms(
        target=TARGET, run_id="run-1", migrated_since=moment(BEGAN), migrated_until=moment(ENDED), policy=policy
    )
    world.clock.time = max(world.clock.time, LATER)
    transition = await world.work[CHECK](FakeRunning(command.model_dump_json().encode()))
    event = transition.decide(None).emit[0].event
    assert isinstance(event, StepFinished)
    return event


@pytest.mark.parametrize("found", [BALANCED, ALONE, ALONE.model_copy(update={"wanted": 0, "running": 0})])
@pytest.mark.parametrize("by", ["deployment configuration", "policy"])
async def test_those_of_the_deployment_configuration_and_of_the_policy_are_looked_at_alone(by: str, found: Any) -> None:
    """A worker, a service that wants no task, and one behind a load balancer alike."""
    world = World()
    world.services.found = found
    world.alarms.of_service = (alarm(), alarm("others"))
    if by == "deployment configuration":
        world.services.named = frozenset({"errors"})
    answer = await look(world, *(("errors",) if by == "policy" else ()))
    assert (answer.verdict, answer.cause) == (Verdict.FAIL, Cause.GATE)
    assert "errors fires" in answer.summary
    assert "others" not in answer.summary


async def test_without_such_alarms_nothing_is_read_and_the_change_goes_on_at_once() -> None:
    world = World()
    answer = await look(world)
    assert (answer.verdict, answer.gates[0].not_applicable is not None) == (Verdict.PASS, True)
    assert world.alarms.reads == 0


@pytest.mark.parametrize(
    ("failure", "verdict"),
    [
        (AwsError("CloudWatch refused DescribeAlarms", code="AccessDenied"), Verdict.PASS),
        (AwsError("CloudWatch throttled DescribeAlarms", temporary=True), Verdict.INCONCLUSIVE),
    ],
)
async def test_what_may_not_be_read_passes_and_says_so_and_what_may_be_read_later_is_asked_again(
    failure: AwsError, verdict: Verdict
) -> None:
    world = World()
    world.services.named = frozenset({"errors"})
    world.alarms.failure = failure
    answer = await look(world)
    assert answer.verdict is verdict
    assert str(failure) in answer.summary


async def test_a_service_that_is_gone_is_told() -> None:
    world = World()
    world.services.failure = NotFound("There is no such service.")
    answer = await look(world)
    assert (answer.verdict, answer.cause) == (Verdict.FAIL, Cause.USAGE)
