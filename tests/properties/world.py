"""Orchestrator and recovery as they are, on a bus, a Redis and an AWS in memory that a test moves step by step.

Nothing runs by itself. A step (a message, a timer, a job) is a coroutine; it may be left at any of its round trips,
let go on later, or be forgotten as by a crash.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Coroutine
from copy import deepcopy
from dataclasses import dataclass, replace
from functools import partial
from itertools import count
from typing import Any, Literal

import orjson

from contracts.audit import Act, AuditEntry
from contracts.base import Event, Target, caused_id
from contracts.catalogue import REPLAYED_FIRST, entry_of, topics_of
from contracts.deployment import Cause, DeploymentFinished, DeploymentStarted
from contracts.envelope import Envelope, Message, Meta, from_message
from contracts.gates import Verdict
from contracts.monitor import CriticalAlert
from contracts.policy import Recovery as RecoverySection
from contracts.policy import ServicePolicy
from contracts.policy_holds import Approval
from contracts.recovery import ChangeApplied, RollbackFinished, RollbackStarted, TargetArmed
from contracts.topics import COMMAND_TOPICS, Party
from sandbox.virtual.bus import MemoryBus, MemoryTransport, record_of
from sandbox.virtual.redis import MemoryRedis, give_way
from services._chassis.assembly import assemble
from services._chassis.aws import Aws
from services._chassis.clock import moment
from services._chassis.jobs import ATTEMPTS
from services._chassis.readiness import Readiness
from services._chassis.records import Record
from services._chassis.redis_keys import AUDIT, FIRST_JOBS, JOBS
from services._chassis.service import Platform, Service
from services._chassis.settings import Settings
from services._chassis.store import RedisStore
from services._chassis.transition import Cancelled, Timer, decided
from services.orchestrator import app as orchestrator
from services.orchestrator.settings import Settings as OrchestratorSettings
from services.recovery import app as recovery
from services.recovery.domain.rollback.roll_back import Done
from services.recovery.jobs.capture import CaptureJob
from services.recovery.jobs.change import ChangeJob
from services.recovery.jobs.check_migration import CheckMigrationJob
from services.recovery.jobs.consider import ConsiderJob
from services.recovery.jobs.migrate import MigrateJob
from services.recovery.jobs.read_log import ReadLog
from services.recovery.settings import Settings as RecoverySettings
from services.recovery.take_turns import TakeTurns
from tests.kit import FakeClock, FakePolicies
from tests.properties.answerers import Account, AnyRollback, Reads, answer, progress
from tests.properties.ledger import Ledger
from tests.properties.migrating import Planner, Tasks, Untold
from tests.services.recovery.application import FakeApplication

TARGET = Target(account="123456789012", region="eu-central-1", cluster="shop", service="web")
NOBODY = Aws(None, "recovery")  # type: ignore[arg-type]  # a real call of AWS would fail
START = 1_764_000_000.0
LEASE = 30.0
ANSWERED_BY_OTHERS = frozenset(topic.name for topic, party in COMMAND_TOPICS.items() if party != Party.RECOVERY)


class Clock(FakeClock):
    """The time of Redis, too; who sleeps gives way, and only the test lets time pass."""

    async def sleep(self, _seconds: float) -> None:
        await give_way()


@dataclass
class Passing:
    """The same time for a job that waits for AWS: while it sleeps, time passes for all."""

    clock: Clock

    def now(self) -> float:
        return self.clock.now()

    async def sleep(self, seconds: float) -> None:
        await give_way()
        self.clock.time += seconds


@dataclass
class Step:
    """A coroutine under way."""

    coroutine: Coroutine[Any, Any, Any]
    then: Callable[[], None] = lambda: None
    """Called when the step has reached its end: the acknowledgement."""

    def advance(self, trips: int | None) -> bool:
        """Let it make so many round trips, or go to its end; return whether that is reached."""
        for _ in count() if trips is None else range(trips):
            try:
                self.coroutine.send(None)
            except StopIteration:
                self.then()
                return True
        return False


ACTS = (ChangeApplied, RollbackStarted, RollbackFinished, DeploymentStarted, DeploymentFinished, TargetArmed)
RECORDED = {
    Act.CHANGE_APPLIED, Act.ROLLBACK_STARTED, Act.ROLLBACK_FINISHED,
    Act.RUN_STARTED, Act.RUN_FINISHED, Act.TARGET_ARMED,
}  # fmt: skip
"""The same as the audit names them."""


class Transport(MemoryTransport):
    """Tells what is read again after a restoration from what is read for the first time."""

    def __init__(self, name: str) -> None:
        super().__init__(MemoryBus(), name)  # what was read, and what is published, is noted by the world
        self.goals: dict[str, int] = {}
        """Topic → up to where it is read again."""

    def is_read_again(self, topic: str, partition: int, offset: int) -> bool:
        return offset < self.goals.get(topic, 0)


class Member:
    """A service with its store: what is written is one outbox, what is read are its topics."""

    def __init__(self, service: Service, store: RedisStore, settings: Settings) -> None:
        self.service, self.store = service, store
        self.transport = Transport(service.name)
        self.assembly = assemble(service, store, self.transport, settings, Readiness())
        self.topics = tuple(topic.name for topic in topics_of(Party(service.name)))
        self.read: dict[str, int] = dict.fromkeys(self.topics, 0)
        """Topic → how far this group has committed."""

    async def fire(self, timer: Timer) -> None:
        """Fire a timer as ``Timers.fire`` does, without its handling of errors."""
        transition = await self.service.timers[timer.kind](timer) or decided()
        await self.store.apply(transition, cause_id=timer.id, timer=timer)

    async def work(self) -> None:
        """Work on a job as ``Executor.work`` does, without its handling of errors."""
        job = await self.assembly.executor.claim()
        if job is None:
            return
        try:
            if job.attempt > ATTEMPTS:
                await self.assembly.executor.fail(job, "gave up")
            else:
                await self.assembly.executor._end(job, await self.service.jobs[job.kind](job))
        except Cancelled:
            if job.ended == "cancelled":
                await self.assembly.executor._end(job, decided())

    def acknowledge(self, topic: str, offset: int) -> None:
        self.read[topic] = max(self.read[topic], offset + 1)


class World:
    """All services, the bus and AWS for one target."""

    def __init__(self) -> None:
        self.clock = Clock(START)
        self.redis = MemoryRedis(self.clock.now)
        self.account = Account(began_at=START - 7200, now=self.clock.now)
        self.tasks = Tasks()
        self.ledger = Ledger()
        self.topics: dict[str, list[Record]] = defaultdict(list)
        """Each key has one partition of a topic, and there is one target: so a topic is one partition here."""
        self.held: set[str] = set()
        """Topics that are not delivered at the moment."""
        self.dead: set[str] = set()
        """Services without a running process."""
        self.left: list[Step] = []
        """Steps under way."""
        self.silent: set[str] = set()
        """Topics of commands that are not answered at the moment."""
        self.answers: dict[str, Message] = {}
        """Command id → its answer by a service that is simulated here."""
        self._numbers = count(1)
        self._noted: dict[str, int] = defaultdict(int)
        self.unsent: dict[str, list[Message]] = defaultdict(list)
        """Service → its outbox."""
        self.policies = FakePolicies()
        """What the orchestrator's runs begin with."""
        self.orchestrator, self.recovery = self._orchestrator(), self._recovery()
        self.members = (self.orchestrator, self.recovery)

    def _orchestrator(self) -> Member:
        store = RedisStore(self.redis, "orchestrator", self.clock)
        settings = OrchestratorSettings(aws_account=TARGET.account, aws_region=TARGET.region)
        service = orchestrator.create_app(settings, Platform(store, self.clock, NOBODY, policies=self.policies))
        return Member(service, store, settings)

    def _recovery(self) -> Member:
        store = RedisStore(self.redis, "recovery", self.clock)
        settings = RecoverySettings(aws_account=TARGET.account, aws_region=TARGET.region, backup_bucket="snapshots")
        policies = FakePolicies(ServicePolicy(target=TARGET, recovery=RecoverySection(rollback_window=60)))
        service = recovery.create_app(settings, Platform(store, self.clock, NOBODY, policies=policies))
        self.rollback = AnyRollback(store, self.clock, Done("surefoot", "Live again."), self.account)
        capture = CaptureJob(self.account, FakeApplication(), self.account, self.account, self.clock, policies, store)  # type: ignore[arg-type]
        jobs: Any = {
            "capture-snapshot": capture,
            "apply-change": ChangeJob(self.account, self.account, policies, store, self.clock),  # type: ignore[arg-type]
            "consider-alert": ConsiderJob(
                self.account,  # type: ignore[arg-type]
                self.account,  # type: ignore[arg-type]
                policies,
                self.account,
                store,
                self.clock,
                Reads,  # type: ignore[arg-type]
            ),
            "rollback": self.rollback,
            "check-migration": CheckMigrationJob(self.account, Planner(), policies, store, self.clock),  # type: ignore[arg-type]
            "migrate": self._migrate(policies, store),
        }
        return Member(replace(service, jobs=jobs), store, settings)

    def _migrate(self, policies: FakePolicies, store: RedisStore) -> MigrateJob:
        clock = Passing(self.clock)
        log, turns = ReadLog(self.account, self.tasks, clock), TakeTurns(store, policies, clock)  # type: ignore[arg-type]
        schema, planner = Untold(), Planner()
        return MigrateJob(self.account, self.tasks, schema, log, planner, turns, policies, store, clock)  # type: ignore[arg-type]

    # from outbox to bus

    def note(self) -> None:
        """Check the new entries of the outboxes against the ledger, and have them ready to be sent."""
        for member in self.members:
            stream = self.redis.stream(member.store.key("outbox"))
            for _, fields in stream[self._noted[member.service.name] :]:
                headers = tuple((name, value.encode()) for name, value in orjson.loads(fields[b"headers"]))
                self.ledger.note(dict(headers)["ce_id"].decode(), headers, fields[b"value"])
                message = Message(fields[b"topic"].decode(), fields[b"key"], headers, fields[b"value"])
                self.unsent[member.service.name].append(message)
            self._noted[member.service.name] = len(stream)

    def acts(self, member: Member) -> Counter[str]:
        """Return how often each act of a service was put into its outbox, by the id of its record."""
        headers = (
            dict(orjson.loads(fields[b"headers"])) for _, fields in self.redis.stream(member.store.key("outbox"))
        )
        types = {entry_of(kind).type for kind in ACTS}
        return Counter(caused_id(found["ce_id"], "audit") for found in headers if found["ce_type"] in types)

    def recorded(self, member: Member) -> Counter[str]:
        """Return how often each of these acts is recorded; a change that may have been made is told by no event."""
        stream = self.redis.stream(member.store.key(AUDIT))
        entries = (AuditEntry.model_validate_json(fields[b"entry"]) for _, fields in stream)
        return Counter(entry.id for entry in entries if entry.act in RECORDED and entry.outcome != "unknown")

    def want_approvals(self, before_change: int, before_success: int) -> None:
        """Have persons approve runs that begin from now on."""
        approvals = {
            "approval_before_change": Approval(needed=before_change, minutes=3),
            "approval_before_success": Approval(needed=before_success, minutes=3),
        }
        self.policies.held[TARGET] = ServicePolicy(target=TARGET, **approvals)
        self.ledger.wanted = (before_change, before_success)

    def publish(self, message: Message) -> None:
        partition = self.topics[message.topic]
        partition.append(record_of(message, len(partition)))

    def publish_outside(self, event: Event, id_: str | None = None, source: str = "test") -> None:
        """Publish an event of an outside writer."""
        meta = Meta(id_ or f"outside-{next(self._numbers)}", source, moment(self.clock.now()))
        self.publish(Envelope(meta, event).to_message())

    def alert(
        self,
        alert_id: str,
        state: Literal["raised", "resolved"] = "raised",
        name: str = "error_rate",
        began: float = 0,
        *,
        of_live: bool = False,
    ) -> None:
        """Publish a critical alert about what was first seen ``began`` seconds ago.

        ``of_live``: the monitor attributes it to the version that is live; else it tells no window.
        """
        now = moment(self.clock.now())
        self.publish_outside(
            CriticalAlert(
                target=TARGET,
                alert_id=alert_id,
                rule=name,
                state=state,
                value=30,
                comparison=">",
                threshold=10,
                samples=40,
                began_at=moment(self.clock.now() - began),
                detail="much fails",
                window_from=now if of_live else None,
                window_until=now if of_live else None,
                attribution="new-version" if of_live else None,
                doubt="" if of_live else None,
                deployment_id=self.account.deployment_id if of_live else "",
            )
        )

    # steps

    def go(self, step: Step, trips: int | None = None) -> None:
        if not step.advance(trips):
            self.left.append(step)
        self.note()

    def reading(self, member: Member, topic: str, offset: int) -> Step:
        record = self.topics[topic][offset]
        return Step(member.assembly.consumer.handle(record), partial(member.acknowledge, topic, offset))

    def firing(self, member: Member, timer: Timer) -> Step:
        return Step(member.fire(timer))

    def working(self, member: Member) -> Step:
        return Step(member.work())

    def due(self, member: Member) -> list[Timer]:
        due: list[Timer] = finished(member.assembly.timers.due())
        return due

    def answer(self, record: Record, verdict: Verdict, cause: Cause | None = None) -> None:
        """Answer a command; one that was answered before gets the same again."""
        command = from_message(record.headers, record.value)
        message = self.answers.get(command.meta.id) or answer(command, verdict, cause, self.clock.now())
        self.answers[command.meta.id] = message
        self.publish(message)

    def progress(self, record: Record) -> None:
        self.publish(progress(from_message(record.headers, record.value), next(self._numbers), self.clock.now()))

    # as it goes when nothing is in the way

    def flow(self, verdict: Verdict = Verdict.PASS) -> bool:
        """Send, answer, deliver and work once, in all services that are alive; return whether anything happened."""
        moved = [self.send(), self.answer_all(verdict), self.deliver()]
        while self.claimable:
            self.go(self.working(self.recovery))
            moved.append(True)
        return any(moved)

    def send(self) -> bool:
        messages = [message for member in self.alive for message in self.unsent.pop(member.service.name, ())]
        for message in messages:
            self.publish(message)
        return bool(messages)

    def answer_all(self, verdict: Verdict = Verdict.PASS) -> bool:
        topics = sorted(ANSWERED_BY_OTHERS - self.silent - self.held)
        open_ = [record for topic in topics for record in self.topics[topic] if id_of(record) not in self.answers]
        for record in open_:
            self.answer(record, verdict)
        return bool(open_)

    def deliver(self) -> bool:
        moved = False
        for member in self.alive:
            for topic in member.topics:
                while topic not in self.held and member.read[topic] < len(self.topics[topic]):
                    self.go(self.reading(member, topic, member.read[topic]))
                    moved = True
        return moved

    # an older Redis

    def copy(self) -> Any:
        """Return a copy of Redis, with the positions of both groups."""
        read = [dict(member.read) for member in self.members]
        return self.redis.copy(), read, deepcopy((self.unsent, self._noted))

    def restore(self, copy: Any, *, backwards: bool = False) -> None:
        """Restore Redis from a copy; each process reads again from there, and replays its own events first.

        Kafka promises no order among topics: ``backwards`` reads the others in the opposite one.
        """
        for step in self.left:
            step.coroutine.close()
        self.left.clear()
        held, read, outboxes = copy
        self.redis.restore(held)
        self.unsent, self._noted = deepcopy(outboxes)
        self.held.clear()
        before = [dict(member.read) for member in self.members]
        for member, then in zip(self.members, read, strict=True):
            member.read = dict(then)
        for member, until in zip(self.members, before, strict=True):
            first = REPLAYED_FIRST.get(Party(member.service.name), frozenset())
            member.transport.goals = {topic: len(self.topics[topic]) for topic in first}
            order = reversed(member.topics) if backwards else member.topics
            for topic in sorted(order, key=lambda topic: topic not in first):
                goal = len(self.topics[topic]) if topic in first else until[topic]
                while member.read[topic] < goal:
                    self.go(self.reading(member, topic, member.read[topic]))
            member.transport.goals = {}

    @property
    def alive(self) -> list[Member]:
        return [member for member in self.members if member.service.name not in self.dead]

    @property
    def claims(self) -> list[float]:
        """Return the times at which the jobs may be claimed."""
        keys = [member.store.key(queue) for member in self.alive for queue in (JOBS, FIRST_JOBS)]
        return [at / 1000 for key in keys for at in self.redis.scores(key)]

    @property
    def claimable(self) -> bool:
        return any(self.clock.now() >= at for at in self.claims)

    @property
    def dues(self) -> list[float]:
        """Return the times at which the timers are due."""
        return [due for member in self.alive for due in self.redis.scores(member.store.key("timers"))]

    def come_to_rest(self, rounds: int = 2000) -> None:
        """Run everything that is left, and advance time from deadline to deadline; dead services come last."""
        self.held.clear()
        self._rest(rounds)
        self.dead.clear()
        self._rest(rounds)

    def _rest(self, rounds: int) -> None:
        for _ in range(rounds):
            while self.flow():
                pass
            following = [*self.claims, *self.dues]
            if not following:
                return
            self.clock.time = max(self.clock.time, min(following) + 0.001)
            for member in self.alive:
                for timer in self.due(member):
                    self.go(self.firing(member, timer))
        raise AssertionError("it never comes to rest")


def id_of(record: Record) -> str:
    return str(dict(record.headers)["ce_id"].decode())


def finished(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """Let a coroutine go to its end, and return its result."""
    while True:
        try:
            coroutine.send(None)
        except StopIteration as end:
            return end.value
