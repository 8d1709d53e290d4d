"""Others behind the same load balancer: who they are is found out, and their errors are not the service's."""

from dataclasses import replace

import pytest

from contracts.base import Target
from contracts.monitor import SetUpMonitoring, WatchClosely
from services._aws.errors import AwsError
from services._chassis.clock import moment
from services._chassis.commands import becomes_job
from services.monitor.adapters.ecs import AwsEcs
from services.monitor.domain.alarms import Alarm
from services.monitor.domain.groups import of_every_group, together
from services.monitor.domain.metrics import MINUTE, Readings, Series, metrics_of
from services.monitor.domain.routes import ROUTES_HOLD, SHARED_HOLDS, Sharing
from services.monitor.domain.rules import evaluate
from services.monitor.domain.sharing import own
from services.monitor.domain.watched_service import CountedGroup, WatchedService
from services.monitor.jobs.set_up import SET_UP
from services.monitor.jobs.watch_closely import WATCH
from tests.kit import ScriptedAws
from tests.services.aws.test_aws_load_balancers import ALB, GROUP, OTHER, account, forward, listener, rule
from tests.services.monitor.harness import BALANCED, BY_NAME, GOOD_MINUTE, START, TARGET, World, minutes

NEIGHBOUR = Sharing(why="it sends requests to other as well", seen_at=START)
SHARED = BALANCED.model_copy(update={"shared": {"app/front/1": NEIGHBOUR}})
GOOD = {**GOOD_MINUTE, "target_2xx": 98.0, "target_4xx": 2.0}
MISSED = {**GOOD, "elb_5xx": 300.0}
"""A neighbour has no healthy target."""
DROPPED = {**MISSED, "target_2xx": 58.0}
DOWN = {name: value for name, value in MISSED.items() if name not in {"requests", "target_2xx", "target_4xx"}}
DOWN |= {"healthy": 0.0}


def seen(service: WatchedService, *values: dict[str, float]) -> Readings:
    return Readings(service, own(service, minutes(*[GOOD] * 20, *values)))


def verdict(found: Readings, rule_name: str = "error_rate") -> tuple[str, float | None]:
    newest = max(at for series in found.series.values() for at in series)
    state = evaluate(BY_NAME[rule_name], found, newest + 2 * MINUTE)
    return state.verdict, state.value


def test_the_answers_of_targets_are_read_where_others_use_the_load_balancer_and_nowhere_else() -> None:
    assert {metric.id for metric, _ in of_every_group(SHARED)} - {metric.id for metric in metrics_of(SHARED)} == {
        "target_2xx", "target_3xx", "target_4xx",
    }  # fmt: skip
    inside = CountedGroup(load_balancer="app/inside/1", target_group="targetgroup/inside/2")
    both = SHARED.model_copy(update={"others": (inside,)})
    assert not any(metric.id in {"target_2xx_1", "target_4xx_1"} for metric, _ in of_every_group(both))
    assert [group.shared for group in both.groups] == [True, False]


def test_a_neighbour_s_errors_break_no_rule_and_those_of_a_load_balancer_of_its_own_do() -> None:
    assert verdict(seen(SHARED, *[MISSED] * 5)) == ("ok", 0.0)
    assert verdict(seen(BALANCED, *[MISSED] * 5)) == ("broken", 75.0)


def test_what_no_target_answered_breaks_the_rule_and_each_request_counts_once() -> None:
    found = seen(SHARED, *[DROPPED] * 5)
    assert verdict(found) == ("broken", 40.0)
    assert set(found.requests.values()) == {100.0}
    assert not found.series.keys() & {"target_2xx", "target_3xx", "target_4xx"}


def test_without_a_healthy_target_the_load_balancer_s_errors_are_ours_unless_no_task_is_wanted() -> None:
    assert verdict(seen(SHARED, *[DOWN] * 5))[0] == "broken"
    asleep = SHARED.model_copy(update={"wanted": 0})
    assert verdict(seen(asleep, *[DOWN] * 5))[0] != "broken"


def test_a_minute_whose_answers_are_not_there_yet_is_as_if_nothing_had_been_reported() -> None:
    late = {name: value for name, value in MISSED.items() if name != "target_2xx"}
    found = seen(SHARED, *[MISSED] * 5, late)
    assert found.reported_until == START + 25 * MINUTE
    assert verdict(found) == ("ok", 0.0)


def test_of_two_load_balancers_only_the_shared_one_has_errors_of_others() -> None:
    inside = CountedGroup(load_balancer="app/inside/1", target_group="targetgroup/inside/2")
    both = SHARED.model_copy(update={"others": (inside,)})
    series: dict[str, Series] = {**minutes(*[MISSED] * 20), "requests_1": {START: 50.0}, "elb_5xx_1": {START: 50.0}}
    found = together(both, own(both, series))
    assert found["elb_5xx"] == {START: 50.0}
    assert found["requests"][START] == 150.0


def test_who_was_behind_it_counts_for_as_long_as_a_look_may_read_those_minutes() -> None:
    alone = BALANCED.model_copy(update={"others": ()})
    known = SHARED.following(None, START)
    later = alone.following(known, START + 600)
    assert later.groups[0].shared, "its errors are still among the minutes that are read"
    assert later.shared["app/front/1"].seen_at == START
    assert not alone.following(later, START + SHARED_HOLDS).groups[0].shared
    again = alone.model_copy(update={"shared": {"app/front/1": NEIGHBOUR.model_copy(update={"seen_at": None})}})
    assert again.following(later, START + 900).shared["app/front/1"].seen_at == START + 900


def test_what_is_known_of_rules_holds_for_minutes() -> None:
    known = BALANCED.following(None, START)
    assert known.routes_at(START + ROUTES_HOLD - 1).routed_at == START
    assert known.routes_at(START + ROUTES_HOLD).routed_at is None
    assert BALANCED.routes_at(START).routed_at is None, "a state of the previous version does not say it"


HERE = Target(account="123456789012", region="us-west-2", cluster="Main", service="api")


def described(*, neighbour: bool) -> ScriptedAws:
    rules = {"l/80": [rule(OTHER, path="/other/*")]} if neighbour else {}
    aws = account({ALB: [listener("HTTP", 80, forward(GROUP))]}, rules)
    aws.answers["describe_services"] = {
        "services": [
            {
                "serviceName": "api",
                "status": "ACTIVE",
                "desiredCount": 2,
                "runningCount": 2,
                "loadBalancers": [{"targetGroupArn": GROUP}],
                "deployments": [],
            }
        ]
    }
    return aws


async def test_a_neighbour_that_moves_in_is_seen_when_the_rules_are_read_anew() -> None:
    aws = described(neighbour=False)
    known = (await AwsEcs(aws).watched(HERE, None)).following(None, START)
    assert known.shared == {}
    aws.answers |= described(neighbour=True).answers
    asked = len(aws.calls)
    kept = await AwsEcs(aws).watched(HERE, known)
    assert (kept.shared, kept.routed_at, len(aws.calls)) == ({}, START, asked + 1), "only ECS is asked"
    found = await AwsEcs(aws).watched(HERE, known.without_routes())
    assert found.shared["app/web/1"].why == "it sends requests to other as well"
    assert found.routed_at is None


@pytest.mark.parametrize("operation", ["describe_rules", "describe_target_groups"])
@pytest.mark.parametrize("neighbour", [True, False])
async def test_what_aws_does_not_tell_for_now_stays_as_it_was(operation: str, neighbour: bool) -> None:
    aws = described(neighbour=neighbour)
    known = (await AwsEcs(aws).watched(HERE, None)).following(None, START)
    aws.answers[operation] = AwsError("throttled", code="Throttling", temporary=True)
    found = await AwsEcs(aws).watched(HERE, known.without_routes())
    assert (found.groups, found.shared) == (known.groups, known.shared)


async def test_where_nobody_may_read_the_rules_the_load_balancer_counts_as_shared() -> None:
    aws = described(neighbour=False)
    for temporary in (True, False):
        aws.answers["describe_rules"] = AwsError("no", code="AccessDenied", temporary=temporary)
        found = await AwsEcs(aws).watched(HERE, None)
        assert "who else uses it is not known" in found.shared["app/web/1"].why
        assert found.groups[0].shared


async def test_an_alarm_over_a_whole_load_balancer_that_others_use_does_not_concern_the_service() -> None:
    of_balancer = Alarm("5xx", firing=True, armed=True, dimensions=frozenset({("LoadBalancer", "app/web/1")}))
    group = ("TargetGroup", "targetgroup/ours/1")
    of_group = Alarm("slow", firing=True, armed=True, dimensions=of_balancer.dimensions | {group})
    for neighbour, firing in ((True, {"slow"}), (False, {"slow", "5xx"})):
        scope = await AwsEcs(described(neighbour=neighbour)).alarm_scope(HERE)
        assert scope.firing((of_balancer, of_group)) == firing
        assert scope.with_named(frozenset({"5xx"})).firing((of_balancer,)) == {"5xx"}


async def test_the_set_up_tells_who_else_uses_the_load_balancer() -> None:
    world = World()
    world.services.found = SHARED
    await world.send(becomes_job(SET_UP), SetUpMonitoring(target=TARGET, run_id="run-1"))
    (gate,) = (gate for gate in world.answers[0].gates if gate.name == "alarms_active")
    assert gate.detail.endswith(
        "the load balancer front is not the service's alone: it sends requests to other as well; of its own errors "
        "those count that are the service's"
    )


class MovesIn:
    """Someone comes behind the load balancer, and only who reads listeners and rules anew sees it."""

    def __init__(self, world: World) -> None:
        self.world, self.reads, self.there = world, 0, False

    async def watched(self, target: Target, known: WatchedService | None) -> WatchedService:
        if known is not None and known.routed_at is not None:
            return known
        self.reads += 1
        shared = {"app/front/1": Sharing(why="it sends requests to other as well")} if self.there else {}
        return BALANCED.model_copy(update={"others": (), "shared": shared})


async def test_before_errors_of_the_load_balancer_count_it_is_asked_whose_they_may_be() -> None:
    world = World()
    moves_in = MovesIn(world)
    world.services.watched = moves_in.watched  # type: ignore[method-assign]  # who shares it changes while it is watched
    command = WatchClosely(target=TARGET, run_id="run-1", until=moment(START + 1800))
    await world.send(becomes_job(WATCH), command, "watch-1")
    await world.until(200)
    assert moves_in.reads <= 2
    moves_in.there, reads = True, moves_in.reads
    world.metrics.change(elb_5xx=300.0)
    read = world.metrics.read

    async def of_own(*asked: object, **more: object) -> Readings:
        found = await read(*asked, **more)  # type: ignore[arg-type]
        answered = {"target_2xx": found.series.get("requests", {})}
        return replace(found, series=own(found.service, {**found.series, **answered}))

    world.metrics.read = of_own  # type: ignore[method-assign]
    await world.until(280)
    assert moves_in.reads == reads + 1, "errors that are newer than the knowledge let it be read anew"
    await world.until(900)
    assert world.alerts == []
    assert moves_in.reads <= reads + 4
