"""The tests are run before the change, too, and what they saw goes along to those after it."""

import pytest

from contracts.deployment import Change, CheckUp, ImageChange, Observe, Outcome, Phase
from contracts.policy_parts import ValidationPolicy
from contracts.results import PreflightOutput
from contracts.validator import Baseline, RunPreflight, TestBefore, ValidateDeployment
from tests.services.orchestrator.harness import SERVICE_POLICY, World, asked

MISSING = TestBefore(suite="smoke", name="health", path="/health", state="refused")
SEEN = Baseline(tests=(MISSING,), p95_seconds=0.2, summary="0 of 1 tests passed")


def preflight(world: World) -> RunPreflight:
    command = world.last("run-preflight").event
    assert isinstance(command, RunPreflight)
    return command


def validation(world: World) -> ValidateDeployment:
    command = world.last("validate-deployment").event
    assert isinstance(command, ValidateDeployment)
    return command


def prepared(world: World, output: PreflightOutput) -> None:
    world.answer("run-preflight", output=output)
    world.answer_others()


@pytest.mark.parametrize("change", [ImageChange(reference="registry/backend:2"), Observe()])
def test_preflight_is_asked_to_run_the_tests_of_the_run_s_policy(change: Change) -> None:
    world = World()
    world.request(event=asked(change))
    assert preflight(world).baseline == SERVICE_POLICY.part(ValidationPolicy)


def test_what_they_saw_goes_along_to_the_tests_after_the_change() -> None:
    world = World()
    world.request()
    prepared(world, PreflightOutput(images={"backend": "registry/backend@sha256:2"}, baseline=SEEN))
    world.through(Phase.DEPLOYMENT_MONITORING)
    assert validation(world).baseline == SEEN
    assert world.to_the_end().outcome is Outcome.SUCCEEDED


def test_a_validator_of_the_version_before_saw_nothing_and_holds_nothing_up() -> None:
    world = World()
    world.request()
    world.through(Phase.PRE_DEPLOYMENT_VALIDATION)
    world.through(Phase.DEPLOYMENT_MONITORING)
    assert validation(world).baseline is None


def test_a_check_up_compares_with_nothing() -> None:
    """Before and after are the same version there, so that all that is wrong would be excused."""
    world = World()
    world.request(event=asked(CheckUp()))
    assert preflight(world).baseline is None
    prepared(world, PreflightOutput(live_deployment="ecs-svc/7", baseline=SEEN))
    world.answer("watch-closely")
    world.answer("watch-deployment")
    assert validation(world).baseline is None
