"""A service behind several target groups: what its users get is what all of them get together."""

from collections.abc import Iterator, Mapping
from dataclasses import replace

from services.monitor.domain.metrics import (
    BALANCER_5XX,
    REQUESTS,
    RESPONSE_TIME,
    TARGET_5XX,
    Metric,
    Series,
    WatchedService,
    added,
)

LEAST_SHARE = 0.1
"""A target group with a smaller share of a minute's requests hardly moves the 95th percentile of all of them."""


def of_other_groups(service: WatchedService) -> Iterator[tuple[Metric, WatchedService]]:
    """Yield the metrics of the further target groups, by ids of their own, each with the dimensions to read it by.

    Each load balancer's own errors are read once.
    """
    balancers = {service.load_balancer}
    for number, group in enumerate(service.others or (), 1):
        own = () if group.load_balancer in balancers else (BALANCER_5XX,)
        balancers.add(group.load_balancer)
        there = service.model_copy(update={"load_balancer": group.load_balancer, "target_group": group.target_group})
        for metric in (REQUESTS, TARGET_5XX, RESPONSE_TIME, *own):
            yield replace(metric, id=_id(metric, number)), there


def together(service: WatchedService, series: Mapping[str, Series]) -> dict[str, Series]:
    """Return the series with those of all target groups in one: counts are added, the slowest group's time counts."""
    numbers = range(1, len(service.others or ()) + 1)
    every = {
        metric.id: [series.get(metric.id, {}), *(series.get(_id(metric, number), {}) for number in numbers)]
        for metric in (REQUESTS, TARGET_5XX, BALANCER_5XX, RESPONSE_TIME)
    }
    own = {_id(metric, number) for metric in (REQUESTS, TARGET_5XX, BALANCER_5XX, RESPONSE_TIME) for number in numbers}
    counts = {metric.id: added(*every[metric.id]) for metric in (REQUESTS, TARGET_5XX, BALANCER_5XX)}
    slowest = _slowest(every[RESPONSE_TIME.id], every[REQUESTS.id], counts[REQUESTS.id])
    others = {name: points for name, points in series.items() if name not in own}
    return {**others, **counts, RESPONSE_TIME.id: slowest}


def _slowest(times: list[Series], requests: list[Series], all_requests: Series) -> Series:
    found: dict[float, float] = {}
    for seconds, of_group in zip(times, requests, strict=True):
        for minute, value in seconds.items():
            if of_group.get(minute, 0.0) >= LEAST_SHARE * all_requests.get(minute, 0.0):
                found[minute] = max(value, found.get(minute, 0.0))
    return found


def _id(metric: Metric, number: int) -> str:
    return f"{metric.id}_{number}"
