"""What the monitor says against going back outside a run, although a rule is attributed to the newest version."""

from typing import Any

import pytest

from contracts.monitor import CriticalAlert, DependencyFault
from contracts.policy import Monitoring, Recovery, ServicePolicy
from contracts.policy_parts import MonitoringPolicy
from contracts.policy_rules import RulePolicy
from services._aws.errors import AwsError
from services.monitor.decisions import look_at
from services.monitor.domain.doubt import DAY, after_trouble
from services.monitor.domain.metrics import MINUTE, StoppedTask, with_stopped
from services.monitor.domain.rollout import Rollout
from services.monitor.domain.rules import evaluate
from services.monitor.domain.service_alarms import ServiceAlarm
from services.monitor.domain.trouble import Troubles
from services.monitor.domain.watch import Watch, watch_key
from services.monitor.domain.watched_service import CountedGroup, WatchedService
from tests.services.monitor.harness import ALONE, BALANCED, BY_NAME, GOOD_MINUTE, START, TARGET, World, readings

BEGAN = START - 30 * MINUTE
ROLLOUT = Rollout(id="ecs-svc/2", began_at=BEGAN, task_definition="a:2", running=1)
SECOND = CountedGroup(load_balancer="app/inside/3", target_group="targetgroup/inside/4")
BURNING = RulePolicy(name="burning", metric="cpu", comparison=">", threshold=61, minutes=2, severity="critical")
KINDS: dict[str, tuple[WatchedService, str, dict[str, float]]] = {
    "errors": (BALANCED, "error_rate", {"target_5xx": 60.0}),
    "slowness": (BALANCED, "response_time", {"response_time": 9.0}),
    "errors through two target groups": (
        BALANCED.model_copy(update={"others": (SECOND,)}),
        "error_rate",
        {"target_5xx": 60.0},
    ),
    "no healthy task": (BALANCED, "service_unavailable", {"healthy": 0.0}),
    "a worker's tasks": (ALONE, "service_unavailable", {"running": 0.0}),
    "a busy processor": (BALANCED, "burning", {"cpu": 90.0}),
}
"""Service, rule, and what a minute has that breaks it."""


class Young:
    """A world half an hour after a deployment, in which a rule is going to be broken."""

    def __init__(self, kind: str) -> None:
        self.world = World()
        self.service, self.rule, self.bad = KINDS[kind]
        self.minutes = self.world.metrics.past
        self.troubles = Troubles()

    def lasts(self, since: float, minutes: int, **values: float) -> None:
        """Let so many minutes since a moment be as all are, but for these values."""
        for minute in range(minutes):
            self.minutes[since + minute * MINUTE] = {**GOOD_MINUTE, **values}

    async def doubt(self, *alarms: ServiceAlarm, after: dict[str, float] | None = None) -> str:
        """Return the doubt of the alert that is raised once the rule is broken; ``after``: what those minutes have."""
        world = self.world
        counts = {"requests", "response_time", "healthy"} if not self.service.balanced else set()
        world.metrics.minute = {name: value for name, value in GOOD_MINUTE.items() if name not in counts}
        policy = ServicePolicy(
            target=TARGET,
            monitoring=Monitoring(
                alarms=tuple(alarm.name for alarm in alarms), database="orders" if self.troubles.known else None
            ),
            recovery=Recovery(rollback_window=60),
            **({"rules": (BURNING,)} if self.rule == "burning" else {}),
        )
        world.policies.reload(policy)
        world.services.found = self.service.model_copy(
            update={"rollout": ROLLOUT, "running": 2, "created_at": START - 30 * DAY}
        )
        world.alarms.of_service = alarms
        for minute in range(11, 125):
            self.minutes.setdefault(START - minute * MINUTE, dict(world.metrics.minute))
        state = Watch(
            target=TARGET, set_up=True, shown=policy.part(MonitoringPolicy), shown_form=10**6, troubles=self.troubles
        )
        await world.keep(watch_key(TARGET), state.to_bytes())
        timer = look_at(TARGET, START)
        world.timers[timer.id] = timer
        world.metrics.change(**{**self.bad, **(after or {})})
        for minute in range(2, 9):
            await world.until(minute * MINUTE)
            for event in world.published:
                if isinstance(event, CriticalAlert) and event.rule == self.rule:
                    assert event.attribution == "new-version"
                    assert event.doubt is not None
                    return event.doubt
        raise AssertionError("no alert was raised")


@pytest.fixture(params=KINDS)
def young(request: pytest.FixtureRequest) -> Young:
    return Young(request.param)


async def test_a_version_that_turns_bad_by_itself_is_not_doubted(young: Young) -> None:
    assert await young.doubt() == ""


async def test_nor_is_it_where_earlier_days_were_good() -> None:
    young = Young("errors")
    for days in (1, 7):
        young.lasts(START - days * DAY - 30 * MINUTE, 60)
    assert await young.doubt() == ""


# the time of the day


@pytest.mark.parametrize(("days", "minutes"), [(1, -25), (1, 15), (7, 0)])
async def test_what_happens_each_day_or_week_is_not_the_versions(young: Young, days: int, minutes: int) -> None:
    """A backup, a nightly job, the morning's users."""
    young.lasts(START - days * DAY + minutes * MINUTE, 5, **young.bad)
    assert (
        await young.doubt()
        == f"{young.rule} was broken at this time of an earlier day, too, before this version was there"
    )


async def test_what_happened_at_another_time_is_something_else() -> None:
    young = Young("errors")
    young.lasts(START - DAY - 180 * MINUTE, 5, **young.bad)
    assert await young.doubt() == ""


async def test_what_cannot_be_read_of_earlier_days_is_a_doubt() -> None:
    young = Young("errors")
    read = young.world.metrics.read

    async def refuses(*asked: Any) -> Any:
        if asked[4] < START - DAY / 2:
            raise AwsError("CloudWatch throttled GetMetricData", temporary=True)
        return await read(*asked)

    young.world.metrics.read = refuses  # type: ignore[assignment]
    assert "at this time on earlier days could not be read" in await young.doubt()


# more to do


@pytest.mark.parametrize("kind", ["errors", "slowness", "a busy processor", "errors through two target groups"])
async def test_who_has_more_to_do_than_was_seen_before_is_doubted(kind: str) -> None:
    """The day's traffic, a campaign."""
    busy = {name: value * 4 for name, value in Young(kind).bad.items()} if "errors" in kind else {}
    found = await Young(kind).doubt(after={"requests": 400.0, **busy})
    assert "requests a minute for each task came, and the version before was seen to cope with 50" in found


async def test_a_little_more_is_no_doubt() -> None:
    assert await Young("slowness").doubt(after={"requests": 115.0}) == ""


async def test_who_has_coped_with_as_much_yesterday_is_not_doubted_for_it() -> None:
    young = Young("slowness")
    young.lasts(START - DAY - 20 * MINUTE, 40, requests=400.0)
    assert await young.doubt(after={"requests": 400.0}) == ""


async def test_fewer_tasks_have_more_to_do_each() -> None:
    """An autoscaler, or a person, wants fewer."""
    young = Young("slowness")
    young.service = BALANCED.model_copy(update={"wanted": 1})
    assert "100 requests a minute for each task came" in await young.doubt(after={"healthy": 1.0})


async def test_what_is_left_of_a_version_whose_tasks_end_is_not_busier_for_another_reason() -> None:
    """Whether they have ended by themselves is seen by recovery."""
    assert await Young("errors").doubt(after={"healthy": 1.0}) == ""


async def test_tasks_that_a_peak_has_ended_have_no_requests_any_more() -> None:
    young = Young("no healthy task")
    young.lasts(START - 8 * MINUTE, 7, requests=400.0)
    young.world.metrics.change()
    assert "400 requests a minute came" in await young.doubt(after={"requests": 0.0})


async def test_a_worker_whose_load_nobody_counts_is_doubted() -> None:
    young = Young("a busy processor")
    young.service = ALONE
    assert await young.doubt() == "nothing tells whether it has had more to do than the version before"


# trouble before the deployment


@pytest.mark.parametrize(
    ("rule", "before"),
    [
        ("response_time_warning", {"response_time": 2.6}),
        ("error_rate_warning", {"target_5xx": 7.0}),
        ("cpu", {"cpu": 85.0}),
    ],
)
async def test_a_deployment_that_follows_a_warning_may_be_its_remedy(rule: str, before: dict[str, float]) -> None:
    young = Young("no healthy task")
    young.lasts(BEGAN - 50 * MINUTE, 8, **before)
    assert rule in await young.doubt()


async def test_a_warning_of_two_hours_ago_is_over() -> None:
    young = Young("no healthy task")
    young.lasts(BEGAN - 85 * MINUTE, 8, response_time=2.6)
    assert await young.doubt() == ""


@pytest.mark.parametrize(
    "alarm",
    [
        ServiceAlarm(name="slow", state="OK", since=BEGAN + 300, fired=(BEGAN - 3000,)),
        ServiceAlarm(name="slow", state="ALARM", since=BEGAN - 9 * 3600),
        ServiceAlarm(name="slow", state="ALARM", since=BEGAN + 1200, fired=(BEGAN - 3 * 3600,)),
    ],
    ids=["ended by the deployment", "still fires", "fires again"],
)
async def test_an_alarm_of_the_teams_own_tells_of_the_version_before(alarm: ServiceAlarm) -> None:
    young = Young("a worker's tasks")
    assert "the alarm slow fired at" in await young.doubt(alarm)


@pytest.mark.parametrize(
    "alarm",
    [
        ServiceAlarm(name="slow", state="OK", since=BEGAN - 86_400),
        ServiceAlarm(name="slow", state="OK", since=BEGAN + 1500, fired=(BEGAN + 1200, BEGAN - 6 * 3600)),
    ],
    ids=["quiet", "fired after it, and long before"],
)
async def test_other_alarms_raise_no_doubt(alarm: ServiceAlarm) -> None:
    young = Young("slowness")
    assert await young.doubt(alarm) == ""


async def test_alarms_that_cannot_be_read_may_have_fired() -> None:
    young = Young("errors")
    young.world.alarms.failure = AwsError("CloudWatch denied DescribeAlarms", temporary=False)
    assert "could not be read" in await young.doubt(ServiceAlarm(name="slow", state="OK"))


# a database that was away


@pytest.mark.parametrize(("minutes", "doubted"), [(3, True), (25, True), (40, False)])
def test_a_database_that_was_in_trouble_not_long_before_is_a_doubt(minutes: int, doubted: bool) -> None:
    """It has failed over, and pools still have connections to what was the writer before."""
    fault = DependencyFault(name="orders", detail="the database orders fails over.")
    troubles = Troubles().following(None, START).following(fault, START + 60).following(None, START + 120)
    found = after_trouble(troubles, START + 120 + minutes * MINUTE)
    assert found == ("the database was in trouble not long before (the database orders fails over)" if doubted else "")


async def test_an_alert_after_a_trouble_of_the_database_is_doubted() -> None:
    young = Young("errors")
    fault = DependencyFault(name="orders", detail="the database orders fails over.")
    young.troubles = Troubles().following(None, START - 900).following(fault, START - 800).following(None, START - 700)
    assert "the database orders fails over" in await young.doubt()


# a person who stops tasks


@pytest.mark.parametrize("of", [BALANCED, ALONE], ids=["behind a load balancer", "worker"])
def test_tasks_that_somebody_stops_are_a_start_and_no_outage(of: WatchedService) -> None:
    down = {**GOOD_MINUTE, "healthy": 0.0, "running": 0.0}
    found = readings(*[GOOD_MINUTE] * 10, *[down] * 3, of=of.model_copy(update={"rollout": ROLLOUT}))
    stopped = StoppedTask(deployment_id="ecs-svc/2", stopped_at=START + 10 * MINUTE, why="", taken_back=True)
    now, rule = START + 13 * MINUTE, BY_NAME["service_unavailable"]
    assert evaluate(rule, with_stopped(found, (stopped, stopped)), now).verdict == "no_data"
    assert evaluate(rule, found, now).verdict == "broken"
