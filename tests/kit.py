"""What stands in for the chassis in tests: clocks, a job that runs, policies, stores in memory, and AWS by a script."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from math import inf
from typing import Any

import orjson
from botocore.exceptions import ClientError

from contracts.access import Role
from contracts.base import Target
from contracts.envelope import Envelope, from_message
from contracts.policy import Access, Callers, ServicePolicy
from sandbox.virtual.redis import MemoryRedis
from services._aws.ecs_views import EcsService
from services._chassis import rates
from services._chassis.admission import Admission
from services._chassis.aws import Aws
from services._chassis.clock import Clock, Pace
from services._chassis.lanes import BY_HAND, REQUESTS
from services._chassis.policies import BuiltInPolicies
from services._chassis.store import Applied, Indexed, RedisStore, S, Written
from services._chassis.transition import Busy, Cancelled, Decision, Emit, Job, Timer, Transition
from services._policy.callers import Identities
from services._policy.environment import NO_ENVIRONMENT, Environment
from services._policy.in_force import Listener
from services._policy.source import PolicySource

JSON = {"Content-Type": "application/json"}
"""What every request over HTTP that changes something must have, also without a body."""


@dataclass
class FakeClock:
    """Product time as a test sets it, in epoch seconds; sleeping moves it. ``pace`` translates real time into it."""

    time: float
    pace: Pace = field(default_factory=Pace)

    def now(self) -> float:
        return self.time

    def at(self, real: float) -> float:
        return self.pace.at(real)

    async def sleep(self, seconds: float) -> None:
        self.time += seconds


@dataclass
class WorldClock:
    """The product time of a simulated AWS; sleeping lets it pass there."""

    aws: Any
    """A ``SimulatedAws``."""

    def now(self) -> float:
        return float(self.aws.now())

    def at(self, real: float) -> float:
        return real

    async def sleep(self, seconds: float) -> None:
        await asyncio.to_thread(self.aws.step, seconds)


@dataclass
class FakeRunning:
    """A job under way. It ends at the next step once ``is_cancelled`` is true; what it kept and emitted can be read."""

    payload: bytes
    id: str = "command-1"
    kind: str = "any"
    fence: int = 1
    attempt: int = 1
    saved: bytes | None = None
    same_redis: bool = True
    is_cancelled: Callable[[], bool] = lambda: False
    checkpoints: list[bytes] = field(default_factory=list)
    emitted: list[Emit] = field(default_factory=list)

    async def checkpoint(self, data: bytes) -> None:
        await self.check()
        self.checkpoints.append(data)
        self.saved = data

    async def check(self) -> None:
        if self.is_cancelled():
            raise Cancelled(self.id)

    async def emit(self, *emissions: Emit) -> None:
        await self.check()
        self.emitted += emissions


class FakePolicies:
    """What is in force as a test says; every other service has the built-in policy."""

    def __init__(self, *policies: ServicePolicy) -> None:
        self.held = {policy.target: policy for policy in policies}
        self.refused: frozenset[Target] = frozenset()
        self.accounts: dict[str, Access] = {}
        """How accounts are entered; the others by the own credentials."""
        self.known = Identities()
        """Who is recognised by a token."""
        self.everywhere = Callers()
        """Who may do what with the installation, and with services that have no policy here."""
        self.listeners: list[Listener] = []

    def of(self, target: Target) -> ServicePolicy:
        if target in self.refused:
            raise LookupError(f"the policy does not list {target}")
        return self.held.get(target) or ServicePolicy(target=target)

    def named(self, cluster: str, service: str, account: str | None = None, region: str | None = None) -> Target:
        return BuiltInPolicies("123456789012").find(cluster, service, account, region)

    def find(self, cluster: str, service: str, account: str | None = None, region: str | None = None) -> Target:
        target = BuiltInPolicies("123456789012").find(cluster, service, account, region)
        self.of(target)
        return target

    def all(self) -> tuple[Target, ...]:
        return tuple(self.held)

    def access(self, account: str) -> Access | None:
        return self.accounts.get(account)

    @property
    def identities(self) -> Identities:
        return self.known

    def callers(self, target: Target | None) -> Callers:
        return self.held[target].access if target in self.held else self.everywhere

    def highest_role(self, name: str) -> Role | None:
        sections = (self.everywhere, *(policy.access for policy in self.held.values()))
        roles = [role for section in sections if (role := section.role_of(name)) is not None]
        return max(roles, key=list(Role).index, default=None)

    def listen(self, listener: Listener) -> None:
        """Remember who wants to be told; a test tells them."""
        self.listeners.append(listener)

    def reload(self, policy: ServicePolicy) -> None:
        """Let another policy be in force for one service."""
        self.held[policy.target] = policy


class FakeKeeper:
    """Keeps the last good copy of a policy in memory, or cannot."""

    def __init__(self) -> None:
        self.copy: bytes | None = None
        self.away = False
        self.kept_times = 0

    async def kept(self) -> bytes | None:
        return self.copy

    async def keep(self, copy: bytes) -> None:
        if self.away:
            raise ConnectionError("Redis is away")
        self.copy = copy
        self.kept_times += 1


def without_file(account: str, environment: Environment = NO_ENVIRONMENT) -> PolicySource:
    """Return a started source of policies without a file: the environment is the policy."""
    source = PolicySource(None, environment, account, FakeKeeper())
    source._begin()
    return source


@dataclass
class HeldJob:
    """A job that was inserted. ``state`` is ``queued``, ``running``, ``done``, or a word of the test's."""

    job: Job
    state: str = "queued"
    cancelled: bool = False
    saved: bytes | None = None
    attempts: int = 0
    same_redis: bool = True


class Consequences:
    """What decisions have left behind, for a test to read: states, records, timers, jobs, and events in their order."""

    def __init__(self) -> None:
        self.states: dict[str, bytes] = {}
        self.records: dict[str, bytes] = {}
        self.timers: dict[str, Timer] = {}
        self.jobs: dict[str, HeldJob] = {}
        self.emitted: list[Emit] = []
        self.indexes: dict[str, dict[str, float]] = {}
        """Index → member → score."""

    def follow(self, key: str | None, decision: Decision) -> None:
        """Take in what was decided on the state under ``key``, as the store does."""
        if decision.state is not None:
            assert key is not None
            self.states[key] = decision.state
        for id_ in decision.cancel_timers:
            self.timers.pop(id_, None)
        self.timers |= {timer.id: timer for timer in decision.timers}
        for id_ in decision.cancel_jobs:
            if id_ in self.jobs:
                self.jobs[id_].cancelled = True
        for job in decision.jobs:
            self.jobs.setdefault(job.id, HeldJob(job))
        self.records |= decision.records
        for line in decision.indexes:
            self.indexes.setdefault(line.name, {})[line.member] = line.score
        self.emitted += decision.emit


class FakeStore(Consequences):
    """The port ``IndexedStore`` for tests that set its content themselves: each cause is applied once."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: set[str] = set()
        self.busy = False

    async def load(self, key: str) -> bytes | None:
        return self.states.get(key)

    async def read(self, key: str, kind: type[S], **initial: Any) -> S:
        return kind.from_bytes(self.states.get(key), **initial)

    async def record(self, key: str) -> bytes | None:
        return self.records.get(key)

    async def range(
        self, index: str, *, lowest: float = -inf, highest: float = inf, after: str | None = None, limit: int = 50
    ) -> list[Indexed]:
        assert after is None, "pages are the store's own"
        lines = (Indexed(member, score) for member, score in self.indexes.get(index, {}).items())
        found = [line for line in lines if lowest <= line.score <= highest]
        return sorted(found, key=lambda line: (line.score, line.member), reverse=True)[:limit]

    async def apply(
        self, transition: Transition, *, cause: str, cause_before: str = "", intake: bool = False
    ) -> Written:
        if self.busy:
            raise Busy(f"{transition.key} is being changed by too many at once")
        decision = self._decide(transition)
        if decision.ignore_once:
            return Written(Applied.IGNORED, decision)
        if {cause, cause_before} & self.seen:
            return Written(Applied.SEEN, decision)
        self.seen |= {cause} if cause else set()
        self.follow(transition.key, decision)
        return Written(Applied.APPLIED, decision)

    def write(self, transition: Transition) -> Decision:
        """Decide, and take in what was decided."""
        decision = self._decide(transition)
        self.follow(transition.key, decision)
        return decision

    def _decide(self, transition: Transition) -> Decision:
        return transition.decide(self.states.get(transition.key) if transition.key else None)


def memory_store(service: str, clock: Clock) -> RedisStore:
    """The store that the service has in production, on a Redis in memory: inbox, outbox, jobs and all."""
    return RedisStore(MemoryRedis(clock.now), service, clock)


def events(decision: Decision) -> list[Any]:
    return [emission.event for emission in decision.emit]


def published(store: RedisStore) -> list[Envelope]:
    """Return what lies in the outbox of a ``memory_store``, oldest first."""
    found = []
    for _, fields in store.redis.stream(store.key("outbox")):
        headers = tuple((name, value.encode()) for name, value in orjson.loads(fields[b"headers"]))
        found.append(from_message(headers, fields[b"value"]))
    return found


def refusal(code: str, status: int = 400) -> ClientError:
    """AWS's refusal, whose text quotes what nobody may read."""
    answer: Any = {
        "Error": {"Code": code, "Message": "with a secret in it"},
        "ResponseMetadata": {"HTTPStatusCode": status},
    }
    return ClientError(answer, "Operation")


class ScriptedAws(Aws):
    """Answers by operation: a body, a function of the parameters, or an exception that is raised."""

    def __init__(self, **answers: Any) -> None:
        self.answers = answers
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.targets: list[Target] = []

    @property
    def asked(self) -> dict[str, dict[str, Any]]:
        """The parameters of each operation's last call."""
        return dict(self.calls)

    def at(self, target: Target) -> Aws:
        self.targets.append(target)
        return self

    def apart(self) -> Aws:
        return self

    def ahead(self) -> Aws:
        return self

    async def call(self, service: str, operation: str, /, **parameters: Any) -> dict[str, Any]:
        assert self.targets, "every call is made by its target's connection"
        self.calls.append((operation, parameters))
        answer = self.answers[operation]
        if isinstance(answer, Exception):
            raise answer
        return dict(answer(parameters) if callable(answer) else answer)

    async def pages(self, service: str, operation: str, key: str, /, **parameters: Any) -> list[Any]:
        return list((await self.call(service, operation, **parameters)).get(key, ()))


async def there(target: Target) -> EcsService:
    """As ``existing`` does for a service that is there."""
    return EcsService({"serviceName": target.service, "status": "ACTIVE"})


def unhurried() -> Admission:
    """Return limits for which a minute passes between any two requests: who may, and not how often, is tested."""
    lanes = {REQUESTS: rates.ORDINARY, BY_HAND: rates.BY_HAND}
    limits = {lane: rates.RateLimit(allowed, count(step=60.0).__next__) for lane, allowed in lanes.items()}
    return Admission(limits=limits, pace=rates.RateLimit(rates.PACE, count(step=60.0).__next__))
