"""Load balancers that others use as well: which of their own errors are the service's."""

from collections.abc import Mapping

from contracts.own_errors import GroupCounts, OwnErrors
from services.monitor.domain.groups import Numbered, numbered, ways_of
from services.monitor.domain.metrics import (
    ANSWERS,
    BALANCER_5XX,
    HEALTHY,
    REQUESTS,
    RESPONSE_TIME,
    TARGET_5XX,
    Metric,
    Series,
)
from services.monitor.domain.watched_service import WatchedService

_OF_GROUP = (REQUESTS, TARGET_5XX, RESPONSE_TIME, HEALTHY)


def own(service: WatchedService, series: Mapping[str, Series]) -> dict[str, Series]:
    """Return the series, by the ids of ``of_every_group``, with what is the service's alone.

    Of a shared load balancer's own errors those are left that count as the service's; the requests that it answered
    with one are taken out of REQUESTS, so that each request counts once. A minute of which the answers are not all
    known yet has no point, as if nothing of it had been reported.
    """
    found = dict(series)
    ways = ways_of(service)
    for owner, balancer in ways.balancers:
        if balancer.shared:
            behind = [each for each in ways.groups if each[1].load_balancer == balancer.load_balancer]
            found |= _of_balancer(service, series, owner, behind)
    answers = {numbered(metric, number).id for metric in ANSWERS for number, _ in ways.groups}
    return {name: points for name, points in found.items() if name not in answers}


def _of_balancer(
    service: WatchedService, series: Mapping[str, Series], owner: int, behind: list[Numbered]
) -> dict[str, Series]:
    def of(metric: Metric, number: int) -> Series:
        return series.get(numbered(metric, number).id, {})

    counts = [
        GroupCounts(
            of(REQUESTS, number),
            tuple(of(metric, number) for metric in (*ANSWERS, TARGET_5XX)),
            of(HEALTHY, number) if service.wanted else {},
        )
        for number, _ in behind
    ]
    errors = OwnErrors(of(BALANCER_5XX, owner), counts)
    found: dict[str, Series] = {numbered(BALANCER_5XX, owner).id: errors.errors}
    for (number, _), unanswered in zip(behind, errors.unanswered, strict=True):
        for metric in _OF_GROUP:
            points = of(metric, number)
            found[numbered(metric, number).id] = {at: points[at] for at in points if at not in errors.undecided}
        answered = found[numbered(REQUESTS, number).id]
        found[numbered(REQUESTS, number).id] = {at: asked - unanswered.get(at, 0.0) for at, asked in answered.items()}
    return found
