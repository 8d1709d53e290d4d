"""How a target is watched: the state under ``watch:<target>``, and what each event makes of it."""

from typing import Self

from pydantic import Field

from contracts.base import Target
from contracts.policy import Digest, MonitoringPolicy
from contracts.state import State
from services.monitor.domain.alerts import Alert, AlertState, resolved, step, without_rules
from services.monitor.domain.judge import PendingEvaluation
from services.monitor.domain.look import Look
from services.monitor.domain.metrics import WatchedService
from services.monitor.domain.rules import RuleState, evaluate
from services.monitor.domain.showing import Showing

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
    policies: dict[str, MonitoringPolicy] = Field(default_factory=dict)
    """Run → what it is watched and judged by, for as long as it is; the newest run last."""
    shown: MonitoringPolicy | None = None
    """What the alarms and the dashboard in CloudWatch were written from, without its digest; None: not known, or a
    part of something else."""
    showing: Showing | None = None
    """What they are being written from, where they are not what ``shown`` says any more."""

    def wanted_closely(self, now: float) -> bool:
        return bool(self.pending) or any(until > now for until in self.closely.values())

    def wanted(self, now: float) -> bool:
        """Whether anybody still wants to know. An alert that stands is watched until it is over."""
        return (
            self.set_up or self.wanted_closely(now) or any(alert.began_at is not None for alert in self.alerts.values())
        )

    def policy_of(self, run_id: str, in_force: MonitoringPolicy | None) -> MonitoringPolicy | None:
        """Return what a run is judged by; a run of the previous version by what is in force."""
        return self.policies.get(run_id, in_force)

    def governing(self, in_force: MonitoringPolicy | None, now: float) -> MonitoringPolicy | None:
        """Return what the target is watched by: the policy of the newest run that wants it, else what is in force."""
        watched = {run for run, until in self.closely.items() if until > now}
        wanting = watched | {waiting.run_id for waiting in self.pending}
        return next((policy for run, policy in reversed(self.policies.items()) if run in wanting), in_force)

    def judged_by(self, in_force: MonitoringPolicy | None, now: float) -> frozenset[MonitoringPolicy]:
        """Return the policies by which a look at the target is to be made."""
        runs = (self.policy_of(waiting.run_id, in_force) for waiting in self.pending)
        return frozenset(policy for policy in (self.governing(in_force, now), *runs) if policy is not None)

    def with_run(self, run_id: str, until: float, service: WatchedService, policy: MonitoringPolicy) -> Self:
        return self._with_policy(run_id, policy).replace(closely={**self.closely, run_id: until}, dimensions=service)

    def _with_policy(self, run_id: str, policy: MonitoringPolicy) -> Self:
        """A run keeps the policy with which it began."""
        return self.replace(policies={**self.policies, run_id: self.policies.get(run_id, policy)})

    def pending_of(self, run_id: str) -> tuple[PendingEvaluation, ...]:
        return tuple(waiting for waiting in self.pending if waiting.run_id == run_id)

    def without_run(self, run_id: str) -> Self:
        """The run is over, or is being rolled back: nobody waits for its evaluations any more."""
        return self.replace(
            closely={run: until for run, until in self.closely.items() if run != run_id},
            pending=tuple(waiting for waiting in self.pending if waiting.run_id != run_id),
            policies={run: policy for run, policy in self.policies.items() if run != run_id},
            ended=(*(run for run in self.ended if run != run_id), run_id)[-MOST_ENDED:],
        )

    def with_set_up(self, service: WatchedService, policy: MonitoringPolicy) -> Self:
        return self.replace(set_up=True, dimensions=service, shown=bare(policy), showing=None)

    def should_show(self, in_force: MonitoringPolicy | None, now: float) -> Showing | None:
        """Return what is to be written to CloudWatch, and how far it is; None where nothing is.

        Not during a run: whoever deploys relies on alarms that stay as they are.
        """
        if in_force is None or not self.set_up or self.wanted_closely(now) or self.shows(in_force):
            return None
        wanted = bare(in_force)
        return self.showing if self.showing and self.showing.policy == wanted else Showing(policy=wanted)

    def shows(self, policy: MonitoringPolicy) -> bool:
        """Whether the alarms and the dashboard were written from this policy, or from one that says the same."""
        return self.shown == bare(policy)

    def with_pending(self, pending: PendingEvaluation, policy: MonitoringPolicy) -> Self:
        if any(waiting.command_id == pending.command_id for waiting in self.pending):
            return self
        return self._with_policy(pending.run_id, policy).replace(pending=(*self.pending, pending))

    def answered(self, command_ids: set[str]) -> Self:
        """These evaluations have their answers; the policy of a run that wants nothing any more is forgotten."""
        pending = tuple(waiting for waiting in self.pending if waiting.command_id not in command_ids)
        wanting = {*self.closely, *(waiting.run_id for waiting in pending)}
        policies = {run: policy for run, policy in self.policies.items() if run in wanting}
        return self.replace(pending=pending, policies=policies)

    def stopped(self, digest: Digest) -> tuple[Self, tuple[Alert, ...]]:
        """The service is gone: only what waits for an answer remains. Return also the resolutions of its alerts."""
        over = resolved(self.alerts, self.target, digest, "the service is gone")
        return self.replace(closely={}, set_up=False, alerts={}, showing=None), over

    def with_look(self, look: Look) -> tuple[Self, tuple[Alert, ...]]:
        """Evaluate every rule; return the new state and the alerts that are to be published."""
        if look.readings is None:
            return self, ()
        now, digest = look.at, look.policy.digest
        states = {rule.name: evaluate(rule, look.readings, now) for rule in look.rules}
        alerts, over = without_rules(self.alerts, look.rules, self.target, digest)
        published = [*over]
        for rule in look.rules:
            before = alerts.get(rule.name, AlertState())
            alerts[rule.name], alert = step(before, rule, states[rule.name], self.target, now, look.fault, digest)
            published += [alert] if alert else []
        watch = self.replace(
            dimensions=look.readings.service,
            alerts=alerts,
            latest=tuple(states.values()),
            collected_at=now,
            closely={run: until for run, until in self.closely.items() if until > now},
        )
        return watch, tuple(published)


def bare(policy: MonitoringPolicy) -> MonitoringPolicy:
    """Return the policy without its digest: two that say the same are equal."""
    return policy.model_copy(update={"digest": ""})


def watch_key(target: Target) -> str:
    return f"watch:{target}"
