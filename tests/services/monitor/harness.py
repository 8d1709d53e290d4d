"""The monitor without Redis, Kafka and AWS: its own handlers and jobs on a store in memory, under virtual time."""

from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from contracts.audit import AuditRecord
from contracts.base import Event, Target
from contracts.cloudwatch_names import dashboard_name
from contracts.dead_letter import DeadLettered
from contracts.envelope import Meta
from contracts.monitor import CriticalAlert, DependencyFault, WarningAlert
from contracts.policy import Monitoring
from contracts.policy_rules import BUILT_IN_RULES
from contracts.results import StepFinished
from services._aws.errors import AwsError
from services._chassis.clock import moment
from services._chassis.policies import Policies
from services._chassis.store import Applied, S, Written
from services._chassis.transition import Decision, Timer, Transition
from services.monitor.decisions import COLLECT, SHOW
from services.monitor.domain.alarms import Alarm, AlarmScope
from services.monitor.domain.metrics import MINUTE, Readings, StoppedTask
from services.monitor.domain.rules import Rule, rules_of
from services.monitor.domain.service_alarms import ServiceAlarm, ServiceAlarms
from services.monitor.domain.watched_service import WatchedService
from services.monitor.handlers import Handlers
from services.monitor.jobs.check_alarms import CHECK, CheckAlarmsJob
from services.monitor.jobs.collect import CollectJob
from services.monitor.jobs.set_up import OPERATION, SET_UP, SetUpJob, SetUpOnRequestJob
from services.monitor.jobs.show import ShowJob
from services.monitor.jobs.show_policy import ShowPolicy
from services.monitor.jobs.watch_closely import WATCH, WatchCloselyJob
from tests.kit import Consequences, FakeClock, FakePolicies, FakeRunning, memory_store

RULES = rules_of(BUILT_IN_RULES)
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


class FakeServices:
    def __init__(self) -> None:
        self.found = BALANCED
        self.stopped_tasks: tuple[StoppedTask, ...] = ()
        self.named: frozenset[str] = frozenset()
        self.failure: Exception | None = None

    async def watched(self, target: Target, known: WatchedService | None) -> WatchedService:
        if self.failure:
            raise self.failure
        return self.found

    async def stopped(self, target: Target) -> tuple[StoppedTask, ...]:
        return self.stopped_tasks

    async def alarms_of_deployments(self, target: Target) -> frozenset[str]:
        await self.watched(target, None)
        return self.named

    async def alarm_scope(self, target: Target) -> AlarmScope:
        found = await self.watched(target, None)
        return AlarmScope(target.cluster, target.service, found.groups, self.named)


class FakeMetrics:
    """Shows the minutes that are over, as CloudWatch does a moment later."""

    def __init__(self, clock: FakeClock) -> None:
        self.clock = clock
        self.minute = dict(GOOD_MINUTE)
        """What every minute from ``since`` on looks like."""
        self.past: dict[float, dict[str, float]] = {}
        self.looks: list[float] = []
        self.namespaces: list[str] = []
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
        self, target: Target, service: WatchedService, namespace: str, start: float, end: float, period: int = 60
    ) -> Readings:
        self.looks.append(end)
        self.namespaces.append(namespace)
        if self.failure:
            raise self.failure
        self._write()
        series: dict[str, dict[float, float]] = {}
        for at, values in self.past.items():
            if start <= at < end:
                for name, value in values.items():
                    series.setdefault(name, {})[at] = value
        return Readings(service, series)

    async def database_published(self, target: Target, service: WatchedService, namespace: str, now: float) -> bool:
        return self.published

    def _write(self) -> None:
        at = max(self.past, default=START - 11 * MINUTE) + MINUTE
        while at + MINUTE <= self.clock.time:
            self.past[at] = dict(self.minute)
            at += MINUTE


def failed(instance: str) -> DependencyFault:
    return DependencyFault(name=instance, detail=f"the database {instance} is failed")


class FakeDatabases:
    def __init__(self) -> None:
        self.failed: set[str] = set()
        self.asked: list[str] = []
        self.failure: Exception | None = None

    async def fault(self, target: Target, instance: str, now: float) -> DependencyFault | None:
        self.asked.append(instance)
        if self.failure:
            raise self.failure
        return failed(instance) if instance in self.failed else None


class FakeAlarms:
    """CloudWatch's alarms by name, with the rule and the settings from which each was made."""

    def __init__(self) -> None:
        self.there: tuple[Alarm, ...] = ()
        self.of_service: tuple[ServiceAlarm, ...] = ()
        self.reads = 0
        """How often those were read."""
        self.put_names: list[str] = []
        self.made: dict[str, tuple[Rule, Monitoring]] = {}
        self.disarmed: set[str] = set()
        self.failure: Exception | None = None
        self.further: set[str] = set()
        """Rules that have a second alarm."""
        self.refused: dict[str, AwsError] = {}
        """Rule → why its alarm is refused."""

    async def all(self, target: Target, named: Collection[str]) -> tuple[Alarm, ...]:
        if self.failure:
            raise self.failure
        return self.there

    async def named(self, target: Target, names: Collection[str]) -> ServiceAlarms:
        if self.failure:
            raise self.failure
        self.reads += 1
        known = tuple(alarm for alarm in self.of_service if alarm.name in names)
        return ServiceAlarms(known=known, missing=tuple(sorted({*names} - {alarm.name for alarm in known})))

    async def put(self, target: Target, service: WatchedService, rule: Rule, monitoring: Monitoring) -> tuple[str, ...]:
        if failure := self.failure or self.refused.get(rule.name):
            raise failure
        name = f"surefoot-{target.cluster}/{target.service}-{rule.name}"
        names = (name, f"{name}/2") if rule.name in self.further else (name,)
        self.put_names += names
        self.made |= dict.fromkeys(names, (rule, monitoring))
        return names

    async def ours(self, target: Target, service: WatchedService) -> Mapping[str, bool]:
        prefix = f"surefoot-{target.cluster}/{target.service}-"
        return {name: name not in self.disarmed for name in self.made if name.startswith(prefix)}

    async def delete(self, target: Target, names: Collection[str]) -> None:
        for name in names:
            del self.made[name]


class FakeDashboards:
    def __init__(self) -> None:
        self.bodies: dict[str, str] = {}
        self.puts: list[Target] = []
        self.failure: Exception | None = None

    async def put(self, target: Target, service: WatchedService, rules: Iterable[Rule], monitoring: Monitoring) -> str:
        if self.failure:
            raise self.failure
        self.puts.append(target)
        self.bodies[f"{target.cluster}/{target.service}"] = '{"widgets": []}'
        return dashboard_name(target.cluster, target.service)

    async def body(self, target: Target) -> str | None:
        return self.bodies.get(f"{target.cluster}/{target.service}")


@dataclass
class World:
    """``send`` a command, let time pass with ``until``, and read ``published``. It is the monitor's store as well."""

    clock: FakeClock = field(default_factory=lambda: FakeClock(START))
    policies: FakePolicies = field(default_factory=FakePolicies)
    services: FakeServices = field(default_factory=FakeServices)
    databases: FakeDatabases = field(default_factory=FakeDatabases)
    alarms: FakeAlarms = field(default_factory=FakeAlarms)
    dashboards: FakeDashboards = field(default_factory=FakeDashboards)
    left: Consequences = field(default_factory=Consequences)

    def __post_init__(self) -> None:
        self.kept = memory_store("monitor", self.clock)
        self.metrics = FakeMetrics(self.clock)
        self.handlers = Handlers(self, self.clock, self.policies)
        self.work = self.replica(self.policies)

    def replica(self, policies: Policies) -> dict[str, Callable[[Any], Awaitable[Transition]]]:
        """Return the jobs of a process that has ``policies``."""
        show = ShowPolicy(self.services, self.alarms, self.dashboards)
        collect = CollectJob(self, self.clock, policies, self.services, self.metrics, self.databases, self.alarms)
        return {
            CHECK: CheckAlarmsJob(self.services, self.alarms, self.clock),
            SET_UP: SetUpJob(self.clock, policies, show),
            OPERATION: SetUpOnRequestJob(self.clock, policies, show),
            WATCH: WatchCloselyJob(self.clock, policies, self.services),
            COLLECT: collect,
            SHOW: ShowJob(self, self.clock, show),
        }

    async def load(self, key: str) -> bytes | None:
        return await self.kept.load(key)

    async def read(self, key: str, kind: type[S], **initial: Any) -> S:
        return await self.kept.read(key, kind, **initial)

    async def record(self, key: str) -> bytes | None:
        return await self.kept.record(key)

    async def keep(self, key: str, state: bytes) -> None:
        await self.apply(Transition(key, lambda _: Decision(state)), cause="")

    async def apply(
        self, transition: Transition, *, cause: str, cause_before: str = "", intake: bool = False
    ) -> Written:
        before = await self.load(transition.key) if transition.key else None
        assert transition.decide(before) == transition.decide(before), "a decision has no effect of its own"
        written = await self.kept.apply(transition, cause=cause)
        if written.applied is Applied.APPLIED:
            self.left.follow(transition.key, written.decision)
        return written

    async def send(self, handler: Any, event: Event, id_: str = "command-1") -> None:
        transition = await handler(event, Meta(id=id_, source="test", time=moment(self.clock.time)))
        await self.apply(transition, cause="")
        await self.do_jobs()

    async def until(self, seconds: float) -> None:
        """Let time pass until ``seconds`` after the start, everything due being done at its own time."""
        for _ in range(10_000):
            due = min(self.timers.values(), key=lambda timer: timer.due, default=None)
            if due is None or due.due > START + seconds:
                break
            self.clock.time = max(self.clock.time, due.due)
            del self.timers[due.id]
            fire = {COLLECT: self.handlers.look, SHOW: self.handlers.show}[due.kind]
            await self.apply(await fire(due), cause="")
            await self.do_jobs()
        else:
            raise AssertionError("time does not pass")
        self.clock.time = START + seconds

    async def do_jobs(self) -> None:
        while held := next((held for held in self.left.jobs.values() if held.state == "queued"), None):
            held.state, job = "done", held.job
            transition = await self.work[job.kind](FakeRunning(job.payload, job.id, job.kind))
            await self.apply(transition, cause="")

    @property
    def timers(self) -> dict[str, Timer]:
        return self.left.timers

    @property
    def published(self) -> list[Event | DeadLettered | AuditRecord]:
        return [emission.event for emission in self.left.emitted]

    @property
    def ids(self) -> list[str]:
        return [emission.id for emission in self.left.emitted]

    @property
    def answers(self) -> list[StepFinished]:
        return [event for event in self.published if isinstance(event, StepFinished)]

    @property
    def alerts(self) -> list[tuple[str, str]]:
        return [
            (alert.rule, alert.state) for alert in self.published if isinstance(alert, CriticalAlert | WarningAlert)
        ]
