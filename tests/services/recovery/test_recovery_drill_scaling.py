"""Drills of an emergency scaling: one more task, timed until it serves, and taken back at once."""

from typing import Any

import httpx2
import pytest

from contracts.drills import DrillFinished, DrillStarted
from contracts.scaling import ScalingFinished, ScalingStarted
from services.recovery.domain.rollback.observed import Targets
from services.recovery.domain.scaling.scale_plan import Autoscaler
from tests.services.recovery.deaths import die
from tests.services.recovery.harness import Recovery
from tests.services.recovery.test_recovery_drill import HERE, ask, recovery, scored

__all__ = ["recovery"]  # a fixture


async def rounds(recovery: Recovery, most: int = 60) -> None:
    """Let the jobs go on side by side; the process of the drill's dies whenever it would wait."""
    for _ in range(most):
        for held in [held for held in recovery.store.jobs.values() if held.state == "queued"]:
            recovery.clock.while_asleep = [die] if held.job.kind == "drill" else []
            await recovery.attempt(held)
            recovery.clock.while_asleep = []
        await recovery.fire()
        if recovery.protection.drill is None and recovery.protection.scaling is None:
            return


async def drilled(recovery: Recovery, web: httpx2.AsyncClient) -> dict[str, Any]:
    answer = await ask(web, plan="scaling")
    assert answer.status_code == 202, answer.text
    await rounds(recovery)
    operation: dict[str, Any] = (await web.get(f"http://here{answer.json()['url']}")).json()
    state = recovery.protection
    assert (state.drill, state.scaling) == (None, None)
    assert recovery.store.timers == {}
    return operation


async def test_one_more_task_is_wanted_until_it_serves_and_then_not_any_more(
    recovery: Recovery, web: httpx2.AsyncClient
) -> None:
    operation = await drilled(recovery, web)
    assert (operation["result"], operation["rpo_seconds"]) == ("measured", 0)
    assert 0 <= operation["rto_seconds"] <= 60
    assert [what for verb, what in recovery.ecs.changing if verb == "update"] == [
        {"desiredCount": 4}, {"desiredCount": 3},
    ]  # fmt: skip
    [started], [raised] = recovery.published(DrillStarted), recovery.published(ScalingStarted)
    assert started.sentence.startswith("Wants 4 tasks in place of 3, measures until they serve")
    assert (raised.trigger.kind, "to time an emergency scaling" in raised.trigger.summary) == ("manual", True)
    [restored] = recovery.published(ScalingFinished)
    assert restored.result == "restored"
    assert len(recovery.published(DrillFinished)) == 1
    assert recovery.ecs.live.endswith("backend:1")


async def test_the_autoscalers_limits_come_back_too(recovery: Recovery, web: httpx2.AsyncClient) -> None:
    recovery.scaler.target = Autoscaler(low=2, high=6)
    assert (await drilled(recovery, web))["result"] == "measured"
    assert recovery.scaler.target == Autoscaler(low=2, high=6)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda it: it.ecs.settings.update({"schedulingStrategy": "DAEMON"}), "DAEMON"),
        (lambda it: setattr(it.scaler, "target", Autoscaler(2, 3)), "the maximum of the service's autoscaler"),
        (lambda it: setattr(it.scaler, "addresses", 0), "one more task"),
        (lambda it: it.ecs.deploy_elsewhere(it.ecs.live), "a deployment is under way"),
    ],
)
async def test_where_no_task_may_be_added_that_is_said(
    recovery: Recovery, web: httpx2.AsyncClient, change: Any, says: str
) -> None:
    if says == "one more task":
        recovery.ecs.settings["networkConfiguration"] = {"awsvpcConfiguration": {"subnets": ["subnet-1"]}}
        says = "the subnets have 0 free addresses"
    change(recovery)
    answer = await ask(web, plan="scaling")
    assert (answer.status_code, says in answer.text) == (409, True), answer.text
    assert (recovery.ecs.changing, recovery.protection.drill) == ([], None)


async def stands(recovery: Recovery, web: httpx2.AsyncClient) -> None:
    """Let the drill come to where its scaling is raised and its tasks do not serve yet."""

    async def three_serve(*_: Any) -> Targets:
        return Targets(healthy=3)

    recovery.ecs.targets = three_serve  # type: ignore[method-assign,assignment]
    assert (await ask(web, plan="scaling")).status_code == 202
    await rounds(recovery, 6)
    assert recovery.protection.drill is not None
    assert recovery.ecs.desired == 4


async def a_run(recovery: Recovery, web: httpx2.AsyncClient) -> None:
    await recovery.snapshot("run-9")


async def an_alert(recovery: Recovery, web: httpx2.AsyncClient) -> None:
    await recovery.send(recovery.alert(), "alert")


async def a_person(recovery: Recovery, web: httpx2.AsyncClient) -> None:
    assert (await web.post(f"/drill/{HERE}/end", json={"actor": "bob"})).status_code == 202


async def somebody_scales(recovery: Recovery, web: httpx2.AsyncClient) -> None:
    answer = await web.post(f"/emergency-scale/{HERE}", json={"target_count": 6})
    assert (answer.status_code, "is being ended" in answer.text) == (409, True), answer.text


async def a_score(recovery: Recovery, web: httpx2.AsyncClient) -> None:
    recovery.clock.time += 1
    await scored(recovery, 10)


async def too_long(recovery: Recovery, web: httpx2.AsyncClient) -> None:
    recovery.clock.time += 15 * 60 + 1
    await recovery.fire()


@pytest.mark.parametrize("happens", [a_run, an_alert, a_person, somebody_scales, a_score, too_long])
async def test_what_goes_first_ends_it_and_what_it_has_set_comes_back(
    recovery: Recovery, web: httpx2.AsyncClient, happens: Any
) -> None:
    await stands(recovery, web)
    await happens(recovery, web)
    assert recovery.protection.drill is None, "at once"
    scaling = recovery.protection.scaling
    assert scaling is None or scaling.phase == "restoring"
    await rounds(recovery)
    assert (recovery.ecs.desired, recovery.protection.scaling) == (3, None)
    [finished], [restored] = recovery.published(DrillFinished), recovery.published(ScalingFinished)
    assert finished.result == ("failed" if happens is too_long else "stopped")
    assert restored.result == "restored"


async def test_a_count_that_somebody_else_sets_ends_it_and_stays(recovery: Recovery, web: httpx2.AsyncClient) -> None:
    await stands(recovery, web)
    await a_person(recovery, web)
    recovery.ecs.desired = 9
    await rounds(recovery)
    assert recovery.ecs.desired == 9
