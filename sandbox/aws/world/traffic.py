"""Writes the metrics of users, containers and the database to CloudWatch: one minute of one service at a time.

Names, dimensions and the conditions under which a metric exists are those of AWS: AWS/ECS has none while no task runs,
AWS/ApplicationELB counts only what happened, 5xx only when there were some; AWS/NetworkELB counts flows, not requests.
Users come in equal shares by each target group of a service to which a listener sends requests.
"""

import math
from collections.abc import Sequence
from functools import cache
from random import Random
from statistics import NormalDist

from sandbox.aws.cloudwatch.metric_store import MetricKey, MetricStore, samples
from sandbox.aws.world.views import GroupView, ServiceView, TaskView
from sandbox.scenarios.behaviour import Behaviour

MINUTE = 60.0
DAY = 86_400.0
CLIENT_ERRORS = 0.01
"""Share of requests that are answered with a 4xx, by any image."""
LATENCY_SAMPLES = 25
"""Distinct response times of one task and minute; the requests are spread over them."""
CONNECTIONS_OF_A_TASK = 8
FLOW_BYTES = 16_000
"""Bytes of one connection through a network load balancer."""
FREE_MEMORY = 1.6e9
"""Bytes that the database leaves free."""


def seed_history(store: MetricStore, view: ServiceView, now: float, days: int, random: Random) -> None:
    """Write the ``days`` before ``now``, in product epoch seconds, as if ``view`` had been so all the time."""
    for minutes in range(round(days * DAY / MINUTE), -1, -1):
        publish(store, view, now - minutes * MINUTE, random)


def publish(store: MetricStore, view: ServiceView, now: float, random: Random) -> None:
    """Write the last whole minute before ``now``, in product epoch seconds. Call it once for each minute."""
    minute = math.floor(now / MINUTE) * MINUTE - MINUTE
    load = view.traffic.at(minute) * (view.crowd.times if view.crowd else 1.0)
    _containers(store, view, minute, load, random)
    if view.database:
        _database(store, view, minute, random)
    ways = sum(group.reached for group in view.groups)
    for group in view.groups:
        _hosts(store, view, group, minute)
        if not group.reached:
            continue
        came = _poisson(load / ways, random)
        serving = [task for task in view.tasks if group.target_group in task.in_service]
        if group.counts_requests:
            _requests(store, group, serving, minute, came, random)
        else:
            _flows(store, group, serving, minute, came)


def _containers(store: MetricStore, view: ServiceView, at: float, load: float, random: Random) -> None:
    insights = _key("ECS/ContainerInsights", view)
    store.put(insights("RunningTaskCount"), at, samples([float(len(view.tasks))], unit="Count"))
    if not view.tasks:
        return
    ecs = _key("AWS/ECS", view)
    # Busier by day, but not by much: what an image costs at rest is most of what it costs.
    busy = (0.93 + 0.07 * view.traffic.busy(at)) * (view.crowd.work(len(view.tasks)) if view.crowd else 1.0)
    processor = [_share(task.behaviour.cpu * busy * random.gauss(1, 0.02), 100) for task in view.tasks]
    memory = [_share(task.memory * random.gauss(1, 0.01), 100) for task in view.tasks]
    store.put(ecs("CPUUtilization"), at, samples(processor, unit="Percent"))
    store.put(ecs("MemoryUtilization"), at, samples(memory, unit="Percent"))
    traffic = load / len(view.tasks) / MINUTE  # requests a second and task
    for name, size in (("NetworkRxBytes", 2_200), ("NetworkTxBytes", 14_000)):
        rates = [size * traffic * random.uniform(0.9, 1.1) + 400 for _ in view.tasks]
        store.put(insights(name), at, samples(rates, unit="Bytes/Second"))
    errors = sum(_poisson(12, random) for task in view.tasks if not task.behaviour.database)
    application = _key(view.workload.namespace, view)
    store.put(application("DatabaseConnectionErrors"), at, samples([float(errors)], unit="Count"))


def _database(store: MetricStore, view: ServiceView, at: float, random: Random) -> None:
    busy = view.traffic.busy(at)
    connected = sum(task.behaviour.database for task in view.tasks)
    connections = connected * (CONNECTIONS_OF_A_TASK + random.randint(-1, 1)) + 2
    key = _Keys("AWS/RDS", DBInstanceIdentifier=view.workload.database)
    for name, value, unit in (
        ("DatabaseConnections", float(connections), "Count"),
        ("CPUUtilization", _share((12 + 14 * busy) * random.gauss(1, 0.04), 100), "Percent"),
        ("FreeableMemory", FREE_MEMORY * random.gauss(1, 0.01), "Bytes"),
        ("ReadIOPS", 30 * busy * random.uniform(0.8, 1.2), "Count/Second"),
        ("WriteIOPS", 12 * busy * random.uniform(0.8, 1.2), "Count/Second"),
    ):
        store.put(key(name), at, samples([value], unit=unit))


def _hosts(store: MetricStore, view: ServiceView, group: GroupView, at: float) -> None:
    if not (view.tasks or group.healthy_hosts or group.unhealthy_hosts):
        return  # without a registered target a load balancer counts none, not even zero
    _, of_group = _balancer_keys(group)
    store.put(of_group("HealthyHostCount"), at, samples([float(group.healthy_hosts)], unit="Count"))
    store.put(of_group("UnHealthyHostCount"), at, samples([float(group.unhealthy_hosts)], unit="Count"))


def _flows(store: MetricStore, group: GroupView, serving: Sequence[TaskView], at: float, came: int) -> None:
    """Write what a network load balancer counts: connections that were made, and those that were reset."""
    balancer, of_group = _balancer_keys(group)
    reset = 0 if serving else came
    counted = (
        ("NewFlowCount", came, "Count"),
        ("ActiveFlowCount", came - reset, "Count"),
        ("ProcessedBytes", (came - reset) * FLOW_BYTES, "Bytes"),
        ("TCP_ELB_Reset_Count", reset, "Count"),
        ("TCP_Target_Reset_Count", 0, "Count"),
        ("TCP_Client_Reset_Count", 0, "Count"),
    )
    for name, value, unit in counted:
        for key in (balancer, of_group):
            store.put(key(name), at, samples([float(value)], unit=unit))


def _requests(
    store: MetricStore, group: GroupView, serving: Sequence[TaskView], at: float, total: int, random: Random
) -> None:
    balancer, of_group = _balancer_keys(group)
    if not serving:
        if total:
            store.put(balancer("HTTPCode_ELB_5XX_Count"), at, samples([float(total)], unit="Count"))
        return
    came = [total // len(serving) + (i < total % len(serving)) for i in range(len(serving))]
    lost = [_unanswered(task.behaviour, share, random) for task, share in zip(serving, came, strict=True)]
    shares = [share - gone for share, gone in zip(came, lost, strict=True)]
    answered, unanswered = sum(shares), sum(lost)
    failed = sum(_errors(task.behaviour, share, random) for task, share in zip(serving, shares, strict=True))
    refused = min(_poisson(total * CLIENT_ERRORS, random), answered - failed)
    times, counts = _latencies(serving, shares, random)
    counted = (
        ("RequestCount", total),
        ("HTTPCode_Target_2XX_Count", answered - failed - refused),
        ("HTTPCode_Target_4XX_Count", refused),
        ("HTTPCode_Target_5XX_Count", failed),
    )
    if unanswered:
        store.put(balancer("HTTPCode_ELB_5XX_Count"), at, samples([float(unanswered)], unit="Count"))
    # One sample for each request, as real load balancers have it: Sum and SampleCount agree.
    data = {name: samples([1.0], [float(count)], "Count") for name, count in counted if count}
    if times:
        data["TargetResponseTime"] = samples(times, counts, "Seconds")
    for name, datum in data.items():
        store.put(balancer(name), at, datum)
        store.put(of_group(name), at, datum)


def _errors(behaviour: Behaviour, requests: int, random: Random) -> int:
    rate = behaviour.error_rate if behaviour.users_error_rate is None else behaviour.users_error_rate
    return min(_poisson(requests * rate, random), requests)


def _unanswered(behaviour: Behaviour, requests: int, random: Random) -> int:
    rate = behaviour.unanswered_rate
    return min(_poisson(requests * rate, random), requests) if rate else 0


def _latencies(serving: Sequence[TaskView], shares: Sequence[int], random: Random) -> tuple[list[float], list[float]]:
    """Response times in seconds and how many requests took each: lognormal around the image's median."""
    times: list[float] = []
    counts: list[float] = []
    for task, share in zip(serving, shares, strict=True):
        if not share:
            continue
        steps = min(share, LATENCY_SAMPLES)
        median = task.behaviour.latency * random.lognormvariate(0, 0.05)
        times += [median * factor for factor in _spread(steps, task.behaviour.latency_spread)]
        counts += [float(share // steps + (i < share % steps)) for i in range(steps)]
    return times, counts


@cache
def _spread(steps: int, sigma: float) -> tuple[float, ...]:
    """The lognormal's quantiles at the middle of ``steps`` equal parts, in an order that has no trend.

    Quantiles, not draws: a minute has the distribution's percentiles even with few requests.
    """
    normal = NormalDist()
    quantiles = [math.exp(sigma * normal.inv_cdf((i + 0.5) / steps)) for i in range(steps)]
    return tuple(sorted(quantiles, key=lambda value: (value * 7919) % 1))


def _poisson(mean: float, random: Random) -> int:
    """A count with this mean: Knuth's product of uniforms, the normal approximation from 30 on."""
    if mean >= 30:
        return max(0, round(random.gauss(mean, math.sqrt(mean))))
    count, product, floor = 0, random.random(), math.exp(-mean)
    while product > floor:
        count += 1
        product *= random.random()
    return count


def _share(value: float, most: float) -> float:
    return min(max(value, 0.0), most)


class _Keys:
    """The keys of one namespace and one set of dimensions, by name of the metric."""

    def __init__(self, namespace: str, **dimensions: str) -> None:
        self._namespace, self._dimensions = namespace, frozenset(dimensions.items())

    def __call__(self, name: str) -> MetricKey:
        return MetricKey(self._namespace, name, self._dimensions)


def _key(namespace: str, view: ServiceView) -> _Keys:
    return _Keys(namespace, ClusterName=view.cluster, ServiceName=view.service)


def _balancer_keys(group: GroupView) -> tuple[_Keys, _Keys]:
    namespace = "AWS/ApplicationELB" if group.counts_requests else "AWS/NetworkELB"
    return (
        _Keys(namespace, LoadBalancer=group.load_balancer),
        _Keys(namespace, TargetGroup=group.target_group, LoadBalancer=group.load_balancer),
    )
