"""What the other services have published about a target: whether it is armed, its alerts, its health score."""

from datetime import datetime, timedelta
from typing import Literal, Self

from contracts.base import Contract
from contracts.health import HealthScored
from contracts.monitor import CriticalAlert, WarningAlert
from contracts.prose import Prose
from contracts.recovery import (
    AlertTrigger,
    ReadinessChanged,
    RollbackDecided,
    RollbackFinished,
    TargetArmed,
    TargetDisarmed,
)

FRESH = timedelta(hours=1)
"""A score that was published longer ago is not shown: health publishes one every quarter of an hour at least."""
CALLED = timedelta(days=1)
"""For so long it is shown that people are called, unless the alert is over before."""
LOST = timedelta(days=2)
"""For so long it is shown that a way back is lost: recovery says it once a day while it is."""
MOST_ALERTS = 50
"""Open alerts that are kept for a target; the oldest go first."""


class Armed(Contract):
    run_id: str
    until: datetime
    """From then on recovery does not act for the run any more."""


class OpenAlert(Contract):
    alert_id: str
    rule: str
    severity: Literal["critical", "warning"]
    began_at: datetime
    detail: Prose

    @property
    def name(self) -> tuple[str, str, str]:
        """What tells it from others: not its id alone, since those of dead letters have other writers."""
        return self.severity, self.rule, self.alert_id


class Score(Contract):
    """An interval: what is unknown counts as 0 at the low end and as 100 at the high end."""

    low: float
    high: float
    rating: str
    at: datetime


class PeopleCalled(Contract):
    """Recovery did not act on a critical alert outside a run, and only people can help."""

    alert_id: str
    rule: str
    sentence: Prose
    """Why recovery did not act."""
    at: datetime


class NoWayBack(Contract):
    """One cannot go back to the last good snapshot, or to the one before it."""

    sentences: tuple[Prose, ...]
    """A sentence for each, with the reasons."""
    at: datetime


Published = (
    TargetArmed
    | TargetDisarmed
    | RollbackFinished
    | RollbackDecided
    | ReadinessChanged
    | CriticalAlert
    | WarningAlert
    | HealthScored
)


class Condition(Contract):
    """What is known of a target by the last event of each kind."""

    armed: Armed | None = None
    alerts: tuple[OpenAlert, ...] = ()
    """Oldest first."""
    score: Score | None = None
    called: PeopleCalled | None = None
    """The last call for people that is not over."""
    no_way_back: NoWayBack | None = None

    def after(self, event: Published, published_at: datetime) -> Self:  # noqa: PLR0911  one for each kind of event
        """Return the condition with an event taken in; the same event again changes nothing."""
        match event:
            case TargetArmed():
                return self._with(armed=Armed(run_id=event.run_id, until=event.expires_at))
            case TargetDisarmed() | RollbackFinished():
                ended = self.armed is not None and self.armed.run_id == event.run_id
                return self._with(armed=None) if ended else self
            case ReadinessChanged():
                lost = NoWayBack(sentences=event.lost, at=event.checked_at) if event.lost else None
                return self._with(no_way_back=lost)
            case RollbackDecided():
                return self._with(called=self._called_after(event))
            case HealthScored() if self.score is not None and published_at <= self.score.at:
                return self
            case HealthScored():
                return self._with(score=Score(low=event.low, high=event.high, rating=event.rating, at=published_at))
            case CriticalAlert() | WarningAlert():
                over = _is_over(event, self.called)
                return self._with(alerts=self._alerts_after(event), called=None if over else self.called)

    def at(self, now: datetime) -> Self:
        """Return the part that still holds: an arm expires by itself, and what is old is not shown."""
        armed = self.armed if self.armed is not None and self.armed.until > now else None
        score = self.score if self.score is not None and now - self.score.at < FRESH else None
        called = self.called if self.called is not None and now - self.called.at < CALLED else None
        lost = self.no_way_back if self.no_way_back is not None and now - self.no_way_back.at < LOST else None
        return self._with(armed=armed, score=score, called=called, no_way_back=lost)

    def _alerts_after(self, event: CriticalAlert | WarningAlert) -> tuple[OpenAlert, ...]:
        raised = OpenAlert(
            alert_id=event.alert_id,
            rule=event.rule,
            severity="critical" if isinstance(event, CriticalAlert) else "warning",
            began_at=event.began_at,
            detail=event.detail,
        )
        others = tuple(alert for alert in self.alerts if alert.name != raised.name)
        if event.state == "resolved":
            return others
        return (*others, raised)[-MOST_ALERTS:]

    def _called_after(self, event: RollbackDecided) -> PeopleCalled | None:
        if event.decision == "acted":
            return None
        if event.decision == "declined" or not isinstance(event.trigger, AlertTrigger):
            return self.called
        trigger = event.trigger
        return PeopleCalled(alert_id=trigger.alert_id, rule=trigger.rule, sentence=event.sentence, at=event.decided_at)

    def _with(self, **changes: object) -> Self:
        return self.model_copy(update=changes)


def _is_over(event: CriticalAlert | WarningAlert, called: PeopleCalled | None) -> bool:
    """Return whether the critical alert is resolved on which people were called."""
    resolved = isinstance(event, CriticalAlert) and event.state == "resolved"
    return resolved and called is not None and called.alert_id == event.alert_id
