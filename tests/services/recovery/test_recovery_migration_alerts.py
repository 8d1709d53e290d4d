"""Critical alerts while a migration's task runs: what is told, what the run does, when the task is stopped."""

from collections.abc import Awaitable, Callable
from typing import Any

import httpx2
import pytest

from contracts.deployment import Cause, Override
from contracts.gates import Verdict
from contracts.migration import Migrate, MigrationFinished
from contracts.migration_asked import MigrationAsked
from contracts.monitor import CriticalAlert, DependencyFault
from contracts.policy import Recovery as RecoverySection
from contracts.policy import ServicePolicy
from contracts.policy_parts import RecoveryPolicy
from contracts.recovery import Disarm, RollbackStarted
from contracts.results import StepFinished
from services._aws.errors import AwsError
from services._chassis.clock import moment
from services.recovery.domain.migration.meanwhile import LOCK_TIMEOUT
from services.recovery.jobs.migration_bounds import ALERT_SECONDS
from tests.services.recovery.deaths import Deaths
from tests.services.recovery.harness import OTHER, START, TARGET, Recovery

HERE = "CourtCaseCluster/BackendService"
LIKELY = "The migration is likely to hold locks that requests wait for: since its task began, "
DENIED = AwsError("ECS refused StopTask: AccessDeniedException", code="AccessDeniedException")
RAN = 5.0
"""A task runs so many seconds after it was asked for."""


def meanwhile(recovery: Recovery, *happen: tuple[float, Callable[[], Awaitable[Any]]]) -> None:
    """Let something happen so many seconds after the task was asked for, while its job sleeps."""
    sleep, waiting = recovery.clock.sleep, list(happen)

    async def sleeps(seconds: float) -> None:
        await sleep(seconds)
        began = [at for _, _, at in recovery.one_off.started.values()]
        while waiting and began and recovery.clock.now() >= began[0] + waiting[0][0]:
            await waiting.pop(0)[1]()

    recovery.clock.sleep = sleeps  # type: ignore[method-assign]


def hears(recovery: Recovery, *, ago: float = 0, window: float = 120, **values: Any) -> Callable[[], Awaitable[Any]]:
    """Return what delivers an alert that began so many seconds before, by a window that ended then."""

    async def deliver() -> None:
        now = moment(recovery.clock.now() - ago)
        told: dict[str, Any] = {
            "target": TARGET, "alert_id": "alert-1", "rule": "response_time", "state": "raised", "value": 30,
            "comparison": ">", "threshold": 2, "unit": "s", "samples": 100, "began_at": now,
            "window_from": moment(now.timestamp() - window), "window_until": now, "attribution": "new-version",
            "deployment_id": recovery.ecs.history[-1]["id"], "detail": "response_time: 30 s, limit > 2 s", "doubt": "",
        }  # fmt: skip
        alert = CriticalAlert.model_validate(told | values)
        await recovery.send(alert, f"{alert.alert_id}:{alert.state}")

    return deliver


async def run_migrates(recovery: Recovery, *overridden: str, **policy: Any) -> StepFinished:
    await recovery.arm(minutes=120)
    command = Migrate(
        target=TARGET,
        run_id="run-1",
        migration=MigrationAsked(timeout_minutes=30, compatible=True),
        images={"backend": OTHER},
        overrides=tuple(Override(gate=gate, reason="known") for gate in overridden),
        policy=RecoveryPolicy(recovery=RecoverySection(**policy)),
    )
    await recovery.send(command, "migrate")
    await recovery.work(only="migrate")
    answer = recovery.answer("migrate")
    assert answer is not None
    return answer


async def shown(recovery: Recovery, web: httpx2.AsyncClient) -> dict[str, Any]:
    answer: dict[str, Any] = (await web.get(f"/migrations/{HERE}")).json()
    found: dict[str, Any] = answer["migration"]
    return found


async def test_an_alert_since_the_task_runs_is_told_while_it_goes_on_with_what_helps(
    recovery: Recovery, web: httpx2.AsyncClient
) -> None:
    seen: list[dict[str, Any]] = []

    async def look() -> None:
        seen.append(await shown(recovery, web))

    recovery.one_off.seconds = 300
    meanwhile(recovery, (60, hears(recovery)), (90, look), (120, hears(recovery, state="resolved")), (150, look))
    await web.post(f"/migrate/{HERE}", json={})
    await recovery.work(only="migrate")
    fires, over = seen
    evidence = "response_time fires since 14:31 UTC (response_time: 30 s, limit > 2 s)"
    assert fires["sentence"] == f"{LIKELY}{evidence}. {LOCK_TIMEOUT}"
    assert fires["alerts"] == [evidence]
    assert over["sentence"].startswith("The migration is likely to have held locks: since its task began, ")
    assert over["alerts"] == ["response_time fired from 14:31 UTC to 14:32 UTC (response_time: 30 s, limit > 2 s)"]
    [finished] = recovery.published(MigrationFinished)
    assert (finished.result, finished.against, recovery.one_off.stopped) == ("succeeded", "", [])
    assert "is likely to have held locks" in finished.sentence


async def test_what_the_monitor_sees_of_its_database_is_part_of_the_evidence(
    recovery: Recovery, web: httpx2.AsyncClient
) -> None:
    fault = DependencyFault(name="court-cases", detail="court-cases has 480 connections.")
    recovery.one_off.seconds = 300
    meanwhile(recovery, (60, hears(recovery, dependency_fault=fault, dependency=fault.detail)))
    await web.post(f"/migrate/{HERE}", json={})
    await recovery.work(only="migrate")
    [finished] = recovery.published(MigrationFinished)
    assert "Of its database: court-cases has 480 connections." in finished.sentence


@pytest.mark.parametrize(
    "late",
    [
        pytest.param({"ago": 120}, id="began before the task and is heard late"),
        pytest.param({"ago": 0, "window_until": START}, id="all its minutes lie before"),
    ],
)
async def test_an_alert_that_is_older_than_the_task_says_nothing_of_it(
    recovery: Recovery, late: dict[str, Any]
) -> None:
    recovery.one_off.seconds = 300
    meanwhile(recovery, (60, hears(recovery, **late)))
    answer = await run_migrates(recovery, migration_on_alert="stop")
    assert (answer.verdict, recovery.one_off.stopped) == (Verdict.PASS, [])
    assert "locks" not in answer.summary


async def test_an_alert_that_is_raised_after_its_own_end_is_not_heard(recovery: Recovery) -> None:
    recovery.one_off.seconds = 300
    meanwhile(recovery, (60, hears(recovery, state="resolved")), (70, hears(recovery)))
    answer = await run_migrates(recovery, migration_on_alert="stop")
    assert (answer.verdict, recovery.one_off.stopped) == (Verdict.PASS, [])


async def test_a_run_waits_for_the_alerts_end_and_then_goes_on(recovery: Recovery) -> None:
    recovery.one_off.seconds = 90
    meanwhile(recovery, (60, hears(recovery)), (400, hears(recovery, state="resolved")))
    answer = await run_migrates(recovery)
    [(_, _, began)] = recovery.one_off.started.values()
    assert (answer.verdict, recovery.clock.now() >= began + 400) == (Verdict.PASS, True)
    changed = await recovery.change(image=OTHER)
    assert changed is not None
    assert changed.verdict is Verdict.PASS


async def test_a_run_does_not_go_on_while_the_alert_stands(recovery: Recovery) -> None:
    recovery.one_off.seconds = 90
    meanwhile(recovery, (60, hears(recovery)))
    answer = await run_migrates(recovery)
    [(_, _, began)] = recovery.one_off.started.values()
    assert began + 90 + ALERT_SECONDS <= recovery.clock.now() <= began + 100 + ALERT_SECONDS + 5
    assert (answer.verdict, answer.cause) == (Verdict.FAIL, Cause.GATE)
    assert [gate.name for gate in answer.gates] == ["migration_alerts_over"]
    assert LIKELY in answer.summary
    assert answer.summary.endswith("Nothing is deployed while an alert stands that began meanwhile (response_time).")
    assert recovery.protection.schema_changed is None, "it was called compatible, and one can go back over it"


async def test_an_override_lets_the_run_go_on(recovery: Recovery) -> None:
    recovery.one_off.seconds = 90
    meanwhile(recovery, (60, hears(recovery)))
    answer = await run_migrates(recovery, "migration_alerts_over")
    [(_, _, began)] = recovery.one_off.started.values()
    assert (answer.verdict, recovery.clock.now() < began + 120) == (Verdict.PASS, True)
    assert answer.summary.endswith("It counts by the override migration_alerts_over.")


async def test_a_run_does_not_wait_longer_than_its_migration_may_take(recovery: Recovery) -> None:
    recovery.one_off.seconds = 28 * 60
    meanwhile(recovery, (27 * 60, hears(recovery)))
    answer = await run_migrates(recovery)
    [(_, _, began)] = recovery.one_off.started.values()
    assert ([gate.name for gate in answer.gates], recovery.clock.now() < began + 31 * 60) == (
        ["migration_alerts_over"],
        True,
    )


async def test_an_alert_in_an_armed_run_rolls_nothing_back_neither_then_nor_once_the_run_is_over(
    recovery: Recovery,
) -> None:
    await recovery.arm("run-0")
    await recovery.change("run-0", OTHER)
    recovery.clock.time += 300
    await recovery.snapshot("run-0", "after-change")
    await recovery.send(Disarm(target=TARGET, run_id="run-0"), "run-0:disarm")
    recovery.clock.time += 300
    recovery.one_off.seconds = 90
    meanwhile(recovery, (60, hears(recovery, window=20)))
    answer = await run_migrates(recovery)
    assert answer.verdict is Verdict.FAIL
    await recovery.send(Disarm(target=TARGET, run_id="run-1"), "run-1:disarm")
    for _ in range(10):
        recovery.clock.time += 60
        await recovery.fire()
        await recovery.work()
    assert recovery.published(RollbackStarted) == []
    assert {decided.reason for decided in recovery.decided} == {"armed", "under-way"}
    because = next(decided.sentence for decided in recovery.decided if decided.reason == "under-way")
    assert "was under way when the rule was broken: what waited for its locks is no version's doing" in because


async def test_by_policy_its_task_is_stopped_and_the_end_says_that_some_may_be_done(recovery: Recovery) -> None:
    recovery.one_off.seconds = 3600
    meanwhile(recovery, (60, hears(recovery)))
    answer = await run_migrates(recovery, migration_on_alert="stop")
    [(verb, reason)] = [changed for changed in recovery.ecs.changing if changed[0] == "stop"]
    assert (verb, reason) == ("stop", "Surefoot: critical alerts fire since it runs (response_time)")
    assert (answer.verdict, [gate.name for gate in answer.gates]) == (Verdict.FAIL, ["migration_done"])
    assert answer.summary.startswith(
        "Surefoot stopped it, since critical alerts fired that began after its task (exit code 143). Some of it may be "
        "done, and the schema may have changed;"
    )
    assert recovery.clock.now() < START.timestamp() + 180


@pytest.mark.parametrize("answers", [1, 1000])
async def test_where_aws_does_not_let_it_be_stopped_that_is_told_and_tried_again_while_the_alert_stands(
    recovery: Recovery, web: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch, answers: int
) -> None:
    stop, tried, seen = recovery.one_off.stop, [], []

    async def refused(*given: Any) -> None:
        tried.append(recovery.clock.now())
        if len(tried) <= answers:
            raise DENIED
        await stop(*given)

    async def look() -> None:
        seen.append((await shown(recovery, web))["sentence"])

    monkeypatch.setattr(recovery.one_off, "stop", refused)
    recovery.policies.reload(ServicePolicy(target=TARGET, recovery=RecoverySection(migration_on_alert="stop")))
    recovery.one_off.seconds = 300
    happen = [(60.0, hears(recovery)), (66.0, look), (120.0, hears(recovery, state="resolved"))]
    meanwhile(recovery, *happen)
    await web.post(f"/migrate/{HERE}", json={})
    await recovery.work(only="migrate")
    [finished] = recovery.published(MigrationFinished)
    assert seen[0].startswith("It was to be stopped for response_time, and cannot be: ECS refused StopTask: Access")
    if answers == 1:
        assert (finished.result, len(tried)) == ("failed", 2)
    else:
        assert finished.result == "succeeded", "it has ended by itself, as was seen"
        assert max(tried) < START.timestamp() + 130, "nobody stops it once the alert is over"


@pytest.mark.parametrize("death", range(1, 25))
async def test_whoever_dies_at_whatever_call_or_write_it_is_stopped_and_ended_once(
    recovery: Recovery, death: int
) -> None:
    recovery.one_off.seconds = 3600
    meanwhile(recovery, (60, hears(recovery)))
    await recovery.arm(minutes=120)
    command = Migrate(
        target=TARGET, run_id="run-1", migration=MigrationAsked(), images={"backend": OTHER},
        policy=RecoveryPolicy(recovery=RecoverySection(migration_on_alert="stop")),
    )  # fmt: skip
    await recovery.send(command, "migrate")
    deaths = Deaths()
    deaths.count(recovery.store, "apply")
    deaths.count(recovery.one_off, "run", "task", "stop", "find")
    deaths.at(death, after=True)
    await recovery.work(only="migrate")
    [finished] = recovery.published(MigrationFinished)
    assert (finished.result, len(recovery.one_off.started)) == ("failed", 1)
    assert len({*recovery.one_off.stopped}) == 1
    assert finished.sentence.startswith("Surefoot stopped it, since critical alerts fired")
