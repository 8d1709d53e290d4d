"""A judge that finds nothing wrong proves nothing: each violation must be reported."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from contracts.audit import Act
from contracts.base import Event, caused_id
from contracts.dead_letter import DeadLettered
from contracts.deployment import DeploymentFinished, Outcome, Phase, PhaseFinished, PhaseStarted
from contracts.envelope import Envelope, Meta
from contracts.gates import Verdict
from contracts.recovery import (
    ChangeApplied,
    Disarm,
    RollBack,
    RollbackFinished,
    RollbackStarted,
    TargetArmed,
)
from contracts.run_verbs import RunHeld, Verb, VerbAnswered
from services._chassis.audit.acts import Audited
from services._chassis.transition import decided
from tests.chaos import harms
from tests.chaos.judge import OLDER_COPY, Images, judge, judge_services
from tests.chaos.judge_audit import FORGOTTEN, judge_audit
from tests.chaos.judge_verbs import judge_verbs
from tests.chaos.observer import Seen
from tests.chaos.report import Report
from tests.chaos.requests import Asked, target
from tests.security.audit import Audit

ASKED = Asked(0, target(1), "healthy", "healthy-1-0", None)
RUN = ASKED.run_id
JOB = caused_id(RUN, "deployment_monitoring:apply-change:1")


def call(number: int, job: str, kind: str = "apply-change", effect: str = "ecs-svc/1") -> dict[str, Any]:
    agent = f"Boto3/1 surefoot/recovery/{kind}/{job}/7" if job else "Boto3/1"
    resource = f"CourtCaseCluster/{ASKED.target.service}"
    return {
        "number": number,
        "operation": "UpdateService",
        "user_agent": agent,
        "resource": resource,
        "effect": effect,
        "status": 200,
    }


CHANGED = call(1, JOB)
RESTORED = call(2, f"rollback:{RUN}", "rollback")


def seen(*events: Event) -> Seen:
    found = Seen()
    for number, event in enumerate(events):
        found.add(str(number), Envelope(Meta(str(number), "s", datetime.now(UTC)), event))
    return found


def finished(outcome: Outcome) -> DeploymentFinished:
    return DeploymentFinished(target=ASKED.target, run_id=RUN, outcome=outcome, reason="", seconds=1)


APPLIED = ChangeApplied(target=ASKED.target, run_id=RUN, deployment_id="ecs-svc/1", task_definition="backend:2")
STARTED = RollbackStarted(target=ASKED.target, run_id=RUN, rollback_id=f"rollback:{RUN}", trigger="t", snapshot_id="s")
ENDED = RollbackFinished.model_validate(
    {
        "target": ASKED.target.model_dump(),
        "run_id": RUN,
        "rollback_id": f"rollback:{RUN}",
        "result": "restored",
        "rollback": {"trigger": "t", "by": "surefoot", "snapshot_id": "s", "seconds": 3},
        "detail": "",
    }
)
DISARM = Disarm(target=ASKED.target, run_id=RUN)
ARMED = TargetArmed(target=ASKED.target, run_id=RUN, snapshot_id="s", expires_at=datetime.now(UTC))
BEGUN = PhaseStarted(target=ASKED.target, run_id=RUN, phase=Phase.BAKING, deadline=datetime.now(UTC))
OVER = PhaseFinished(target=ASKED.target, run_id=RUN, phase=Phase.BAKING, verdict=Verdict.PASS, seconds=1)


def judged(found: Seen, *calls: dict[str, Any]) -> Report:
    return judge(Report(1), [ASKED], found, calls)


def test_what_went_well_has_no_fault() -> None:
    report = judged(seen(BEGUN, APPLIED, OVER, finished(Outcome.SUCCEEDED)), CHANGED)
    assert report.held, report.faults
    assert (report.runs, report.changes_intended, report.effective_deployments) == (1, 1, 1)
    assert report.terminal_states == {"succeeded": 1}


def test_one_rollback_is_no_fault() -> None:
    report = judged(seen(APPLIED, STARTED, ENDED, finished(Outcome.ROLLED_BACK)), CHANGED, RESTORED)
    assert report.held, report.faults
    assert (report.rollbacks_per_run, report.late_calls_corrected) == (1, 0)


def outside(rollback_id: str, deployment: str = "ecs-svc/1") -> RollbackStarted:
    return STARTED.model_copy(update={"run_id": None, "rollback_id": rollback_id, "deployment_id": deployment})


def test_a_rollback_outside_a_run_is_the_deployments_and_leaves_the_outcome_as_it_is() -> None:
    ended = ENDED.model_copy(update={"run_id": None, "rollback_id": "rollback:x"})
    taken_back = call(2, "rollback:x", "rollback")
    report = judged(seen(APPLIED, finished(Outcome.SUCCEEDED), outside("rollback:x"), ended), CHANGED, taken_back)
    assert report.held, report.faults
    assert (report.rollbacks_outside, report.rollbacks_per_run) == (1, 0)


def test_two_rollbacks_of_a_deployment_are_a_fault() -> None:
    report = judged(seen(APPLIED, finished(Outcome.SUCCEEDED), outside("rollback:x"), outside("rollback:y")), CHANGED)
    assert any("rolled back more than once outside runs" in fault for fault in report.faults)


def test_a_late_call_that_is_taken_back_is_counted_in_its_own_column() -> None:
    late = call(3, JOB, effect="ecs-svc/3")
    correction = call(4, f"rollback:{RUN}", "rollback", effect="ecs-svc/4")
    report = judged(seen(APPLIED, STARTED, ENDED, finished(Outcome.ROLLED_BACK)), CHANGED, RESTORED, late, correction)
    assert report.held, report.faults
    assert (report.effective_deployments, report.late_calls_corrected, report.rollbacks_per_run) == (1, 1, 1)


@pytest.mark.parametrize(("version", "rollbacks"), [("web:2", 1), ("web:9", 2)])
def test_a_person_who_brings_the_bad_version_back_within_a_rollback_is_taken_for_a_late_call_once(
    version: str, rollbacks: int
) -> None:
    """Any other version of a person's is left alone (docs/guarantees.md, A race with people)."""
    calls = (
        call(1, JOB, effect="ecs-svc/1 web:2"),
        call(2, f"rollback:{RUN}", "rollback", effect="ecs-svc/2 web:1"),
        call(3, "", effect=f"ecs-svc/3 {version}"),
        call(4, f"rollback:{RUN}", "rollback", effect="ecs-svc/4 web:1"),
    )
    report = judged(seen(APPLIED, STARTED, ENDED, finished(Outcome.ROLLED_BACK)), *calls)
    assert (report.rollbacks_per_run, report.held) == (rollbacks, rollbacks == 1)


def test_calls_without_effect_and_those_of_people_are_nobody_s_deployments() -> None:
    calls = (CHANGED, call(2, JOB, effect=""), call(3, ""))
    report = judged(seen(APPLIED, finished(Outcome.SUCCEEDED)), *calls)
    assert report.effective_deployments == 1


@pytest.mark.parametrize(
    ("found", "calls", "fault"),
    [
        (seen(APPLIED), (CHANGED,), "no terminal state"),
        (seen(finished(Outcome.BLOCKED), finished(Outcome.FAILED)), (), "two terminal states"),
        (seen(APPLIED, finished(Outcome.SUCCEEDED)), (CHANGED, call(2, JOB)), "nobody intended"),
        (seen(APPLIED, finished(Outcome.SUCCEEDED)), (CHANGED, RESTORED), "not what was deployed last"),
        (seen(APPLIED, finished(Outcome.SUCCEEDED)), (), "ECS began no deployment"),
        (seen(finished(Outcome.BLOCKED)), (CHANGED,), "was blocked, and something was deployed"),
        (
            seen(APPLIED, STARTED, ENDED, finished(Outcome.ROLLED_BACK)),
            (CHANGED, RESTORED, call(3, f"rollback:{RUN}", "rollback")),
            "rolled back more than once",
        ),
        (seen(finished(Outcome.FAILED)), (call(1, "somebody"),), "nobody asked for"),
        (seen(BEGUN, finished(Outcome.BLOCKED)), (), "never ended"),
        (seen(OVER, finished(Outcome.BLOCKED)), (), "never began"),
        (seen(STARTED, finished(Outcome.FAILED)), (), "never ended"),
        (seen(DISARM, finished(Outcome.FAILED)), (), "disarm of None was never answered"),
        (seen(ARMED, finished(Outcome.FAILED)), (), "stays armed"),
        (
            seen(APPLIED, STARTED, ENDED, finished(Outcome.ROLLED_BACK)),
            (CHANGED, RESTORED, call(3, JOB)),
            "nobody intended",
        ),
    ],
)
def test_what_must_not_be_is_told(found: Seen, calls: tuple[dict[str, Any], ...], fault: str) -> None:
    report = judged(found, *calls)
    assert any(fault in sentence for sentence in report.faults), report.faults


@pytest.mark.parametrize(
    ("outcome", "runs", "wrong"),
    [
        (Outcome.SUCCEEDED, "new", False),
        (Outcome.SUCCEEDED, "old", True),
        (Outcome.SUCCEEDED, "", True),
        (Outcome.ROLLED_BACK, "old", False),
        (Outcome.ROLLED_BACK, "new", True),
        (Outcome.BLOCKED, "new", True),
        (Outcome.FAILED, "anything", False),
    ],
)
def test_what_runs_in_the_end_is_what_the_outcome_says(outcome: Outcome, runs: str, *, wrong: bool) -> None:
    service = ASKED.target.service
    images = Images({RUN: "new"}, {service: "old"}, {service: runs})
    report = judge_services(Report(1), [ASKED], seen(finished(outcome)), images, ())
    assert (report.held, report.services_wrong) == (not wrong, int(wrong))
    assert judge_services(Report(1), [ASKED], seen(finished(outcome)), images, {service}).held


def letter(offset: int, group: str) -> DeadLettered:
    return DeadLettered.model_construct(
        topic="recovery.commands.v1",
        partition=0,
        offset=offset,
        group=group,
        reason="invalid",
        detail="",
        key=None,
        headers=(),
        value=None,
    )


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (lambda seen: seen.bad.add(("recovery.commands.v1", 0, 9)), "no dead letter"),
        (lambda seen: seen.letters.append(letter(4, "recovery")), "not expected"),
        (lambda seen: seen.letters.append(letter(3, "recovery")), "two dead letters"),
    ],
)
def test_dead_letters_are_exactly_those_of_the_bad_messages(change: Callable[[Seen], None], fault: str) -> None:
    found = seen(finished(Outcome.BLOCKED))
    found.bad.add(("recovery.commands.v1", 0, 3))
    found.letters.append(letter(3, "recovery"))
    report = judged(found)
    assert report.held, report.faults
    assert (report.dead_letters_expected, report.dead_letters_found) == (1, 1)
    change(found)
    assert any(fault in sentence for sentence in judged(found).faults)


async def audited(*acts: Audited) -> list[bytes]:
    audit = Audit()
    for number, act in enumerate(acts):
        await audit.store.apply(decided(audit=(act,)), cause=str(number))
    return await audit.sealed()


def act_of_event(number: str, act: Act) -> Audited:
    return Audited(act, caused_id(number, "audit"), ASKED.target, run_id=RUN)


@pytest.mark.parametrize(
    ("calls", "outcome", "held"),
    [
        (("theirs",), "succeeded", True),
        (("theirs", "ours", "theirs"), "succeeded", True),
        (("theirs", "theirs"), "succeeded", False),
        (("ours", "theirs", "theirs"), "superseded", False),
        (("theirs",), "", False),
    ],
)
def test_another_surefoot_deploys_again_only_by_a_late_call_over_our_deployment(
    calls: tuple[str, ...], outcome: str, held: bool
) -> None:
    theirs = caused_id("rival", "deployment_monitoring:apply-change:1")
    made = [call(number, theirs if whose == "theirs" else JOB) for number, whose in enumerate(calls, 1)]
    found = seen(APPLIED, finished(Outcome.SUPERSEDED)) if "ours" in calls else seen()
    report = judge(Report(1), [ASKED] if "ours" in calls else [], found, made, {"rival": outcome})
    assert report.held == held, report.faults


@pytest.mark.parametrize(("harm", "outcome", "held"), [
    ({}, Outcome.FAILED, False), ({OLDER_COPY: 1}, Outcome.FAILED, True), ({OLDER_COPY: 1}, Outcome.BLOCKED, False),
])  # fmt: skip
def test_only_a_restored_run_that_says_so_leaves_a_phase_without_an_end(
    harm: dict[str, int], outcome: Outcome, held: bool
) -> None:
    lost = judge(Report(1, harm=harm), [ASKED], seen(BEGUN, finished(outcome)), []).events_lost
    assert (lost == 0) == held


async def test_an_act_without_exactly_one_record_and_a_chain_that_does_not_verify_are_faults() -> None:
    found, report = seen(APPLIED, finished(Outcome.SUCCEEDED)), Report(1)
    applied, over = act_of_event("0", Act.CHANGE_APPLIED), act_of_event("1", Act.RUN_FINISHED)
    found.audit = await audited(applied, over)
    judge_audit(report, found)
    assert (report.faults, report.audit_records, report.acts_without_one_record) == ([], 3, 0)
    for acts in ((applied,), (applied, over, over)):
        found.audit, report = await audited(*acts), Report(1)
        judge_audit(report, found)
        assert report.acts_without_one_record == 1, "none, or two"
    found.audit, report = (await audited(applied, over, over))[:1] + (await audited(applied))[1:], Report(1)
    judge_audit(report, found)
    assert any(fault.startswith("audit: ") for fault in report.faults)


async def test_a_fork_is_a_fault_unless_redis_was_restored() -> None:
    found, audit = seen(), Audit()
    await audit.sealed(Act.TARGET_ARMED)
    copy = audit.redis.copy()
    before = await audit.sealed(Act.CHANGE_APPLIED)
    audit.redis.restore(copy)
    audit.redis.run_id = "restored"
    found.audit = [*before, *(await audit.sealed(Act.TARGET_DISARMED))[2:]]
    for harm, faults in (({}, 1), ({OLDER_COPY: 1}, 0)):
        report = Report(1, harm=harm)
        judge_audit(report, found)
        assert len(report.faults) == faults
    assert {OLDER_COPY, FORGOTTEN} <= harms._DO.keys()


HELD = RunHeld(
    target=ASKED.target,
    run_id=RUN,
    phase=Phase.PRE_DEPLOYMENT_VALIDATION,
    until=datetime.now(UTC),
    sentence="Waits.",
    plan="0" * 32,
    needed=1,
)
APPROVED = VerbAnswered(target=ASKED.target, run_id=RUN, verb=Verb.APPROVE, accepted=True, actor="ci", sentence="Yes.")
REJECTED = APPROVED.model_copy(update={"verb": Verb.REJECT})
BACK = RollBack(target=ASKED.target, run_id=RUN, trigger="t")
WANTING = replace(ASKED, wants_approval=True)


@pytest.mark.parametrize(
    ("events", "fault"),
    [
        ([HELD, APPROVED, APPLIED, BACK], ""),
        ([HELD, APPROVED, APPROVED], "counted more than once"),
        ([HELD, APPLIED], "nobody has approved it"),
        ([BACK, HELD], "although its rollback"),
        ([HELD, APPROVED, REJECTED], ""),
        ([HELD, APPROVED, REJECTED, APPLIED], "somebody has rejected it"),
    ],
)
def test_an_approval_counts_once_and_nothing_holds_a_rollback(events: list[Event], fault: str) -> None:
    report = Report(0)
    judge_verbs(report, [WANTING], seen(*events))
    assert [fault in said for said in report.faults] == ([True] if fault else [])
    assert report.approvals == events.count(APPROVED)
