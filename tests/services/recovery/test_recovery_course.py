"""Armed, changed, rolled back, disarmed: what happens on the bus, whatever is repeated, lost or late."""

from datetime import timedelta

import pytest

from contracts import policy
from contracts.deployment import Cause
from contracts.monitor import DependencyFault
from contracts.recovery import (
    AlertTrigger,
    ApplyChange,
    Arm,
    ChangeApplied,
    CommandTrigger,
    Disarm,
    KnownVersion,
    RollBack,
    RollbackFinished,
    RollbackStarted,
    TargetArmed,
    TargetDisarmed,
)
from contracts.results import ArmedOutput, ChangeOutput, DisarmOutput, StepFinished, StepProgressed
from services._aws.errors import AwsError
from services.recovery.decisions.roll_back import end_rollback
from services.recovery.domain.rollback.roll_back import Done
from services.recovery.domain.work import RollbackWork
from tests.services.recovery.harness import ARN, BAD, GOOD, OTHER, ROLL_SECONDS, SECRET, TARGET, Recovery, Work


@pytest.fixture
def recovery() -> Recovery:
    return Recovery()


def disarm(run: str = "run-1") -> Disarm:
    return Disarm(target=TARGET, run_id=run)


def roll_back(run: str = "run-1") -> RollBack:
    return RollBack(target=TARGET, run_id=run, trigger="deployment validation failed")


async def test_a_good_deployment_is_armed_changed_and_disarmed(recovery: Recovery) -> None:
    armed = await recovery.arm()
    assert isinstance(armed.output, ArmedOutput)
    assert [gate.name for gate in armed.gates] == ["target_free", "snapshot_stored"]
    changed = await recovery.change(image=OTHER)
    assert changed is not None
    assert isinstance(changed.output, ChangeOutput)
    assert changed.output.task_definition == f"{ARN}:2" == recovery.ecs.live
    held = recovery.protection.arm
    assert held is not None
    assert held.change is not None
    assert (held.change.deployment_id, held.change.ended) == (changed.output.deployment_id, True)
    answer = await recovery.send(disarm(), "bye")
    assert answer is not None
    assert answer.output == DisarmOutput(answer="disarmed")
    assert [event.reason for event in recovery.published(TargetDisarmed)] == ["finished"]
    assert len(recovery.published(TargetArmed)) == len(recovery.published(ChangeApplied)) == 1
    assert recovery.store.timers == {}
    assert recovery.published(RollbackStarted) == []


async def test_a_critical_alert_rolls_back_while_nobody_else_lives(recovery: Recovery) -> None:
    await recovery.deployed()
    await recovery.send(recovery.alert(), "raised")
    await recovery.work()
    assert recovery.ecs.updates == [f"{ARN}:2", f"{ARN}:1"]
    [started], [finished] = recovery.published(RollbackStarted), recovery.published(RollbackFinished)
    assert (started.rollback_id, started.trigger) == ("rollback:run-1", "critical-alert: error_rate")
    assert started.detail == "seen"
    assert started.triggered_by == AlertTrigger(rule="error_rate", alert_id=recovery.alert().alert_id, detail="seen")
    assert (finished.result, finished.rollback.by) == ("restored", "surefoot")
    assert finished.taken_back == KnownVersion(task_definition=f"{ARN}:2", images={"backend": BAD.partition("@")[2]})
    assert finished.brought_back == KnownVersion(task_definition=f"{ARN}:1", images={"backend": GOOD.partition("@")[2]})
    assert 30 <= finished.rollback.seconds < 120
    assert recovery.protection.arm is None
    assert recovery.protection.snapshots[0].proven
    assert recovery.store.timers == {}
    assert any("live" in event.message for event in recovery.published(StepProgressed))


async def test_there_is_one_rollback_whatever_is_repeated(recovery: Recovery) -> None:
    await recovery.deployed()
    for name in ("raised", "raised", "raised-again"):
        await recovery.send(recovery.alert(), name)
        await recovery.send(recovery.alert(alert_id=f"other-{name}", rule="response_time"), f"other-{name}")
    await recovery.send(roll_back(), "command-1")
    await recovery.work()
    await recovery.send(recovery.alert(alert_id="late"), "late")
    await recovery.send(roll_back(), "command-1")
    await recovery.send(roll_back(), "command-2")
    await recovery.work()
    assert recovery.ecs.updates == [f"{ARN}:2", f"{ARN}:1"]
    assert len(recovery.published(RollbackStarted)) == len(recovery.published(RollbackFinished)) == 1
    assert [name for name in recovery.store.jobs if name.startswith("rollback")] == ["rollback:run-1"]
    answers = [recovery.answer("command-1"), recovery.answer("command-2")]
    assert [answer and answer.verdict for answer in answers] == ["pass", "pass"]


@pytest.mark.parametrize("die_at", range(1, 8))
async def test_a_rollback_goes_on_wherever_its_executor_dies(recovery: Recovery, die_at: int) -> None:
    await recovery.deployed()
    await recovery.send(roll_back(), "command")
    [started] = recovery.published(RollbackStarted)
    assert started.triggered_by == CommandTrigger(reason="deployment validation failed")
    await recovery.work(die_at=die_at)
    [finished] = recovery.published(RollbackFinished)
    assert (finished.result, finished.rollback.by) == ("restored", "surefoot")
    assert len(recovery.ecs.history) == 3


@pytest.mark.parametrize("die_at", range(1, 5))
async def test_a_change_happens_once_wherever_its_executor_dies(recovery: Recovery, die_at: int) -> None:
    await recovery.arm()
    await recovery.change(image=OTHER, work=False)
    await recovery.work(die_at=die_at)
    answer = recovery.answer("run-1:change")
    assert answer is not None
    assert answer.verdict == "pass"
    assert [verb for verb, _ in recovery.ecs.changing] == ["register", "update"]
    assert len(recovery.ecs.history) == 2


async def test_an_update_whose_answer_is_lost_is_found_again(recovery: Recovery) -> None:
    await recovery.arm()

    def lose_the_answer() -> None:
        recovery.ecs.after_update.clear()
        raise AwsError("ecs:UpdateService got no answer: ReadTimeoutError.", temporary=True)

    recovery.ecs.after_update.append(lose_the_answer)
    answer = await recovery.change(image=OTHER)
    assert answer is not None
    assert answer.verdict == "pass"
    assert recovery.ecs.updates == [f"{ARN}:2"]


async def test_a_change_to_what_runs_already_forces_nothing(recovery: Recovery) -> None:
    await recovery.arm()
    answer = await recovery.change(image=GOOD)
    assert answer is not None
    assert isinstance(answer.output, ChangeOutput)
    assert "runs already" in answer.summary
    assert not answer.output.changed
    assert (answer.output.deployment_id, recovery.ecs.changing) == ("ecs-svc/1", [])


async def test_only_what_the_snapshot_shows_is_replaced(recovery: Recovery) -> None:
    """A rollback would undo what others have deployed since."""
    await recovery.arm()
    theirs = recovery.ecs.add_definition(OTHER, cpu="1024")
    recovery.ecs.deploy_elsewhere(theirs)
    answer = await recovery.change(image=BAD)
    assert answer is not None
    assert (answer.verdict, answer.cause) == ("fail", Cause.SUPERSEDED)
    assert "ecs-svc/2" in answer.summary
    assert (recovery.ecs.updates, recovery.ecs.live) == ([], theirs)


async def test_a_change_that_is_forgotten_and_made_again_leaves_alone_what_has_followed_it(recovery: Recovery) -> None:
    await recovery.arm()
    copy = dict(recovery.store.states), dict(recovery.store.jobs)
    await recovery.change(image=OTHER)
    followed = recovery.ecs.add_definition(GOOD, cpu="1024")
    recovery.ecs.deploy_elsewhere(followed)
    recovery.store.states, recovery.store.jobs = copy
    recovery.store.seen.clear()
    await recovery.change(image=OTHER)
    assert (recovery.ecs.updates, recovery.ecs.live) == ([f"{ARN}:2"], followed)


async def test_a_change_that_is_forgotten_and_live_is_a_change_and_can_be_undone(recovery: Recovery) -> None:
    await recovery.arm()
    copy = dict(recovery.store.states), dict(recovery.store.jobs)
    await recovery.change(image=BAD)
    recovery.store.states, recovery.store.jobs = copy
    recovery.store.seen.clear()
    answer = await recovery.change(image=BAD)
    assert answer is not None
    assert isinstance(answer.output, ChangeOutput)
    assert (answer.output.changed, answer.output.deployment_id) == (True, "ecs-svc/2")
    assert recovery.ecs.updates == [f"{ARN}:2"], "it was not made again"
    finished = await recovery.rolled_back()
    assert (finished.result, recovery.ecs.live) == ("restored", f"{ARN}:1")


async def test_a_task_definition_is_found_by_its_content_before_one_is_registered(recovery: Recovery) -> None:
    await recovery.arm("run-1")
    await recovery.change("run-1", image=OTHER)
    await recovery.send(disarm("run-1"), "bye")
    recovery.ecs.deploy_elsewhere(f"{ARN}:1")
    await recovery.arm("run-2")
    await recovery.change("run-2", image=OTHER)
    assert recovery.ecs.updates == [f"{ARN}:2", f"{ARN}:2"]
    assert [verb for verb, _ in recovery.ecs.changing].count("register") == 1


async def test_the_new_task_definition_is_the_old_one_but_for_the_image(recovery: Recovery) -> None:
    await recovery.arm()
    await recovery.change(image=OTHER)
    old, new = recovery.ecs.definitions
    [before], [after] = old["containerDefinitions"], new["containerDefinitions"]
    assert after == {**before, "image": OTHER}
    assert {**new, "containerDefinitions": 0} == {**old, "containerDefinitions": 0} | {
        key: new[key] for key in ("taskDefinitionArn", "revision", "registeredAt")
    }


async def test_a_named_task_definition_is_used_as_it_is(recovery: Recovery) -> None:
    recovery.ecs.add_definition(OTHER)
    await recovery.arm()
    command = ApplyChange(target=TARGET, run_id="run-1", task_definition="backend:2")
    await recovery.send(command, "change")
    await recovery.work()
    assert recovery.ecs.changing == [("update", {"taskDefinition": f"{ARN}:2"})]


@pytest.mark.parametrize(
    ("command", "why"),
    [
        (ApplyChange(target=TARGET, run_id="run-1", images={"web": OTHER}), "no container web; it has backend"),
        (ApplyChange(target=TARGET, run_id="run-1", task_definition="backend:9"), "no active task definition"),
        (ApplyChange(target=TARGET, run_id="run-1"), "Neither an image"),
    ],
)
async def test_an_impossible_change_says_why_and_changes_nothing(
    recovery: Recovery, command: ApplyChange, why: str
) -> None:
    await recovery.arm()
    await recovery.send(command, "change")
    await recovery.work()
    answer = recovery.answer("change")
    assert answer is not None
    assert (answer.verdict, answer.cause) == ("fail", Cause.USAGE)
    assert why in answer.summary
    assert recovery.ecs.changing == []


async def test_nothing_is_changed_on_a_service_that_is_being_deleted(recovery: Recovery) -> None:
    await recovery.arm()
    recovery.ecs.settings["status"] = "DRAINING"
    await recovery.change(image=OTHER)
    answer = recovery.answer("run-1:change")
    assert answer is not None
    assert (answer.verdict, answer.cause) == ("fail", Cause.USAGE)
    assert "is DRAINING: it is being deleted" in answer.summary
    assert recovery.ecs.changing == []


async def test_nothing_is_changed_unless_armed_for_that_run(recovery: Recovery) -> None:
    unarmed = await recovery.change("run-1")
    await recovery.arm("run-1", minutes=1)
    stranger = await recovery.change("run-2")
    recovery.clock.time += 60
    late = await recovery.send(ApplyChange(target=TARGET, run_id="run-1", images={"backend": OTHER}), "late")
    for answer in (unarmed, stranger, late):
        assert answer is not None
        assert (answer.verdict, answer.cause, [gate.name for gate in answer.gates]) == (
            "fail",
            Cause.REFUSED,
            ["armed"],
        )
    assert recovery.ecs.changing == []


async def test_a_change_that_comes_to_its_turn_too_late_is_not_made(recovery: Recovery) -> None:
    await recovery.arm(minutes=1)
    await recovery.change(work=False)
    recovery.clock.time += 60
    await recovery.work()
    answer = recovery.answer("run-1:change")
    assert answer is not None
    assert (answer.verdict, recovery.ecs.changing) == ("fail", [])


async def test_a_run_changes_the_service_once(recovery: Recovery) -> None:
    await recovery.deployed()
    second = await recovery.send(ApplyChange(target=TARGET, run_id="run-1", images={"backend": OTHER}), "second")
    assert second is not None
    assert second.cause == Cause.REFUSED
    assert len(recovery.ecs.updates) == 1


async def test_a_target_is_held_by_one_run(recovery: Recovery) -> None:
    await recovery.arm("run-1", minutes=10)
    refused = await recovery.arm("run-2")
    assert (refused.verdict, refused.cause) == ("fail", Cause.REFUSED)
    assert "run-1" in refused.summary
    recovery.clock.time += 600
    assert (await recovery.arm("run-3")).verdict == "pass"


async def test_arming_needs_a_snapshot_and_a_future(recovery: Recovery) -> None:
    later = recovery.now + timedelta(minutes=10)
    missing = Arm(target=TARGET, run_id="run-1", snapshot_id="20260101_000000_00000000", expires_at=later)
    answer = await recovery.send(missing, "missing")
    assert answer is not None
    assert [gate.name for gate in answer.gates] == ["snapshot_stored"]
    snapshot = await recovery.snapshot()
    past = Arm(target=TARGET, run_id="run-1", snapshot_id=snapshot, expires_at=recovery.now)
    answer = await recovery.send(past, "past")
    assert answer is not None
    assert [gate.name for gate in answer.gates] == ["arm_unexpired"]
    assert recovery.protection.arm is None


async def test_alerts_from_before_the_change_roll_nothing_back(recovery: Recovery) -> None:
    await recovery.send(recovery.alert(alert_id="before-arming"), "a")
    await recovery.arm()
    await recovery.send(recovery.alert(alert_id="before-change"), "b")
    await recovery.change()
    recovery.clock.time += 20
    await recovery.send(recovery.alert(alert_id="before-arming", began=0), "a-again")
    await recovery.send(recovery.alert(alert_id="before-change", began=0), "b-again")
    await recovery.send(recovery.alert(alert_id="unseen-until-now", began=3600), "c")
    assert recovery.published(RollbackStarted) == []
    assert set(recovery.protection.firing) == {"before-arming", "before-change", "unseen-until-now"}
    await recovery.send(recovery.alert(alert_id="new"), "d")
    assert len(recovery.published(RollbackStarted)) == 1


async def test_a_resolved_alert_is_forgotten_and_rolls_nothing_back(recovery: Recovery) -> None:
    await recovery.send(recovery.alert(), "raised")
    await recovery.send(recovery.alert(state="resolved"), "resolved")
    assert recovery.protection.firing == {}
    await recovery.deployed()
    await recovery.send(recovery.alert(alert_id="another", state="resolved"), "resolved-2")
    assert recovery.published(RollbackStarted) == []


@pytest.mark.parametrize(("began", "count"), [(22, 0), (10, 1)])
async def test_a_database_alert_counts_only_if_it_began_after_the_change(
    recovery: Recovery, began: float, count: int
) -> None:
    """The change was 20 seconds ago, the arming 25."""
    await recovery.deployed()
    await recovery.send(recovery.alert(rule="database_connections", began=began), "raised")
    assert len(recovery.published(RollbackStarted)) == count


FAULT = "the database court is failed"


@pytest.mark.parametrize(
    "excuse",
    [
        {"dependency": FAULT},  # as the previous version wrote it
        {"dependency": FAULT, "dependency_fault": DependencyFault(name="court", detail=FAULT)},
    ],
)
async def test_an_alert_that_a_dependency_explains_rolls_nothing_back(
    recovery: Recovery, excuse: dict[str, object]
) -> None:
    await recovery.deployed()
    alert = recovery.alert(rule="error_rate").model_copy(update=excuse)
    await recovery.send(alert, "raised")
    assert not recovery.published(RollbackStarted)


async def test_an_alert_does_not_take_back_what_the_snapshot_shows_itself(recovery: Recovery) -> None:
    await recovery.arm()
    await recovery.change(image=GOOD)
    recovery.clock.time += 20
    await recovery.send(recovery.alert(), "raised")
    assert recovery.published(RollbackStarted) == []


async def test_another_alert_counts_from_the_arming_on(recovery: Recovery) -> None:
    await recovery.deployed()
    await recovery.send(recovery.alert(rule="error_rate", began=22), "raised")
    assert len(recovery.published(RollbackStarted)) == 1


async def test_without_auto_recovery_only_a_command_rolls_back() -> None:
    for enabled, wish in ((True, False), (False, True)):
        recovery = Recovery()
        recovery.policies.reload(policy.ServicePolicy(target=TARGET, recovery=policy.Recovery(enabled=enabled)))
        await recovery.deployed(auto=wish)
        await recovery.send(recovery.alert(), "raised")
        assert recovery.published(RollbackStarted) == []
        await recovery.send(roll_back(), "command")
        await recovery.work()
        assert [event.result for event in recovery.published(RollbackFinished)] == ["restored"]


async def test_an_expired_arm_does_not_act_and_is_told(recovery: Recovery) -> None:
    await recovery.arm(minutes=10)
    await recovery.change()
    recovery.clock.time += 600
    await recovery.send(recovery.alert(), "raised")
    refused = await recovery.send(roll_back(), "command")
    assert refused is not None
    assert refused.cause == Cause.REFUSED
    await recovery.fire()
    assert [event.reason for event in recovery.published(TargetDisarmed)] == ["expired"]
    assert recovery.protection.arm is None
    answer = await recovery.send(disarm(), "bye")
    assert answer is not None
    assert answer.output == DisarmOutput(answer="disarmed")
    assert recovery.published(RollbackStarted) == []


async def test_expiry_does_not_end_a_rollback_under_way(recovery: Recovery) -> None:
    await recovery.arm(minutes=1)
    await recovery.change()
    await recovery.send(recovery.alert(), "raised")
    recovery.clock.time += 60
    await recovery.fire()
    await recovery.work()
    assert recovery.published(TargetDisarmed) == []
    assert [event.result for event in recovery.published(RollbackFinished)] == ["restored"]


async def test_an_extended_arm_outlives_its_first_expiry(recovery: Recovery) -> None:
    await recovery.arm(minutes=1)
    await recovery.change()
    held = recovery.protection.arm
    assert held is not None
    later = recovery.now + timedelta(minutes=10)
    await recovery.send(Arm(target=TARGET, run_id="run-1", snapshot_id=held.snapshot_id, expires_at=later), "again")
    recovery.clock.time += 60
    await recovery.fire()
    await recovery.send(recovery.alert(), "raised")
    assert len(recovery.published(RollbackStarted)) == 1


async def test_who_disarms_first_is_not_rolled_back(recovery: Recovery) -> None:
    await recovery.deployed()
    answer = await recovery.send(disarm(), "bye")
    await recovery.send(recovery.alert(), "raised")
    await recovery.work()
    assert answer is not None
    assert answer.output == DisarmOutput(answer="disarmed")
    assert recovery.published(RollbackStarted) == []


@pytest.mark.parametrize("over", [False, True])
async def test_who_disarms_too_late_hears_that_a_rollback_has_begun(recovery: Recovery, *, over: bool) -> None:
    await recovery.deployed()
    await recovery.send(recovery.alert(), "raised")
    if over:
        await recovery.work()
    answer = await recovery.send(disarm(), "bye")
    await recovery.work()
    assert answer is not None
    assert answer.output == DisarmOutput(answer="rollback-started")
    assert [event.result for event in recovery.published(RollbackFinished)] == ["restored"]
    assert recovery.published(TargetDisarmed) == []


async def test_disarming_stops_a_change_that_has_not_been_made(recovery: Recovery) -> None:
    await recovery.arm()
    await recovery.change(work=False)
    await recovery.send(disarm(), "bye")
    await recovery.work()
    answer = recovery.answer("run-1:change")
    assert answer is not None
    assert (answer.verdict, recovery.ecs.changing) == ("fail", [])


async def test_a_rollback_cancels_a_change_that_has_not_been_made_and_answers_it(recovery: Recovery) -> None:
    await recovery.arm()
    await recovery.change(work=False)
    await recovery.send(roll_back(), "command")
    await recovery.work()
    changed, rolled = recovery.answer("run-1:change"), recovery.answer("command")
    assert changed is not None
    assert rolled is not None
    assert recovery.store.jobs["run-1:change"].cancelled
    assert (changed.verdict, rolled.verdict) == ("fail", "pass")
    assert "before it reached" in rolled.summary
    assert [event.untouched for event in recovery.published(RollbackFinished)] == [True]
    assert recovery.ecs.changing == []
    assert len([answer for answer in recovery.published(StepFinished) if answer.command_id == "run-1:change"]) == 1


async def test_a_change_that_a_rollback_stopped_is_answered_once(recovery: Recovery) -> None:
    """Its executor has claimed it, and comes to look only when the rollback has begun."""
    await recovery.arm()
    await recovery.change(work=False)
    held = recovery.store.jobs["run-1:change"]
    await recovery.send(recovery.alert(), "raised")
    recovery.store.write(await recovery.jobs["apply-change"](Work(held, recovery.store, recovery.ecs)))
    answers = [emission.event for emission in recovery.store.emitted if isinstance(emission.event, StepFinished)]
    [answer] = [found for found in answers if found.command_id == "run-1:change"]
    assert answer.summary.startswith("Stopped, since a rollback has begun")


async def test_a_change_whose_arm_is_replaced_is_stopped_and_answered(recovery: Recovery) -> None:
    """The arm has expired, and another run arms before its timer fires."""
    await recovery.arm(minutes=1)
    await recovery.change(work=False)
    recovery.store.jobs["run-1:change"].state = "frozen"
    recovery.clock.time += 120
    await recovery.arm("run-2")
    answer = recovery.answer("run-1:change")
    assert answer is not None
    assert (answer.verdict, answer.summary) == ("fail", "Stopped, since its arm has expired.")
    assert recovery.store.jobs["run-1:change"].cancelled
    assert recovery.ecs.changing == []


async def test_a_cancelled_change_that_lands_late_is_taken_back(recovery: Recovery) -> None:
    """Its executor was frozen between its last look and its call; the rollback finds the old version at first."""
    await recovery.arm()
    await recovery.change(work=False)
    recovery.store.jobs["run-1:change"].state = "frozen"
    await recovery.send(roll_back(), "command")
    landed = recovery.ecs.add_definition(ARN, **_with_bad_image(recovery))
    at = recovery.clock.now() + 40

    def land() -> None:
        if recovery.clock.now() >= at and recovery.ecs.live == f"{ARN}:1" and len(recovery.ecs.history) == 1:
            recovery.ecs.deploy_elsewhere(landed)

    recovery.clock.while_asleep.append(land)
    await recovery.work()
    [finished] = recovery.published(RollbackFinished)
    assert (finished.result, finished.rollback.by) == ("restored", "surefoot")
    assert recovery.ecs.updates == [f"{ARN}:1"]


async def test_a_rollback_is_believed_only_once_no_call_of_the_change_can_arrive_any_more(recovery: Recovery) -> None:
    """Its executor was frozen after its call; the call's second try comes when the old version is healthy again."""
    await recovery.arm()
    await recovery.change(work=False)
    recovery.store.jobs["run-1:change"].state = "frozen"
    landed = recovery.ecs.add_definition(ARN, **_with_bad_image(recovery))
    recovery.ecs.deploy_elsewhere(landed)
    await recovery.send(roll_back(), "command")
    at = recovery.clock.now() + ROLL_SECONDS + 5
    late = [landed]

    def land() -> None:
        if late and recovery.clock.now() >= at:
            recovery.ecs.deploy_elsewhere(late.pop())

    recovery.clock.while_asleep.append(land)
    await recovery.work()
    [finished] = recovery.published(RollbackFinished)
    assert (finished.result, finished.rollback.by) == ("restored", "surefoot")
    assert recovery.ecs.updates == [f"{ARN}:1", f"{ARN}:1"]
    assert recovery.ecs.live == f"{ARN}:1"


def _with_bad_image(recovery: Recovery) -> dict[str, object]:
    held = recovery.protection.arm
    assert held is not None
    assert held.change is not None
    [container] = recovery.ecs.definitions[0]["containerDefinitions"]
    return {"containerDefinitions": [{**container, "image": held.change.images["backend"]}]}


async def test_a_change_that_ends_just_after_a_rollback_began_is_told_and_not_answered_twice(
    recovery: Recovery,
) -> None:
    await recovery.arm()
    await recovery.change(work=False)
    held = recovery.store.jobs["run-1:change"]
    end = await recovery.jobs["apply-change"](Work(held, recovery.store, recovery.ecs))
    held.state = "done"
    await recovery.send(roll_back(), "command")
    recovery.store.write(end)
    await recovery.work()
    assert len(recovery.published(ChangeApplied)) == 1
    answers = [emission.event for emission in recovery.store.emitted if isinstance(emission.event, StepFinished)]
    assert [answer.verdict for answer in answers if answer.command_id == "run-1:change"] == ["fail"]
    assert [event.result for event in recovery.published(RollbackFinished)] == ["restored"]
    assert recovery.ecs.updates == [f"{ARN}:2", f"{ARN}:1"]


async def test_work_of_an_older_arming_changes_nothing(recovery: Recovery) -> None:
    await recovery.arm()
    await recovery.change(work=False)
    key = next(iter(recovery.store.states))
    recovery.store.states[key] = recovery.protection.replace(epoch=recovery.protection.epoch + 1).to_bytes()
    await recovery.work()
    answer = recovery.answer("run-1:change")
    assert answer is not None
    assert (answer.verdict, recovery.ecs.changing) == ("fail", [])


async def test_a_rollback_that_ends_too_late_does_not_end_the_next_one(recovery: Recovery) -> None:
    await recovery.deployed()
    await recovery.send(roll_back(), "command")
    recovery.store.jobs["rollback:run-1"].state = "frozen"
    await recovery.overdue()
    recovery.ecs.deploy_elsewhere(f"{ARN}:1")
    recovery.clock.time += 60
    await recovery.arm("run-2")
    await recovery.change("run-2")
    await recovery.send(roll_back("run-2"), "command-2")
    late = RollbackWork(target=TARGET, rollback_id="rollback:run-1")
    recovery.store.write(end_rollback(late, Done("surefoot", "late"), recovery.now))
    assert recovery.protection.rollback is not None
    assert len(recovery.published(RollbackFinished)) == 1
    await recovery.work()
    assert [event.result for event in recovery.published(RollbackFinished)].count("restored") == 1


async def test_a_rollback_whose_job_never_ends_is_called_failed(recovery: Recovery) -> None:
    await recovery.deployed()
    await recovery.send(roll_back(), "command")
    recovery.store.jobs["rollback:run-1"].state = "frozen"
    await recovery.overdue()
    assert [event.result for event in recovery.published(RollbackFinished)] == ["failed"]
    answer = recovery.answer("command")
    assert answer is not None
    assert answer.verdict == "fail"
    assert recovery.protection.rollback is None


async def test_secrets_are_in_no_event_and_in_no_state(recovery: Recovery) -> None:
    await recovery.deployed()
    await recovery.send(recovery.alert(), "raised")
    await recovery.work()
    assert len(recovery.store.emitted) > 6
    published = [emission.event.model_dump_json().encode() for emission in recovery.store.emitted]
    kept = [*recovery.store.states.values(), *recovery.store.records.values()]
    kept += [held.job.payload + (held.saved or b"") for held in recovery.store.jobs.values()]
    assert not [text for text in published + kept if SECRET.encode() in text]
    assert any(SECRET.encode() in stored.body for stored in recovery.shelf.objects.values())
