"""A service behind several target groups: what its users get is what all of them get together."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from services.monitor.domain.metrics import (
    ANSWERS,
    BALANCER_5XX,
    HEALTHY,
    LEAST_SHARE,
    REQUESTS,
    RESPONSE_TIME,
    TARGET_5XX,
    Metric,
    Series,
    added,
    metrics_of,
)
from services.monitor.domain.watched_service import CountedGroup, WatchedService

_COUNTS = (REQUESTS, TARGET_5XX, BALANCER_5XX)
Numbered = tuple[int, CountedGroup]
"""A target group with its number among those of the service, from 0."""


@dataclass(frozen=True, slots=True)
class Ways:
    """Some of a service's target groups, each with its load balancer."""

    groups: tuple[Numbered, ...] = ()
    balancers: tuple[Numbered, ...] = ()
    """Those of ``groups`` by which a load balancer's own errors are counted: each load balancer stands once."""

    @property
    def names(self) -> str:
        return ", ".join(group.name for _, group in self.groups)

    @property
    def shared(self) -> tuple[Numbered, ...]:
        """The target groups behind load balancers that others use as well."""
        return tuple(each for each in self.groups if each[1].shared)

    def owners(self, metric: Metric) -> tuple[Numbered, ...]:
        """Return those that have a series of the metric; none for a metric of the tasks or the application."""
        owners = {"group": self.groups, "shared group": self.shared, "balancer": self.balancers}
        return owners.get(metric.scope, ())

    def ids(self, metric: Metric) -> tuple[str, ...]:
        """Return the ids of the metric's series: one for each target group or load balancer that has it."""
        return tuple(numbered(metric, number).id for number, _ in self.owners(metric))

    def with_group(self, each: Numbered, *, counted: bool) -> "Ways":
        """Return the ways with one more. ``counted``: the errors of its load balancer are counted by it.

        Where others use the load balancer as well, each target group's share of its errors is worked out apart, so
        that every part that has such a group has the load balancer's series.
        """
        known = {owner.load_balancer for _, owner in self.balancers}
        by_it = counted or (each[1].shared and each[1].load_balancer not in known)
        return Ways((*self.groups, each), (*self.balancers, each) if by_it else self.balancers)


def ways_of(service: WatchedService) -> Ways:
    groups = tuple(enumerate(service.groups))
    first = {group.load_balancer: (number, group) for number, group in reversed(groups)}
    return Ways(groups, tuple(sorted(first.values(), key=lambda numbered: numbered[0])))


def divided(ways: Ways, metrics: Sequence[Metric], most: int) -> tuple[Ways, ...]:
    """Divide the ways into as few parts, in order, as have at most ``most`` series of ``metrics`` each.

    The own errors of a load balancer that nobody shares are counted in one part. A single target group is never
    divided.
    """
    parts = [Ways()]
    for each in ways.groups:
        counted = each in ways.balancers
        grown = parts[-1].with_group(each, counted=counted)
        if not parts[-1].groups or len({name for metric in metrics for name in grown.ids(metric)}) <= most:
            parts[-1] = grown
        else:
            parts.append(Ways().with_group(each, counted=counted))
    return tuple(parts)


def series_of(metric: Metric, service: WatchedService, ways: Ways) -> tuple[tuple[Metric, WatchedService], ...]:
    """Return the metric once for each of its owners, by an id of its own, with the dimensions to read it by."""
    if metric.scope in {"service", "application"}:
        return ((metric, service),)
    return tuple((numbered(metric, number), service.behind(group)) for number, group in ways.owners(metric))


def numbered(metric: Metric, number: int) -> Metric:
    """Return the metric with the id that it has for the target group of this number, or for its load balancer."""
    return replace(metric, id=f"{metric.id}_{number}" if number else metric.id)


def of_every_group(service: WatchedService) -> Iterator[tuple[Metric, WatchedService]]:
    """Yield every metric that is read for a service, those of each target group by ids of their own.

    The answers of targets are read where they tell whose a load balancer's own errors are.
    """
    ways = ways_of(service)
    for metric in (*metrics_of(service), *ANSWERS):
        yield from series_of(metric, service, ways)


def together(service: WatchedService, series: Mapping[str, Series]) -> dict[str, Series]:
    """Return the series with those of all target groups in one.

    Counts are added; of the response times the slowest group's counts, of the healthy targets the fewest.
    """
    ways, every, own = ways_of(service), {}, set[str]()
    for metric in (*_COUNTS, RESPONSE_TIME, HEALTHY):
        ids = [named.id for named, _ in series_of(metric, service, ways)]
        every[metric] = [series.get(name, {}) for name in ids]
        own |= {*ids}
    counts = {metric.id: added(*every[metric]) for metric in _COUNTS}
    slowest = _slowest(every[RESPONSE_TIME], every[REQUESTS], counts[REQUESTS.id])
    others = {name: points for name, points in series.items() if name not in own}
    return {**others, **counts, RESPONSE_TIME.id: slowest, HEALTHY.id: _fewest(every[HEALTHY])}


def _slowest(times: list[Series], requests: list[Series], all_requests: Series) -> Series:
    found: dict[float, float] = {}
    for seconds, of_group in zip(times, requests, strict=True):
        for minute, value in seconds.items():
            if of_group.get(minute, 0.0) >= LEAST_SHARE * all_requests.get(minute, 0.0):
                found[minute] = max(value, found.get(minute, 0.0))
    return found


def _fewest(hosts: list[Series]) -> Series:
    """Return the healthy targets of the target group that has the fewest: who comes by it has no other.

    A group without a point while others have one proves nothing: its points are late, or it has no target yet.
    """
    return {
        minute: min(points[minute] for points in hosts if minute in points) for minute in sorted(set().union(*hosts))
    }
