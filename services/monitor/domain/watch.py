"""How a target is watched: the state under ``watch:<target>``, and what each event makes of it."""

from typing import Self

from pydantic import Field

from contracts.base import Target
from contracts.monitor import DependencyFault
from contracts.state import State
from services.monitor.domain.alerts import Alert, AlertState, step
from services.monitor.domain.judge import PendingEvaluation
from services.monitor.domain.metrics import Readings, WatchedService
from services.monitor.domain.rules import Rule, RuleState, evaluate

MOST_ENDED = 8
"""Runs remembered after their end; one is active on a target at a time."""


class Watch(State):
    """What the monitor knows of one target."""

    target: Target
    dimensions: WatchedService | None = None
    closely: dict[str, float] = Field(default_factory=dict)
    """Run → until when (epoch seconds) it wants the target watched closely."""
    set_up: bool = False
    """Whether to watch also while nobody deploys."""
    pending: tuple[PendingEvaluation, ...] = ()
    alerts: dict[str, AlertState] = Field(default_factory=dict)
    """By rule."""
    ended: tuple[str, ...] = ()
    """Runs that are over or are being rolled back, the newest last: a command may come later than that news."""
    latest: tuple[RuleState, ...] = ()
    collected_at: float | None = None

    def wanted_closely(self, now: float) -> bool:
        return bool(self.pending) or any(until > now for until in self.closely.values())

    def wanted(self, now: float) -> bool:
        """Whether anybody still wants to know. An alert that stands is watched until it is over."""
        return self.set_up or self.wanted_closely(now) or any(one.began_at is not None for one in self.alerts.values())

    def with_run(self, run_id: str, until: float, service: WatchedService) -> Self:
        return self.replace(closely={**self.closely, run_id: until}, dimensions=service)

    def pending_of(self, run_id: str) -> tuple[PendingEvaluation, ...]:
        return tuple(one for one in self.pending if one.run_id == run_id)

    def without_run(self, run_id: str) -> Self:
        """The run is over, or is being rolled back: nobody waits for its evaluations any more."""
        return self.replace(
            closely={run: until for run, until in self.closely.items() if run != run_id},
            pending=tuple(one for one in self.pending if one.run_id != run_id),
            ended=(*(run for run in self.ended if run != run_id), run_id)[-MOST_ENDED:],
        )

    def with_set_up(self, service: WatchedService) -> Self:
        return self.replace(set_up=True, dimensions=service)

    def with_pending(self, pending: PendingEvaluation) -> Self:
        if any(one.command_id == pending.command_id for one in self.pending):
            return self
        return self.replace(pending=(*self.pending, pending))

    def answered(self, command_ids: set[str]) -> Self:
        return self.replace(pending=tuple(one for one in self.pending if one.command_id not in command_ids))

    def stopped(self) -> Self:
        """The service is gone: only what waits for an answer remains."""
        return self.replace(closely={}, set_up=False, alerts={})

    def with_readings(
        self, readings: Readings, rules: tuple[Rule, ...], now: float, fault: DependencyFault | None = None
    ) -> tuple[Self, tuple[Alert, ...]]:
        """Evaluate every rule; return the new state and the alerts that are to be published.

        ``fault``: of the database, which then is to blame.
        """
        states = {rule.name: evaluate(rule, readings, now) for rule in rules}
        alerts, published = {}, []
        for rule in rules:
            before = self.alerts.get(rule.name, AlertState())
            alerts[rule.name], alert = step(before, rule, states[rule.name], self.target, now, fault)
            if alert:
                published.append(alert)
        closely = {run: until for run, until in self.closely.items() if until > now}
        return (
            self.replace(
                dimensions=readings.service,
                alerts=alerts,
                latest=tuple(states.values()),
                collected_at=now,
                closely=closely,
            ),
            tuple(published),
        )


def watch_key(target: Target) -> str:
    return f"watch:{target}"
