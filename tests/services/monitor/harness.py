"""The monitor without Redis, Kafka and AWS: its own handlers and jobs on a truth in memory, under virtual time."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import Any

from contracts.base import Event, Target
from contracts.dead_letter import DeadLettered
from contracts.envelope import Meta
from contracts.monitor import CriticalAlert, WarningAlert
from contracts.results import StepFinished
from services._chassis.clock import moment
from services._chassis.store import Applied, Written
from services._chassis.transition import Decision, Job, Timer, Transition
from services.monitor import handlers
from services.monitor.domain.alarms import Alarm, AlarmScope
from services.monitor.domain.database import Database
from services.monitor.domain.metrics import MINUTE, Readings, WatchedService
from services.monitor.domain.rules import Rule, rules
from services.monitor.handlers import Watching
from services.monitor.jobs.looks import COLLECT
from services.monitor.jobs.set_up import SettingUp

RULES = rules(5)
BY_NAME = {rule.name: rule for rule in RULES}
TARGET = Target(account="123456789012", region="us-west-2", cluster="Main", service="api")
START = 1_764_000_000.0 // MINUTE * MINUTE
BALANCED = WatchedService(
    cluster="Main",
    service="api",
    load_balancer="app/front/1",
    target_group="targetgroup/api/2",
    wanted=2,
    running=2,
    created_at=START - 86_400,
)
ALONE = BALANCED.model_copy(update={"load_balancer": None, "target_group": None})
GOOD_MINUTE = {
    "cpu": 40.0,
    "memory": 50.0,
    "requests": 100.0,
    "response_time": 0.2,
    "healthy": 2.0,
    "running": 2.0,
    "database_errors": 0.0,
}


def minutes(*values: dict[str, float], start: float = START) -> dict[str, dict[float, float]]:
    """Series by metric from one dict a minute, the oldest first."""
    series: dict[str, dict[float, float]] = {}
    for index, minute in enumerate(values):
        for name, value in minute.items():
            series.setdefault(name, {})[start + index * MINUTE] = value
    return series


def readings(*values: dict[str, float], start: float = START, of: WatchedService = BALANCED) -> Readings:
    return Readings(of, minutes(*values, start=start))


class FakeClock:
    def __init__(self) -> None:
        self.time = START

    def now(self) -> float:
        return self.time

    def at(self, real: float) -> float:
        return real

    async def sleep(self, seconds: float) -> None:
        self.time += seconds


class FakeServices:
    def __init__(self) -> None:
        self.found = BALANCED
        self.named: frozenset[str] = frozenset()
        self.failure: Exception | None = None

    async def watched(self, target: Target, known: WatchedService | None) -> WatchedService:
        if self.failure:
            raise self.failure
        return self.found

    async def alarm_scope(self, target: Target) -> AlarmScope:
        found = await self.watched(target, None)
        return AlarmScope(target.cluster, target.service, found.load_balancer, found.target_group, self.named)


class FakeMetrics:
    """Shows the minutes that are over, as CloudWatch does a moment later."""

    def __init__(self, clock: FakeClock) -> None:
        self.clock = clock
        self.minute = dict(GOOD_MINUTE)
        """What every minute from ``since`` on looks like."""
        self.past: dict[float, dict[str, float]] = {}
        self.looks: list[float] = []
        self.failure: Exception | None = None
        self.published = True

    def change(self, **values: float | None) -> None:
        """From the present minute on, something is different; None: no point any more."""
        self._write()
        for name, value in values.items():
            self.minute.pop(name, None)
            if value is not None:
                self.minute[name] = value

    async def read(
        self, target: Target, service: WatchedService, start: float, end: float, period: int = 60
    ) -> Readings:
        self.looks.append(end)
        if self.failure:
            raise self.failure
        self._write()
        series: dict[str, dict[float, float]] = {}
        for at, values in self.past.items():
            if start <= at < end:
                for name, value in values.items():
                    series.setdefault(name, {})[at] = value
        return Readings(service, series)

    async def database_published(self, target: Target, service: WatchedService, now: float) -> bool:
        return self.published

    def _write(self) -> None:
        at = max(self.past, default=START - 11 * MINUTE) + MINUTE
        while at + MINUTE <= self.clock.time:
            self.past[at] = dict(self.minute)
            at += MINUTE


class FakeDatabases:
    def __init__(self) -> None:
        self.there: Database | None = None
        self.failure: Exception | None = None

    async def look(self, target: Target, now: float) -> Database | None:
        if self.failure:
            raise self.failure
        return self.there


class FakeAlarms:
    def __init__(self) -> None:
        self.there: tuple[Alarm, ...] = ()
        self.put_names: list[str] = []
        self.disarmed: set[str] = set()
        self.failure: Exception | None = None

    async def all(self, target: Target, named: Collection[str]) -> tuple[Alarm, ...]:
        if self.failure:
            raise self.failure
        return self.there

    async def put(self, target: Target, service: WatchedService, rule: Rule) -> str | None:
        if self.failure:
            raise self.failure
        name = f"{service.own_name}-{rule.name}"
        self.put_names.append(name)
        return name

    async def armed(self, target: Target, names: Collection[str]) -> frozenset[str]:
        return frozenset(names) - self.disarmed


class FakeDashboards:
    def __init__(self) -> None:
        self.bodies: dict[str, str] = {}

    async def put(self, target: Target, service: WatchedService, rules: Iterable[Rule]) -> str:
        self.bodies[f"{service.cluster}/{service.service}"] = '{"widgets": []}'
        return service.own_name

    async def body(self, target: Target) -> str | None:
        return self.bodies.get(f"{target.cluster}/{target.service}")


class Running:
    fence, attempt, saved = 1, 1, None

    def __init__(self, job: Job) -> None:
        self.id, self.kind, self.payload = job.id, job.kind, job.payload
        self.checks = 0

    async def checkpoint(self, data: bytes) -> None: ...

    async def check(self) -> None:
        self.checks += 1

    async def emit(self, *emissions: object) -> None: ...


@dataclass
class World:
    """``say`` a command, let time pass with ``until``, read ``told``."""

    clock: FakeClock = field(default_factory=FakeClock)
    services: FakeServices = field(default_factory=FakeServices)
    databases: FakeDatabases = field(default_factory=FakeDatabases)
    alarms: FakeAlarms = field(default_factory=FakeAlarms)
    dashboards: FakeDashboards = field(default_factory=FakeDashboards)
    states: dict[str, bytes] = field(default_factory=dict)
    records: dict[str, bytes] = field(default_factory=dict)
    timers: dict[str, Timer] = field(default_factory=dict)
    jobs: list[Job] = field(default_factory=list)
    known_jobs: set[str] = field(default_factory=set)
    told: list[Event | DeadLettered] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.metrics = FakeMetrics(self.clock)
        self.watching = Watching(self, self.clock, self.services, self.metrics, self.databases, RULES, 60, 15)
        setting_up = SettingUp(self.clock, self.services, self.alarms, self.dashboards, RULES)
        self.work: dict[str, Any] = {
            handlers.CHECK: setting_up.check_alarms,
            handlers.SET_UP: setting_up.set_up,
            handlers.OPERATION: setting_up.set_up_on_request,
            handlers.WATCH: self.watching.watch_closely,
            COLLECT: self.watching.collect,
        }

    async def load(self, key: str) -> bytes | None:
        return self.states.get(key)

    async def record(self, key: str) -> bytes | None:
        return self.records.get(key)

    async def apply(self, transition: Transition, *, cause: str) -> Written:
        return Written(Applied.APPLIED, self._write(transition))

    def _write(self, transition: Transition) -> Decision:
        before = self.states.get(transition.key) if transition.key else None
        decision: Decision = transition.decide(before)
        assert transition.decide(before) == decision, "a decision has no effect of its own"
        if decision.state is not None and transition.key:
            self.states[transition.key] = decision.state
        for id_ in decision.cancel_timers:
            self.timers.pop(id_, None)
        self.timers |= {timer.id: timer for timer in decision.timers}
        self.jobs += [job for job in decision.jobs if job.id not in self.known_jobs]
        self.known_jobs |= {job.id for job in decision.jobs}
        self.records |= decision.records
        self.told += [one.event for one in decision.emit]
        self.ids += [one.id for one in decision.emit]
        return decision

    async def say(self, handler: Any, event: Event, id_: str = "command-1") -> None:
        transition = await handler(event, Meta(id=id_, source="test", time=moment(self.clock.time)))
        self._write(transition)
        await self._do_jobs()

    async def until(self, seconds: float) -> None:
        """Let time pass until ``seconds`` after the start, everything due being done at its own time."""
        for _ in range(10_000):
            due = min(self.timers.values(), key=lambda timer: timer.due, default=None)
            if due is None or due.due > START + seconds:
                break
            self.clock.time = max(self.clock.time, due.due)
            del self.timers[due.id]
            self._write(await self.watching.on_look(due))
            await self._do_jobs()
        else:
            raise AssertionError("time does not pass")
        self.clock.time = START + seconds

    async def _do_jobs(self) -> None:
        while self.jobs:
            job = self.jobs.pop(0)
            self._write(await self.work[job.kind](Running(job)))

    @property
    def answers(self) -> list[StepFinished]:
        return [event for event in self.told if isinstance(event, StepFinished)]

    @property
    def alerts(self) -> list[tuple[str, str]]:
        return [(one.rule, one.state) for one in self.told if isinstance(one, CriticalAlert | WarningAlert)]
