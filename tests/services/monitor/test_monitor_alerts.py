"""Alerts: raised once, resolved after two good minutes, unmoved by silence."""

from contracts.base import caused_id
from contracts.monitor import CriticalAlert, WarningAlert
from services.monitor.domain.alerts import AlertState, step
from services.monitor.domain.metrics import MINUTE
from services.monitor.domain.rules import Rule, RuleState, RuleVerdict
from tests.services.monitor.harness import BY_NAME, START, TARGET

ERROR_RATE = BY_NAME["error_rate"]


def course(*verdicts: RuleVerdict, rule: Rule = ERROR_RATE, minutes: tuple[int, ...] = ()) -> list[tuple[int, str]]:
    """Return (minute, state of the alert) for what is published by one verdict a minute.

    ``minutes`` are the minutes that the verdicts are about, where they are not those at which they come.
    """
    standing = AlertState()
    published: list[tuple[int, str]] = []
    for index, verdict in enumerate(verdicts):
        about = minutes[index] if minutes else index
        state = RuleState(
            rule=rule.name, verdict=verdict, value=12.0, samples=100, until=START + about * MINUTE, detail="because"
        )
        standing, alert = step(standing, rule, state, TARGET, START + index * MINUTE)
        if alert:
            published.append((index, alert.state))
    return published


def test_an_alert_is_raised_once_and_resolved_after_two_good_evaluations() -> None:
    assert course("ok", "broken", "broken", "ok", "ok", "ok") == [(1, "raised"), (4, "resolved")]


def test_a_relapse_starts_the_count_anew() -> None:
    assert course("broken", "ok", "broken", "ok", "ok") == [(0, "raised"), (4, "resolved")]


def test_silence_neither_raises_nor_resolves() -> None:
    assert course("no_data", "no_data") == []
    assert course("broken", "no_data", "no_data", "ok", "no_data", "ok") == [(0, "raised"), (5, "resolved")]


def test_the_same_minute_seen_twice_counts_once() -> None:
    assert course("broken", "ok", "ok", "ok", minutes=(1, 2, 2, 3)) == [(0, "raised"), (3, "resolved")]


def test_the_next_occurrence_has_an_id_of_its_own() -> None:
    def raised(at: float) -> str:
        state = RuleState(rule="error_rate", verdict="broken", value=12.0, samples=100, until=START)
        _, alert = step(AlertState(), ERROR_RATE, state, TARGET, at)
        assert isinstance(alert, CriticalAlert)
        assert alert.began_at.timestamp() == at
        assert alert.detail == "error_rate: 12%, limit > 10%"
        return alert.alert_id

    assert raised(START) == caused_id(str(TARGET), f"error_rate:{START:.3f}")
    assert raised(START) != raised(START + 60)


def test_raised_and_resolved_carry_the_same_id_and_kind() -> None:
    rule = BY_NAME["cpu"]
    broken = RuleState(rule=rule.name, verdict="broken", value=91.0, samples=5, until=START)
    standing, raised = step(AlertState(), rule, broken, TARGET, START)
    for minute in (1, 2):
        good = broken.model_copy(update={"verdict": "ok", "until": START + minute * MINUTE})
        standing, resolved = step(standing, rule, good, TARGET, START + minute * MINUTE)
    assert isinstance(raised, WarningAlert)
    assert isinstance(resolved, WarningAlert)
    assert (resolved.alert_id, resolved.began_at) == (raised.alert_id, raised.began_at)
    assert standing.began_at is None
