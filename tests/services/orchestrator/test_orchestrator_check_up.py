"""A request that names no change: it observes the deployment under way, and else checks what is live."""

from typing import Any

import pytest

from contracts.deployment import Cause, CheckUp, DeploymentConfig, Outcome, Phase, PhaseStarted
from contracts.gates import Gate, Verdict
from contracts.health import WatchDeployment
from contracts.monitor import EvaluateRules
from contracts.recovery import CaptureSnapshot
from contracts.results import PreflightOutput
from services.orchestrator.domain.check_up import ANNOUNCEMENT
from tests.services.orchestrator.harness import START, World, asked, at

LIVE = PreflightOutput(live_deployment="ecs-svc/7", under_way=False)
UNDER_WAY = PreflightOutput(live_deployment="ecs-svc/8", under_way=True)
FAIL, INCONCLUSIVE = Verdict.FAIL, Verdict.INCONCLUSIVE
LOW_SCORE = Gate.between("health_score", 40, 45, 70, samples=5)
ERRORS = Gate.measured("error_rate", 30, "<=", 25, unit="%", samples=40)
SHORT = DeploymentConfig(deployment_timeout_minutes=5, validation_timeout_minutes=5, baking_minutes=5)
NEVER = {"arm", "apply-change", "roll-back", "disarm"}


@pytest.fixture
def world() -> World:
    world = World()
    world.request("1", asked(change=CheckUp(), config=SHORT))
    return world


def first_phase(world: World, output: PreflightOutput | None = LIVE, **score: Any) -> None:
    world.answer("run-preflight", output=output)
    world.answer_others("assess-health")
    world.answer("assess-health", **score)


def live_phase(world: World) -> None:
    world.answer("watch-closely")
    world.answer("watch-deployment")


def rest(world: World) -> None:
    for step in (
        "validate-deployment",
        "capture-snapshot",
        "set-up-monitoring",
        "start-health-checks",
        "analyze-resources",
        "evaluate-rules",
    ):
        world.answer(step)


def test_what_is_live_goes_through_all_phases_unarmed_and_succeeds(world: World) -> None:
    first_phase(world)
    assert ANNOUNCEMENT in world.messages()
    watch = world.last("watch-deployment").event
    assert isinstance(watch, WatchDeployment)
    assert (watch.deployment_id, watch.task_definition) == ("ecs-svc/7", None)
    world.now += 30
    live_phase(world)
    rest(world)
    assert [event.phase for event in world.told(PhaseStarted)] == list(Phase)
    assert (world.end.outcome, world.end.cause) == (Outcome.SUCCEEDED, None)
    assert "check-up" in world.end.reason
    assert "Nothing was changed" in world.end.reason
    assert not NEVER & set(world.names())
    rules = world.last("evaluate-rules").event
    assert isinstance(rules, EvaluateRules)
    assert rules.since == at(START + 30)


def test_what_does_not_pass_is_shown_with_all_the_rest_and_rolls_nothing_back(world: World) -> None:
    first_phase(world, verdict=FAIL, cause=Cause.GATE, gates=[LOW_SCORE])
    live_phase(world)
    world.answer("validate-deployment", FAIL, cause=Cause.GATE, gates=[ERRORS])
    for step in ("set-up-monitoring", "start-health-checks", "analyze-resources", "evaluate-rules"):
        world.answer(step)
    assert (world.end.outcome, world.end.cause) == (Outcome.FAILED, Cause.GATE)
    assert "health_score" in world.end.reason
    assert "error_rate" in world.end.reason
    assert not NEVER & set(world.names())
    snapshots = [emit.event for emit in world.sent if isinstance(emit.event, CaptureSnapshot)]
    assert {snapshot.purpose for snapshot in snapshots} == {"before-change"}, "what failed is no proven version"


def test_a_fault_of_an_advisory_phase_is_a_warning(world: World) -> None:
    first_phase(world)
    live_phase(world)
    world.answer("validate-deployment")
    world.answer("capture-snapshot")
    world.answer("set-up-monitoring", INCONCLUSIVE, cause=Cause.ERROR)
    world.answer("start-health-checks")
    world.answer("analyze-resources")
    world.answer("evaluate-rules")
    assert world.end.outcome is Outcome.SUCCEEDED
    assert "monitoring setup did not pass" in world.end.reason


def test_a_deployment_under_way_is_observed(world: World) -> None:
    first_phase(world, UNDER_WAY)
    assert world.names()[-1] == "arm"
    assert ANNOUNCEMENT not in world.messages()
    world.answer("arm")
    watch = world.last("watch-deployment").event
    assert isinstance(watch, WatchDeployment)
    assert watch.deployment_id == "ecs-svc/8"
    world.answer("watch-closely")
    world.answer("watch-deployment", FAIL, cause=Cause.GATE, gates=[ERRORS])
    assert world.names()[-1] == "roll-back"


def test_a_deployment_under_way_is_blocked_by_a_gate_as_any_other(world: World) -> None:
    first_phase(world, UNDER_WAY, verdict=FAIL, cause=Cause.GATE, gates=[LOW_SCORE])
    assert world.end.outcome is Outcome.BLOCKED


def test_a_service_that_is_not_there_ends_it_at_once(world: World) -> None:
    absent = Gate.true("target_exists", False, detail="there is no service web")
    world.answer("run-preflight", FAIL, cause=Cause.USAGE, gates=[absent])
    world.answer_others()
    assert (world.end.outcome, world.end.cause) == (Outcome.BLOCKED, Cause.USAGE)
    assert "there is no service web" in world.end.reason


def test_somebody_who_deploys_meanwhile_ends_it(world: World) -> None:
    first_phase(world)
    world.answer("watch-deployment", FAIL, cause=Cause.SUPERSEDED, summary="ecs-svc/9 runs web:8.")
    assert (world.end.outcome, world.end.cause) == (Outcome.SUPERSEDED, Cause.SUPERSEDED)
    assert "ecs-svc/9 runs web:8" in world.end.reason


def test_an_abort_ends_it_at_once(world: World) -> None:
    first_phase(world)
    world.abort(world.run.run_id)
    assert world.end.outcome is Outcome.ABORTED
    assert not NEVER & set(world.names())


def test_silence_ends_every_phase_and_then_the_check_up(world: World) -> None:
    first_phase(world, output=LIVE)
    world.passes(3 * 3600)
    assert (world.end.outcome, world.end.cause) == (Outcome.FAILED, Cause.TIMEOUT)
    assert [event.phase for event in world.told(PhaseStarted)] == list(Phase)
    assert not NEVER & set(world.names())


def test_where_nobody_knows_whether_a_deployment_is_under_way_nothing_is_begun(world: World) -> None:
    world.answer("run-preflight", INCONCLUSIVE, cause=Cause.ERROR)
    world.answer_others()
    assert (world.end.outcome, world.end.cause) == (Outcome.BLOCKED, Cause.ERROR)
    assert "not known whether a deployment is under way" in world.end.reason
    assert ANNOUNCEMENT not in world.messages()
