"""What recovery does for a run is what the policy answer when the run began; over HTTP, what it says now."""

import pytest

from contracts import policy
from contracts.deployment import Cause
from contracts.gates import Verdict
from contracts.policy import ServicePolicy
from contracts.policy_parts import RecoveryPolicy
from contracts.recovery import Arm, CaptureSnapshot, Disarm, RollBack, RollbackFinished, RollbackStarted
from contracts.results import StepFinished
from services.recovery.domain.protection import Armed
from services.recovery.domain.work import CaptureWork
from tests.services.recovery.harness import START, TARGET, Recovery

RUN, LATER = "a" * 64, "b" * 64


def part(**recovery: object) -> RecoveryPolicy:
    return RecoveryPolicy(digest=RUN, recovery=policy.Recovery.model_validate(recovery))


def in_force(**recovery: object) -> ServicePolicy:
    return ServicePolicy(target=TARGET, digest=LATER, recovery=policy.Recovery.model_validate(recovery))


@pytest.fixture
def recovery() -> Recovery:
    return Recovery()


@pytest.mark.parametrize(
    ("triggers", "rule", "rolls_back"),
    [
        (None, "error_rate", True),
        (("service_unavailable",), "error_rate", False),
        (("service_unavailable", "error_rate"), "error_rate", True),
        (("cpu_saturated",), "cpu_saturated", True),
        ((), "error_rate", False),
    ],
)
async def test_only_the_rules_that_the_policy_names_roll_back_by_themselves(
    recovery: Recovery, triggers: tuple[str, ...] | None, rule: str, *, rolls_back: bool
) -> None:
    await recovery.deployed(policy=part(triggers=triggers))
    await recovery.send(recovery.alert(rule=rule), "raised")
    assert bool(recovery.published(RollbackStarted)) == rolls_back


async def test_an_alert_that_is_no_trigger_leaves_the_run_armed(recovery: Recovery) -> None:
    await recovery.deployed(policy=part(triggers=["service_unavailable"]))
    await recovery.send(recovery.alert(rule="error_rate"), "first")
    await recovery.send(recovery.alert(rule="service_unavailable", alert_id="alert-2"), "second")
    (started,) = recovery.published(RollbackStarted)
    assert started.trigger == "critical-alert: service_unavailable"


async def test_a_command_rolls_back_whatever_the_triggers_are(recovery: Recovery) -> None:
    await recovery.deployed(policy=part(enabled=False, triggers=[]))
    await recovery.send(recovery.alert(), "raised")
    assert recovery.published(RollbackStarted) == []
    await recovery.send(RollBack(target=TARGET, run_id="run-1", trigger="a gate"), "command")
    await recovery.work()
    assert [finished.result for finished in recovery.published(RollbackFinished)] == ["restored"]


async def test_a_run_keeps_its_triggers_though_the_policy_changes(recovery: Recovery) -> None:
    await recovery.deployed(policy=part(triggers=["error_rate"]))
    recovery.policies.reload(in_force(enabled=False, triggers=[]))
    await recovery.send(recovery.alert(rule="error_rate"), "raised")
    assert len(recovery.published(RollbackStarted)) == 1


async def test_a_command_of_the_previous_version_is_governed_by_what_is_in_force(recovery: Recovery) -> None:
    recovery.policies.reload(in_force(triggers=["service_unavailable"]))
    await recovery.deployed()
    await recovery.send(recovery.alert(rule="error_rate"), "raised")
    assert recovery.published(RollbackStarted) == []
    digests = {answer.step: answer.policy_digest for answer in recovery.published(StepFinished)}
    assert digests == {"capture-snapshot": LATER, "arm": LATER, "apply-change": ""}


async def test_answers_name_the_policy_of_the_run(recovery: Recovery) -> None:
    recovery.policies.reload(in_force())
    await recovery.arm(policy=part())
    assert {answer.policy_digest for answer in recovery.published(StepFinished)} == {RUN}


def test_whom_the_previous_version_has_armed_is_rolled_back_by_every_critical_rule() -> None:
    old = Armed(run_id="run-1", snapshot_id="s", armed_at=START, expires_at=START, auto_recovery=True)
    assert old.triggered_by("error_rate")
    assert old.triggered_by("cpu_saturated")


async def test_as_many_snapshots_are_kept_as_the_policy_of_the_run_says(recovery: Recovery) -> None:
    recovery.policies.reload(in_force(keep=100))
    for number in range(6):
        recovery.clock.time += 60
        await recovery.snapshot(f"run-{number}", policy=part(keep=3))
    assert len(recovery.protection.snapshots) == len(recovery.shelf.objects) == 3


async def test_they_are_kept_as_long_as_the_policy_of_the_run_says(recovery: Recovery) -> None:
    for number in range(4):
        recovery.clock.time += 86_400
        await recovery.snapshot(f"run-{number}", policy=part(retention_days=1.5))
    assert len(recovery.protection.snapshots) == 2


async def test_a_capture_that_the_previous_version_began_keeps_what_is_in_force(recovery: Recovery) -> None:
    recovery.policies.reload(in_force(keep=1))
    await recovery.snapshot("run-1")
    for held in recovery.store.jobs.values():
        assert CaptureWork.from_bytes(held.job.payload).policy == in_force(keep=1).part(RecoveryPolicy)
    recovery.clock.time += 60
    old = CaptureWork(target=TARGET, snapshot_id="20260112_150000_00000000", run_id=None, purpose="asked")
    transition = await recovery.jobs["capture-snapshot"](recovery.work_on("capture-snapshot", old.to_bytes()))
    recovery.store.write(transition)
    assert [entry.snapshot_id for entry in recovery.protection.snapshots] == [old.snapshot_id]


async def test_a_command_of_the_previous_version_for_a_service_that_is_refused_is_answered_at_once(
    recovery: Recovery,
) -> None:
    recovery.policies.refused = frozenset({TARGET})
    capture = await recovery.send(CaptureSnapshot(target=TARGET, run_id="run-1", purpose="before-change"), "capture")
    arm = Arm(target=TARGET, run_id="run-1", snapshot_id="any", expires_at=recovery.now, auto_recovery=True)
    for answer in (capture, await recovery.send(arm, "arm")):
        assert answer is not None
        assert (answer.verdict, answer.cause, answer.summary) == (
            Verdict.FAIL, Cause.REFUSED, f"the policy does not list {TARGET}.",
        )  # fmt: skip
    assert recovery.store.jobs == {}


@pytest.mark.parametrize("undo", [RollBack(target=TARGET, run_id="run-1", trigger="a gate"), None])
async def test_what_undoes_a_change_never_asks_for_the_policy_in_force(
    recovery: Recovery, undo: RollBack | None
) -> None:
    """By a command, or by an alert."""
    await recovery.deployed()
    recovery.policies.refused = frozenset({TARGET})
    await recovery.send(undo or recovery.alert(), "undo")
    await recovery.work()
    assert [finished.result for finished in recovery.published(RollbackFinished)] == ["restored"]


async def test_a_run_is_disarmed_though_the_policy_refuses_its_service_by_now(recovery: Recovery) -> None:
    await recovery.deployed()
    recovery.policies.refused = frozenset({TARGET})
    answer = await recovery.send(Disarm(target=TARGET, run_id="run-1"), "disarm")
    assert answer is not None
    assert answer.verdict is Verdict.PASS
    assert recovery.protection.arm is None


async def test_an_alert_that_comes_after_its_own_resolution_rolls_nothing_back(recovery: Recovery) -> None:
    """Its message was a dead letter, and is replayed; meanwhile its rule was switched off, say."""
    await recovery.deployed()
    await recovery.send(recovery.alert(state="resolved"), "resolved")
    await recovery.send(recovery.alert(), "raised")
    assert recovery.published(RollbackStarted) == []
    assert recovery.protection.firing == {}
    await recovery.send(recovery.alert(alert_id="alert-2"), "another")
    assert len(recovery.published(RollbackStarted)) == 1
