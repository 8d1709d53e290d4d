"""What a service leaves in CloudWatch, by what its images do."""

import time
from random import Random

import pytest

from sandbox.aws.cloudwatch.metric_store import MetricStore, metric_key
from sandbox.aws.world.traffic import publish, seed_history
from sandbox.aws.world.views import GroupView, ServiceView, TaskView
from sandbox.scenarios.behaviour import Behaviour
from sandbox.scenarios.load import images
from sandbox.scenarios.traffic import Traffic

NOON = 1_763_985_600.0
IMAGES = images()
BALANCER = {"LoadBalancer": "app/court/1"}
GROUP = {"TargetGroup": "targetgroup/web/2", **BALANCER}
SERVICE = {"ClusterName": "court", "ServiceName": "web"}


def task(image: str = "healthy", *, in_service: bool = True, memory: float = 45.0) -> TaskView:
    return TaskView(IMAGES[image], 600.0, memory, frozenset({"targetgroup/web/2"} if in_service else ()))


def view(*tasks: TaskView, healthy: int | None = None, unhealthy: int = 0, balanced: bool = True) -> ServiceView:
    hosts = sum(bool(one.in_service) for one in tasks) if healthy is None else healthy
    group = GroupView("app/court/1", "targetgroup/web/2", hosts, unhealthy)
    return ServiceView("court", "web", (group,) if balanced else (), tasks)


class Hour:
    """One hour of a service that does not change, and what CloudWatch makes of it."""

    def __init__(self, service: ServiceView) -> None:
        self.store = MetricStore()
        random = Random(7)
        for minute in range(1, 61):
            publish(self.store, service, NOON + minute * 60, random)

    def __call__(self, namespace: str, name: str, dimensions: dict[str, str], stat: str) -> float | None:
        found = self.store.statistics(metric_key(namespace, name, dimensions), NOON, NOON + 3600, 3600, stat)
        return found[0][1] if found else None

    def balancer(self, name: str, stat: str, dimensions: dict[str, str] = GROUP) -> float | None:
        return self("AWS/ApplicationELB", name, dimensions, stat)

    def names(self) -> set[tuple[str, str, frozenset[str]]]:
        return {
            (key.namespace, key.name, frozenset(name for name, _ in key.dimensions)) for key in self.store.metrics()
        }


def test_a_healthy_service() -> None:
    hour = Hour(view(task(), task()))
    requests = hour.balancer("RequestCount", "Sum")
    assert requests is not None
    assert 180 * 60 < requests < 215 * 60
    assert hour.balancer("RequestCount", "Sum", BALANCER) == requests
    answered = [hour.balancer(f"HTTPCode_Target_{code}XX_Count", "Sum") or 0 for code in (2, 4, 5)]
    assert sum(answered) == requests
    assert answered[2] / requests < 0.005
    assert hour.balancer("TargetResponseTime", "p50") == pytest.approx(0.08, rel=0.1)
    # The 95th percentile of a lognormal: the median times e^(1.645 * 0.25).
    assert hour.balancer("TargetResponseTime", "p95") == pytest.approx(0.121, rel=0.1)
    assert hour.balancer("TargetResponseTime", "SampleCount") == requests
    assert hour.balancer("HealthyHostCount", "Average") == 2
    assert hour.balancer("UnHealthyHostCount", "Maximum") == 0
    assert hour.balancer("HTTPCode_ELB_5XX_Count", "Sum", BALANCER) is None
    assert hour("AWS/ECS", "CPUUtilization", SERVICE, "Average") == pytest.approx(35, rel=0.08)
    assert hour("AWS/ECS", "CPUUtilization", SERVICE, "SampleCount") == 120
    assert hour("AWS/ECS", "MemoryUtilization", SERVICE, "p99") == pytest.approx(46, rel=0.05)
    assert hour("ECS/ContainerInsights", "RunningTaskCount", SERVICE, "Average") == 2
    assert hour("CourtCase/Production", "DatabaseConnectionErrors", SERVICE, "Sum") == 0
    database = {"DBInstanceIdentifier": "court-case-db"}
    assert hour("AWS/RDS", "DatabaseConnections", database, "Average") == pytest.approx(18, abs=2)


def test_names_and_dimensions_are_those_of_aws() -> None:
    service = frozenset({"ClusterName", "ServiceName"})
    balancer, group = frozenset({"LoadBalancer"}), frozenset({"LoadBalancer", "TargetGroup"})
    database = frozenset({"DBInstanceIdentifier"})
    both = ("RequestCount", "TargetResponseTime", *(f"HTTPCode_Target_{code}XX_Count" for code in (2, 4, 5)))
    assert Hour(view(task("database-failure"))).names() == {
        *(("AWS/ECS", name, service) for name in ("CPUUtilization", "MemoryUtilization")),
        *(
            ("ECS/ContainerInsights", name, service)
            for name in ("RunningTaskCount", "NetworkRxBytes", "NetworkTxBytes")
        ),
        *(("AWS/ApplicationELB", name, which) for name in both for which in (balancer, group)),
        *(("AWS/ApplicationELB", name, group) for name in ("HealthyHostCount", "UnHealthyHostCount")),
        *(
            ("AWS/RDS", name, database)
            for name in ("DatabaseConnections", "CPUUtilization", "FreeableMemory", "ReadIOPS", "WriteIOPS")
        ),
        ("CourtCase/Production", "DatabaseConnectionErrors", service),
    }


def test_without_a_task_ecs_says_nothing_and_users_see_503() -> None:
    hour = Hour(view())
    assert hour("AWS/ECS", "CPUUtilization", SERVICE, "Average") is None
    assert hour("CourtCase/Production", "DatabaseConnectionErrors", SERVICE, "Sum") is None
    assert hour("ECS/ContainerInsights", "RunningTaskCount", SERVICE, "Average") == 0
    assert hour.balancer("HealthyHostCount", "Average") is None
    assert hour.balancer("RequestCount", "Sum") is None
    refused = hour.balancer("HTTPCode_ELB_5XX_Count", "Sum", BALANCER)
    assert refused is not None
    assert 180 * 60 < refused < 215 * 60


def test_tasks_out_of_service_are_counted_and_get_no_requests() -> None:
    hour = Hour(view(task(), task("unhealthy", in_service=False), unhealthy=1))
    assert (hour.balancer("HealthyHostCount", "Average"), hour.balancer("UnHealthyHostCount", "Average")) == (1, 1)
    assert (hour.balancer("HTTPCode_Target_5XX_Count", "Sum") or 0) < 60
    alone = Hour(view(task("unhealthy", in_service=False), unhealthy=1))
    assert alone.balancer("HealthyHostCount", "Average") == 0
    assert alone.balancer("TargetResponseTime", "Average") is None
    assert alone.balancer("HTTPCode_ELB_5XX_Count", "Sum", BALANCER)


def test_a_slow_image_crosses_every_threshold_at_any_hour() -> None:
    random, store = Random(3), MetricStore()
    for hour in range(24):
        publish(store, view(task("slow"), task("slow")), NOON + hour * 3600, random)
    dimensions = (("AWS/ApplicationELB", "TargetResponseTime", GROUP), ("AWS/ECS", "CPUUtilization", SERVICE))
    slow, busy = (
        store.statistics(metric_key(*key), NOON - 3600, NOON + 86_400, 60, stat)
        for key, stat in zip(dimensions, ("p95", "Average"), strict=True)
    )
    assert len(slow) == len(busy) == 24
    assert min(value for _, value in slow) > 5
    assert sum(value for _, value in busy) / 24 > 80


def test_a_database_that_cannot_be_reached_is_seen_by_the_application_and_not_by_the_database() -> None:
    hour = Hour(view(task("database-failure"), task()))
    errors = hour("CourtCase/Production", "DatabaseConnectionErrors", SERVICE, "Sum")
    assert errors is not None
    assert errors > 60
    requests, failed = hour.balancer("RequestCount", "Sum"), hour.balancer("HTTPCode_Target_5XX_Count", "Sum")
    assert failed is not None
    assert requests is not None
    assert failed / requests == pytest.approx(0.45 / 2, rel=0.1)
    processor = hour("AWS/RDS", "CPUUtilization", {"DBInstanceIdentifier": "court-case-db"}, "Maximum")
    assert processor is not None
    assert processor < 50


def test_a_leak_shows_the_memory_of_each_task() -> None:
    hour = Hour(view(task("memory-leak", memory=92.0), task("memory-leak", memory=50.0)))
    assert hour("AWS/ECS", "MemoryUtilization", SERVICE, "Maximum") == pytest.approx(92, rel=0.05)
    assert hour("AWS/ECS", "MemoryUtilization", SERVICE, "Minimum") == pytest.approx(50, rel=0.05)


def test_a_service_without_a_load_balancer_has_no_such_metrics() -> None:
    assert not [one for one in Hour(view(task(), balanced=False)).names() if one[0] == "AWS/ApplicationELB"]


def test_the_load_has_days_and_nights() -> None:
    day = [Traffic().at(NOON + hour * 3600) for hour in range(24)]
    assert max(day) == day[2] == pytest.approx(200)
    assert min(day) == day[14] == pytest.approx(40)


def test_the_past_is_whole_and_the_same_for_the_same_seed() -> None:
    stores = [MetricStore(), MetricStore()]
    for store in stores:
        seed_history(store, view(task(), task()), NOON, 2, Random(11))
    key = metric_key("AWS/ApplicationELB", "RequestCount", GROUP)
    first, second = (store.statistics(key, NOON - 2 * 86_400, NOON, 60, "Sum") for store in stores)
    assert first == second
    assert len(first) == 2 * 1440
    assert first[-1][0] == NOON - 60
    publish(stores[0], view(task()), NOON + 60, Random(1))
    assert stores[0].last(key) == NOON


def test_a_minute_is_that_before_now(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time", lambda: pytest.fail("only product time is used"))
    store = MetricStore()
    publish(store, view(task()), NOON + 119.9, Random(1))
    assert store.last(metric_key("AWS/ECS", "CPUUtilization", SERVICE)) == NOON


def test_what_a_task_does_not_answer_the_load_balancer_counts_as_its_own_error() -> None:
    drops = TaskView(Behaviour(unanswered_rate=0.5, error_rate=0), 600.0, 45.0, frozenset({"targetgroup/web/2"}))
    hour = Hour(view(drops))
    requests, lost = hour.balancer("RequestCount", "Sum"), hour.balancer("HTTPCode_ELB_5XX_Count", "Sum", BALANCER)
    assert requests is not None
    assert lost is not None
    assert 0.45 * requests < lost < 0.55 * requests
    answered = sum(hour.balancer(f"HTTPCode_Target_{code}XX_Count", "Sum") or 0 for code in (2, 3, 4, 5))
    assert answered + lost == requests
    assert hour.balancer("TargetResponseTime", "SampleCount") == answered
