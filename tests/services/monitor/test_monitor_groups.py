"""A service behind several target groups: which metrics are read, and what they show together."""

import pytest

from services.monitor.adapters.queries import in_cloudwatch
from services.monitor.domain.groups import divided, of_every_group, series_of, together, ways_of
from services.monitor.domain.metrics import BALANCER_5XX, REQUESTS, TARGET_5XX, metrics_of
from services.monitor.domain.watched_service import CountedGroup, WatchedService
from tests.services.monitor.harness import ALONE, BALANCED, START

SAME = CountedGroup(load_balancer="app/front/1", target_group="targetgroup/admin/3")
PARTNERS = CountedGroup(load_balancer="app/partners/4", target_group="targetgroup/partners/5")
BOTH = BALANCED.model_copy(update={"others": (SAME, PARTNERS)})


def test_each_further_group_is_read_and_each_load_balancer_s_own_errors_once() -> None:
    read = {metric.id: in_cloudwatch(metric, at, "App").dimensions for metric, at in of_every_group(BOTH)}
    assert read.keys() - {metric.id for metric in metrics_of(BOTH)} == {
        "requests_1", "target_5xx_1", "response_time_1", "healthy_1",
        "requests_2", "target_5xx_2", "response_time_2", "healthy_2", "elb_5xx_2",
    }  # fmt: skip
    assert read["requests_1"] == {"TargetGroup": "targetgroup/admin/3", "LoadBalancer": "app/front/1"}
    assert read["elb_5xx_2"] == {"LoadBalancer": "app/partners/4"}
    assert read.keys() >= {metric.id for metric in metrics_of(BOTH)}


def test_a_service_with_one_group_has_no_more_to_read() -> None:
    alone = BALANCED.model_copy(update={"others": ()})
    for service in (BALANCED, alone, ALONE):
        assert [metric for metric, _ in of_every_group(service)] == [*metrics_of(service)]


def test_counts_are_added_and_the_slowest_group_counts_unless_it_serves_next_to_nobody() -> None:
    found = together(
        BOTH,
        {
            "cpu": {START: 20.0},
            "requests": {START: 60.0, START + 60: 95.0},
            "target_5xx": {START: 1.0},
            "response_time": {START: 0.1, START + 60: 0.1},
            "requests_1": {START: 30.0},
            "target_5xx_1": {START: 3.0},
            "response_time_1": {START: 2.0},
            "requests_2": {START + 60: 5.0},
            "response_time_2": {START + 60: 9.0},
            "elb_5xx_2": {START: 4.0},
            "healthy": {START: 2.0, START + 60: 2.0},
            "healthy_1": {START: 0.0},
            "healthy_2": {START: 3.0, START + 60: 3.0, START + 120: 3.0},
        },
    )
    assert found["requests"] == {START: 90.0, START + 60: 100.0}
    assert found["target_5xx"] == {START: 4.0}
    assert found["elb_5xx"] == {START: 4.0}
    assert found["response_time"] == {START: 2.0, START + 60: 0.1}
    assert found["cpu"] == {START: 20.0}
    assert found["healthy"] == {START: 0.0, START + 60: 2.0, START + 120: 3.0}
    assert not any(name.endswith(("_1", "_2")) for name in found)


@pytest.mark.parametrize(("groups", "balancers"), [(1, 1), (2, 1), (2, 2), (3, 3), (4, 1), (4, 4), (5, 1), (5, 5)])
def test_what_does_not_fit_into_one_alarm_is_divided_and_each_series_is_in_one_part(
    groups: int, balancers: int
) -> None:
    service = behind(groups, balancers)
    ways, metrics = ways_of(service), (REQUESTS, TARGET_5XX, BALANCER_5XX)
    parts = divided(ways, metrics, 10)
    assert [group for part in parts for group in part.groups] == [*enumerate(service.groups)]
    assert len([owner for part in parts for owner in part.balancers]) == balancers
    sizes = [sum(len(series_of(metric, service, part)) for metric in metrics) for part in parts]
    assert max(sizes) <= 10
    assert len(parts) == (1 if 2 * groups + balancers <= 10 else 2)


def behind(groups: int, balancers: int) -> WatchedService:
    """Return a service with so many target groups, of which the first ones share a load balancer."""
    found = [
        CountedGroup(
            load_balancer=f"app/lb{max(0, number - (groups - balancers))}/1", target_group=f"targetgroup/way{number}/2"
        )
        for number in range(groups)
    ]
    first, *others = found
    update = {"load_balancer": first.load_balancer, "target_group": first.target_group, "others": tuple(others)}
    return BALANCED.model_copy(update=update)
