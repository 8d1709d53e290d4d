"""Every alarm that Surefoot creates, in a simulated CloudWatch whose points come as late as usual: it fires for what it
is for, and stays quiet for noise, without traffic, and during a deployment.
"""

import pytest

from sandbox.aws.cloudwatch.alarms import ALARM, OK
from services.monitor.domain.rollout import Rollout
from services.monitor.domain.routes import Sharing
from tests.services.monitor.harness import ALONE, BALANCED, BY_NAME, START
from tests.services.monitor.playing import LATE, Minute, alarms_of, but, play

STOPS_FIRST = BALANCED.model_copy(
    update={"wanted": 1, "rollout": Rollout(id="new", began_at=START, least=0, start_seconds=300.0)}
)
GOOD = but(elb_5xx=None)
ALL_WELL = [GOOD] * 12
DOWN = but(healthy=0.0, requests=None, response_time=None, target_5xx=None, elb_5xx=80.0)
FOR_WHAT_IT_IS = {
    "service_unavailable": but(healthy=0.0),
    "error_rate": but(target_5xx=50.0),
    "response_time": but(response_time=8.0),
    "database_connections": but(database_errors=6.0),
    "cpu": but(cpu=97.0),
    "memory": but(memory=95.0),
    "error_rate_warning": but(target_5xx=8.0),
    "response_time_warning": but(response_time=3.0),
}


def test_each_built_in_alarm_is_played() -> None:
    assert set(FOR_WHAT_IT_IS) == set(BY_NAME)


@pytest.mark.parametrize("rule", FOR_WHAT_IT_IS)
def test_it_fires_for_what_it_is_for_while_that_lasts_and_is_quiet_before_and_after(rule: str) -> None:
    states = play(rule, [*ALL_WELL, *[FOR_WHAT_IT_IS[rule]] * 30, *ALL_WELL])
    minutes = BY_NAME[rule].minutes
    assert set(states[4:12]) == {OK}
    fired = states.index(ALARM, 4)
    assert fired - 12 <= minutes + LATE, "it fires as soon as its points are there"
    assert set(states[fired : 12 + 30]) == {ALARM}, "it does not flap while it lasts"
    assert states[-1] == OK


@pytest.mark.parametrize("rule", FOR_WHAT_IT_IS)
def test_noise_fires_nothing(rule: str) -> None:
    short = [FOR_WHAT_IT_IS[rule]] * (1 if rule != "database_connections" else 0)
    noisy = [but(database_errors=4.0), GOOD, GOOD] if rule == "database_connections" else [*short, GOOD, GOOD]
    assert set(play(rule, [*ALL_WELL, *noisy * 6])[4:]) == {OK}


@pytest.mark.parametrize("rule", FOR_WHAT_IT_IS)
def test_without_traffic_nothing_fires(rule: str) -> None:
    quiet = but(requests=None, response_time=None, target_5xx=None, database_errors=None)
    few = but(requests=3.0, target_5xx=3.0, response_time=9.0)
    assert set(play(rule, [*ALL_WELL, *[quiet] * 20, few, *[quiet] * 5, *[few] * 5])[4:]) == {OK}


def test_errors_of_the_load_balancer_alone_are_a_rate() -> None:
    states = play("error_rate", [*ALL_WELL, *[DOWN] * 10])
    assert ALARM in states[12:16]
    assert states[-1] == ALARM


@pytest.mark.parametrize("rule", FOR_WHAT_IT_IS)
def test_a_rolling_deployment_fires_nothing(rule: str) -> None:
    rolls = [but(healthy=3.0, cpu=60.0), but(healthy=2.0, elb_5xx=2.0), but(healthy=2.0)]
    assert set(play(rule, [*ALL_WELL, *rolls, *ALL_WELL])[4:]) == {OK}


@pytest.mark.parametrize("rule", FOR_WHAT_IT_IS)
def test_a_deployment_that_stops_before_it_starts_fires_nothing(rule: str) -> None:
    gap = {name: value for name, value in DOWN.items() if name not in {"cpu", "memory", "database_errors"}}
    assert set(play(rule, [*ALL_WELL, *[gap] * 5, *ALL_WELL], STOPS_FIRST)[4:]) <= {OK, "INSUFFICIENT_DATA"}


def test_of_such_a_service_the_alarms_fire_once_it_lasts_longer_than_a_start() -> None:
    assert play("service_unavailable", [*ALL_WELL, *[DOWN] * 15], STOPS_FIRST)[-1] == ALARM
    assert play("error_rate", [*ALL_WELL, *[but(target_5xx=50.0)] * 5], STOPS_FIRST)[-1] == ALARM


@pytest.mark.parametrize("rule", ["service_unavailable", "cpu", "memory"])
def test_of_a_worker_as_well(rule: str) -> None:
    bad: Minute = {"database_errors": 0.0} if rule == "service_unavailable" else FOR_WHAT_IT_IS[rule]
    states = play(rule, [*ALL_WELL, *[bad] * 15], ALONE)
    assert set(states[4:12]) == {OK}
    assert states[-1] == ALARM


@pytest.mark.parametrize("rule", ["error_rate", "response_time", "error_rate_warning", "response_time_warning"])
def test_where_nobody_counts_requests_there_is_no_alarm_about_them(rule: str) -> None:
    assert alarms_of(rule, ALONE) == []


SHARED = BALANCED.model_copy(update={"shared": {"app/front/1": Sharing(why="it sends requests to other as well")}})
ANSWERED = {**GOOD, "target_2xx": 98.0, "target_4xx": 2.0}
MISSED = {**ANSWERED, "elb_5xx": 300.0}
GONE = {"cpu": 40.0, "elb_5xx": 300.0}
"""No target is registered any more, so that the load balancer counts neither requests nor hosts."""
UNHEALTHY = {**GONE, "healthy": 0.0}


@pytest.mark.parametrize("rule", FOR_WHAT_IT_IS)
def test_a_neighbour_behind_the_same_load_balancer_fires_nothing(rule: str) -> None:
    assert set(play(rule, [*[ANSWERED] * 12, *[MISSED] * 20], SHARED)[4:]) == {OK}


@pytest.mark.parametrize("bad", [{**MISSED, "target_2xx": 48.0}, {**MISSED, "target_2xx": 48.0, "target_5xx": 50.0}])
def test_beside_a_neighbour_errors_of_its_own_fire(bad: Minute) -> None:
    states = play("error_rate", [*[ANSWERED] * 12, *[bad] * 10, *[MISSED] * 10], SHARED)
    assert set(states[4:12]) == {OK}
    assert states.index(ALARM, 4) - 12 <= BY_NAME["error_rate"].minutes + LATE
    assert states[-1] == OK


def test_beside_a_neighbour_an_outage_of_its_own_fires() -> None:
    assert play("error_rate", [*[ANSWERED] * 12, *[UNHEALTHY] * 10], SHARED)[-1] == ALARM
    assert play("service_unavailable", [*[ANSWERED] * 12, *[GONE] * 10], SHARED)[-1] == ALARM
    few = {**MISSED, "requests": 6.0, "target_2xx": 6.0, "target_4xx": 0.0}
    assert set(play("error_rate", [few] * 20, SHARED)[4:]) == {OK}, "a few users beside a neighbour's many"
