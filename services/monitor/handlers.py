"""Commands, timers and the jobs behind them: watch a target, judge it, set its monitoring up."""

from collections.abc import Collection
from dataclasses import dataclass

import structlog

from contracts.base import Target, caused_id
from contracts.deployment import DeploymentFinished
from contracts.envelope import Meta
from contracts.gates import Gate
from contracts.monitor import CheckAlarms, DependencyFault, EvaluateRules, SetUpMonitoring, WatchClosely
from contracts.recovery import RollbackStarted
from services._aws.errors import AwsError
from services._chassis.clock import Clock
from services._chassis.commands import Command
from services._chassis.jobs import Running
from services._chassis.store import Store
from services._chassis.transition import Decision, Emit, Job, Timer, Transition, decided
from services.monitor.domain.alerts import Alert
from services.monitor.domain.answers import cause_of_silence, summary
from services.monitor.domain.database import fault as fault_of
from services.monitor.domain.judge import PendingEvaluation, judge
from services.monitor.domain.metrics import DATABASE_ERRORS, MINUTE, Readings
from services.monitor.domain.rules import Rule, evaluate
from services.monitor.domain.watch import Watch, watch_key
from services.monitor.jobs.answers import from_gates, not_reached, run_is_over
from services.monitor.jobs.looks import COLLECT, deadline, deadline_id, look_at
from services.monitor.ports import Databases, Metrics, NotFound, Services

log = structlog.get_logger()

CHECK = "check-alarms"
WATCH = "watch-closely"
SET_UP = "set-up-monitoring"
OPERATION = "set-up-on-request"

LOOK_BACK = 15 * MINUTE
FARTHEST = 3 * 3600.0
"""Seconds of points that a look reads at least, and at most while an evaluation waits."""
LOST = 120.0
"""Product seconds after which a look whose job has not ended is begun anew."""


async def on_check_alarms(command: CheckAlarms, meta: Meta) -> Transition:
    return decided(jobs=(Command.of(command, meta).job(CHECK, command.model_dump_json().encode()),))


async def on_watch_closely(command: WatchClosely, meta: Meta) -> Transition:
    return decided(jobs=(Command.of(command, meta).job(WATCH, command.model_dump_json().encode()),))


async def on_set_up(command: SetUpMonitoring, meta: Meta) -> Transition:
    return decided(jobs=(Command.of(command, meta).job(SET_UP, command.model_dump_json().encode()),))


async def on_run_over(event: DeploymentFinished | RollbackStarted, _: Meta) -> Transition | None:
    """End what the run wanted: it is over, or is being rolled back, and nobody waits for its evidence any more."""
    target, run_id = event.target, event.run_id
    if run_id is None:
        return None

    def decide(state: bytes | None) -> Decision:
        watch = Watch.from_bytes(state, target=target)
        waiting = [one.command_id for one in watch.pending_of(run_id)]
        return Decision(
            watch.without_run(run_id).to_bytes(),
            emit=tuple(run_is_over(Command.to(EvaluateRules, target, run_id, id_)) for id_ in waiting),
            cancel_timers=tuple(map(deadline_id, waiting)),
        )

    return Transition(watch_key(target), decide)


@dataclass(frozen=True, slots=True)
class Watching:
    """Looks at a target again and again, raises its alerts, and answers who waits for evidence."""

    store: Store
    clock: Clock
    services: Services
    metrics: Metrics
    databases: Databases
    rules: tuple[Rule, ...]
    interval: float
    """Product seconds between two looks."""
    close_interval: float
    """The same while a deployment is watched, or an evaluation waits."""

    async def on_evaluate_rules(self, command: EvaluateRules, meta: Meta) -> Transition:
        """Wait for evidence: looks begin at once, and the deadline is a look as well."""
        now = self.clock.now()
        pending = PendingEvaluation(
            command_id=meta.id,
            run_id=command.run_id,
            since=command.since.timestamp(),
            deadline=command.deadline.timestamp(),
            probes=command.probes,
        )
        due = deadline(meta.id, command.target, pending.deadline)

        def decide(state: bytes | None) -> Decision:
            watch = Watch.from_bytes(state, target=command.target)
            if command.run_id in watch.ended:
                return Decision(emit=(run_is_over(Command.of(command, meta)),))
            return Decision(watch.with_pending(pending).to_bytes(), timers=(look_at(command.target, now), due))

        return Transition(watch_key(command.target), decide)

    async def watch_closely(self, running: Running) -> Transition:
        command = WatchClosely.model_validate_json(running.payload)
        try:
            service = await self.services.watched(command.target, None)
        except (NotFound, AwsError) as error:
            return decided(not_reached(Command.of(command, running), error))
        where = service.load_balancer or "no load balancer: its tasks alone"
        gate = Gate.true(
            "rules_watching", True, samples=len(self.rules), detail=f"{where}, every {self.close_interval:g} s"
        )
        now, until = self.clock.now(), command.until.timestamp()
        emit = from_gates(Command.of(command, running), (gate,))

        def decide(state: bytes | None) -> Decision:
            watch = Watch.from_bytes(state, target=command.target)
            if command.run_id in watch.ended:
                return Decision(emit=(run_is_over(Command.of(command, running)),))
            watch = watch.with_run(command.run_id, until, service)
            return Decision(watch.to_bytes(), (emit,), (look_at(command.target, now),))

        return Transition(watch_key(command.target), decide)

    async def on_look(self, timer: Timer) -> Transition:
        """Begin a look, unless nobody wants to know any more. Its job sets the timer of the next one."""
        target, now = Target.parse(timer.payload.decode()), self.clock.now()
        job = Job(caused_id(timer.id, repr(timer.due)), COLLECT, timer.payload)

        def decide(state: bytes | None) -> Decision:
            if not Watch.from_bytes(state, target=target).wanted(now):
                return Decision()
            return Decision(timers=(look_at(target, now + LOST),), jobs=(job,))

        return Transition(watch_key(target), decide)

    async def collect(self, running: Running) -> Transition:
        """Read every metric once; evaluate rules, alerts, and whatever waits."""
        target, now = Target.parse(running.payload.decode()), self.clock.now()
        before = Watch.from_bytes(await self.store.load(watch_key(target)), target=target)
        readings, published, fault, gone = None, False, None, False
        try:
            readings = await self._read(before, target, now)
            published = bool(readings.of(DATABASE_ERRORS)) or (
                bool(before.pending) and await self.metrics.database_published(target, readings.service, now)
            )
            fault = await self._fault(target, readings, now)
        except AwsError:
            readings = None
        except NotFound:
            gone = True
        asked = {one.command_id for one in before.pending}

        def decide(state: bytes | None) -> Decision:
            watch = Watch.from_bytes(state, target=target)
            return self._seen(watch.stopped() if gone else watch, readings, published, fault, asked, now)

        return Transition(watch_key(target), decide)

    async def _read(self, watch: Watch, target: Target, now: float) -> Readings:
        service = await self.services.watched(target, watch.dimensions)
        longest = max((rule.minutes for rule in self.rules), default=0) * MINUTE
        oldest = min((one.since for one in watch.pending), default=now)
        start = max(now - FARTHEST, min(now - LOOK_BACK - longest, oldest))
        return await self.metrics.read(target, service, start, now)

    async def _fault(self, target: Target, readings: Readings, now: float) -> DependencyFault | None:
        """What is wrong with the database; it is asked about only when somebody suffers."""
        gating = (rule for rule in self.rules if rule.gates_deployment)
        if all(evaluate(rule, readings, now).verdict != "broken" for rule in gating):
            return None
        try:
            return fault_of(await self.databases.look(target, now))
        except AwsError as error:
            log.warning("nothing is known of the database", why=str(error))
            return None

    def _seen(
        self,
        watch: Watch,
        readings: Readings | None,
        published: bool,
        fault: DependencyFault | None,
        asked: Collection[str],
        now: float,
    ) -> Decision:
        """``asked``: the evaluations that were known when the metrics were read."""
        told: tuple[Alert, ...] = ()
        if readings is not None:
            watch, told = watch.with_readings(readings, self.rules, now, fault)
        silence = cause_of_silence(fault)
        answers = {
            one.command_id: Command.to(EvaluateRules, watch.target, one.run_id, one.command_id).from_gates(
                gates, summary(gates), inconclusive=silence
            )
            for one in watch.pending
            if one.command_id in asked
            and (gates := judge(one, self.rules, readings, now, database_published=published, fault=fault)) is not None
        }
        answered = set(answers)
        watch = watch.answered(answered)
        interval = self.close_interval if watch.wanted_closely(now) else self.interval
        next_look = (look_at(watch.target, now + interval),) if watch.wanted(now) else ()
        return Decision(
            watch.to_bytes(),
            emit=(*(Emit(alert, caused_id(alert.alert_id, alert.state)) for alert in told), *answers.values()),
            timers=next_look,
            cancel_timers=(*map(deadline_id, answered), *(() if next_look else (f"collect:{watch.target}",))),
        )
