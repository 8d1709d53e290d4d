"""Alarms and dashboard follow the policy in force, bit by bit as AWS lets them; no look and no alert waits for it."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import pytest

from contracts.base import Target
from contracts.cloudwatch_names import FORM
from contracts.monitor import CriticalAlert, SetUpMonitoring, WatchClosely
from contracts.policy import Monitoring, ServicePolicy
from contracts.policy_parts import MonitoringPolicy
from contracts.policy_rules import BUILT_IN_RULES
from services._aws.errors import AwsError
from services._chassis.clock import moment
from services._chassis.commands import becomes_job
from services._chassis.transition import Transition, decided
from services.monitor.decisions import SHOW, show_id
from services.monitor.domain.routes import Sharing
from services.monitor.domain.rules import Rule
from services.monitor.domain.showing import FIRST_PAUSE, LONGEST_PAUSE, TURN_SECONDS, Showing, turn_after
from services.monitor.domain.watch import Watch, watch_key
from services.monitor.domain.watched_service import CountedGroup, WatchedService
from services.monitor.handlers import SHOW_LOST
from services.monitor.jobs.set_up import SET_UP
from services.monitor.jobs.show import ShowJob
from services.monitor.jobs.watch_closely import WATCH
from tests.services.monitor.harness import BALANCED, BY_NAME, START, TARGET, FakeAlarms, World

MINUTE = 60.0
ADMIN = CountedGroup(load_balancer="app/front/1", target_group="targetgroup/admin/3")
HOUR = 3600.0
THROTTLED = "CloudWatch refused PutMetricAlarm: Throttling"
LONGER = tuple(rule.model_copy(update={"minutes": rule.minutes + 1}) for rule in BUILT_IN_RULES)


@dataclass
class Throttled(FakeAlarms):
    """Takes so many alarms, and refuses each after them."""

    left: int = 0
    asked: list[str] = field(default_factory=list)
    after: int = 0
    then: Callable[[], Awaitable[None]] | None = None
    """Happens once ``after`` alarms are written."""

    def __post_init__(self) -> None:
        super().__init__()

    async def put(self, target: Target, service: WatchedService, rule: Rule, monitoring: Monitoring) -> tuple[str, ...]:
        self.asked.append(rule.name)
        if self.left == 0:
            raise AwsError(THROTTLED, code="Throttling", temporary=True)
        self.left -= 1
        names = await super().put(target, service, rule, monitoring)
        if self.then is not None and len(self.put_names) == self.after:
            then, self.then = self.then, None
            await then()
        return names


@dataclass
class Never:
    """A job that does not end: its executor is gone."""

    calls: int = 0

    async def __call__(self, _: object) -> Transition:
        self.calls += 1
        return decided()


@pytest.fixture
def alarms() -> Throttled:
    return Throttled(left=len(BUILT_IN_RULES))


@pytest.fixture
async def world(alarms: Throttled) -> World:
    """A service that is watched, and whose policy has another window for each rule by now."""
    world = World(alarms=alarms)
    await world.send(becomes_job(SET_UP), SetUpMonitoring(target=TARGET, run_id="run-0"), "set-up")
    await world.until(0)
    alarms.put_names, alarms.asked = [], []
    world.policies.reload(ServicePolicy(target=TARGET, rules=LONGER))
    return world


async def watch(world: World) -> Watch:
    return Watch.from_bytes(await world.load(watch_key(TARGET)), target=TARGET)


async def test_what_is_written_is_kept_when_aws_stops_it_and_the_next_try_goes_on_from_there(
    world: World, alarms: Throttled
) -> None:
    alarms.left = 3
    await world.until(MINUTE)
    assert len(alarms.put_names) == 3
    alarms.left = 4
    await world.until(MINUTE + FIRST_PAUSE)
    assert len(alarms.put_names) == 7
    alarms.left = 8
    await world.until(2 * MINUTE + 2 * FIRST_PAUSE)
    assert alarms.put_names == [f"surefoot-Main/api-{rule.name}" for rule in LONGER], "each once"
    assert world.dashboards.puts == [TARGET, TARGET], "it was set up, and written anew once"
    assert (await watch(world)).showing is None
    assert show_id(TARGET) not in world.timers


async def test_no_alert_is_later_because_alarms_cannot_be_written(world: World) -> None:
    world.metrics.change(response_time=9.0)
    await world.until(4 * MINUTE)
    (raised,) = (alert for alert in world.published if isinstance(alert, CriticalAlert))
    assert raised.began_at.timestamp() == START + 3 * MINUTE, "its window is three minutes now"
    assert world.metrics.looks[-4:] == [START + minute * MINUTE for minute in (1, 2, 3, 4)]


async def test_a_look_writes_nothing_itself(world: World, alarms: Throttled) -> None:
    world.clock.time += MINUTE
    await world.apply(await world.handlers.look(world.timers.pop(f"collect:{TARGET}")), cause="")
    await world.do_jobs()
    assert (alarms.asked, world.dashboards.puts) == ([], [TARGET])
    assert world.timers[show_id(TARGET)].due == world.clock.time


async def test_it_backs_off_while_it_is_throttled(world: World, alarms: Throttled) -> None:
    await world.until(4 * HOUR)
    assert 4 * HOUR / LONGEST_PAUSE < len(alarms.asked) < 4 * HOUR / LONGEST_PAUSE + 6
    assert set(alarms.asked) == {LONGER[0].name}


@pytest.mark.parametrize(("stopped", "pause"), [(1, 30), (2, 60), (5, 480), (6, 900), (5000, 900)])
def test_pauses_double_up_to_the_longest(stopped: int, pause: float) -> None:
    policy = ServicePolicy(target=TARGET).part(MonitoringPolicy)
    assert Showing(policy=policy, stopped=stopped).pause == pause


async def test_one_job_at_a_time_writes_for_a_target(world: World) -> None:
    """Looks go on while the job waits for a free place."""
    never = world.work[SHOW] = Never()
    await world.until(SHOW_LOST)
    assert len(world.metrics.looks) > SHOW_LOST / MINUTE
    assert never.calls == 1
    await world.until(SHOW_LOST + MINUTE)
    assert never.calls == 2, "a job that never ended is begun anew"


async def test_one_target_is_written_at_a_time(world: World, alarms: Throttled) -> None:
    alarms.left = 100
    job = world.work[SHOW]
    assert isinstance(job, ShowJob)
    async with job.turn:
        await world.until(MINUTE)
    assert alarms.asked == []
    assert world.timers[show_id(TARGET)].due == START + MINUTE + turn_after(TARGET)
    await world.until(MINUTE + turn_after(TARGET))
    assert len(alarms.put_names) == len(LONGER)


def test_targets_ask_for_their_turns_at_different_moments() -> None:
    turns = {turn_after(TARGET.model_copy(update={"service": f"service-{number}"})) for number in range(500)}
    assert len(turns) > 300
    assert TURN_SECONDS / 2 <= min(turns) < max(turns) <= TURN_SECONDS * 1.5


async def test_a_run_that_begins_meanwhile_finds_alarms_that_stay_as_they_are(world: World, alarms: Throttled) -> None:
    alarms.left = 100
    alarms.after = 3

    async def begin() -> None:
        until = moment(world.clock.time + 10 * MINUTE)
        command = WatchClosely(target=TARGET, run_id="run-1", until=until)
        await world.send(becomes_job(WATCH), command, "watch")

    alarms.then = begin
    await world.until(5 * MINUTE)
    assert len(alarms.put_names) == 3
    await world.until(15 * MINUTE)
    assert {name: rule.minutes for name, (rule, _) in alarms.made.items()} == {
        f"surefoot-Main/api-{rule.name}": rule.minutes for rule in LONGER
    }
    assert (await watch(world)).showing is None


async def test_a_policy_that_changes_again_is_written_from_its_beginning(world: World, alarms: Throttled) -> None:
    alarms.left = 3
    await world.until(MINUTE)
    world.policies.reload(ServicePolicy(target=TARGET))
    alarms.left = 100
    await world.until(2 * MINUTE)
    assert [rule.minutes for rule, _ in alarms.made.values()] == [rule.minutes for rule in BUILT_IN_RULES]


async def test_a_service_that_the_policy_refuses_by_then_is_left_alone(world: World, alarms: Throttled) -> None:
    alarms.left = 3
    await world.until(MINUTE)
    world.policies.refused = frozenset({TARGET})
    alarms.left = 100
    await world.until(HOUR)
    assert len(alarms.put_names) == 3
    world.policies.refused = frozenset()
    await world.until(2 * HOUR)
    assert len(alarms.put_names) >= len(LONGER)
    assert (await watch(world)).showing is None


async def test_alarms_by_names_of_the_previous_version_are_written_anew_though_the_policy_is_the_same(
    world: World, alarms: Throttled
) -> None:
    world.policies.reload(ServicePolicy(target=TARGET))
    alarms.left = len(BUILT_IN_RULES)
    before = await watch(world)
    await world.keep(watch_key(TARGET), before.replace(shown_form=0).to_bytes())
    await world.until(MINUTE)
    assert alarms.put_names == [f"surefoot-Main/api-{rule.name}" for rule in BUILT_IN_RULES]
    assert (await watch(world)).shown_form == FORM
    await world.until(3 * MINUTE)
    assert len(alarms.put_names) == len(BUILT_IN_RULES), "once"


async def test_a_state_of_the_previous_version_is_written_anew_where_there_are_several_groups_and_only_there(
    world: World, alarms: Throttled
) -> None:
    world.policies.reload(ServicePolicy(target=TARGET))
    before = await watch(world)
    await world.keep(watch_key(TARGET), before.replace(shown_groups=None).to_bytes())
    await world.until(3 * MINUTE)
    assert alarms.put_names == [], "it showed the one group that there is"
    alarms.left = len(BUILT_IN_RULES)
    world.services.found = BALANCED.model_copy(update={"others": (ADMIN,)})
    await world.until(5 * MINUTE)
    assert alarms.put_names == [f"surefoot-Main/api-{rule.name}" for rule in BUILT_IN_RULES]
    assert (await watch(world)).shown_groups == (*BALANCED.groups, ADMIN)
    await world.until(9 * MINUTE)
    assert len(alarms.put_names) == len(BUILT_IN_RULES), "once"


async def test_alarms_follow_a_service_that_moves_to_another_group(world: World, alarms: Throttled) -> None:
    """As a service does whose two groups take turns, after a deployment that others have made."""
    world.policies.reload(ServicePolicy(target=TARGET))
    alarms.left = len(BUILT_IN_RULES)
    world.services.found = BALANCED.model_copy(update={"target_group": "targetgroup/green/9"})
    await world.until(3 * MINUTE)
    assert len(alarms.put_names) == len(BUILT_IN_RULES)
    (shown,) = (await watch(world)).shown_groups or ()
    assert shown.target_group == "targetgroup/green/9"


async def test_alarms_follow_when_others_come_behind_the_load_balancer(world: World, alarms: Throttled) -> None:
    world.policies.reload(ServicePolicy(target=TARGET))
    alarms.left = len(BUILT_IN_RULES)
    neighbour = {"app/front/1": Sharing(why="it sends requests to other as well")}
    world.services.found = BALANCED.model_copy(update={"shared": neighbour})
    await world.until(3 * MINUTE)
    assert len(alarms.put_names) == len(BUILT_IN_RULES)
    (shown,) = (await watch(world)).shown_groups or ()
    assert shown.shared
    await world.until(9 * MINUTE)
    assert len(alarms.put_names) == len(BUILT_IN_RULES), "once"


async def test_groups_that_change_while_they_are_written_are_written_from_the_beginning(
    world: World, alarms: Throttled
) -> None:
    alarms.left = 3
    await world.until(MINUTE)
    world.services.found = BALANCED.model_copy(update={"others": (ADMIN,)})
    alarms.left = 100
    alarms.put_names = []
    await world.until(3 * MINUTE)
    assert alarms.put_names == [f"surefoot-Main/api-{rule.name}" for rule in LONGER]
    assert world.dashboards.puts == [TARGET, TARGET]


def test_what_the_previous_version_has_written_of_a_policy_is_read() -> None:
    policy = ServicePolicy(target=TARGET).part(MonitoringPolicy)
    before = Showing(policy=policy).model_dump(mode="json") | {
        "alarms": {"cpu": "surefoot-Main/api-cpu", "error_rate": None}
    }
    assert Showing.model_validate(before).names == {"surefoot-Main/api-cpu"}
    assert not {"cpu", "error_rate"} & {rule.name for rule in Showing.model_validate(before).left}


def test_a_rule_with_several_alarms_keeps_them_all() -> None:
    policy = ServicePolicy(target=TARGET).part(MonitoringPolicy)
    names = ("surefoot-Main/api-error_rate", "surefoot-Main/api-error_rate/2")
    showing = Showing(policy=policy).with_alarms(BY_NAME["error_rate"], names)
    assert Showing.model_validate_json(showing.model_dump_json()).names == {*names}
