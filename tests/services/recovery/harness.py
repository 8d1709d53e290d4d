"""Recovery without Redis, Kafka and AWS: the same handlers and jobs on a truth in memory and an ECS that rolls."""

import copy
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from contracts.base import Event, Target
from contracts.envelope import Meta
from contracts.monitor import CriticalAlert
from contracts.policy import RecoveryPolicy
from contracts.recovery import ApplyChange, Arm, CaptureSnapshot, Disarm, RollBack
from contracts.results import StepFinished
from services._aws.errors import AwsError
from services._chassis.clock import moment
from services._chassis.store import Applied, Written
from services._chassis.transition import Cancelled, Decision, Emit, Job, Timer, Transition
from services.recovery.domain.change import Body
from services.recovery.domain.protection import Protection, key_of
from services.recovery.domain.snapshot import Snapshot
from services.recovery.handlers import Handlers
from services.recovery.jobs.capture import CaptureJob
from services.recovery.jobs.change import ChangeJob
from services.recovery.jobs.purge import PurgeJob
from services.recovery.jobs.roll_back import RollbackJob
from tests.kit import FakeClock, FakePolicies

TARGET = Target(account="123456789012", region="us-west-2", cluster="CourtCaseCluster", service="BackendService")
START = datetime(2026, 1, 12, 14, 30, tzinfo=UTC)
SECRET = "correct-horse-battery"
REPOSITORY = "123456789012.dkr.ecr.us-west-2.amazonaws.com/backend"
ARN = "arn:aws:ecs:us-west-2:123456789012:task-definition/backend"
GOOD, BAD, OTHER = (f"{REPOSITORY}@sha256:{letter * 64}" for letter in "abc")
ROLL_SECONDS = 30.0
SETTLE = 40.0


E = TypeVar("E", bound=Event)


class Now(FakeClock):
    """Product time that passes only in ``sleep``; what happens meanwhile is told to ``while_asleep``."""

    def __init__(self) -> None:
        super().__init__(START.timestamp())
        self.while_asleep: list[Callable[[], None]] = []

    async def sleep(self, seconds: float) -> None:
        await super().sleep(seconds)
        for happens in list(self.while_asleep):
            happens()


@dataclass
class Held:
    """A job in the truth."""

    job: Job
    state: str = "queued"
    cancelled: bool = False
    saved: bytes | None = None
    attempts: int = 0


class Truth:
    """What the chassis keeps in Redis, with the same promises."""

    def __init__(self) -> None:
        self.states: dict[str, bytes] = {}
        self.records: dict[str, bytes] = {}
        self.jobs: dict[str, Held] = {}
        self.timers: dict[str, Timer] = {}
        self.seen: set[str] = set()
        self.emitted: list[Emit] = []

    async def load(self, key: str) -> bytes | None:
        return self.states.get(key)

    async def record(self, key: str) -> bytes | None:
        return self.records.get(key)

    async def apply(self, transition: Transition, *, cause: str) -> Written:
        if cause and cause in self.seen:
            return Written(Applied.SEEN, self._decide(transition))
        self.seen |= {cause} if cause else set()
        return Written(Applied.APPLIED, self.write(transition))

    def _decide(self, transition: Transition) -> Decision:
        return transition.decide(self.states.get(transition.key) if transition.key else None)

    def write(self, transition: Transition) -> Decision:
        key, decision = transition.key, self._decide(transition)
        if decision.state is not None:
            assert key is not None
            self.states[key] = decision.state
        for name in decision.cancel_timers:
            self.timers.pop(name, None)
        self.timers.update({timer.id: timer for timer in decision.timers})
        for name in decision.cancel_jobs:
            if name in self.jobs:
                self.jobs[name].cancelled = True
        for job in decision.jobs:
            self.jobs.setdefault(job.id, Held(job))
        self.records.update(decision.records)
        self.emitted.extend(decision.emit)
        return decision


class Crash(BaseException):
    """The executor is gone, with all that it had not kept."""


class Work:
    """A running job. ``die_at`` is the number of the checkpoint or check at which its process dies."""

    def __init__(self, held: Held, truth: Truth, ecs: "RollingEcs | None" = None, die_at: int | None = None) -> None:
        self.held = held
        self.truth = truth
        self.ecs = ecs
        self.die_at = die_at
        self.steps = 0
        self.id = held.job.id
        self.kind = held.job.kind
        self.payload = held.job.payload
        self.attempt = self.fence = held.attempts
        self.saved = held.saved

    async def checkpoint(self, data: bytes) -> None:
        await self.check()
        self.held.saved = data

    async def check(self) -> None:
        self.steps += 1
        if self.steps == self.die_at:
            raise Crash
        if self.held.cancelled:
            raise Cancelled
        if self.ecs is not None:
            self.ecs.checked = True

    async def emit(self, *emissions: Emit) -> None:
        await self.check()
        self.truth.emitted.extend(emissions)


class RollingEcs:
    """One service whose deployments take ``ROLL_SECONDS``; an image in ``bad`` never becomes healthy."""

    def __init__(self, clock: Now) -> None:
        self.clock = clock
        self.bad = {BAD}
        self.definitions: list[Body] = []
        self.history: list[Body] = []
        self.changing: list[tuple[str, Any]] = []
        self.checked = True
        self.desired = 3
        self.settings: Body = {
            "deploymentConfiguration": {
                "deploymentCircuitBreaker": {"enable": False, "rollback": False},
                "strategy": "ROLLING",
            }
        }
        self.failing: list[AwsError] = []
        self.after_update: list[Callable[[], None]] = []
        self.gone = False
        self.add_definition(GOOD)
        self._deploy(self.definitions[0]["taskDefinitionArn"], "SUCCESSFUL", at=self.clock.now() - 86400)

    def add_definition(self, image: str, **changes: Any) -> str:
        revision = max((one["revision"] for one in self.definitions), default=0) + 1
        arn = f"{ARN}:{revision}"
        container = {
            "name": "backend",
            "image": image,
            "environment": [{"name": "DATABASE_URL", "value": SECRET}, {"name": "APP_ENV", "value": "production"}],
            "secrets": [{"name": "JWT", "valueFrom": "arn:aws:secretsmanager:us-west-2:123456789012:secret:jwt"}],
        }
        body = {
            "taskDefinitionArn": arn, "family": "backend", "revision": revision, "status": "ACTIVE",
            "containerDefinitions": [container], "cpu": "512", "memory": "1024",
            "registeredAt": START, "tags": [{"key": "team", "value": "court"}],
        }  # fmt: skip
        self.definitions.append({**body, **changes})
        return arn

    def _deploy(self, version: str, status: str = "IN_PROGRESS", *, at: float | None = None) -> None:
        number = len(self.history) + 1
        self.history.append({
            "serviceDeploymentArn": f"arn:{number}", "status": status, "version": version,
            "id": f"ecs-svc/{number}", "createdAt": moment(self.clock.now() if at is None else at),
        })  # fmt: skip

    def deploy_elsewhere(self, version: str) -> None:
        """Somebody else does, without asking."""
        self._deploy(version)

    def fall_back(self, version: str, status: str) -> None:
        """ECS's breaker takes the newest deployment back."""
        self.history[-1] |= {"status": status, "version": version, "createdAt": self.history[-1]["createdAt"]}

    @property
    def live(self) -> str:
        return str(self.history[-1]["version"])

    @property
    def updates(self) -> list[str]:
        return [what["taskDefinition"] for verb, what in self.changing if verb == "update"]

    def _image(self, arn: str) -> str:
        body = next(one for one in self.definitions if one["taskDefinitionArn"] == arn)
        return str(body["containerDefinitions"][0]["image"])

    def _answer(self) -> None:
        if self.failing:
            raise self.failing.pop(0)

    async def service(self, target: Target) -> Body | None:
        assert target == TARGET
        self._answer()
        return None if self.gone else self._described()

    def _described(self) -> Body:
        newest = self.history[-1]
        age = self.clock.now() - newest["createdAt"].timestamp()
        healthy = age >= ROLL_SECONDS and self._image(self.live) not in self.bad
        if healthy and newest["status"] == "IN_PROGRESS":
            newest["status"] = "SUCCESSFUL"
        return copy.deepcopy({
            "serviceName": TARGET.service,
            "taskDefinition": self.live,
            "desiredCount": self.desired,
            "runningCount": self.desired if healthy else 1,
            "loadBalancers": [{"targetGroupArn": "arn:group", "containerName": "backend", "containerPort": 8000}],
            "deployments": [{
                "id": newest["id"], "status": "PRIMARY", "taskDefinition": self.live,
                "rolloutState": "COMPLETED" if healthy else "IN_PROGRESS",
            }],
            **self.settings,
        })  # fmt: skip

    async def task_definition(self, target: Target, name: str) -> Body | None:
        wanted = name if name.startswith("arn:") else f"{ARN}:{name.partition(':')[2]}"
        found = [one for one in self.definitions if one["taskDefinitionArn"] == wanted]
        return copy.deepcopy(found[0]) if found else None

    async def revisions(self, target: Target, family: str) -> list[Body]:
        return copy.deepcopy([one for one in reversed(self.definitions) if one["status"] == "ACTIVE"])

    async def digests(self, target: Target, service: Body) -> dict[str, str]:
        return {"backend": "sha256:" + "a" * 64}

    async def deployments(self, target: Target, since: float) -> list[Body]:
        self._described()
        return [one for one in reversed(self.history) if one["createdAt"].timestamp() >= since]

    async def healthy_targets(self, target: Target, service: Body) -> int | None:
        return int(service["runningCount"])

    async def register(self, target: Target, body: Body) -> str:
        self._changing("register", body)
        assert "taskDefinitionArn" not in body
        return self.add_definition("", **body)

    async def update(self, target: Target, parameters: dict[str, Any]) -> Body:
        self._changing("update", parameters)
        self._answer()
        version = parameters["taskDefinition"]
        assert next(one for one in self.definitions if one["taskDefinitionArn"] == version)["status"] == "ACTIVE"
        self.settings |= {key: value for key, value in parameters.items() if key.endswith("Configuration")}
        self.desired = parameters.get("desiredCount", self.desired)
        if version != self.live or parameters.get("forceNewDeployment"):
            self._deploy(version)
        for happens in self.after_update:
            happens()
        return self._described()

    def _changing(self, verb: str, what: Any) -> None:
        assert self.checked, "a job must ask whether it still may, right before each changing call"
        self.checked = False
        self.changing.append((verb, what))


class Nothing:
    """Nothing stands around the service."""

    async def around(self, target: Target, service: Body) -> tuple[dict[str, Any], tuple[str, ...]]:
        return {"scalable_targets": [{"MinCapacity": 2, "MaxCapacity": 6}]}, ()


@dataclass
class Registry:
    tags: dict[str, str] = field(default_factory=dict)

    async def digest(self, target: Target, reference: str) -> str | None:
        return self.tags.get(reference)


class Shelf:
    """The bucket."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.failing: list[AwsError] = []

    async def put(self, snapshot: Snapshot) -> bool:
        if self.failing:
            raise self.failing.pop(0)
        if snapshot.snapshot_id in self.objects:
            return False
        self.objects[snapshot.snapshot_id] = snapshot.model_dump_json().encode()
        return True

    async def get(self, target: Target, snapshot_id: str) -> Snapshot | None:
        found = self.objects.get(snapshot_id)
        return None if found is None else Snapshot.model_validate_json(found)

    async def ids(self, target: Target) -> list[str]:
        return sorted(self.objects, reverse=True)

    async def delete(self, target: Target, snapshot_id: str) -> None:
        self.objects.pop(snapshot_id, None)


class Recovery:
    """The service on the fakes, driven message by message."""

    def __init__(self) -> None:
        self.clock = Now()
        self.policies = FakePolicies()
        self.truth = Truth()
        self.ecs = RollingEcs(self.clock)
        self.shelf = Shelf()
        self.registry = Registry()
        self.handlers = Handlers(self.clock, self.policies)
        self.jobs: dict[str, Callable[[Any], Any]] = {
            "capture-snapshot": CaptureJob(self.ecs, Nothing(), self.shelf, self.clock, self.policies),
            "purge-snapshots": PurgeJob(self.shelf),
            "apply-change": ChangeJob(self.ecs, self.truth, self.clock),
            "rollback": RollbackJob(self.ecs, self.ecs, self.registry, self.shelf, self.truth, self.clock, SETTLE),
        }
        self._handling: dict[type[Event], Callable[..., Any]] = {
            CaptureSnapshot: self.handlers.capture,
            Arm: self.handlers.arm,
            ApplyChange: self.handlers.change,
            RollBack: self.handlers.roll_back,
            Disarm: self.handlers.disarm,
            CriticalAlert: self.handlers.alert,
        }

    @property
    def now(self) -> datetime:
        return moment(self.clock.now())

    @property
    def protection(self) -> Protection:
        return Protection.from_bytes(self.truth.states.get(key_of(TARGET)))

    async def send(self, event: Event, id: str) -> StepFinished | None:  # noqa: A002  CloudEvents' word
        """Deliver, and return the answer that the command has by now."""
        meta = Meta(id, "surefoot/test", self.now)
        await self.truth.apply(await self._handling[type(event)](event, meta), cause=id)
        return self.answer(id)

    async def work(self, *, die_at: int | None = None, only: str | None = None) -> None:
        """Do what is queued, until nothing is; a job that dies goes back into the queue."""
        while True:
            queued = (one for one in self.truth.jobs.values() if one.state == "queued")
            held = next((one for one in queued if only is None or one.job.kind == only), None)
            if held is None:
                return
            await self._do(held, die_at)
            die_at = None

    async def _do(self, held: Held, die_at: int | None) -> None:
        if held.cancelled:
            held.state = "done"
            return
        held.attempts += 1
        held.state = "running"
        try:
            self.truth.write(await self.jobs[held.job.kind](Work(held, self.truth, self.ecs, die_at)))
        except Crash:
            held.state = "queued"
            return
        except Cancelled:
            pass
        held.state = "done"

    def work_on(self, kind: str, payload: bytes) -> Work:
        """Return a running job that nobody has asked for here."""
        return Work(Held(Job("left-over", kind, payload)), self.truth, self.ecs)

    async def fire(self) -> None:
        """Fire what is due."""
        for timer in sorted(self.truth.timers.values(), key=lambda one: one.due):
            if timer.due <= self.clock.now():
                del self.truth.timers[timer.id]
                self.truth.write(await getattr(self.handlers, timer.kind)(timer))

    def told(self, kind: type[E]) -> list[E]:
        """What readers see: once for each id."""
        return [
            one for one in {one.id: one.event for one in reversed(self.truth.emitted)}.values() if isinstance(one, kind)
        ]

    def answer(self, command_id: str) -> StepFinished | None:
        """What the command's sender sees: the first answer."""
        answers = (one.event for one in self.truth.emitted if isinstance(one.event, StepFinished))
        return next((one for one in answers if one.command_id == command_id), None)

    # a deployment's course, as the orchestrator sends it

    async def snapshot(
        self, run: str = "run-1", purpose: Any = "before-change", *, policy: RecoveryPolicy | None = None
    ) -> str:
        command = CaptureSnapshot(target=TARGET, run_id=run, purpose=purpose, policy=policy)
        await self.send(command, f"{run}:{purpose}")
        await self.work()
        said = self.answer(f"{run}:{purpose}")
        assert said is not None
        assert said.output is not None
        assert said.output.kind == "snapshot"
        return said.output.snapshot_id

    async def arm(
        self, run: str = "run-1", *, minutes: float = 60, auto: bool = True, policy: RecoveryPolicy | None = None
    ) -> StepFinished:
        snapshot = await self.snapshot(run, policy=policy)
        said = await self.send(
            Arm(
                target=TARGET, run_id=run, snapshot_id=snapshot, auto_recovery=auto,
                expires_at=self.now + timedelta(minutes=minutes), policy=policy,
            ),
            f"{run}:arm",
        )  # fmt: skip
        assert said is not None
        return said

    async def change(self, run: str = "run-1", image: str = BAD, *, work: bool = True) -> StepFinished | None:
        self.clock.time += 5
        await self.send(ApplyChange(target=TARGET, run_id=run, images={"backend": image}), f"{run}:change")
        if work:
            await self.work(only="apply-change")
        return self.answer(f"{run}:change")

    async def deployed(self, *, auto: bool = True, image: str = BAD, policy: RecoveryPolicy | None = None) -> None:
        """Armed and changed, 20 seconds ago."""
        await self.arm(auto=auto, policy=policy)
        said = await self.change(image=image)
        assert said is not None
        assert said.verdict == "pass"
        self.clock.time += 20

    def alert(
        self, *, rule: str = "error_rate", alert_id: str = "alert-1", began: float = 0, state: Any = "raised"
    ) -> CriticalAlert:
        """``began`` seconds ago."""
        return CriticalAlert(
            target=TARGET, alert_id=alert_id, rule=rule, state=state, value=30, comparison=">", threshold=10,
            unit="%", samples=100, began_at=moment(self.clock.now() - began), detail="seen",
        )  # fmt: skip
