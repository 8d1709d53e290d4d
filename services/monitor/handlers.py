"""Commands, timers and the jobs behind them: watch a target, judge it, set its monitoring up."""

from collections.abc import Collection
from dataclasses import dataclass

import structlog

from contracts.base import Target, caused_id
from contracts.deployment import Cause, DeploymentFinished
from contracts.envelope import Meta
from contracts.gates import Gate
from contracts.monitor import CheckAlarms, DependencyFault, EvaluateRules, SetUpMonitoring, WatchClosely
from contracts.results import MonitoringOutput
from services._chassis.clock import Clock
from services._chassis.commands import Command
from services._chassis.jobs import Running
from services._chassis.store import Store
from services._chassis.transition import Decision, Emit, Job, Timer, Transition, decided
from services.monitor.domain.alarms import quiet_gate
from services.monitor.domain.alerts import Alert
from services.monitor.domain.answers import cause_of_silence, summary
from services.monitor.domain.database import fault as fault_of
from services.monitor.domain.judge import PendingEvaluation, judge
from services.monitor.domain.metrics import DATABASE_ERRORS, MINUTE, Dimensions, Readings
from services.monitor.domain.operation import Operation, Part, record_of
from services.monitor.domain.rules import Rule, evaluate
from services.monitor.domain.watch import Watch, watch_key
from services.monitor.ports import Alarms, Dashboards, Databases, Metrics, NotFound, Services, Unavailable

log = structlog.get_logger()

CHECK = "check-alarms"
WATCH = "watch-closely"
SET_UP = "set-up-monitoring"
OPERATION = "set-up-on-request"
COLLECT = "collect"

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


async def on_deployment_finished(event: DeploymentFinished, _: Meta) -> Transition:
    def decide(state: bytes | None) -> Decision:
        return Decision(state and Watch.from_bytes(state, target=event.target).without_run(event.run_id).to_bytes())

    return Transition(watch_key(event.target), decide)


def _look_at(target: Target, due: float) -> Timer:
    return Timer(f"collect:{target}", COLLECT, due, str(target).encode())


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
        deadline = Timer(_deadline(meta.id), COLLECT, pending.deadline, str(command.target).encode())

        def decide(state: bytes | None) -> Decision:
            watch = Watch.from_bytes(state, target=command.target).with_pending(pending)
            return Decision(watch.to_bytes(), timers=(_look_at(command.target, now), deadline))

        return Transition(watch_key(command.target), decide)

    async def watch_closely(self, running: Running) -> Transition:
        command = WatchClosely.model_validate_json(running.payload)
        try:
            dimensions = await self.services.dimensions(command.target, None)
        except (NotFound, Unavailable) as error:
            return decided(_not_reached(Command.of(command, running), error))
        where = dimensions.load_balancer or "no load balancer: its tasks alone"
        gate = Gate.true(
            "rules_watching", True, samples=len(self.rules), detail=f"{where}, every {self.close_interval:g} s"
        )
        now, until = self.clock.now(), command.until.timestamp()
        emit = _answer(Command.of(command, running), (gate,))

        def decide(state: bytes | None) -> Decision:
            watch = Watch.from_bytes(state, target=command.target).with_run(command.run_id, until, dimensions)
            return Decision(watch.to_bytes(), (emit,), (_look_at(command.target, now),))

        return Transition(watch_key(command.target), decide)

    async def on_look(self, timer: Timer) -> Transition:
        """Begin a look, unless nobody wants to know any more. Its job sets the timer of the next one."""
        target, now = Target.parse(timer.payload.decode()), self.clock.now()
        job = Job(caused_id(timer.id, repr(timer.due)), COLLECT, timer.payload)

        def decide(state: bytes | None) -> Decision:
            if not Watch.from_bytes(state, target=target).wanted(now):
                return Decision()
            return Decision(timers=(_look_at(target, now + LOST),), jobs=(job,))

        return Transition(watch_key(target), decide)

    async def collect(self, running: Running) -> Transition:
        """Read every metric once; evaluate rules, alerts, and whatever waits."""
        target, now = Target.parse(running.payload.decode()), self.clock.now()
        before = Watch.from_bytes(await self.store.load(watch_key(target)), target=target)
        readings, published, fault, gone = None, False, None, False
        try:
            readings = await self._read(before, target, now)
            published = bool(readings.of(DATABASE_ERRORS)) or (
                bool(before.pending) and await self.metrics.database_published(readings.dimensions, now)
            )
            fault = await self._fault(readings, now)
        except Unavailable:
            readings = None
        except NotFound:
            gone = True
        asked = {one.command_id for one in before.pending}

        def decide(state: bytes | None) -> Decision:
            watch = Watch.from_bytes(state, target=target)
            return self._seen(watch.stopped() if gone else watch, readings, published, fault, asked, now)

        return Transition(watch_key(target), decide)

    async def _read(self, watch: Watch, target: Target, now: float) -> Readings:
        dimensions = await self.services.dimensions(target, watch.dimensions)
        longest = max((rule.minutes for rule in self.rules), default=0) * MINUTE
        oldest = min((one.since for one in watch.pending), default=now)
        start = max(now - FARTHEST, min(now - LOOK_BACK - longest, oldest))
        return await self.metrics.read(dimensions, start, now)

    async def _fault(self, readings: Readings, now: float) -> DependencyFault | None:
        """What is wrong with the database; it is asked about only when somebody suffers."""
        gating = (rule for rule in self.rules if rule.gates_deployment)
        if all(evaluate(rule, readings, now).verdict != "broken" for rule in gating):
            return None
        try:
            return fault_of(await self.databases.look(now))
        except Unavailable as error:
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
        next_look = (_look_at(watch.target, now + interval),) if watch.wanted(now) else ()
        return Decision(
            watch.to_bytes(),
            emit=(*(Emit(alert, caused_id(alert.alert_id, alert.state)) for alert in told), *answers.values()),
            timers=next_look,
            cancel_timers=(*map(_deadline, answered), *(() if next_look else (f"collect:{watch.target}",))),
        )


def _deadline(command_id: str) -> str:
    return f"deadline:{command_id}"


def _answer(command: Command, gates: tuple[Gate, ...], output: MonitoringOutput | None = None) -> Emit:
    return command.from_gates(gates, summary(gates), inconclusive=Cause.GATE, output=output)


def _not_reached(command: Command, error: NotFound | Unavailable) -> Emit:
    """There is no such service (fail), or AWS could not be asked (inconclusive)."""
    if isinstance(error, NotFound):
        return command.failed(str(error), Cause.USAGE)
    return command.inconclusive(str(error), Cause.ERROR)


@dataclass(frozen=True, slots=True)
class SettingUp:
    """Dashboard and alarms: those that are there, and ours."""

    clock: Clock
    services: Services
    alarms: Alarms
    dashboards: Dashboards
    rules: tuple[Rule, ...]

    async def check_alarms(self, running: Running) -> Transition:
        command = CheckAlarms.model_validate_json(running.payload)
        try:
            marks = await self.services.marks(command.target)
            gate = quiet_gate(await self.alarms.all(marks.named), marks)
        except (NotFound, Unavailable) as error:
            return decided(_not_reached(Command.of(command, running), error))
        return decided(_answer(Command.of(command, running), (gate,)))

    async def set_up(self, running: Running) -> Transition:
        command = SetUpMonitoring.model_validate_json(running.payload)
        try:
            dimensions, gates, output = await self._create(running, command.target, ("dashboard", "alarms"))
        except (NotFound, Unavailable) as error:
            return decided(_not_reached(Command.of(command, running), error))
        emit = _answer(Command.of(command, running), gates, output)
        return self._watch(command.target, dimensions, Decision(emit=(emit,)))

    async def set_up_on_request(self, running: Running) -> Transition:
        asked = Operation.model_validate_json(running.payload)
        try:
            dimensions, gates, output = await self._create(running, asked.target, asked.parts)
        except (NotFound, Unavailable) as error:
            return decided(records=_recorded(asked.failed(str(error))))
        records = _recorded(asked.finished(gates, summary(gates), output))
        if "alarms" not in asked.parts:
            return decided(records=records)
        return self._watch(asked.target, dimensions, Decision(records=records))

    async def _create(
        self, running: Running, target: Target, parts: Collection[Part]
    ) -> tuple[Dimensions, tuple[Gate, ...], MonitoringOutput]:
        """Create or replace what is asked for; an alarm counts when CloudWatch shows it armed."""
        dimensions = await self.services.dimensions(target, None)
        gates: list[Gate] = []
        names: list[str] = []
        if "dashboard" in parts:
            await running.check()
            name = await self.dashboards.put(dimensions, self.rules)
            there = await self.dashboards.body(target.cluster, target.service) is not None
            gates.append(Gate.true("dashboard_created", there, detail=name))
        if "alarms" in parts:
            for rule in self.rules:
                await running.check()
                put = await self.alarms.put(dimensions, rule)
                names += [put] if put else []
            armed = await self.alarms.armed(names)
            gates.append(
                Gate.measured("alarms_active", len(armed), ">=", len(names), detail=f"{dimensions.own_name}-*")
            )
        return dimensions, tuple(gates), MonitoringOutput(dashboard=dimensions.own_name, alarms=tuple(names))

    def _watch(self, target: Target, dimensions: Dimensions, so_far: Decision) -> Transition:
        """Watch from now on."""
        now = self.clock.now()

        def decide(state: bytes | None) -> Decision:
            watch = Watch.from_bytes(state, target=target).with_set_up(dimensions)
            return Decision(watch.to_bytes(), so_far.emit, (_look_at(target, now),), records=so_far.records)

        return Transition(watch_key(target), decide)


def _recorded(operation: Operation) -> dict[str, bytes]:
    return {record_of(operation.operation_id): operation.model_dump_json().encode()}
