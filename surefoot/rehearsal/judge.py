"""Compares a rehearsal with what its scenario expects."""

from collections.abc import Iterator

from contracts.monitor import CriticalAlert
from sandbox.scenarios.model import Expected
from surefoot.rehearsal.rehearse import Rehearsal


def alerts_of(rehearsal: Rehearsal) -> set[str]:
    """Return the rules of the critical alerts that were raised."""
    events = (envelope.event for envelope in rehearsal.events)
    return {event.rule for event in events if isinstance(event, CriticalAlert) and event.state == "raised"}


def deployments_of(rehearsal: Rehearsal) -> int:
    """Return how many deployments Surefoot itself began at AWS."""
    return sum("ecs-svc/" in call.effect for call in rehearsal.calls)


def mismatches(rehearsal: Rehearsal, expected: Expected) -> list[str]:
    """Return a sentence for each difference from what was expected; empty if there is none."""
    return list(_mismatches(rehearsal, expected))


def _mismatches(rehearsal: Rehearsal, expected: Expected) -> Iterator[str]:
    ended = rehearsal.finished
    if ended.outcome is not expected.outcome:
        yield f"it ended {ended.outcome}, not {expected.outcome}"
    if expected.cause is not None and ended.cause is not expected.cause:
        yield f"its cause is {ended.cause or 'none'}, not {expected.cause}"
    for words in expected.says:
        if words not in ended.reason:
            yield f"its reason does not say {words!r}"
    by = ended.rollback.by if ended.rollback is not None else None
    if expected.rolled_back_by is not None and by != expected.rolled_back_by:
        yield f"it was rolled back by {by or 'nobody'}, not by {expected.rolled_back_by}"
    if expected.changes is not None and (count := deployments_of(rehearsal)) != expected.changes:
        yield f"Surefoot began {count} deployments at AWS, not {expected.changes}"
    if expected.alerts is not None and (raised := alerts_of(rehearsal)) != expected.alerts:
        yield f"critical alerts: {_names(raised)}, not {_names(expected.alerts)}"


def _names(rules: set[str] | frozenset[str]) -> str:
    return ", ".join(sorted(rules)) or "none"
