"""The alarms of a service behind several target groups, played: each group counts, and an idle one is no outage."""

from collections.abc import Callable, Mapping

import pytest

from sandbox.aws.cloudwatch.alarms import ALARM, OK
from services.monitor.adapters.alarm_definitions import MOST_METRICS, definitions
from services.monitor.domain.groups import together
from services.monitor.domain.metrics import MINUTE, Readings, Series
from services.monitor.domain.rollout import Rollout
from services.monitor.domain.rules import evaluate
from services.monitor.domain.watched_service import CountedGroup, WatchedService
from tests.services.monitor.harness import BALANCED, BY_NAME, START
from tests.services.monitor.playing import LATE, NAMESPACE, Minute, but, play

ADMIN = CountedGroup(load_balancer="app/front/1", target_group="targetgroup/admin/3")
INSIDE = CountedGroup(load_balancer="app/inside/4", target_group="targetgroup/inside/5")
SHARED = BALANCED.model_copy(update={"others": (ADMIN,)})
"""A path rule sends a part of the requests to a target group of its own, behind the same load balancer."""
APART = BALANCED.model_copy(update={"others": (INSIDE,)})
"""A public and an internal load balancer."""
FIVE = BALANCED.model_copy(
    update={
        "others": tuple(
            CountedGroup(load_balancer="app/front/1", target_group=f"targetgroup/way{n}/{n}") for n in range(1, 5)
        )
    }
)
"""As many target groups as a service may have (ECS developer guide, "Registering multiple target groups")."""
STOPS_FIRST = APART.model_copy(
    update={"wanted": 1, "rollout": Rollout(id="new", began_at=START, least=0, start_seconds=300.0)}
)
KINDS: Mapping[str, WatchedService] = {"shared": SHARED, "apart": APART}
ABOUT_REQUESTS = ("error_rate", "response_time", "error_rate_warning", "response_time_warning")


def second(**values: float | None) -> dict[str, float]:
    """Return a good minute of both target groups in which the second one differs."""
    usual: dict[str, float | None] = {"requests_1": 40.0, "response_time_1": 0.3, "healthy_1": 2.0}
    return but(**{**usual, **{f"{name}_1": value for name, value in values.items()}})


GOOD = second()
ALL_WELL = [GOOD] * 8
ILL: Mapping[str, tuple[Minute, frozenset[str]]] = {
    "the second group's targets fail": (
        second(target_5xx=20.0),
        frozenset({"error_rate", "error_rate_warning"}),
    ),
    "the second group is slow": (
        second(response_time=8.0),
        frozenset({"response_time", "response_time_warning"}),
    ),
    "the second group has no healthy target": (second(healthy=0.0), frozenset({"service_unavailable"})),
    "the first group has no healthy target": ({**GOOD, "healthy": 0.0}, frozenset({"service_unavailable"})),
}


@pytest.mark.parametrize("of", KINDS.values(), ids=KINDS)
@pytest.mark.parametrize("what", ILL)
def test_what_is_wrong_with_one_group_alone_fires_the_alarm_of_it_and_no_other(what: str, of: WatchedService) -> None:
    ill, fires = ILL[what]
    for rule in BY_NAME:
        states = play(rule, [*ALL_WELL, *[ill] * 12, *ALL_WELL], of)
        assert set(states[4:8]) == {OK}, rule
        assert (ALARM in states[4:]) == (rule in fires), rule
        if rule in fires:
            fired = states.index(ALARM, 4)
            assert fired - 8 <= BY_NAME[rule].minutes + LATE
            assert set(states[fired : 8 + 12]) == {ALARM}, "it does not flap while it lasts"
        assert states[-1] == OK


@pytest.mark.parametrize("of", KINDS.values(), ids=KINDS)
@pytest.mark.parametrize("what", ILL)
def test_the_rule_says_the_same(what: str, of: WatchedService) -> None:
    """Of the same minutes, which are all there by then."""
    ill, fires = ILL[what]
    series: dict[str, dict[float, float]] = {}
    for index, minute in enumerate([*ALL_WELL, *[ill] * 12]):
        for name, value in minute.items():
            series.setdefault(name, {})[START + index * MINUTE] = value
    joined: dict[str, Series] = together(of, series)
    now = START + 20 * MINUTE
    broken = {rule.name for rule in BY_NAME.values() if evaluate(rule, Readings(of, joined), now).verdict == "broken"}
    assert broken == fires


def test_the_errors_of_the_second_load_balancer_count() -> None:
    """Its target group has lost all its targets: it has no series of its own any more."""
    gone = second(requests=None, response_time=None, healthy=None) | {"elb_5xx_1": 40.0}
    assert play("error_rate", [*ALL_WELL, *[gone] * 6], APART)[-1] == ALARM
    assert play("service_unavailable", [*ALL_WELL, *[gone] * 6], APART)[-1] == OK, "its points may be late as well"


def test_no_group_with_a_point_is_an_outage() -> None:
    nothing = {name: value for name, value in GOOD.items() if not name.startswith("healthy")}
    assert play("service_unavailable", [*ALL_WELL, *[nothing] * 6], APART)[-1] == ALARM


QUIET: Mapping[str, Callable[[str], list[Minute]]] = {
    "noise in one group": lambda rule: [GOOD, GOOD, _for_one_minute(rule)] * 6,
    "no traffic": lambda _: [second(requests=None, response_time=None) | {"requests": 1.0}, _idle()] * 8,
    "few slow and failing requests in the second group": (
        lambda _: [second(requests=4.0, target_5xx=4.0, response_time=9.0)] * 12
    ),
    "a rolling deployment": lambda _: [
        second(healthy=3.0) | {"healthy": 2.0},
        second(healthy=1.0) | {"healthy": 3.0, "elb_5xx": 2.0},
        GOOD,
    ],
    "a second group that is idle, without a target": (
        lambda _: [second(requests=None, response_time=None, healthy=None)] * 12
    ),
    "a first group that is idle, without a target": lambda _: [_second_alone()] * 12,
    "a second load balancer that is later": lambda _: [
        *[second(requests=None, response_time=None, healthy=None)] * 2,
        GOOD,
    ],
}


def _for_one_minute(rule: str) -> Minute:
    about = next((what for what, (_, fires) in ILL.items() if rule in fires and "second" in what), None)
    return ILL[about][0] if about else GOOD


def _idle() -> Minute:
    none = ("requests", "response_time", "target_5xx", "elb_5xx")
    return {name: value for name, value in GOOD.items() if not name.startswith(none)}


def _second_alone() -> Minute:
    return {name: value for name, value in GOOD.items() if name not in {"requests", "response_time", "healthy"}}


@pytest.mark.parametrize("of", KINDS.values(), ids=KINDS)
@pytest.mark.parametrize("what", QUIET)
def test_it_stays_quiet_for(what: str, of: WatchedService) -> None:
    for rule in BY_NAME:
        assert set(play(rule, [*ALL_WELL, *QUIET[what](rule), *ALL_WELL], of)[4:]) == {OK}, rule


def test_points_that_are_two_minutes_late_change_nothing() -> None:
    ill, fires = ILL["the second group's targets fail"]
    for rule in BY_NAME:
        assert set(play(rule, [*ALL_WELL, *ALL_WELL], APART, late=2)[6:]) == {OK}, rule
        assert (play(rule, [*ALL_WELL, *[ill] * 12], APART, late=2)[-1] == ALARM) == (rule in fires), rule


def test_a_deployment_that_stops_first_fires_nothing_while_either_group_has_no_task() -> None:
    down = {"elb_5xx": 80.0, "elb_5xx_1": 30.0, "healthy": 0.0, "healthy_1": 0.0}
    first_is_up = second(requests=None, response_time=None, healthy=0.0) | {"elb_5xx_1": 30.0}
    for rule in BY_NAME:
        states = play(rule, [*ALL_WELL, *[down] * 3, *[first_is_up] * 2, *ALL_WELL], STOPS_FIRST)
        assert ALARM not in states[4:], rule


@pytest.mark.parametrize("rule", ABOUT_REQUESTS)
def test_of_five_groups_every_one_is_watched(rule: str) -> None:
    """By several alarms, where CloudWatch takes no more metrics."""
    usual = {f"{name}_{n}": value for n in range(1, 5) for name, value in (("requests", 40.0), ("response_time", 0.3))}
    good = but(**usual)
    for group in ("", *(f"_{n}" for n in range(1, 5))):
        ill = good | {f"target_5xx{group}": 40.0, f"response_time{group}": 9.0, f"requests{group}": 60.0}
        assert play(rule, [*[good] * 8, *[ill] * 8], FIVE)[-1] == ALARM, group
    assert set(play(rule, [good] * 20, FIVE)[4:]) == {OK}


@pytest.mark.parametrize(
    "of", [SHARED, APART, FIVE, STOPS_FIRST, FIVE.model_copy(update={"rollout": STOPS_FIRST.rollout})]
)
@pytest.mark.parametrize("rule", BY_NAME)
def test_no_alarm_is_larger_than_cloudwatch_takes_and_no_two_have_a_name(rule: str, of: WatchedService) -> None:
    made = definitions(of, BY_NAME[rule], NAMESPACE, None)
    for alarm in made:
        queries = alarm.get("Metrics", ())
        assert sum("MetricStat" in query for query in queries) <= MOST_METRICS
        assert all(len(query.get("Expression", "")) <= 2048 for query in queries)
    assert len({alarm["AlarmName"] for alarm in made}) == len(made)
    assert made[0]["AlarmName"].endswith(f"-{rule}")


def test_the_description_names_the_groups() -> None:
    first, second_ = definitions(FIVE, BY_NAME["error_rate"], NAMESPACE, None)
    assert first["AlarmDescription"] == (
        "Surefoot, critical: error_rate > 10% for 2 min behind api, way1, way2, way3 on Main/api"
    )
    assert second_["AlarmName"] == "surefoot-Main/api-error_rate/2"
    assert "behind way4 on" in second_["AlarmDescription"]
