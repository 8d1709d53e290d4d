"""Checks the runs whose place a newer one took: each for a request, and never two of them at once. Pure."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from contracts.deployment import Cause, DeploymentFinished, DeploymentStarted, Outcome
from tests.chaos.judge import OLDER_COPY, Effect, effects_of, jobs_of
from tests.chaos.observer import Seen
from tests.chaos.report import Report
from tests.chaos.requests import Asked

STOPPED = frozenset({Outcome.ABORTED, Outcome.ROLLED_BACK})


def judge_superseded(report: Report, asked: Sequence[Asked], seen: Seen, calls: Iterable[dict[str, Any]]) -> None:
    """Add the figure and the faults of superseded runs to a report.

    A Redis that was restored from an older copy publishes once more, so that nothing is said of the order there.
    """
    ended = {run_id: end for run_id, end in seen.ended.items() if end.cause is Cause.SUPERSEDED}
    superseded = {run_id for run_id, end in ended.items() if end.outcome in STOPPED}
    report.superseded = len(superseded)
    effects = effects_of(calls)
    for number, request in enumerate(asked):
        if request.run_id in superseded:
            newer = _newer(request, asked[number + 1 :])
            report.faults += _wrong(report, request, newer, seen, effects)


def _newer(request: Asked, later: Iterable[Asked]) -> Asked | None:
    """Return the next request on the same target, if it was to take the run's place."""
    following = next((other for other in later if other.target == request.target), None)
    return following if following is not None and following.supersedes_after is not None else None


def _wrong(report: Report, request: Asked, newer: Asked | None, seen: Seen, effects: Sequence[Effect]) -> Iterator[str]:
    if newer is None:
        yield f"{request.id} ended as superseded, and nobody had asked for that"
        return
    if report.harm.get(OLDER_COPY):
        return
    if _began_before_the_end(request.run_id, newer.run_id, seen):
        yield f"{newer.id} began before {request.id}, whose place it took, had ended"
    ours, theirs = _numbers(request, effects), _numbers(newer, effects)
    if ours and theirs and min(theirs) < max(ours):
        yield f"{newer.id} deployed before {request.id}, whose place it took, was rolled back"


def _began_before_the_end(older: str, newer: str, seen: Seen) -> bool:
    """Whether the newer run was published as started before the older one as ended: both are on one partition."""
    events = [envelope.event for envelope in list(seen.events.values())]
    order = [
        event.run_id
        for event in events
        if (isinstance(event, DeploymentFinished) and event.run_id == older)
        or (isinstance(event, DeploymentStarted) and event.run_id == newer)
    ]
    return order[:1] == [newer]


def _numbers(request: Asked, effects: Iterable[Effect]) -> list[int]:
    return [effect.number for effect in effects if effect.job in jobs_of([request.run_id])]
