"""A run keeps the policy that it began with, and its commands carry what they need of it."""

from typing import Any

import pytest

from contracts.base import Event, Target
from contracts.deployment import DeploymentConfig, DeploymentStarted, DeployRequested, Outcome
from contracts.gates import Verdict
from contracts.health import AssessHealth
from contracts.monitor import CheckAlarms, EvaluateRules, SetUpMonitoring, WatchClosely
from contracts.policy import Baking, Gates, Recovery, ServicePolicy, Timeouts
from contracts.policy_parts import (
    HealthPolicy,
    MonitoringPolicy,
    PolicyPart,
    PreflightPolicy,
    RecoveryPolicy,
    ValidationPolicy,
)
from contracts.recovery import Arm, CaptureSnapshot
from contracts.validator import RunPreflight, ValidateDeployment
from services.orchestrator.domain.course import Course
from services.orchestrator.domain.policy import Policy
from services.orchestrator.handlers import Handlers
from tests.services.orchestrator.harness import SERVICE_POLICY, START, TARGET, FixedPolicies, World, asked, at

CARRIES: dict[type[Event], type[PolicyPart]] = {
    AssessHealth: HealthPolicy,
    RunPreflight: PreflightPolicy,
    CheckAlarms: MonitoringPolicy,
    CaptureSnapshot: RecoveryPolicy,
    Arm: RecoveryPolicy,
    WatchClosely: MonitoringPolicy,
    ValidateDeployment: ValidationPolicy,
    SetUpMonitoring: MonitoringPolicy,
    EvaluateRules: MonitoringPolicy,
}
STRICT = SERVICE_POLICY.model_copy(
    update={
        "digest": "e" * 64,
        "gates": Gates(minimum_health_score=90),
        "timeouts": Timeouts(deployment_minutes=30, validation_minutes=20),
        "baking": Baking(minimum_minutes=10, maximum_minutes=60),
        "recovery": Recovery(enabled=False),
    }
)


def policy(service: ServicePolicy = STRICT) -> Policy:
    return Policy.of(service, progress_every=300)


def commands(world: World) -> list[Event]:
    return [emit.event for emit in world.sent if isinstance(emit.event, Event)]


def carried(event: Event) -> Any:
    return getattr(event, "policy", None)


def test_each_command_carries_its_part_and_the_digest() -> None:
    world = World()
    world.request("1")
    world.to_the_end()
    kinds = {type(command): carried(command) for command in commands(world)}
    assert {kind for kind, part in kinds.items() if part is not None} == set(CARRIES)
    for kind, part in CARRIES.items():
        assert kinds[kind] == SERVICE_POLICY.part(part)
    (started,) = world.told(DeploymentStarted)
    assert started.policy_digest == SERVICE_POLICY.digest
    assert world.view(started.run_id).policy_digest == SERVICE_POLICY.digest


def test_what_a_request_leaves_out_is_the_policys() -> None:
    world = World(policy())
    world.request("1", asked(config=DeploymentConfig(validation_timeout_minutes=5)))
    assert world.run.request.config == DeploymentConfig(
        validation_timeout_minutes=5,
        deployment_timeout_minutes=30,
        baking_minutes=60,
        enable_auto_recovery=False,
        minimum_health_score=90,
    )


def test_what_a_request_leaves_out_is_left_out_on_its_way() -> None:
    """Over the bus and in the queue nobody can tell a default from a wish, unless it is not written."""
    event = DeployRequested.model_validate_json(asked(config=DeploymentConfig(baking_minutes=7)).model_dump_json())
    assert event.config.model_fields_set == {"baking_minutes"}
    world = World()
    world.request("1")
    world.request("2", event)
    assert world.course.queue[0].config.model_fields_set == {"baking_minutes"}


def test_a_run_that_waited_begins_with_the_policy_of_its_beginning() -> None:
    world = World()
    first = world.request("1")
    world.request("2")
    world.policy = policy()
    world.abort(first)
    assert world.run.policy == policy()
    assert world.run.request.config.minimum_health_score == 90


def test_a_change_of_the_policy_does_not_reach_a_run_under_way() -> None:
    world = World()
    run_id = world.request("1")
    world.policy = policy()
    world.to_the_end()
    assert {carried(command).digest for command in commands(world) if carried(command)} == {SERVICE_POLICY.digest}
    assert world.view(run_id).policy_digest == SERVICE_POLICY.digest


def test_a_target_that_was_taken_from_the_policy_ends_what_it_began() -> None:
    world = World()
    world.request("1")
    world.policy = Policy(refusal="shop/web is not listed in the policy.")
    assert world.to_the_end().outcome is Outcome.SUCCEEDED


def test_a_run_that_waited_does_not_begin_on_a_target_that_was_taken_from_the_policy() -> None:
    world = World()
    first = world.request("1")
    waiting = world.request("2")
    world.policy = Policy(refusal="shop/web is not listed in the policy.")
    world.to_the_end()
    (end,) = world.ends(first)
    assert end.outcome is Outcome.SUCCEEDED
    (end,) = world.ends(waiting)
    assert (end.outcome, end.cause, end.reason) == (Outcome.BLOCKED, "usage", "shop/web is not listed in the policy.")
    assert world.active is None


def test_a_shortest_baking_is_said_to_whoever_judges() -> None:
    world = World(policy())
    world.request("1")
    for phase in list(type(world.run.phase))[:-1]:
        world.through(phase)
    rules = world.last("evaluate-rules").event
    assert isinstance(rules, EvaluateRules)
    assert (rules.not_before, rules.deadline) == (at(world.now + 600), at(world.now + 3600))
    assert rules.took_over == at(world.now)


def test_a_request_that_wants_less_baking_has_less() -> None:
    world = World(policy())
    world.request("1", asked(config=DeploymentConfig(baking_minutes=5)))
    for phase in list(type(world.run.phase))[:-1]:
        world.through(phase)
    rules = world.last("evaluate-rules").event
    assert isinstance(rules, EvaluateRules)
    assert rules.not_before == rules.deadline == at(world.now + 300)


def test_recovery_that_the_policy_switches_off_is_not_switched_on_by_a_request() -> None:
    world = World(policy())
    world.request("1", asked(config=DeploymentConfig(enable_auto_recovery=True)))
    world.through(world.run.phase)
    arm = world.last("arm").event
    assert isinstance(arm, Arm)
    assert not arm.auto_recovery


def test_a_run_of_the_version_before_goes_on_with_the_policy_in_force() -> None:
    world = World()
    world.request("1")
    state = Course.from_bytes(world.state)
    assert state.active is not None
    world.state = state.replace(active=state.active.replace(policy=Policy())).to_bytes()
    world.through(world.run.phase)
    arm = world.last("arm").event
    assert isinstance(arm, Arm)
    assert arm.policy is None


@pytest.mark.parametrize("field", [{"account": "210987654321"}, {"region": "us-east-1"}])
async def test_a_target_that_the_policy_refuses_is_refused_in_its_words(field: dict[str, str]) -> None:
    world = World()
    target = Target.model_validate(TARGET.model_dump() | field)
    handlers = Handlers(world, world.clock, FixedPolicies(), 300)
    transition = await handlers.deploy(asked(target=target), "run", at(START), by_ci=True)
    assert transition is not None
    assert not world.seen, "nothing is applied here"
    decision = transition.decide(None)
    told = decision.emit[-1].event.model_dump()
    assert (told["outcome"], told["cause"]) == (Outcome.BLOCKED, "usage")
    assert told["reason"] == f"{target} is not listed in the policy."


def test_a_verdict_may_be_asked_of_a_policy_that_has_no_file() -> None:
    world = World(Policy.of(ServicePolicy(target=TARGET), 300))
    world.request("1")
    world.answer("assess-health", Verdict.PASS)
    assert world.run.policy.digest == ""
