"""How long a rollout may take: by the time that was set, or by the service's own pace; and what a run makes of it."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.deployment import Cause, CheckUp, DeploymentConfig, Observe, Outcome, Phase
from contracts.gates import Gate, Verdict
from contracts.health import WatchDeployment
from contracts.monitor import WatchClosely
from contracts.policy import ServicePolicy, Timeouts
from contracts.recovery import Arm
from contracts.results import PreflightOutput
from contracts.rollout_pace import LEAST_SILENCE, LONGEST, RolloutPace
from services.orchestrator.domain.course import Course
from services.orchestrator.domain.limits import ARM_MARGIN, GRACE, MINUTE, run_limit
from services.orchestrator.domain.policy import Policy
from services.orchestrator.domain.rollout_bound import RolloutBound
from tests.services.orchestrator.harness import POLICY, RESOLVED, START, TARGET, World, asked, at

USUAL, BY_HAND = DeploymentConfig(), DeploymentConfig(deployment_timeout_minutes=15)
QUICK = RolloutPace(tasks=3, registration=20)
SLOW = RolloutPace(tasks=20, minimum_percent=100, maximum_percent=105, registration=20, draining=330)
"""Twenty batches, of 140 s and then 330 s each."""
PACES = st.builds(
    RolloutPace,
    tasks=st.integers(0, 300),
    minimum_percent=st.floats(0, 100),
    maximum_percent=st.floats(100, 200),
    grace=st.floats(0, 1e7),
    registration=st.floats(0, 4000),
    draining=st.floats(0, 4000),
    learned=st.floats(0, 1e6),
)


@given(st.floats(0.1, 240), st.none() | PACES)
def test_a_rollout_has_a_bound_that_the_pace_extends_and_never_shortens(
    minutes: float, pace: RolloutPace | None
) -> None:
    left_out = DeploymentConfig.model_construct(deployment_timeout_minutes=minutes, _fields_set=set())
    bound = RolloutBound(left_out, pace)
    assert minutes * MINUTE == bound.least <= bound.first <= bound.longest <= max(LONGEST, bound.least)
    fixed = RolloutBound(DeploymentConfig(deployment_timeout_minutes=minutes), pace)
    assert (fixed.first, fixed.longest, fixed.pace) == (fixed.least, fixed.least, None)


AS_SET = "15 minutes, as was set, however it moves"
BATCHES = "20 batches of 1 task, 140 s each to start and become healthy, 330 s to drain old tasks"
TOO_SHORT = ", so that this may be too short"
AT_ONCE = "1 batch of 3 tasks, 140 s each to start and become healthy"


@pytest.mark.parametrize(
    ("config", "pace", "sentence"),
    [
        (USUAL, None, "15 minutes, since the pace of the service is not known."),
        (USUAL, QUICK, f"15 minutes ({AT_ONCE})."),
        (
            USUAL,
            SLOW,
            f"15 minutes, and 5 hours 12 minutes as long as it moves: {SLOW.sentence}.",
        ),
        (BY_HAND, None, f"{AS_SET}."),
        (BY_HAND, QUICK, f"{AS_SET}; by its pace it takes 2 minutes ({AT_ONCE})."),
        (BY_HAND, SLOW, f"{AS_SET}; by its pace it takes 2 hours 31 minutes ({BATCHES}){TOO_SHORT}."),
    ],
)
def test_the_bound_is_told_with_how_it_came_about(
    config: DeploymentConfig, pace: RolloutPace | None, sentence: str
) -> None:
    assert RolloutBound(config, pace).sentence == f"The rollout may take {sentence}"


def test_what_the_policy_sets_is_set_and_its_default_is_not() -> None:
    """The default of the requirements says nothing about this service; what somebody wrote does."""
    assert not POLICY.completes(DeploymentConfig()).sets_deployment_timeout
    policy = ServicePolicy(target=TARGET, timeouts=Timeouts(deployment_minutes=15))
    assert Policy.of(policy, 300).completes(DeploymentConfig()).sets_deployment_timeout
    assert POLICY.completes(BY_HAND).sets_deployment_timeout


class Rolling(World):
    """A world whose preflight has measured a pace; its change is applied as soon as it is asked for."""

    def __init__(self, pace: RolloutPace | None, config: DeploymentConfig = USUAL, **fields: Any) -> None:
        super().__init__()
        self.request("1", asked(config=config, **fields))
        self.answer("run-preflight", output=PreflightOutput(images=RESOLVED, pace=pace))
        self.answer_others()
        self.answer("arm")
        if self.run.change_was_sent:
            self.answer("apply-change")
        self.answer("watch-closely")
        self.began = self.now

    @property
    def watch(self) -> WatchDeployment:
        event = self.last("watch-deployment").event
        assert isinstance(event, WatchDeployment)
        return event


def test_run_arm_and_watch_last_as_long_as_the_pace_says() -> None:
    world = Rolling(SLOW)
    assert (world.watch.deadline, world.watch.pace) == (at(world.began + 15 * MINUTE), SLOW)
    ends = START + run_limit(USUAL, SLOW.longest)
    arm, closely = world.last("arm").event, world.last("watch-closely").event
    assert isinstance(arm, Arm)
    assert isinstance(closely, WatchClosely)
    assert world.run.deadline == ends
    assert (arm.expires_at, closely.until) == (at(ends + ARM_MARGIN), at(ends))
    assert "20 batches of 1 task" in world.view(world.run.run_id).rollout_bound


def test_a_usual_service_keeps_the_bounds_of_before() -> None:
    usual, without = Rolling(QUICK), Rolling(None)
    assert usual.run.deadline == without.run.deadline == START + run_limit(USUAL, 15 * MINUTE)
    assert usual.run.stages[-1].deadline == without.run.stages[-1].deadline == usual.began + 15 * MINUTE + GRACE


def test_as_long_as_the_rollout_moves_it_is_waited_for() -> None:
    world = Rolling(SLOW)
    for minute in range(60):
        world.passes(2 * MINUTE)
        world.progresses("watch-deployment", f"{minute} of 60 tasks running", silent_for=LEAST_SILENCE)
    assert world.active is not None, "after two hours"
    world.answer("watch-deployment")
    assert world.run.phase is Phase.POST_DEPLOYMENT_VALIDATION


def test_no_word_of_a_step_keeps_a_run_for_longer_than_a_day() -> None:
    world = Rolling(SLOW)
    world.progresses("watch-deployment", "1 of 20 tasks running", silent_for=100 * 365 * LONGEST)
    assert world.run.stages[-1].deadline == world.now + LONGEST + GRACE
    world.rollback_starts(world.run.run_id)
    world.rollback_progresses(world.run.run_id, "1 of 20 tasks run.", 100 * 365 * LONGEST)
    assert world.run.ending is not None
    world.passes(LONGEST + GRACE)
    assert world.end.outcome is Outcome.ROLLBACK_FAILED


def test_a_watch_that_falls_silent_is_not_waited_for() -> None:
    world = Rolling(SLOW)
    world.passes(14 * MINUTE)
    world.progresses("watch-deployment", "1 of 20 tasks running", silent_for=LEAST_SILENCE)
    world.passes(LEAST_SILENCE + GRACE + 1)
    assert world.run.ending is not None
    assert world.run.stages[-1].gates[-1].name == "watch_deployment_answered"


def test_no_progress_extends_a_run_beyond_its_end() -> None:
    world = Rolling(SLOW)
    world.progresses("watch-deployment", "for ever", silent_for=30 * 24 * 3600)
    world.passes(world.run.deadline - world.now + 1)
    assert world.run.ending is not None
    assert (world.run.ending.kind, world.run.ending.cause) == ("disarming", Cause.TIMEOUT)


def test_a_time_that_was_set_holds_however_the_rollout_moves() -> None:
    world = Rolling(SLOW, DeploymentConfig(deployment_timeout_minutes=5))
    assert (world.watch.deadline, world.watch.pace) == (at(world.began + 5 * MINUTE), None)
    assert world.run.deadline == START + run_limit(USUAL, 5 * MINUTE)
    assert "as was set" in world.view(world.run.run_id).rollout_bound


def test_an_observed_rollout_has_its_pace_and_a_check_up_none() -> None:
    assert Rolling(SLOW, change=Observe()).watch.pace == SLOW
    world = World()
    world.request("1", asked(change=CheckUp()))
    world.answer("run-preflight", output=PreflightOutput(live_deployment="ecs-svc/1", pace=SLOW))
    world.answer_others()
    watch = world.last("watch-deployment").event
    assert isinstance(watch, WatchDeployment)
    assert (watch.pace, world.view(world.run.run_id).rollout_bound) == (None, "")


def test_that_nobody_has_set_the_time_survives_the_store() -> None:
    world = Rolling(SLOW)
    again = Course.from_bytes(world.course.to_bytes()).active
    assert again is not None
    assert again.rollout_bound == world.run.rollout_bound
    assert again.rollout_bound.pace == SLOW


def test_a_failing_watch_still_rolls_back_at_once() -> None:
    world = Rolling(SLOW)
    failed = Gate.measured("failed_tasks", 3, "<", 3)
    world.answer("watch-deployment", Verdict.FAIL, cause=Cause.GATE, gates=(failed,))
    run_id = world.run.run_id
    assert world.last("roll-back")
    world.rollback_starts(run_id)
    world.rollback_ends(run_id)
    assert world.end.outcome is Outcome.ROLLED_BACK
