"""Attributes a broken rule to the version that serves now, or to the one before it."""

from contracts.monitor import Attribution
from services.monitor.domain.before import before
from services.monitor.domain.metrics import Readings
from services.monitor.domain.rollout import Rollout
from services.monitor.domain.rules import Rule, RuleState


def attribution(rule: Rule, state: RuleState, readings: Readings) -> Attribution | None:
    """Return whose the broken window of ``state`` is; None where ECS or CloudWatch does not show it.

    While tasks of both versions serve, nobody can tell whose an error is: a rule that the version before kept counts as
    broken by the new one.
    """
    rollout = readings.service.rollout
    if rollout is None or state.since is None:
        return None
    served = serving_since(rule, rollout)
    if served is None or state.since < served:
        return "neither"
    known = before(rule, readings, rollout.began_at)
    if known is None:
        return None
    return "version-before" if known.excuses(rule, state.value, state.samples) else "new-version"


def serving_since(rule: Rule, rollout: Rollout) -> float | None:
    """Return since when the deployment may have broken the rule; None: not yet.

    Errors and response times need one of its tasks that runs. Missing tasks do not: it may have stopped the old ones.
    """
    return rollout.serving_since if rule.measure.requests else rollout.began_at
