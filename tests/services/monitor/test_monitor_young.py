"""Watching outside runs: while a deployment is young, an alert may roll it back, and the evidence for that is read."""

from typing import Any

import pytest

from contracts.monitor import SERVICE_ALARMS, CriticalAlert
from contracts.policy import Monitoring, Recovery, ServicePolicy
from contracts.policy_parts import MonitoringPolicy
from services.monitor.decisions import look_at
from services.monitor.domain.metrics import MINUTE
from services.monitor.domain.rollout import Rollout
from services.monitor.domain.service_alarms import ServiceAlarm
from services.monitor.domain.watch import Watch, watch_key
from services.monitor.domain.watched_service import WatchedService
from tests.services.monitor.harness import BALANCED, START, TARGET, World

BEGAN = START - 30 * MINUTE
"""The newest deployment is half an hour old, which is longer than a look reads back by itself."""


def deployed(began_at: float = BEGAN, **values: Any) -> WatchedService:
    rollout = Rollout(id="ecs-svc/2", began_at=began_at, task_definition="a:2", running=1, **values)
    return BALANCED.model_copy(update={"rollout": rollout})


async def watched(*, window: float = 60, **monitoring: Any) -> World:
    """Return a world in which the service is set up, and nobody deploys it."""
    world = World()
    policy = ServicePolicy(
        target=TARGET, monitoring=Monitoring(**monitoring), recovery=Recovery(rollback_window=window)
    )
    world.policies.reload(policy)
    world.services.found = deployed()
    for minutes in range(11, 61):  # as far as CloudWatch goes back here
        world.metrics.past[START - minutes * MINUTE] = dict(world.metrics.minute)
    state = Watch(target=TARGET, set_up=True, shown=policy.part(MonitoringPolicy), shown_form=10**6)
    await world.keep(watch_key(TARGET), state.to_bytes())
    timer = look_at(TARGET, START)
    world.timers[timer.id] = timer
    return world


def raised(world: World) -> list[CriticalAlert]:
    return [event for event in world.published if isinstance(event, CriticalAlert) and event.state == "raised"]


@pytest.mark.parametrize(("window", "attribution"), [(60, "new-version"), (0, None), (20, None)])
async def test_what_was_before_a_young_deployment_is_read_to_attribute_what_it_breaks(
    window: float, attribution: str | None
) -> None:
    world = await watched(window=window)
    world.metrics.change(target_5xx=60.0)
    await world.until(6 * MINUTE)
    [alert] = [alert for alert in raised(world) if alert.rule == "error_rate"]
    assert (alert.attribution, alert.deployment_id) == (attribution, "ecs-svc/2")


@pytest.mark.parametrize(("window", "rules"), [(60, [SERVICE_ALARMS]), (0, [])])
async def test_the_alarms_of_the_service_count_while_its_deployment_is_young(window: float, rules: list[str]) -> None:
    world = await watched(window=window, alarms=("errors",))
    world.alarms.of_service = (
        ServiceAlarm(name="errors", state="ALARM", since=START + 60, breached_from=START, reason="20 > 5"),
    )
    await world.until(5 * MINUTE)
    assert [alert.rule for alert in raised(world)] == rules


async def test_they_are_over_once_it_is_young_no_more() -> None:
    world = await watched(window=35, alarms=("errors",))
    world.alarms.of_service = (
        ServiceAlarm(name="errors", state="ALARM", since=START + 60, breached_from=START, reason="20 > 5"),
    )
    await world.until(15 * MINUTE)
    assert world.alerts == [(SERVICE_ALARMS, "raised"), (SERVICE_ALARMS, "resolved")]


@pytest.mark.parametrize(("window", "asks"), [(60, True), (0, False)])
async def test_the_database_is_asked_before_any_rule_is_broken(window: float, asks: bool) -> None:
    """Its metrics come later than its troubles, which are then remembered."""
    world = await watched(window=window, database="main")
    await world.until(2 * MINUTE)
    assert bool(world.databases.asked) is asks
    assert raised(world) == []
