"""What recovery does by itself: each scaling, drill, migration and recreation that is not as promised is told."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Literal

import pytest

from contracts.base import Event, caused_id
from contracts.deployment import Outcome
from contracts.drills import DrillFinished, DrillStarted
from contracts.migration import MigrationFinished, MigrationStarted
from contracts.recovery import ManualTrigger
from contracts.recreation import RecreationFinished, RecreationStarted
from contracts.scaling import Counts, ScalingFinished, ScalingStarted
from tests.chaos.judge import OLDER_COPY
from tests.chaos.judge_drills import judge_drills
from tests.chaos.judge_left import Left, judge_left
from tests.chaos.judge_migrations import NEVER_RAN, judge_migrations
from tests.chaos.judge_recreations import MAKING, judge_recreations
from tests.chaos.judge_scalings import judge_scalings
from tests.chaos.report import Report
from tests.chaos.standing import Standing
from tests.chaos.test_judge import APPLIED, ASKED, RUN, seen

NOW = datetime.now(UTC)
TARGET, BY = ASKED.target, ManualTrigger(actor="ann")
RAISED = ScalingStarted(
    target=TARGET,
    scaling_id="scaling:1",
    before=Counts(desired=3),
    raised=Counts(desired=5),
    autoscaled=False,
    until=NOW,
    sentence="",
    trigger=BY,
)
GIVEN_BACK = ScalingFinished(target=TARGET, scaling_id="scaling:1", result="restored", sentence="")


def fault_in(report: Report, fault: str) -> None:
    """Check that a report has this fault and no other; none where it is empty."""
    assert [fault in found for found in report.faults] == ([True] if fault else []), report.faults


@pytest.mark.parametrize(
    ("events", "fault"),
    [
        ((RAISED, GIVEN_BACK), ""),
        ((), ""),
        ((RAISED,), "scaling:1 was never restored"),
        ((RAISED, GIVEN_BACK, GIVEN_BACK), "scaling:1 was restored 2 times"),
        ((RAISED, GIVEN_BACK.model_copy(update={"result": "failed"})), "scaling:1 ended failed: "),
    ],
)
def test_a_scaling_is_restored_once(events: tuple[Event, ...], fault: str) -> None:
    report = Report(1)
    judge_scalings(report, seen(*events))
    fault_in(report, fault)
    assert report.scalings == int(RAISED in events)


def test_two_results_under_one_id_are_two_ends() -> None:
    found, report = seen(RAISED, GIVEN_BACK), Report(1)
    first = found.events["1"]
    left = GIVEN_BACK.model_copy(update={"result": "left"})
    found.contradictions.append((first, replace(first, event=left)))
    judge_scalings(report, found)
    fault_in(report, "scaling:1 was restored 2 times")


STOOD = Standing(3, 2, 8, (), "content", 3)


@pytest.mark.parametrize(
    ("after", "touched", "fault"),
    [
        (STOOD, False, ""),
        (replace(STOOD, desired=5), False, "is left as"),
        (replace(STOOD, low=5), False, "is left as"),
        (replace(STOOD, suspended=("DynamicScalingInSuspended",)), False, "is left as"),
        (replace(STOOD, content="another"), False, "is left as"),
        (replace(STOOD, content="another"), True, ""),
        (replace(STOOD, desired=5), True, "is left as"),
        (replace(STOOD, healthy=2), False, "is left as"),
        (None, False, "is left as None"),
    ],
)
def test_nothing_is_left_behind(after: Standing | None, fault: str, *, touched: bool) -> None:
    report = Report(1)
    judge_left(report, [Left("web", STOOD, after)], {"web"} if touched else set())
    fault_in(report, fault)


def test_what_recovery_says_that_stands_is_told() -> None:
    report = Report(1)
    judge_left(report, [Left("web", STOOD, STOOD, ("drill",))], ())
    fault_in(report, "a drill still stands on web")


TRIED = DrillStarted(target=TARGET, drill_id="drill:1", plan="rollback", sentence="", until=NOW, trigger=BY)


def tried(result: Literal["measured", "stopped", "failed"], drill_id: str = "drill:1") -> DrillFinished:
    return DrillFinished(
        target=TARGET,
        drill_id=drill_id,
        plan="rollback",
        result=result,
        sentence="",
        began_at=NOW,
        finished_at=NOW,
    )


@pytest.mark.parametrize(
    ("events", "harmless", "fault"),
    [
        ((TRIED, tried("measured")), True, ""),
        ((TRIED, tried("stopped")), True, ""),
        ((TRIED, tried("failed")), False, ""),
        ((TRIED, tried("failed")), True, "drill:1 failed"),
        ((TRIED,), False, "drill:1 never ended"),
        ((TRIED, tried("stopped"), tried("stopped")), False, "drill:1 ended 2 times"),
        ((tried("stopped"),), False, "never began"),
    ],
)
def test_a_drill_ends_once(events: tuple[Event, ...], fault: str, *, harmless: bool) -> None:
    report = Report(1)
    judge_drills(report, seen(*events), harmless=harmless)
    fault_in(report, fault)
    assert report.drills_measured == events.count(tried("measured"))


MIGRATES = MigrationStarted(
    target=TARGET,
    migration_id="m",
    run_id=RUN,
    command=("alembic",),
    image="",
    container="web",
    task_definition="web-migrate:1",
    sentence="",
    minutes=30,
    trigger=BY,
)
ANOTHER = MIGRATES.model_copy(update={"migration_id": "n"})
TOKEN = caused_id("m", "task")
MIGRATING = replace(ASKED, migrates=True)


def migrated(result: str, migration_id: str = "m", sentence: str = "") -> MigrationFinished:
    return MigrationFinished.model_validate(
        {
            "target": TARGET.model_dump(),
            "migration_id": migration_id,
            "run_id": RUN,
            "result": result,
            "sentence": sentence,
        }
    )


def run_task(task: str, token: str = TOKEN, agent: str = "Boto3/1 surefoot/recovery/migrate/m/7") -> dict[str, Any]:
    return {"operation": "RunTask", "user_agent": agent, "effect": task and f"{task} {token}", "resource": ""}


WELL, BADLY = migrated("succeeded"), migrated("failed")


@pytest.mark.parametrize(
    ("events", "calls", "fault"),
    [
        ((MIGRATES, WELL, APPLIED), (run_task("t"),), ""),
        ((MIGRATES, WELL), (run_task("t"), run_task("t"), run_task("")), ""),
        ((MIGRATES, WELL), (run_task("t"), run_task("x", "by a person", "Boto3/1")), ""),
        ((MIGRATES, BADLY), (run_task("t"),), ""),
        ((MIGRATES, migrated("did_not_start")), (run_task(""),), ""),
        ((MIGRATES, WELL), (run_task("t"), run_task("u")), "m has 2 tasks"),
        ((MIGRATES, WELL), (run_task("t"), run_task("u", "?")), "nobody was told of"),
        ((MIGRATES,), (run_task("t"),), "m was never answered"),
        ((MIGRATES, WELL, WELL), (run_task("t"),), "m was answered 2 times"),
        (
            (MIGRATES, WELL, ANOTHER, migrated("unknown", "n")),
            (run_task("t"),),
            f"the run {RUN} has migrated 2 times",
        ),
        ((MIGRATES, migrated("did_not_start")), (run_task("t"),), "is said not to have started"),
        ((MIGRATES, migrated("did_not_start", sentence=f"It did not, because {NEVER_RAN}.")), (run_task("t"),), ""),
        ((MIGRATES, WELL), (), "no task of it was started"),
        ((MIGRATES, BADLY, APPLIED), (run_task("t"),), "has ended failed"),
        ((APPLIED,), (), "was never run"),
    ],
)
def test_a_migration_has_one_task_and_one_answer(
    events: tuple[Event, ...], calls: tuple[dict[str, Any], ...], fault: str
) -> None:
    report = Report(1)
    judge_migrations(report, [MIGRATING], seen(*events), calls)
    fault_in(report, fault)


def test_an_error_of_the_container_is_no_success() -> None:
    report = Report(1)
    judge_migrations(report, [replace(MIGRATING, migration_fails=True)], seen(MIGRATES, WELL), [run_task("t")])
    fault_in(report, "its container ended with an error")
    assert MIGRATING.right is Outcome.SUCCEEDED
    assert replace(MIGRATING, migration_fails=True).right is Outcome.BLOCKED


MADE = RecreationStarted(
    target=TARGET,
    recreation_id="recreation:1",
    snapshot_id="s",
    plan="p",
    makes=("service:web",),
    actor="chaos",
    approved_by="ann",
    sentence="",
)
SERVES = RecreationFinished(
    target=TARGET, recreation_id="recreation:1", snapshot_id="s", result="recreated", sentence=""
)


def made(operation: str, resource: str = "web", status: int = 200) -> dict[str, Any]:
    return {"operation": operation, "resource": resource, "status": status, "user_agent": f"Boto3/1 {MAKING}r/1"}


ONCE = (made("CreateTargetGroup"), made("CreateService"))


@pytest.mark.parametrize(
    ("events", "calls", "harm", "fault"),
    [
        ((MADE, SERVES), ONCE, {}, ""),
        ((MADE, SERVES), (*ONCE, made("CreateTargetGroup"), made("CreateService", status=400)), {}, ""),
        ((MADE, SERVES), (*ONCE, made("CreateService")), {}, "AWS was asked 2 times for CreateService web"),
        ((MADE, SERVES, SERVES), ONCE, {}, "recreation:1 ended 2 times"),
        ((MADE, SERVES.model_copy(update={"result": "failed"})), ONCE, {}, "nothing serves again"),
        (
            (MADE, MADE.model_copy(update={"recreation_id": "recreation:2"}), SERVES),
            ONCE,
            {},
            "recreation:2 never ended",
        ),
        ((MADE, SERVES.model_copy(update={"result": "failed"})), ONCE, {OLDER_COPY: 1}, ""),
        ((MADE,), ONCE, {OLDER_COPY: 1}, "recreation:1 never ended"),
    ],
)
def test_what_is_made_again_is_made_once(
    events: tuple[Event, ...], calls: tuple[dict[str, Any], ...], harm: dict[str, int], fault: str
) -> None:
    report = Report(1, harm=harm)
    judge_recreations(report, seen(*events), calls)
    fault_in(report, fault)
