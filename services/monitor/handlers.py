"""Commands, timers and changes of the policy: how each changes the state, and which job it begins."""

from dataclasses import dataclass

import structlog

from contracts.base import Target, caused_id
from contracts.deployment import DeploymentFinished, Outcome
from contracts.envelope import Meta
from contracts.monitor import EvaluateRules
from contracts.policy_parts import MonitoringPolicy
from contracts.recovery import RollbackStarted
from contracts.state import NewerState
from services._chassis.clock import Clock
from services._chassis.commands import Command
from services._chassis.policies import Policies, governed
from services._chassis.store import Store
from services._chassis.transition import Decision, Job, Timer, Transition, decided
from services.monitor.decisions import (
    COLLECT,
    SHOW,
    deadline,
    deadline_id,
    evaluation,
    look_at,
    refused_by_policy,
    run_is_over,
    show_at,
)
from services.monitor.domain.pending import PendingEvaluation
from services.monitor.domain.watch import Watch, watch_key

LOST = 120.0
"""Product seconds after which a look whose job has not ended is begun anew."""
SHOW_LOST = 600.0
"""Product seconds after which a job that writes alarms and dashboard is begun anew; CloudWatch may make it wait."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Handlers:
    store: Store
    clock: Clock
    policies: Policies

    async def evaluate_rules(self, command: EvaluateRules, meta: Meta) -> Transition:
        """Wait for evidence: the first look is due now, and there is one at the deadline."""
        try:
            command, policy = governed(command, MonitoringPolicy, self.policies)
        except LookupError as error:
            return decided(refused_by_policy(Command.of(command, meta), error))
        now = self.clock.now()
        pending = PendingEvaluation(
            command_id=meta.id,
            run_id=command.run_id,
            since=command.since.timestamp(),
            not_before=command.not_before.timestamp() if command.not_before else None,
            asked_at=command.took_over.timestamp() if command.took_over else now,
            deadline=command.deadline.timestamp(),
            probes=command.probes,
            task_definition=command.task_definition,
        )
        timers = (look_at(command.target, now), deadline(meta.id, command.target, pending.deadline))

        def decide(state: bytes | None) -> Decision:
            watch = Watch.from_bytes(state, target=command.target)
            if command.run_id in watch.ended:
                return Decision(emit=(run_is_over(Command.of(command, meta)),))
            return Decision(watch.with_pending(pending, policy).to_bytes(), timers=timers)

        return Transition(watch_key(command.target), decide)

    async def run_over(self, event: DeploymentFinished | RollbackStarted, _: Meta) -> Transition | None:
        """Stop watching for a run that is over or is being rolled back, and answer its evaluations."""
        target, run_id = event.target, event.run_id
        if run_id is None:
            return None
        now = self.clock.now()
        succeeded = isinstance(event, DeploymentFinished) and event.outcome is Outcome.SUCCEEDED

        def decide(state: bytes | None) -> Decision:
            watch = Watch.from_bytes(state, target=target)
            waiting = watch.pending_of(run_id)
            over = watch.without_run(run_id)
            return Decision(
                (over.with_proven() if succeeded else over).to_bytes(),
                expires=not over.wanted(now),
                emit=tuple(run_is_over(evaluation(watch, pending, None)) for pending in waiting),
                cancel_timers=tuple(deadline_id(pending.command_id) for pending in waiting),
            )

        return Transition(watch_key(target), decide)

    async def look(self, timer: Timer) -> Transition:
        """Begin a look, unless the target need not be watched any more. Its job sets the timer of the next one."""
        target, now = Target.parse(timer.payload.decode()), self.clock.now()
        job = Job(caused_id(timer.id, repr(timer.due)), COLLECT, timer.payload)

        def decide(state: bytes | None) -> Decision:
            if not Watch.from_bytes(state, target=target).wanted(now):
                return Decision()
            return Decision(timers=(look_at(target, now + LOST),), jobs=(job,))

        return Transition(watch_key(target), decide)

    async def show(self, timer: Timer) -> Transition:
        """Begin or go on to write alarms and dashboard; do nothing during a run, or where they are up to date."""
        target, now = Target.parse(timer.payload.decode()), self.clock.now()
        job = Job(caused_id(timer.id, repr(timer.due)), SHOW, timer.payload)
        try:
            in_force = self.policies.of(target).part(MonitoringPolicy)
        except LookupError:
            in_force = None

        def decide(state: bytes | None) -> Decision:
            watch = Watch.from_bytes(state, target=target)
            if watch.showing is None:
                return Decision()
            watch = watch.replace(showing=watch.should_show(in_force, now))
            if watch.showing is None:
                return Decision(watch.to_bytes())  # the next look that finds it necessary begins anew
            watch = watch.replace(shown=None)  # from now on CloudWatch may show parts of two policies
            return Decision(watch.to_bytes(), timers=(show_at(target, now + SHOW_LOST),), jobs=(job,))

        return Transition(watch_key(target), decide)

    async def policy_changed(self, targets: frozenset[Target]) -> None:
        """Look at once at the targets that are watched; if alarms or dashboard differ, they are rewritten after it."""
        for target in targets:
            try:
                await self.store.apply(self._looked_at_now(target), cause="")
            except NewerState as error:  # the replica that wrote this state follows the policy as well
                log.warning("a newer version watches this target", target=str(target), why=str(error))

    def _looked_at_now(self, target: Target) -> Transition:
        now = self.clock.now()

        def decide(state: bytes | None) -> Decision:
            watch = Watch.from_bytes(state, target=target)
            return Decision(timers=(look_at(target, now),) if watch.wanted(now) else ())

        return Transition(watch_key(target), decide)
