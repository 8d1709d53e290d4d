"""A service behind several target groups: which metrics are read, and what they show together."""

from services.monitor.adapters.queries import in_cloudwatch
from services.monitor.domain.groups import of_other_groups, together
from services.monitor.domain.metrics import CountedGroup, metrics_of
from tests.services.monitor.harness import BALANCED, START

SAME = CountedGroup(load_balancer="app/front/1", target_group="targetgroup/admin/3")
PARTNERS = CountedGroup(load_balancer="app/partners/4", target_group="targetgroup/partners/5")
BOTH = BALANCED.model_copy(update={"others": (SAME, PARTNERS)})


def test_each_further_group_is_read_and_each_load_balancer_s_own_errors_once() -> None:
    read = {metric.id: in_cloudwatch(metric, at, "App").dimensions for metric, at in of_other_groups(BOTH)}
    assert set(read) == {
        "requests_1", "target_5xx_1", "response_time_1",
        "requests_2", "target_5xx_2", "response_time_2", "elb_5xx_2",
    }  # fmt: skip
    assert read["requests_1"] == {"TargetGroup": "targetgroup/admin/3", "LoadBalancer": "app/front/1"}
    assert read["elb_5xx_2"] == {"LoadBalancer": "app/partners/4"}
    assert not {metric.id for metric in metrics_of(BOTH)} & set(read)


def test_a_service_with_one_group_has_no_more_to_read() -> None:
    assert list(of_other_groups(BALANCED)) == []
    assert list(of_other_groups(BALANCED.model_copy(update={"others": ()}))) == []


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
        },
    )
    assert found["requests"] == {START: 90.0, START + 60: 100.0}
    assert found["target_5xx"] == {START: 4.0}
    assert found["elb_5xx"] == {START: 4.0}
    assert found["response_time"] == {START: 2.0, START + 60: 0.1}
    assert found["cpu"] == {START: 20.0}
    assert not any(name.endswith(("_1", "_2")) for name in found)
