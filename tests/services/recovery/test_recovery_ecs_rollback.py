"""ECS's own circuit breaker and alarms do not go back over a migration: before it runs, and again before the change."""

from typing import Any

import pytest

from contracts.deployment import Cause, ImageChange
from contracts.gates import Gate, Verdict
from contracts.migration import NO_ECS_ROLLBACK, CheckMigration
from contracts.migration_asked import MigrationAsked
from contracts.policy import Recovery as RecoverySection
from contracts.policy_parts import RecoveryPolicy
from contracts.recovery import CHANGE_ACCEPTED, CHANGE_APPLIED, ApplyChange
from contracts.results import StepFinished
from services._aws.errors import AwsError
from services.recovery.domain.migration.migration_gates import Declared, ecs_rollback_gate
from tests.services.recovery.harness import OTHER, TARGET, Recovery

BACK = {"enable": True, "rollback": True}
BREAKER: dict[str, Any] = {"deploymentCircuitBreaker": BACK}
ALARMS: dict[str, Any] = {"alarms": {**BACK, "alarmNames": ["errors"]}}


INCOMPATIBLE = Declared(compatible=False)


def gate_of(configuration: dict[str, Any], declared: Declared = INCOMPATIBLE, **service: Any) -> Gate:
    return ecs_rollback_gate({"deploymentConfiguration": configuration, **service}, declared)


@pytest.mark.parametrize(
    ("configuration", "service", "by"),
    [
        (BREAKER, {}, "ECS's own circuit breaker (deploymentCircuitBreaker.rollback) would"),
        (ALARMS, {}, "ECS's own deployment alarms (alarms.rollback) would"),
        (BREAKER | ALARMS, {}, "circuit breaker (deploymentCircuitBreaker.rollback) and deployment alarms"),
        (BREAKER, {"schedulingStrategy": "DAEMON"}, "circuit breaker"),
        (BREAKER | {"minimumHealthyPercent": 0, "maximumPercent": 100}, {"loadBalancers": []}, "circuit breaker"),
        (ALARMS | {"strategy": "BLUE_GREEN", "bakeTimeInMinutes": 5}, {}, "deployment alarms"),
        (BREAKER | {"strategy": "CANARY"}, {"desiredCount": 0}, "circuit breaker"),
    ],
)
def test_whatever_kind_of_service_it_is_the_gate_names_what_would_go_back(
    configuration: dict[str, Any], service: dict[str, Any], by: str
) -> None:
    gate = gate_of(configuration, **service)
    assert (gate.name, gate.verdict) == (NO_ECS_ROLLBACK, Verdict.FAIL)
    assert by in gate.detail
    assert "which nobody calls compatible" in gate.detail


@pytest.mark.parametrize(
    "configuration",
    [
        {},
        {"deploymentCircuitBreaker": {"enable": True, "rollback": False}},
        {"deploymentCircuitBreaker": {"enable": False, "rollback": True}},
        {"alarms": {"enable": True, "rollback": False, "alarmNames": ["errors"]}},
        {"alarms": {"enable": False, "rollback": True, "alarmNames": ["errors"]}, "strategy": "ROLLING"},
        {"deploymentCircuitBreaker": None, "alarms": None},
    ],
)
def test_what_does_not_roll_back_does_not_count(configuration: dict[str, Any]) -> None:
    assert gate_of(configuration).verdict is Verdict.PASS
    assert ecs_rollback_gate({}, Declared(compatible=False)).verdict is Verdict.PASS


def test_a_compatible_one_and_one_that_the_policy_allows_pass() -> None:
    assert gate_of(BREAKER, Declared(compatible=True)).verdict is Verdict.PASS
    allowed = gate_of(BREAKER, Declared(compatible=False, ecs_rollback="allow"))
    assert allowed.verdict is Verdict.PASS
    assert "may go back over it (recovery.ecs_rollback_over_migration)" in allowed.detail


@pytest.mark.parametrize(("allows", "verdict"), [("block", Verdict.FAIL), ("allow", Verdict.PASS)])
async def test_it_is_looked_at_before_the_migration(allows: Any, verdict: Verdict) -> None:
    recovery = Recovery()
    recovery.ecs.settings["launchType"] = "FARGATE"
    recovery.ecs.settings["networkConfiguration"] = {"awsvpcConfiguration": {"subnets": ["subnet-1"]}}
    recovery.ecs.settings["deploymentConfiguration"] |= BREAKER
    policy = RecoveryPolicy(recovery=RecoverySection(ecs_rollback_over_migration=allows))
    change, asked = ImageChange(reference=OTHER), MigrationAsked()
    command = CheckMigration(target=TARGET, run_id="run-1", migration=asked, change=change, policy=policy)
    await recovery.send(command, "check")
    await recovery.work()
    answer = recovery.answer("check")
    assert answer is not None
    assert {gate.name: gate.verdict for gate in answer.gates}[NO_ECS_ROLLBACK] is verdict


async def change(recovery: Recovery, *, guarded: bool = True) -> None:
    images = {"backend": OTHER}
    command = ApplyChange(target=TARGET, run_id="run-1", images=images, without_ecs_rollback=guarded)
    await recovery.send(command, "change")


async def changed(recovery: Recovery, *, guarded: bool = True) -> StepFinished:
    await change(recovery, guarded=guarded)
    await recovery.work(only="apply-change")
    answer = recovery.answer("change")
    assert answer is not None
    return answer


async def test_who_switches_it_on_during_the_migration_keeps_the_change_from_being_made() -> None:
    recovery = Recovery()
    await recovery.arm()
    recovery.ecs.settings["deploymentConfiguration"] |= BREAKER
    answer = await changed(recovery)
    assert (answer.verdict, answer.cause) == (Verdict.FAIL, Cause.GATE)
    assert [gate.name for gate in answer.gates] == [CHANGE_ACCEPTED, NO_ECS_ROLLBACK]
    assert recovery.ecs.updates == []


@pytest.mark.parametrize(("guarded", "configuration"), [(False, BREAKER), (True, {}), (True, {"alarms": {}})])
async def test_the_change_is_made_where_it_is_off_or_nobody_minds(guarded: bool, configuration: dict[str, Any]) -> None:
    recovery = Recovery()
    await recovery.arm()
    recovery.ecs.settings["deploymentConfiguration"] |= configuration
    assert (await changed(recovery, guarded=guarded)).verdict is Verdict.PASS


async def dies(recovery: Recovery, at: int) -> None:
    """Begin the change's job, whose process dies at this check: before it registers, keeps the version, and updates."""
    held = next(held for held in recovery.store.jobs.values() if held.job.kind == "apply-change")
    await recovery.attempt(held, at)
    assert held.state == "queued"


@pytest.mark.parametrize("die_at", [1, 2, 3])
async def test_whoever_goes_on_after_a_death_says_nothing_that_it_does_not_know(die_at: int) -> None:
    """The first attempt may have called UpdateService; the switch is turned on while its process is dead."""
    recovery = Recovery()
    await recovery.arm()
    await change(recovery)
    await dies(recovery, die_at)
    recovery.ecs.settings["deploymentConfiguration"] |= BREAKER
    await recovery.work(only="apply-change")
    answer = recovery.answer("change")
    assert answer is not None
    assert answer.verdict is Verdict.FAIL
    untouched = answer.gates[0].name == CHANGE_ACCEPTED
    assert untouched or answer.gates[0].name == CHANGE_APPLIED
    assert untouched is (die_at < 3), "once the version is known, an earlier attempt may have asked for it"


async def test_a_change_that_is_live_already_is_not_refused_for_it() -> None:
    recovery = Recovery()
    await recovery.arm()
    await change(recovery)
    await dies(recovery, 3)
    recovery.ecs.deploy_elsewhere(recovery.ecs.definitions[-1]["taskDefinitionArn"])
    recovery.ecs.settings["deploymentConfiguration"] |= BREAKER
    await recovery.work(only="apply-change")
    answer = recovery.answer("change")
    assert answer is not None
    assert answer.verdict is Verdict.PASS
    assert recovery.ecs.updates == []


async def test_a_service_that_cannot_be_read_is_not_changed() -> None:
    recovery = Recovery()
    await recovery.arm()
    recovery.ecs.refusing["service"] = AwsError("ECS refused DescribeServices", code="AccessDeniedException")
    answer = await changed(recovery)
    assert answer.verdict is Verdict.FAIL
