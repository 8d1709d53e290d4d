"""Attributes a broken rule to the version that serves now, or to the one before it."""

from contracts.monitor import Attribution
from services.monitor.domain.before import Before, before, broken_until
from services.monitor.domain.metrics import Readings
from services.monitor.domain.rollout import Rollout
from services.monitor.domain.rules import Rule, RuleState


def attribution(rule: Rule, state: RuleState, readings: Readings) -> Attribution | None:
    """Return whose the broken window of ``state`` is; None where ECS or CloudWatch does not show it.

    While tasks of both versions serve, an error may be either's. A rule that was kept until the change is broken by the
    new version then, and so is one that the version before always broke, by less. One that was broken just before the
    change alone, as in an incident, may be broken by the old tasks until the last of them has stopped.
    """
    rollout = readings.service.rollout
    if rollout is None or state.since is None:
        return None
    served = serving_since(rule, rollout)
    if served is None or state.since < served:
        return "neither"
    known = before(rule, readings, rollout.began_at)
    if known is not None and known.excuses(rule, state.value, state.samples):
        return "version-before"
    if may_be_old_tasks(rule, state.since, readings, rollout.began_at, known):
        return "neither"
    return None if known is None else "new-version"


def may_be_old_tasks(rule: Rule, since: float, readings: Readings, began_at: float, known: Before | None) -> bool:
    """Return whether old tasks may have broken the rule in a window from ``since`` on, as they did until ``began_at``.

    ``known`` is what the version before always did: where that broke the rule, more than that is not its tasks'.
    Missing tasks are no version's errors.
    """
    rollout = readings.service.rollout
    if rollout is None or rule.measure.absence == "is an outage" or (known is not None and rule.breaks(known.value)):
        return False
    shared = rollout.alone_since is None or since < rollout.alone_since
    return shared and broken_until(rule, readings, began_at)


def serving_since(rule: Rule, rollout: Rollout) -> float | None:
    """Return since when the deployment may have broken the rule; None: not yet.

    Errors and response times need one of its tasks that runs. Missing tasks do not: it may have stopped the old ones.
    """
    return rollout.serving_since if rule.measure.requests else rollout.began_at
