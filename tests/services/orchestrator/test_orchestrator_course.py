"""The course of a run, path by path."""

from datetime import timedelta
from typing import Any

import pytest

from contracts.base import caused_id
from contracts.dead_letter import DeadLettered, alert_of
from contracts.deployment import (
    Cause,
    DeploymentConfig,
    DeploymentStarted,
    Observe,
    Outcome,
    Override,
    Phase,
    PhaseStarted,
    TaskDefinitionChange,
)
from contracts.gates import Gate, Verdict
from contracts.health import AssessHealth, WatchDeployment
from contracts.monitor import CriticalAlert, EvaluateRules
from contracts.recovery import (
    CHANGE_ACCEPTED,
    AlertTrigger,
    ApplyChange,
    Arm,
    CaptureSnapshot,
    CommandTrigger,
    RollBack,
    RollbackStarted,
)
from contracts.results import ChangeOutput, DisarmOutput, PreflightOutput, ProbesOutput, RolloutOutput
from contracts.run_verbs import VerbAnswered
from contracts.state import NewerState
from contracts.validator import ValidateDeployment
from services.orchestrator.domain.course import Course
from services.orchestrator.domain.decide import TimerFired
from services.orchestrator.domain.limits import (
    ARM_MARGIN,
    BEFORE_THE_CHANGE,
    EXPIRY_MARGIN,
    GRACE,
    MINUTE,
    RECONCILE,
    ROLLBACK,
    run_limit,
)
from services.orchestrator.domain.requests import request_of
from tests.services.orchestrator.harness import IMAGE, POLICY, RESOLVED, START, TARGET, World, asked, at, run_id_of

PRE, CHANGE, POST = Phase.PRE_DEPLOYMENT_VALIDATION, Phase.DEPLOYMENT_MONITORING, Phase.POST_DEPLOYMENT_VALIDATION
SETUP, ANALYSIS, BAKING = Phase.MONITORING_SETUP, Phase.OPTIMIZATION_ANALYSIS, Phase.BAKING
FAIL, INCONCLUSIVE = Verdict.FAIL, Verdict.INCONCLUSIVE
LOW_SCORE = Gate.between("health_score", 40, 45, 70, samples=5)
ERRORS = Gate.measured("error_rate", 30, "<=", 25, unit="%", samples=40)
SOON = DeploymentConfig(deployment_timeout_minutes=5, validation_timeout_minutes=5, baking_minutes=5)
CAREFUL = SOON.model_copy(update={"enable_auto_recovery": False})


@pytest.fixture
def world() -> World:
    return World()


def started(world: World, phase: Phase | None = None, **fields: Any) -> str:
    """Ask for a run and bring it to its first phase, or to the end of ``phase``."""
    run_id = world.request("1", asked(**{"config": SOON, **fields}))
    if phase is not None:
        world.through(phase)
    return run_id


# all goes well


def test_a_good_deployment_goes_through_every_phase_and_succeeds(world: World) -> None:
    run_id = started(world)
    end = world.to_the_end()
    assert (end.run_id, end.outcome, end.cause, end.rollback) == (run_id, Outcome.SUCCEEDED, None, None)
    assert end.seconds == world.now - START
    assert [event.phase for event in world.told(PhaseStarted)] == list(Phase)
    assert world.verdicts() == dict.fromkeys(Phase, Verdict.PASS)
    assert [event.actor for event in world.told(DeploymentStarted)] == ["ada"]
    assert world.names() == [
        "capture-snapshot",
        "run-diagnostics",
        "assess-health",
        "run-preflight",
        "check-alarms",
        "arm",
        "apply-change",
        "watch-closely",
        "watch-deployment",
        "validate-deployment",
        "capture-snapshot",
        "set-up-monitoring",
        "start-health-checks",
        "analyze-resources",
        "evaluate-rules",
        "disarm",
    ]
    assert world.active is None
    assert world.course.last_run_id == run_id
    assert world.timers == {}


def test_each_step_is_told_what_it_needs(world: World) -> None:
    run_id = started(world)
    assess = world.last("assess-health").event
    assert isinstance(assess, AssessHealth)
    assert (assess.run_id, assess.minimum_score) == (run_id, 70)
    deadline = START + run_limit(SOON, 5 * MINUTE)
    world.through(PRE)
    arm = world.last("arm").event
    assert isinstance(arm, Arm)
    assert (arm.snapshot_id, arm.auto_recovery) == ("snapshot-1", True)
    assert arm.expires_at == at(deadline + ARM_MARGIN)
    world.answer("arm")
    change = asked().change
    assert world.last("apply-change").event == ApplyChange(
        target=TARGET, run_id=run_id, images=RESOLVED, change=change
    ), "what was asked for goes with what preflight made of it"
    applied = world.now = world.now + 7
    world.answer("apply-change")
    world.answer("watch-closely")
    watch = world.last("watch-deployment").event
    assert isinstance(watch, WatchDeployment)
    assert (watch.deployment_id, watch.task_definition) == ("ecs-svc/1", "web:2")
    assert watch.deadline == at(applied + 5 * 60)
    world.answer("watch-deployment")
    validate = world.last("validate-deployment").event
    assert isinstance(validate, ValidateDeployment)
    assert (validate.run_id, validate.deadline) == (run_id, at(applied + 5 * 60))
    before = world.last("capture-snapshot").event
    world.answer("validate-deployment")
    after = world.last("capture-snapshot").event
    assert isinstance(before, CaptureSnapshot)
    assert isinstance(after, CaptureSnapshot)
    assert (before.purpose, after.purpose) == ("before-change", "after-change")
    world.through(ANALYSIS)
    rules = world.last("evaluate-rules").event
    assert isinstance(rules, EvaluateRules)
    assert (rules.since, rules.deadline) == (at(applied), at(world.now + 5 * 60))
    assert rules.probes == ProbesOutput(requests=20, failures=0, p95_seconds=0.1)
    watched = world.last("watch-deployment").event
    assert isinstance(watched, WatchDeployment)
    assert rules.task_definition == watched.task_definition is not None


def test_ids_derive_from_the_run(world: World) -> None:
    run_id = started(world, PRE)
    assert world.last("arm").id == caused_id(run_id, "deployment_monitoring:arm:1")
    ids = [emit.id for emit in world.emitted]
    assert len(ids) == len(set(ids))


def test_a_task_definition_is_applied_as_preflight_resolved_it(world: World) -> None:
    started(world, change=TaskDefinitionChange(task_definition="web"))
    world.answer("run-preflight", output=PreflightOutput(task_definition="arn:web:7"))
    world.answer_others()
    world.answer("arm")
    change = world.last("apply-change").event
    assert isinstance(change, ApplyChange)
    assert (change.task_definition, change.images) == ("arn:web:7", {})
    assert change.change == TaskDefinitionChange(task_definition="web")


def test_what_a_step_says_is_passed_on(world: World) -> None:
    run_id = started(world)
    world.progresses("run-diagnostics", "3 of 7 checks")
    assert world.messages() == ["3 of 7 checks"]
    assert world.view(run_id).progress == "3 of 7 checks"
    world.answer("run-diagnostics", summary="No critical issue.")
    assert world.messages()[-1] == "No critical issue."
    said = len(world.emitted)
    world.progresses("run-diagnostics", "late")
    assert len(world.emitted) == said


# before the change


def test_a_failing_gate_blocks_and_changes_nothing(world: World) -> None:
    run_id = started(world)
    world.answer_others("assess-health")
    world.answer("assess-health", FAIL, cause=Cause.GATE, gates=[LOW_SCORE])
    assert (world.end.run_id, world.end.outcome, world.end.cause) == (run_id, Outcome.BLOCKED, Cause.GATE)
    assert "health_score: 45, must be >= 70" in world.end.reason
    assert "arm" not in world.names()
    assert "disarm" not in world.names()
    assert world.verdicts() == {PRE: FAIL}
    assert world.gates()["health_score"].verdict is FAIL


def test_all_answers_are_waited_for_before_a_run_is_blocked(world: World) -> None:
    started(world)
    world.answer("assess-health", FAIL, cause=Cause.GATE, gates=[LOW_SCORE])
    assert world.active is not None
    assert world.gates() == {}


@pytest.mark.parametrize(
    ("cause", "expected"),
    [(Cause.USAGE, Cause.USAGE), (Cause.ERROR, Cause.GATE), (None, Cause.GATE), (Cause.DEPENDENCY, Cause.GATE)],
)
def test_inconclusive_blocks_with_the_cause_that_tells_what_to_do(
    world: World, cause: Cause | None, expected: Cause
) -> None:
    started(world)
    world.answer("run-preflight", INCONCLUSIVE, cause=cause, summary="ECR did not answer.")
    world.answer_others()
    assert (world.end.outcome, world.end.cause) == (Outcome.BLOCKED, expected)
    assert "ECR did not answer" in world.end.reason
    assert world.gates()["run_preflight"].verdict is INCONCLUSIVE


def test_an_override_lets_a_named_gate_pass_on_the_record(world: World) -> None:
    started(world, overrides=(Override(gate="health_score", reason="this is the fix"),))
    world.answer("assess-health", FAIL, cause=Cause.GATE, gates=[LOW_SCORE])
    world.answer_others()
    gate = world.gates()["health_score"]
    assert (gate.verdict, gate.overridden_by) == (FAIL, "ada: this is the fix")
    assert world.verdicts() == {PRE: Verdict.PASS}
    assert world.names()[-1] == "arm"


def test_an_override_that_was_not_needed_is_not_on_the_record(world: World) -> None:
    started(world, overrides=(Override(gate="health_score", reason="to be safe"),))
    world.answer("assess-health", gates=[Gate.between("health_score", 90, 95, 70, samples=5)])
    world.through(PRE)
    assert world.gates()["health_score"].overridden_by is None


def test_a_blocked_run_names_the_options_that_would_let_it_pass(world: World) -> None:
    started(world, overrides=(Override(gate="architecture", reason="it is emulated"),))
    world.answer("assess-health", FAIL, cause=Cause.GATE, gates=[LOW_SCORE])
    world.answer("check-alarms", INCONCLUSIVE, cause=Cause.ERROR, summary="CloudWatch did not answer.")
    world.answer_others()
    assert world.end.reason.endswith(
        " To deploy nonetheless: --override health_score=REASON --override check_alarms=REASON."
    )


@pytest.mark.parametrize(("step", "gate"), [("capture-snapshot", "snapshot_stored"), ("run-preflight", "architecture")])
def test_no_option_is_named_where_none_would_help(world: World, step: str, gate: str) -> None:
    started(world)
    world.answer(step, FAIL, cause=Cause.GATE, gates=[Gate.true(gate, False, detail="no")])
    world.answer_others()
    assert world.end.outcome is Outcome.BLOCKED
    assert "--override" not in world.end.reason


@pytest.mark.parametrize(
    ("gate", "said"),
    [
        ("helth_score", "There is no gate 'helth_score' before the change; did you mean health_score?"),
        (
            "error_rate",
            "There is no gate 'error_rate' before the change. Gates that can be overridden: ",
        ),
        ("target_exists", "The gate target_exists cannot be overridden: nothing is deployed unless ECS knows"),
    ],
)
def test_an_override_of_what_nobody_can_override_is_refused(world: World, gate: str, said: str) -> None:
    started(world, overrides=(Override(gate="health_score", reason="x"), Override(gate=gate, reason="y")))
    assert (world.end.outcome, world.end.cause) == (Outcome.BLOCKED, Cause.USAGE)
    assert said in world.end.reason
    assert world.sent == []


def test_an_override_of_another_gate_does_not_help(world: World) -> None:
    started(world, overrides=(Override(gate="architecture", reason="x"),))
    world.answer("assess-health", FAIL, cause=Cause.GATE, gates=[LOW_SCORE])
    world.answer_others()
    assert world.end.outcome is Outcome.BLOCKED


@pytest.mark.parametrize(
    ("step", "missing"), [("capture-snapshot", "snapshot_at_hand"), ("run-preflight", "change_resolved")]
)
def test_no_override_stands_in_for_what_the_next_phase_needs(world: World, step: str, missing: str) -> None:
    overrides = (Override(gate=step.replace("-", "_"), reason="never mind"),)
    # an older version took overrides of any gate; what it left in the queue is not considered again
    queued = request_of(asked(overrides=overrides), run_id_of("1"), START, by_ci=True)
    world.state = Course(queue=(queued,)).to_bytes()
    world.happens(TimerFired(str(TARGET)))
    world.answer_others(step)
    world.answer(step, INCONCLUSIVE, cause=Cause.ERROR)
    assert (world.end.outcome, world.end.cause) == (Outcome.BLOCKED, Cause.GATE)
    assert world.gates()[missing].verdict is FAIL


def test_a_silent_step_blocks_at_the_phases_deadline(world: World) -> None:
    started(world)
    world.answer_others("check-alarms")
    world.passes(BEFORE_THE_CHANGE - 1)
    assert world.active is not None
    world.passes(1)
    assert (world.end.outcome, world.end.cause) == (Outcome.BLOCKED, Cause.TIMEOUT)
    assert world.gates()["check_alarms_answered"].verdict is INCONCLUSIVE
    assert world.timers == {}


def test_a_target_that_cannot_be_armed_is_not_changed(world: World) -> None:
    started(world, PRE)
    world.answer("arm", FAIL, cause=Cause.ERROR, summary="Another run is armed.")
    assert world.names()[-1] == "disarm"
    world.answer("disarm")
    assert (world.end.outcome, world.end.cause) == (Outcome.BLOCKED, Cause.ERROR)
    assert "Another run is armed" in world.end.reason
    assert "apply-change" not in world.names()


def test_a_silent_recovery_is_not_given_the_change(world: World) -> None:
    started(world, PRE)
    world.passes(run_limit(SOON, 5 * MINUTE))
    assert "apply-change" not in world.names()
    assert world.names()[-1] == "disarm"
    world.answer("disarm")
    assert (world.end.outcome, world.end.cause) == (Outcome.BLOCKED, Cause.TIMEOUT)


def test_an_arm_that_comes_after_the_deadline_is_not_used(world: World) -> None:
    started(world, PRE)
    world.now = world.run.stages[-1].deadline
    world.answer("arm")
    assert "apply-change" not in world.names()
    world.answer("disarm")
    assert (world.end.outcome, world.end.cause) == (Outcome.BLOCKED, Cause.TIMEOUT)


# after the change: fail


@pytest.mark.parametrize(
    ("phase", "step"),
    [(PRE, "watch-deployment"), (CHANGE, "validate-deployment"), (ANALYSIS, "evaluate-rules")],
)
def test_a_fail_after_the_change_rolls_back(world: World, phase: Phase, step: str) -> None:
    run_id = started(world, phase)
    if step == "watch-deployment":
        for before in ("arm", "watch-closely", "apply-change"):
            world.answer(before)
    world.answer(step, FAIL, cause=Cause.GATE, gates=[ERRORS])
    command = world.last("roll-back").event
    assert isinstance(command, RollBack)
    assert command.trigger == "error_rate"
    assert world.verdicts()[world.run.phase] is FAIL
    assert world.ends(run_id) == []
    world.rollback_starts(run_id)
    world.answer("roll-back")
    assert world.ends(run_id) == []
    world.rollback_ends(run_id)
    assert (world.end.outcome, world.end.cause) == (Outcome.ROLLED_BACK, Cause.GATE)
    assert "error_rate: 30%, must be <= 25%" in world.end.reason
    assert "Recovery says restored." in world.end.reason
    assert world.end.rollback is not None
    assert world.end.rollback.seconds == 42
    assert world.names().count("roll-back") == 1
    assert world.timers == {}


@pytest.mark.parametrize(
    ("result", "outcome", "cause"),
    [
        ("failed", Outcome.ROLLBACK_FAILED, Cause.GATE),
        ("superseded", Outcome.SUPERSEDED, Cause.SUPERSEDED),
    ],
)
def test_the_rollbacks_result_is_the_outcome(world: World, result: str, outcome: Outcome, cause: Cause) -> None:
    run_id = started(world, CHANGE)
    world.answer("validate-deployment", FAIL, cause=Cause.GATE, gates=[ERRORS])
    world.rollback_ends(run_id, result)
    assert (world.end.outcome, world.end.cause) == (outcome, cause)


def test_a_silent_recovery_makes_it_a_failed_rollback(world: World) -> None:
    started(world, CHANGE)
    world.answer("validate-deployment", FAIL, cause=Cause.GATE, gates=[ERRORS])
    world.passes(ROLLBACK - 1)
    assert world.active is not None
    world.passes(1)
    assert (world.end.outcome, world.end.cause) == (Outcome.ROLLBACK_FAILED, Cause.TIMEOUT)
    assert "Recovery did not answer" in world.end.reason


@pytest.mark.parametrize("silent_for", [None, 600.0, 3600.0])
def test_a_rollback_that_moves_is_waited_for(world: World, silent_for: float | None) -> None:
    run_id = started(world, CHANGE)
    world.rollback_starts(run_id)
    for number in range(20):
        world.passes(600)
        world.rollback_progresses(run_id, f"{number} of 20 tasks run.", silent_for)
    assert world.run.progress == "19 of 20 tasks run."
    world.passes((ROLLBACK if silent_for is None else silent_for + GRACE) - 1)
    assert world.active is not None
    world.passes(1)
    assert (world.end.outcome, world.end.cause) == (Outcome.ROLLBACK_FAILED, Cause.TIMEOUT)


def test_a_progress_that_comes_before_the_word_that_it_began_counts_as_well(world: World) -> None:
    run_id = started(world, CHANGE)
    world.answer("validate-deployment", FAIL, cause=Cause.GATE, gates=[ERRORS])
    world.rollback_progresses(run_id, "1 of 20 tasks run.", 7200)
    world.rollback_starts(run_id)
    world.passes(7000)
    assert world.active is not None
    world.rollback_ends(run_id)
    assert world.end.outcome is Outcome.ROLLED_BACK


def test_a_gate_that_fails_on_what_ran_before_has_nothing_to_roll_back(world: World) -> None:
    run_id = started(world, PRE)
    world.answer("arm")
    same = ChangeOutput(deployment_id="ecs-svc/1", task_definition="web:1", applied_at=at(world.now), changed=False)
    world.answer("apply-change", output=same)
    world.answer_others()
    world.answer("validate-deployment", FAIL, cause=Cause.GATE, gates=[ERRORS])
    assert "roll-back" not in world.names()
    world.answer("disarm")
    assert [end.outcome for end in world.ends(run_id)] == [Outcome.FAILED]
    assert "Nothing is rolled back: the service ran this version already." in world.end.reason


def test_a_refused_rollback_is_not_waited_for_as_long(world: World) -> None:
    started(world, CHANGE)
    world.answer("validate-deployment", FAIL, cause=Cause.GATE, gates=[ERRORS])
    world.answer("roll-back", FAIL, cause=Cause.ERROR, summary="Nothing to go back to.")
    world.passes(GRACE)
    assert world.end.outcome is Outcome.ROLLBACK_FAILED
    assert "Nothing to go back to." in world.end.reason


@pytest.mark.parametrize("operator", [False, True])
def test_without_auto_recovery_a_fail_is_told_and_the_service_left(operator: bool) -> None:
    world = World(POLICY.model_copy(update={"auto_recovery": False}) if operator else POLICY)
    started(world, CHANGE, config=SOON if operator else CAREFUL)
    arm = world.last("arm").event
    assert isinstance(arm, Arm)
    assert arm.auto_recovery is False
    world.answer("validate-deployment", FAIL, cause=Cause.GATE, gates=[ERRORS])
    assert world.names()[-1] == "disarm"
    world.answer("disarm")
    assert (world.end.outcome, world.end.cause) == (Outcome.FAILED, Cause.GATE)
    assert "Automatic recovery is off" in world.end.reason
    assert "roll-back" not in world.names()


@pytest.mark.parametrize("verdict", [FAIL, INCONCLUSIVE])
@pytest.mark.parametrize("cause", [Cause.ERROR, Cause.USAGE])
def test_a_change_that_may_have_happened_is_rolled_back(world: World, verdict: Verdict, cause: Cause) -> None:
    started(world, PRE)
    world.answer("arm")
    world.answer("apply-change", verdict, cause=cause, summary="UpdateService was refused.")
    assert world.names()[-1] == "roll-back"
    assert "watch-deployment" not in world.names()


def test_a_change_that_was_refused_needs_no_rollback(world: World) -> None:
    started(world, PRE)
    world.answer("arm")
    world.answer("watch-closely")
    world.answer("apply-change", FAIL, cause=Cause.REFUSED, summary="The arm has expired.")
    world.answer("disarm")
    assert (world.end.outcome, world.end.cause) == (Outcome.FAILED, Cause.REFUSED)
    assert "roll-back" not in world.names()


@pytest.mark.parametrize("cause", [Cause.USAGE, Cause.REFUSED, Cause.ERROR])
def test_a_change_that_aws_refused_before_anything_changed_is_blocked(world: World, cause: Cause) -> None:
    run_id = started(world, PRE)
    world.answer("arm")
    refused = Gate.true(CHANGE_ACCEPTED, False, detail="The container web does not exist.")
    world.answer("apply-change", FAIL, cause=cause, gates=[refused], summary="The container web does not exist.")
    assert world.ends(run_id) == [], "recovery may have begun a rollback"
    world.answer("disarm")
    assert (world.end.outcome, world.end.cause) == (Outcome.BLOCKED, cause)
    assert world.end.reason == "Nothing was changed. The container web does not exist. No override stands in for that."
    assert world.verdicts()[Phase.DEPLOYMENT_MONITORING] is FAIL
    assert "roll-back" not in world.names()


def test_a_refused_change_waits_for_a_rollback_that_recovery_has_begun(world: World) -> None:
    run_id = started(world, PRE)
    world.answer("arm")
    world.answer("apply-change", FAIL, cause=Cause.USAGE, gates=[Gate.true(CHANGE_ACCEPTED, False)])
    world.answer("disarm", output=DisarmOutput(answer="rollback-started"))
    world.rollback_ends(run_id)
    assert world.end.outcome is Outcome.ROLLED_BACK


def test_a_change_that_was_never_answered_is_rolled_back(world: World) -> None:
    started(world, PRE)
    world.answer("arm")
    world.answer("watch-closely")
    world.passes(run_limit(SOON, 5 * MINUTE))
    assert "roll-back" in world.names()
    assert world.end.outcome is Outcome.ROLLBACK_FAILED


def test_a_snapshot_that_cannot_be_stored_does_not_roll_back(world: World) -> None:
    started(world, CHANGE)
    world.answer("validate-deployment")
    world.answer("capture-snapshot", FAIL, cause=Cause.ERROR, summary="The bucket is gone.")
    world.passes(5 * 60 + GRACE)
    assert "roll-back" not in world.names()
    world.answer("disarm")
    assert world.end.outcome is Outcome.FAILED


# after the change: inconclusive, superseded, dependency


def test_inconclusive_is_asked_again_and_may_yet_pass(world: World) -> None:
    started(world, CHANGE)
    world.answer("validate-deployment", INCONCLUSIVE, cause=Cause.ERROR, summary="No address.")
    first = world.last("validate-deployment")
    world.passes(RECONCILE)
    second = world.last("validate-deployment")
    assert (first.event, first.id) != (second.event, second.id)
    assert first.event == second.event
    world.answer("validate-deployment", command=first, verdict=FAIL)
    assert "roll-back" not in world.names(), "the first attempt was answered already"
    world.answer("validate-deployment")
    world.answer("capture-snapshot")
    assert world.verdicts()[POST] is Verdict.PASS


def test_inconclusive_until_the_deadline_fails_and_leaves_the_service(world: World) -> None:
    started(world, ANALYSIS)
    began = world.now
    silent = Gate.measured("cpu", None, "<=", 80, samples=1, minimum=3)
    world.now = began + 5 * 60
    world.answer("evaluate-rules", INCONCLUSIVE, gates=[silent], summary="cpu needs 2 more points.")
    assert world.names()[-1] == "disarm", "at the deadline there is nothing to wait for"
    world.answer("disarm")
    assert (world.end.outcome, world.end.cause) == (Outcome.FAILED, Cause.GATE)
    assert "cpu needs 2 more points" in world.end.reason
    assert "was left as it is" in world.end.reason
    assert "roll-back" not in world.names()
    assert world.verdicts()[BAKING] is INCONCLUSIVE


def test_a_silent_step_after_the_change_fails_at_the_deadline(world: World) -> None:
    started(world, ANALYSIS)
    world.passes(5 * 60 + GRACE)
    assert world.gates()["evaluate_rules_answered"].verdict is INCONCLUSIVE
    world.answer("disarm")
    assert (world.end.outcome, world.end.cause) == (Outcome.FAILED, Cause.TIMEOUT)
    assert "roll-back" not in world.names()


@pytest.mark.parametrize("verdict", [FAIL, INCONCLUSIVE])
def test_a_dependencys_fault_rolls_nothing_back(world: World, verdict: Verdict) -> None:
    started(world, PRE)
    for before in ("arm", "watch-closely", "apply-change"):
        world.answer(before)
    for _ in range(100):
        if world.last("watch-deployment").id in {step.id for step in world.run.open_steps if not step.answer}:
            world.answer("watch-deployment", verdict, cause=Cause.DEPENDENCY, summary="orders-db is down.")
        if world.names()[-1] == "disarm":
            break
        world.passes(RECONCILE)
    world.answer("disarm")
    assert (world.end.outcome, world.end.cause) == (Outcome.FAILED, Cause.DEPENDENCY)
    assert "orders-db is down" in world.end.reason
    assert "roll-back" not in world.names()


@pytest.mark.parametrize("step", ["apply-change", "watch-deployment"])
def test_a_service_that_somebody_else_moved_is_left_to_them(world: World, step: str) -> None:
    started(world, PRE)
    world.answer("arm")
    if step == "watch-deployment":
        world.answer("apply-change")
    world.answer(step, FAIL, cause=Cause.SUPERSEDED, summary="web:9 is live.")
    assert world.names()[-1] == "disarm"
    world.answer("disarm")
    assert (world.end.outcome, world.end.cause) == (Outcome.SUPERSEDED, Cause.SUPERSEDED)
    assert "web:9 is live" in world.end.reason
    assert "roll-back" not in world.names()


# warnings only


@pytest.mark.parametrize("verdict", [FAIL, INCONCLUSIVE])
def test_monitoring_and_analysis_cannot_harm_a_healthy_deployment(world: World, verdict: Verdict) -> None:
    started(world, POST)
    world.answer("set-up-monitoring", verdict, cause=Cause.ERROR, summary="AccessDenied")
    world.answer("start-health-checks")
    world.passes(10 * 60)  # analyze-resources never answers
    assert world.run.phase is BAKING
    world.answer("evaluate-rules")
    world.answer("disarm")
    assert world.end.outcome is Outcome.SUCCEEDED
    assert (world.verdicts()[SETUP], world.verdicts()[ANALYSIS]) == (verdict, INCONCLUSIVE)
    assert "monitoring setup, optimization analysis did not pass" in world.end.reason


def test_the_analysis_can_be_switched_off() -> None:
    world = World(POLICY.model_copy(update={"auto_optimization": False}))
    started(world, SETUP)
    assert world.run.phase is BAKING
    assert "analyze-resources" not in world.names()


# recovery's own word


@pytest.mark.parametrize("phase", [None, *Phase])
def test_recovery_that_acts_by_itself_decides_the_outcome(world: World, phase: Phase | None) -> None:
    run_id = started(world, phase)
    world.rollback_starts(run_id, "critical alert error_rate")
    commands = len(world.sent)
    if phase is None:
        world.answer("run-diagnostics")
    world.passes(2 * RECONCILE)
    assert len(world.sent) == commands, "nothing else is wanted any more"
    world.rollback_ends(run_id)
    assert (world.end.outcome, world.end.cause) == (Outcome.ROLLED_BACK, Cause.GATE)
    assert "critical alert error_rate" in world.end.reason
    assert "roll-back" not in world.names()


@pytest.mark.parametrize("phase", list(Phase)[:-1])
def test_the_phase_in_which_recovery_acts_shows_what_was_measured(world: World, phase: Phase) -> None:
    run_id = started(world, phase)
    world.rollback_starts(run_id, "critical-alert: error_rate", "error_rate: 30%, limit > 10%")
    gate = world.gates()["critical_alerts"]
    assert (gate.verdict, gate.detail) == (Verdict.FAIL, "error_rate: 30%, limit > 10%")
    world.rollback_ends(run_id)
    assert "Recovery rolled back by itself: critical-alert: error_rate: 30%, limit > 10%." in world.end.reason


def test_what_began_a_rollback_is_decided_by_its_type_and_not_by_its_detail(world: World) -> None:
    run_id = started(world, CHANGE)
    started_by = RollbackStarted(
        target=TARGET,
        run_id=run_id,
        rollback_id="rb",
        trigger="aborted by bob",
        snapshot_id="s",
        detail="a word about it",
        triggered_by=CommandTrigger(reason="aborted by bob"),
    )
    world.happens(started_by)
    assert "critical_alerts" not in world.gates()
    world.rollback_ends(run_id)
    assert "Recovery rolled back by itself: aborted by bob." in world.end.reason


def test_an_alert_fails_its_gate_even_if_it_has_nothing_to_say(world: World) -> None:
    run_id = started(world, CHANGE)
    alert = AlertTrigger(rule="error_rate", alert_id="a", detail="")
    started_by = RollbackStarted(
        target=TARGET,
        run_id=run_id,
        rollback_id="rb",
        trigger=alert.summary,
        snapshot_id="s",
        triggered_by=alert,
    )
    world.happens(started_by)
    assert world.gates()["critical_alerts"].verdict is Verdict.FAIL


def test_recoverys_word_on_the_beginning_counts_once(world: World) -> None:
    run_id = started(world, CHANGE)
    world.answer("validate-deployment", FAIL, cause=Cause.GATE, gates=[ERRORS])
    world.passes(ROLLBACK - 60)
    world.rollback_starts(run_id)
    world.passes(ROLLBACK - 60)
    assert world.active is not None, "it began late, and has its time from then on"
    said = len(world.messages())
    world.rollback_starts(run_id)
    assert len(world.messages()) == said
    world.passes(60)
    assert world.end.outcome is Outcome.ROLLBACK_FAILED


def test_disarm_that_comes_too_late_waits_for_the_rollback(world: World) -> None:
    run_id = started(world, BAKING)
    world.answer("disarm", output=DisarmOutput(answer="rollback-started"))
    assert world.ends(run_id) == []
    world.rollback_starts(run_id)
    world.rollback_ends(run_id, "failed")
    assert world.end.outcome is Outcome.ROLLBACK_FAILED


def test_a_rollbacks_end_is_believed_without_its_beginning(world: World) -> None:
    run_id = started(world, BAKING)
    world.rollback_ends(run_id)
    assert world.end.outcome is Outcome.ROLLED_BACK


def test_without_an_answer_to_disarm_the_run_ends_once_the_arm_has_expired(world: World) -> None:
    run_id = started(world, BAKING)
    first = world.last("disarm")
    world.passes(RECONCILE)
    assert world.sent[-1] == first, "the same command with the same id"
    expires = START + run_limit(SOON, 5 * MINUTE) + ARM_MARGIN
    world.passes(expires + EXPIRY_MARGIN - 1 - world.now)
    assert world.ends(run_id) == []
    world.passes(1)
    assert (world.end.outcome, world.end.cause) == (Outcome.FAILED, Cause.TIMEOUT)
    assert "Recovery never confirmed" in world.end.reason


def test_disarm_that_could_not_be_carried_out_is_asked_again(world: World) -> None:
    started(world, BAKING)
    world.answer("disarm", INCONCLUSIVE, cause=Cause.ERROR)
    first = world.last("disarm").id
    world.passes(RECONCILE)
    assert world.last("disarm").id != first
    world.answer("disarm")
    assert world.end.outcome is Outcome.SUCCEEDED


def test_alerts_are_told_and_nothing_more(world: World) -> None:
    started(world, POST)
    commands = len(world.sent)
    world.happens(
        CriticalAlert(
            target=TARGET,
            alert_id="a",
            rule="error_rate",
            state="raised",
            value=30,
            comparison=">",
            threshold=10,
            samples=40,
            began_at=at(START),
            detail="30 % of 40 requests failed.",
        )
    )
    assert world.messages()[-1] == "Critical alert error_rate raised: 30 % of 40 requests failed."
    assert len(world.sent) == commands


def test_a_warning_of_a_dead_letter_is_told_and_nothing_more(world: World) -> None:
    started(world, POST)
    commands = len(world.sent)
    letter = DeadLettered.model_construct(
        topic="recovery.commands.v1",
        partition=3,
        offset=17,
        group="recovery",
        reason="failed",
        detail="KeyError after 8 attempts",
        key=str(TARGET).encode(),
        headers=(),
        value=b"{}",
    )
    warning = alert_of(letter, "raised", at(START))
    assert warning is not None
    world.happens(warning)
    told = "Warning dead-letter raised: recovery could not handle recovery.commands.v1/3/17 (KeyError after 8 attempts)"
    assert world.messages()[-1].startswith(told)
    assert len(world.sent) == commands


# observe


def test_an_observed_deployment_is_armed_watched_and_judged(world: World) -> None:
    run_id = started(world, PRE, change=Observe())
    world.answer("arm")
    assert "apply-change" not in world.names()
    watch = world.last("watch-deployment").event
    assert isinstance(watch, WatchDeployment)
    assert watch.deployment_id is None
    world.answer("watch-closely")
    seen = world.now = world.now + 100
    world.answer("watch-deployment", output=RolloutOutput(wanted=3, task_definition="web:2"))
    world.through(ANALYSIS)
    rules = world.last("evaluate-rules").event
    assert isinstance(rules, EvaluateRules)
    assert rules.since == at(seen), "earlier points may be the old version's"
    assert rules.task_definition == "web:2", "what was seen to become healthy has to stay live"
    world.answer("evaluate-rules", FAIL, cause=Cause.GATE, gates=[ERRORS])
    command = world.last("roll-back").event
    assert isinstance(command, RollBack)
    assert command.task_definition == "web:2", "another version is not to be taken back"
    world.rollback_ends(run_id)
    assert world.end.outcome is Outcome.ROLLED_BACK


# abort


@pytest.mark.parametrize(("phase", "disarms"), [(None, False), (PRE, True)])
def test_an_abort_before_the_change_changes_nothing(world: World, phase: Phase | None, disarms: bool) -> None:
    run_id = started(world, phase)
    world.abort(run_id, "wrong branch")
    assert ("disarm" in world.names()) is disarms
    if disarms:
        assert world.ends(run_id) == []
        world.answer("arm")  # late: nobody waits for it
        world.answer("disarm")
    assert (world.end.outcome, world.end.cause) == (Outcome.ABORTED, None)
    assert world.end.reason == "Aborted by bob: wrong branch."
    assert "apply-change" not in world.names()


@pytest.mark.parametrize("phase", [CHANGE, POST, SETUP, ANALYSIS])
def test_an_abort_after_the_change_rolls_back(world: World, phase: Phase) -> None:
    run_id = started(world, phase)
    world.abort(run_id, "wrong branch")
    command = world.last("roll-back").event
    assert isinstance(command, RollBack)
    assert command.trigger == "aborted by bob"
    world.abort(run_id)
    assert world.names().count("roll-back") == 1
    world.rollback_ends(run_id)
    assert world.end.outcome is Outcome.ROLLED_BACK
    assert world.end.reason.startswith("Aborted by bob: wrong branch. ")


def test_an_abort_of_a_deployment_of_what_runs_already_is_no_rollback(world: World) -> None:
    run_id = started(world, PRE)
    world.answer("arm")
    output = ChangeOutput(deployment_id="ecs-svc/1", task_definition="web:2", applied_at=at(world.now), changed=False)
    world.answer("apply-change", output=output)
    world.abort(run_id, "wrong branch")
    assert world.names()[-1] == "disarm"
    world.answer("disarm")
    assert world.end.outcome is Outcome.ABORTED
    assert world.end.reason == (
        "Aborted by bob: wrong branch. Nothing was changed: the service ran this version already."
    )


def test_an_abort_counts_as_after_the_change_once_it_was_sent(world: World) -> None:
    run_id = started(world, PRE)
    world.answer("arm")
    world.abort(run_id)
    assert world.names()[-1] == "roll-back"


def test_an_observed_deployment_is_not_undone_by_an_abort(world: World) -> None:
    run_id = started(world, CHANGE, change=Observe())
    world.abort(run_id)
    assert world.names()[-1] == "disarm"
    world.answer("disarm")
    assert world.end.outcome is Outcome.ABORTED


@pytest.mark.parametrize("phase", [None, PRE, CHANGE, POST, SETUP, ANALYSIS])
def test_an_abort_has_one_answer_and_it_comes_before_the_end(world: World, phase: Phase | None) -> None:
    run_id = started(world, phase)
    said = len(world.emitted)
    world.abort(run_id, "wrong branch")
    answer = world.emitted[said].event
    assert isinstance(answer, VerbAnswered)
    assert (answer.verb, answer.accepted, answer.actor, answer.reason) == ("abort", True, "bob", "wrong branch")
    assert len(world.told(VerbAnswered)) == 1


def test_an_abort_of_a_run_that_waits_says_that_it_is_taken_out(world: World) -> None:
    first, second = world.request("1"), world.request("2")
    world.abort(second, "not needed")
    (answer,) = world.told(VerbAnswered)
    assert (answer.run_id, answer.accepted, "out of the queue" in answer.sentence) == (second, True, True)
    assert (world.end.run_id, world.end.outcome) == (second, Outcome.ABORTED)
    assert world.run.run_id == first
    assert world.course.queue == ()


def test_an_abort_during_a_rollback_or_of_an_unknown_run_is_answered_and_changes_nothing(world: World) -> None:
    run_id = started(world, CHANGE)
    world.answer("validate-deployment", FAIL, cause=Cause.GATE, gates=[ERRORS])
    said, before = len(world.emitted), world.course
    world.abort(run_id)
    world.abort("nobody")
    answers = world.told(VerbAnswered)
    assert [emit.event for emit in world.emitted[said:]] == answers
    assert [answer.accepted for answer in answers] == [False, False]
    assert ["ends already" in answers[0].sentence, "none of this id" in answers[1].sentence] == [True, True]
    assert world.course == before


# late, duplicate, foreign


def test_answers_that_nobody_waits_for_change_nothing(world: World) -> None:
    started(world)
    world.answer("assess-health")
    before = world.state
    world.answer("assess-health", FAIL)
    assert world.state == before
    foreign = world.last("check-alarms")
    world.request("2")
    other = type(foreign)(foreign.event.model_copy(update={"run_id": run_id_of("2")}), foreign.id)
    before = world.state
    decision = world.answer("check-alarms", command=other)
    assert (decision.state, decision.emit) == (None, ())
    unknown = type(foreign)(foreign.event, "unknown")
    assert world.answer("check-alarms", command=unknown).state is None
    world.rollback_starts(None)
    world.rollback_starts("another")
    assert world.state == before


def test_what_is_over_stays_over(world: World) -> None:
    run_id = started(world)
    world.to_the_end()
    said, state = len(world.emitted), world.state
    world.answer("disarm")
    world.rollback_starts(run_id)
    world.rollback_ends(run_id)
    world.request("1")
    world.passes(3600)
    assert (len(world.emitted), world.state) == (said, state)
    world.abort(run_id)
    (answer,) = world.told(VerbAnswered)
    assert (answer.accepted, len(world.emitted), world.state) == (False, said + 1, state)


# reconciling


def test_unanswered_commands_are_sent_again_with_the_same_id(world: World) -> None:
    started(world)
    world.answer("run-diagnostics")
    first = {emit.id: emit.event for emit in world.sent}
    sent = len(world.sent)
    world.passes(RECONCILE)
    again = world.sent[sent:]
    assert len(again) == sent - 1
    assert all(first[emit.id] == emit.event for emit in again)


def test_a_timer_that_fires_too_early_changes_nothing(world: World) -> None:
    started(world)
    said, state = len(world.emitted), world.state
    for timer in tuple(world.timers.values()):
        world.fire(timer)
        world.timers[timer.id] = timer
    assert (len(world.emitted), world.state) == (said, state)


def test_a_chatty_step_does_not_put_the_reconciler_off(world: World) -> None:
    started(world)
    sent = len(world.sent)
    for second in range(40):
        world.progresses("run-diagnostics", f"{second}")
        world.passes(1)
    assert len(world.sent) == 2 * sent


def test_a_long_silence_is_broken(world: World) -> None:
    started(world)
    world.passes(POLICY.tell_every + RECONCILE)
    assert world.messages()[0].startswith("Still waiting for capture-snapshot, run-diagnostics")
    assert world.messages()[0].endswith("silent for 5 minutes.")


def test_one_minute_is_no_minutes() -> None:
    world = World(POLICY.model_copy(update={"tell_every": 60}))
    started(world)
    world.passes(90)
    assert world.messages()[0].endswith("silent for 1 minute.")


def test_lost_timers_are_mended_by_whatever_happens_next(world: World) -> None:
    run_id = started(world)
    timers = dict(world.timers)
    assert set(timers) == {f"phase:{run_id}", f"run:{run_id}", f"reconcile:{run_id}"}
    world.timers.clear()
    world.answer("run-diagnostics")
    assert world.timers == timers


def test_a_run_that_overruns_everything_fails(world: World) -> None:
    run_id = started(world, SETUP)
    world.now = START + run_limit(SOON, 5 * MINUTE) + timedelta(hours=1).total_seconds()
    world.passes(0)
    assert len(world.ends(run_id)) == 1
    assert world.end.outcome is Outcome.FAILED
    assert world.timers == {}


# stored state


def test_a_course_survives_being_stored_in_every_phase(world: World) -> None:
    started(world, change=IMAGE, overrides=(Override(gate="architecture", reason="y"),))
    world.request("2")
    for phase in Phase:
        world.through(phase)
        assert Course.from_bytes(world.course.to_bytes()) == world.course
    command = world.run.open_steps[0].command
    assert type(command).__name__ == "Disarm"


def test_a_course_of_an_unknown_version_is_refused() -> None:
    with pytest.raises(NewerState, match="version 2"):
        Course.from_bytes(b'{"schema_version": 2}')


def test_outputs_of_an_inconclusive_change_are_not_taken_for_a_deployment(world: World) -> None:
    started(world, PRE)
    world.answer("arm")
    output = ChangeOutput(deployment_id="d", task_definition="t", applied_at=at(world.now))
    world.answer("apply-change", INCONCLUSIVE, cause=Cause.ERROR, output=output)
    assert "watch-deployment" not in world.names()
    assert world.names()[-1] == "roll-back"
