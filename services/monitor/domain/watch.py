"""How a target is watched: the state under ``watch:<target>``, and how each event changes it."""

from typing import Self

from pydantic import Field

from contracts.base import Target
from contracts.cloudwatch_names import FORM
from contracts.policy_parts import MonitoringPolicy
from contracts.policy_section import Digest
from contracts.state import State
from services.monitor.domain import alarm_alerts
from services.monitor.domain.alerts import Alert, AlertState, resolved, step, without_rules
from services.monitor.domain.look import Look
from services.monitor.domain.pending import PendingEvaluation
from services.monitor.domain.rules import RuleState, evaluate
from services.monitor.domain.service_alarms import ServiceAlarms
from services.monitor.domain.showing import Showing
from services.monitor.domain.trouble import NONE, Troubles
from services.monitor.domain.watched_service import CountedGroup, WatchedService

MOST_ENDED = 8
"""The most runs that are remembered after their end; one is active on a target at a time."""


class Watch(State):
    """What the monitor knows of one target."""

    target: Target
    dimensions: WatchedService | None = None
    closely: dict[str, float] = Field(default_factory=dict)
    """Run → the moment (epoch seconds) until which it wants the target watched closely."""
    service_alarms: ServiceAlarms = ServiceAlarms()
    """The alarms that the service has already, as they were read last."""
    set_up: bool = False
    """Whether the target is watched also while nobody deploys."""
    pending: tuple[PendingEvaluation, ...] = ()
    alerts: dict[str, AlertState] = Field(default_factory=dict)
    """Rule → its alert."""
    troubles: Troubles = NONE
    """When the database was in trouble; a state of the previous version knows of none."""
    ended: tuple[str, ...] = ()
    """Runs that are over or are being rolled back, the newest last: a command of theirs may still arrive."""
    latest: tuple[RuleState, ...] = ()
    """The rules as they were judged last."""
    collected_at: float | None = None
    """The time of the last look with readings; epoch seconds."""
    policies: dict[str, MonitoringPolicy] = Field(default_factory=dict)
    """Run → the policy by which it is watched and judged, for as long as it is; the newest run last."""
    shown: MonitoringPolicy | None = None
    """The policy, without its digest, from which the alarms and the dashboard in CloudWatch were written; None where it
    is not known or they are not all from one policy."""
    shown_form: int = 0
    """The form of the names by which they were written; 0 in a state of the previous version."""
    shown_groups: tuple[CountedGroup, ...] | None = None
    """The target groups that they show; None in a state of the previous version, which showed the first one alone."""
    showing: Showing | None = None
    """The policy from which they are being rewritten, and how far that is done; None while they are not."""

    def wanted_closely(self, now: float) -> bool:
        return bool(self.pending) or any(until > now for until in self.closely.values())

    def wanted(self, now: float) -> bool:
        """Whether the target still has to be watched; an alert is watched until it is resolved."""
        return (
            self.set_up or self.wanted_closely(now) or any(alert.began_at is not None for alert in self.alerts.values())
        )

    def policy_of(self, run_id: str, in_force: MonitoringPolicy | None) -> MonitoringPolicy | None:
        """Return the policy by which a run is judged: its own; for a run of the previous version, the one in force."""
        return self.policies.get(run_id, in_force)

    def governing(self, in_force: MonitoringPolicy | None, now: float) -> MonitoringPolicy | None:
        """Return the policy by which the target is watched: of the newest run that wants it, else the one in force."""
        watched = {run for run, until in self.closely.items() if until > now}
        wanting = watched | {waiting.run_id for waiting in self.pending}
        return next((policy for run, policy in reversed(self.policies.items()) if run in wanting), in_force)

    def judged_by(self, in_force: MonitoringPolicy | None, now: float) -> frozenset[MonitoringPolicy]:
        """Return the policies by which a look at the target is to be made."""
        runs = (self.policy_of(waiting.run_id, in_force) for waiting in self.pending)
        return frozenset(policy for policy in (self.governing(in_force, now), *runs) if policy is not None)

    def with_run(
        self, run_id: str, until: float, service: WatchedService, policy: MonitoringPolicy, now: float
    ) -> Self:
        known = service.following(self.dimensions, now)
        return self._with_policy(run_id, policy).replace(closely={**self.closely, run_id: until}, dimensions=known)

    def _with_policy(self, run_id: str, policy: MonitoringPolicy) -> Self:
        """Return the watch with a policy for the run, unless it has one: it keeps the policy with which it began."""
        return self.replace(policies={**self.policies, run_id: self.policies.get(run_id, policy)})

    def pending_of(self, run_id: str) -> tuple[PendingEvaluation, ...]:
        return tuple(waiting for waiting in self.pending if waiting.run_id == run_id)

    def without_run(self, run_id: str) -> Self:
        """Return the watch without a run that is over or is being rolled back, and without its evaluations."""
        return self.replace(
            closely={run: until for run, until in self.closely.items() if run != run_id},
            pending=tuple(waiting for waiting in self.pending if waiting.run_id != run_id),
            policies={run: policy for run, policy in self.policies.items() if run != run_id},
            ended=(*(run for run in self.ended if run != run_id), run_id)[-MOST_ENDED:],
        )

    def with_proven(self) -> Self:
        """Return the watch after a run has succeeded: what is live has been proven."""
        known = self.dimensions
        if known is None or known.rollout is None:
            return self
        proven = known.rollout.model_copy(update={"proven": True})
        return self.replace(dimensions=known.model_copy(update={"rollout": proven}))

    def with_set_up(self, service: WatchedService, policy: MonitoringPolicy, now: float) -> Self:
        return self.replace(set_up=True).with_shown(service, bare(policy), now)

    def with_shown(self, service: WatchedService, policy: MonitoringPolicy, now: float) -> Self:
        """Return the watch once alarms and dashboard are written from the policy, for the service as it was seen."""
        known = service.following(self.dimensions, now)
        return self.replace(dimensions=known, shown=policy, shown_form=FORM, shown_groups=known.groups, showing=None)

    def should_show(self, in_force: MonitoringPolicy | None, now: float) -> Showing | None:
        """Return what has to be written to CloudWatch, and how far that is done; None where nothing has to.

        Nothing is written during a run, which relies on alarms that stay as they are.
        """
        if in_force is None or not self.set_up or self.wanted_closely(now) or self.shows(in_force):
            return None
        wanted = bare(in_force)
        return self.showing if self.showing and self.showing.policy == wanted else Showing(policy=wanted)

    def shows(self, policy: MonitoringPolicy) -> bool:
        """Whether alarms and dashboard were written from this policy or an equal one, by names of today.

        And whether they show the target groups that the service has by now.
        """
        groups = self.dimensions.groups if self.dimensions else ()
        shown = groups[:1] if self.shown_groups is None else self.shown_groups
        return self.shown == bare(policy) and self.shown_form == FORM and shown == groups

    def with_pending(self, pending: PendingEvaluation, policy: MonitoringPolicy) -> Self:
        if any(waiting.command_id == pending.command_id for waiting in self.pending):
            return self
        return self._with_policy(pending.run_id, policy).replace(pending=(*self.pending, pending))

    def answered(self, command_ids: set[str]) -> Self:
        """Return the watch without evaluations that are answered, and without policies that no run needs any more."""
        pending = tuple(waiting for waiting in self.pending if waiting.command_id not in command_ids)
        wanting = {*self.closely, *(waiting.run_id for waiting in pending)}
        policies = {run: policy for run, policy in self.policies.items() if run in wanting}
        return self.replace(pending=pending, policies=policies)

    def stopped(self, digest: Digest) -> tuple[Self, tuple[Alert, ...]]:
        """Return the watch of a service that is gone, with pending evaluations alone, and its alerts' resolutions."""
        over = resolved(self.alerts, self.target, digest, "the service is gone")
        return self.replace(closely={}, set_up=False, alerts={}, showing=None), over

    def with_look(self, look: Look) -> tuple[Self, tuple[Alert, ...]]:
        """Evaluate every rule; return the new state and the alerts that are to be published."""
        if look.readings is None:
            return (self, ()) if look.blind.service is None else self._with_alarms(look, look.blind.service)
        now, digest = look.at, look.policy.digest
        states = {rule.name: evaluate(rule, look.readings, now) for rule in look.rules}
        alerts, over = without_rules(self.alerts, look.rules, self.target, digest)
        published = [*over]
        for rule in look.rules:
            before = alerts.get(rule.name, AlertState())
            state = states[rule.name]
            charge = look.charge(rule, state)
            fault = look.troubles.during(state.until if state.since is None else state.since, state.until)
            alerts[rule.name], alert = step(before, rule, state, self.target, now, fault, digest, charge)
            published += [alert] if alert else []
        watch, of_alarms = self._with_alarms(look, look.readings.service)
        watch = watch.replace(
            dimensions=look.readings.service,
            alerts=alerts,
            troubles=look.troubles,
            latest=tuple(states.values()),
            collected_at=now,
            closely={run: until for run, until in self.closely.items() if until > now},
        )
        return watch, (*published, *of_alarms)

    def _with_alarms(self, look: Look, service: WatchedService) -> tuple[Self, tuple[Alert, ...]]:
        alarms, published = alarm_alerts.step(
            look.alarms,
            service,
            self.target,
            look.at,
            look.policy.digest,
            look.troubles,
            guarded=look.guarded or self.wanted_closely(look.at),
        )
        return self.replace(service_alarms=alarms), published


def bare(policy: MonitoringPolicy) -> MonitoringPolicy:
    """Return the policy without its digest, so that policies with the same content are equal."""
    return policy.model_copy(update={"digest": ""})


def watch_key(target: Target) -> str:
    return f"watch:{target}"
