"""Recovery without Redis, Kafka and AWS: its handlers and jobs on a store in memory and an ECS that deploys."""

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from contracts.base import Event, Target
from contracts.envelope import Meta
from contracts.monitor import CriticalAlert
from contracts.policy import Recovery as RecoverySection
from contracts.policy import ServicePolicy
from contracts.policy_parts import RecoveryPolicy
from contracts.recovery import (
    ApplyChange,
    Arm,
    CaptureSnapshot,
    RollBack,
    RollbackDecided,
    RollbackFinished,
)
from contracts.results import StepFinished
from contracts.rollout_pace import RolloutPace
from services._aws.errors import AwsError
from services._chassis.clock import moment
from services._chassis.signatures import UNSIGNED, Identity
from services._chassis.transition import Cancelled, Job
from services.recovery.adapters.snapshots import SignedSnapshots
from services.recovery.assess import Assess
from services.recovery.domain.change import Body
from services.recovery.domain.fargate_room import Vcpus
from services.recovery.domain.image_expiry import Deletion
from services.recovery.domain.migration.migration import LogPlace, OneOff
from services.recovery.domain.migration.migration_end import Container, Task
from services.recovery.domain.outside.course import DEPLOYED_SETTINGS
from services.recovery.domain.outside.signs import ServiceTask
from services.recovery.domain.protection import Protection, key_of
from services.recovery.domain.readiness import Need
from services.recovery.domain.rollback.observed import Targets
from services.recovery.domain.scaling.load import Load
from services.recovery.domain.scaling.scale_plan import Autoscaler, DatabaseRoom
from services.recovery.domain.snapshots.proof import StoredObject
from services.recovery.domain.snapshots.snapshot import Snapshot
from services.recovery.examine import DrillExaminer, ScalingExaminer
from services.recovery.handlers.table import Handlers
from services.recovery.inspect import Inspect
from services.recovery.jobs.capture import CaptureJob
from services.recovery.jobs.change import ChangeJob
from services.recovery.jobs.check_migration import CheckMigrationJob
from services.recovery.jobs.consider import ConsiderJob
from services.recovery.jobs.drill import DrillJob
from services.recovery.jobs.drill_recreate import RecreationDrill
from services.recovery.jobs.drill_scaling import ScalingDrill
from services.recovery.jobs.look_exhausted import LookExhaustedJob
from services.recovery.jobs.look_moves import LookMovesJob
from services.recovery.jobs.migrate import MigrateJob
from services.recovery.jobs.purge import PurgeJob
from services.recovery.jobs.raise_again import RaiseAgainJob
from services.recovery.jobs.read_log import ReadLog
from services.recovery.jobs.read_schema import ReadSchema
from services.recovery.jobs.roll_back import RollbackJob
from services.recovery.jobs.scale import ScaleJob
from services.recovery.jobs.tend import TendJob
from services.recovery.jobs.unscale import UnscaleJob
from services.recovery.jobs.watch import WatchJob
from services.recovery.ports.migration import NotPlaced
from services.recovery.prepare import MigrationPlanner
from services.recovery.recreate import Recreate
from services.recovery.take_turns import TakeTurns
from services.recovery.trace import Trace
from tests.kit import FakeClock, FakePolicies, FakeRunning, FakeStore, HeldJob
from tests.services.recovery.application import FakeApplication
from tests.services.recovery.infrastructure import FakeInfrastructure
from tests.services.recovery.movers import FakeMovers

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
    """Product time that passes only in ``sleep``; the functions in ``while_asleep`` then do what happens meanwhile."""

    def __init__(self) -> None:
        super().__init__(START.timestamp())
        self.while_asleep: list[Callable[[], None]] = []

    async def sleep(self, seconds: float) -> None:
        await super().sleep(seconds)
        for happens in list(self.while_asleep):
            happens()


class Crash(BaseException):
    """The executor has died; only what it had stored is left."""


class Work(FakeRunning):
    """A running job. ``die_at`` is the number of the checkpoint or check at which its process dies."""

    def __init__(
        self, held: HeldJob, store: FakeStore, ecs: "RollingEcs | None" = None, die_at: int | None = None
    ) -> None:
        super().__init__(
            held.job.payload, held.job.id, held.job.kind, held.attempts, held.attempts, held.saved, held.same_redis
        )
        self.is_cancelled = lambda: held.cancelled
        self.emitted = store.emitted
        self.held = held
        self.ecs = ecs
        self.die_at = die_at
        self.steps = 0

    async def checkpoint(self, data: bytes) -> None:
        await super().checkpoint(data)
        self.held.saved = data

    async def check(self) -> None:
        self.steps += 1
        if self.steps == self.die_at:
            raise Crash
        await super().check()
        if self.ecs is not None:
            self.ecs.checked = True


class RollingEcs:
    """One service whose tasks are replaced in ``batches`` of ``ROLL_SECONDS`` each, and whose old ones then drain.

    An image in ``bad`` never becomes healthy.
    """

    def __init__(self, clock: Now) -> None:
        self.clock = clock
        self.bad = {BAD}
        self.definitions: list[Body] = []
        self.history: list[Body] = []
        self.changing: list[tuple[str, Any]] = []
        self.checked = True
        self.desired = 3
        self.batches = 1
        self.drain_seconds = 0.0
        self.measured = RolloutPace(tasks=3)
        self.clock_ahead = 0.0
        """How far the clock of AWS is ahead of ours, in seconds."""
        self.settings: Body = {
            "deploymentConfiguration": {
                "deploymentCircuitBreaker": {"enable": False, "rollback": False},
                "strategy": "ROLLING",
            }
        }
        self.failing: list[AwsError] = []
        self.refusing: dict[str, AwsError] = {}
        """Name of a method → what it raises, each time."""
        self.after_update: list[Callable[[], None]] = []
        self.gone = False
        self.ended: list[ServiceTask] = []
        """The tasks that have stopped lately."""
        self.zones = ["us-west-2a", "us-west-2b", "us-west-2c"]
        """Where its tasks run."""
        self.running = "sha256:" + "a" * 64
        """The digest of the image that a tag names; empty: nobody knows it."""
        self.rolled_out: dict[str, Body] = {}
        """Service revision → what it has rolled out."""
        self.latest = f"{ARN}:1"
        """What the family names without a revision."""
        self.add_definition(GOOD)
        self._deploy(self.definitions[0]["taskDefinitionArn"], "SUCCESSFUL", at=self.clock.now() - 86400)

    def add_definition(self, image: str, **changes: Any) -> str:
        revision = max((definition["revision"] for definition in self.definitions), default=0) + 1
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
            "registeredAt": self.now, "tags": [{"key": "team", "value": "court"}],
        }  # fmt: skip
        self.definitions.append({**body, **changes})
        return arn

    @property
    def now(self) -> datetime:
        """AWS's own time."""
        return moment(self.clock.now() + self.clock_ahead)

    def _deploy(self, version: str, status: str = "IN_PROGRESS", *, at: float | None = None) -> None:
        number, before = len(self.history) + 1, self.history[-1:]
        created = self.now if at is None else moment(at + self.clock_ahead)
        image = self._image(version)
        digest = image.rpartition("@")[2] if "@" in image else self.running
        self.rolled_out[f"revision:{number}"] = {
            "serviceRevisionArn": f"revision:{number}", "taskDefinition": version, "createdAt": created,
            "containerImages": [{"containerName": "backend", "image": image, "imageDigest": digest}],
            **{name: value for name, value in copy.deepcopy(self.settings).items() if name in DEPLOYED_SETTINGS},
        }  # fmt: skip
        self.history.append({
            "serviceDeploymentArn": f"arn:{number}", "status": status, "version": version,
            "id": f"ecs-svc/{number}", "createdAt": created,
            "sourceServiceRevisions": [past["targetServiceRevision"] for past in before],
            "targetServiceRevision": {"arn": f"revision:{number}"},
        })  # fmt: skip

    def deploy_elsewhere(self, version: str) -> None:
        """Deploy as somebody else does, beside Surefoot."""
        self._deploy(version)

    def fall_back(self, version: str, status: str) -> None:
        """Take the newest deployment back, as ECS's circuit breaker does."""
        self.history[-1] |= {"status": status, "version": version, "createdAt": self.history[-1]["createdAt"]}

    @property
    def live(self) -> str:
        return str(self.history[-1]["version"])

    @property
    def updates(self) -> list[str]:
        return [what["taskDefinition"] for verb, what in self.changing if verb == "update" and "taskDefinition" in what]

    def _image(self, arn: str) -> str:
        body = next(definition for definition in self.definitions if definition["taskDefinitionArn"] == arn)
        return str(body["containerDefinitions"][0]["image"])

    def _answer(self, method: str) -> None:
        if method in self.refusing:
            raise self.refusing[method]

    def _fail(self) -> None:
        if self.failing:
            raise self.failing.pop(0)

    async def service(self, target: Target) -> Body | None:
        assert target == TARGET
        self._answer("service")
        self._fail()
        return None if self.gone else self._described()

    def _rolled(self) -> tuple[int, bool, int]:
        """Return the running tasks of the newest deployment, whether it is complete, and how many old tasks drain."""
        newest = self.history[-1]
        age = self.clock.now() + self.clock_ahead - newest["createdAt"].timestamp()
        steps = 0 if self._image(self.live) in self.bad else min(self.batches, int(age // ROLL_SECONDS))
        if steps < self.batches:
            return max(1, self.desired * steps // self.batches) if self.desired else 0, False, 0
        complete = age >= self.batches * ROLL_SECONDS + self.drain_seconds
        return self.desired, complete, 0 if complete else self.desired

    def _described(self) -> Body:
        newest = self.history[-1]
        running, complete, _ = self._rolled()
        if complete and newest["status"] == "IN_PROGRESS":
            newest["status"] = "SUCCESSFUL"
        old = [] if complete or len(self.history) < 2 else [{
            "id": self.history[-2]["id"], "status": "ACTIVE", "taskDefinition": self.history[-2]["version"],
            "rolloutState": "COMPLETED", "runningCount": self._old_running(),
        }]  # fmt: skip
        return copy.deepcopy({
            "serviceName": TARGET.service,
            "taskDefinition": self.live,
            "desiredCount": self.desired,
            "runningCount": running + self._old_running(),
            "loadBalancers": [{"targetGroupArn": "arn:group", "containerName": "backend", "containerPort": 8000}],
            "currentServiceDeployment": newest["serviceDeploymentArn"],
            "deployments": [{
                "id": newest["id"], "status": "PRIMARY", "taskDefinition": self.live,
                "rolloutState": "COMPLETED" if complete else "IN_PROGRESS", "runningCount": running,
                "createdAt": newest["createdAt"],
            }, *old],
            **self.settings,
        })  # fmt: skip

    def _old_running(self) -> int:
        """Return how many tasks of the version before still run: what is not replaced yet, one batch at a time."""
        return self.desired - self._rolled()[0] if self.batches > 1 else 0

    async def task_definition(self, target: Target, name: str) -> Body | None:
        self._answer("task_definition")
        revision = name.partition(":")[2] or self.latest.rpartition(":")[2]
        wanted = name if name.startswith("arn:") else f"{ARN}:{revision}"
        found = [definition for definition in self.definitions if definition["taskDefinitionArn"] == wanted]
        return copy.deepcopy(found[0]) if found else None

    async def revisions(self, target: Target, family: str) -> list[Body]:
        self._answer("revisions")
        return copy.deepcopy(
            [definition for definition in reversed(self.definitions) if definition["status"] == "ACTIVE"]
        )

    async def digests(self, target: Target, service: Body) -> dict[str, str]:
        self._answer("digests")
        return {"backend": self.running} if self.running else {}

    async def way_back(self, target: Target, service: Body) -> tuple[Body, dict[str, str]]:
        before = next((past for past in reversed(self.history) if past["status"] == "SUCCESSFUL"), None)
        if service["deployments"][0]["rolloutState"] == "COMPLETED" or before is None:
            return service, await self.digests(target, service)
        primary = service["deployments"][0] | {"taskDefinition": before["version"]}
        return service | {"taskDefinition": before["version"], "deployments": [primary]}, {}

    async def revision(self, target: Target, service: Body) -> Body:
        self._answer("revision")
        return {"taskDefinition": service["taskDefinition"], "platformVersion": "1.4.0", "guardDutyEnabled": True}

    async def deployments(self, target: Target, since: float) -> list[Body]:
        self._answer("deployments")
        self._described()
        return [deployment for deployment in reversed(self.history) if deployment["createdAt"].timestamp() >= since]

    async def service_revisions(self, target: Target, arns: Sequence[str]) -> list[Body]:
        self._answer("service_revisions")
        return [copy.deepcopy(self.rolled_out[arn]) for arn in arns if arn in self.rolled_out]

    async def tasks(self, target: Target) -> list[ServiceTask]:
        self._answer("tasks")
        live = str(self.history[-1]["id"])
        return [*(ServiceTask(live, zone) for zone in self.zones), *self.ended]

    async def targets(self, target: Target, service: Body) -> Targets | None:
        self._answer("targets")
        running, _, draining = self._rolled()
        return Targets(healthy=running + self._old_running(), draining=draining)

    async def pace(self, target: Target, service: Body, task_definition: Body) -> RolloutPace:
        self._answer("pace")
        return self.measured

    async def register(self, target: Target, body: Body) -> str:
        self._answer("register")
        self.note_change("register", body)
        assert "taskDefinitionArn" not in body
        return self.add_definition("", **body)

    async def update(self, target: Target, parameters: dict[str, Any]) -> Body:
        self._answer("update")
        self.note_change("update", parameters)
        self._fail()
        if parameters.keys() == {"desiredCount"}:
            self.desired = parameters["desiredCount"]
            for happens in self.after_update:
                happens()
            return self._described()
        version = parameters.get("taskDefinition", self.live)
        assert (
            next(definition for definition in self.definitions if definition["taskDefinitionArn"] == version)["status"]
            == "ACTIVE"
        )
        self.settings |= {key: value for key, value in parameters.items() if key.endswith("Configuration")}
        assert "desiredCount" not in parameters, "how many tasks run is decided by others"
        if version != self.live or parameters.get("forceNewDeployment"):
            self._deploy(version)
        for happens in self.after_update:
            happens()
        return self._described()

    def note_change(self, verb: str, what: Any) -> None:
        assert self.checked, "a job must ask whether it still may, right before each changing call"
        self.checked = False
        self.changing.append((verb, what))


@dataclass(frozen=True)
class Use:
    """What the tasks of a service used in one minute, in per cent."""

    cpu: float = 97
    least: float = 95
    memory: float = 40
    tasks: float = 3


class Scaler:
    """Application Auto Scaling of the one service, and what more tasks need; without a scalable target at first."""

    def __init__(self, ecs: RollingEcs) -> None:
        self.ecs = ecs
        self.target: Autoscaler | None = None
        self.addresses: int | AwsError = 100
        self.room: DatabaseRoom | AwsError = DatabaseRoom("orders", connections=30, cpu=20)
        self.refusing: AwsError | None = None
        self.use: Callable[[float], Use] = lambda _: Use()
        """Begin of a minute → what the tasks used in it; exhausted unless a test says otherwise."""
        self.measured = True
        self.late = 0.0
        """Seconds by which CloudWatch has the tasks' points late."""
        self.moves_at_once = True
        """Whether Application Auto Scaling has pulled the count within its limits before anybody looks."""
        self.lost: list[AwsError] = []
        """Errors that calls of ``limit`` raise one by one although they took effect."""

    async def autoscaler(self, target: Target) -> Autoscaler | None:
        if self.refusing is not None:
            raise self.refusing
        return self.target

    async def limit(self, target: Target, low: int | None, high: int | None) -> None:
        if self.refusing is not None:
            raise self.refusing
        self.ecs.note_change("limit", (low, high))
        assert self.target is not None
        known = self.target
        self.target = replace(known, low=known.low if low is None else low, high=known.high if high is None else high)
        if self.moves_at_once:
            self.ecs.desired = min(max(self.ecs.desired, self.target.low), self.target.high)
        if self.lost:
            raise self.lost.pop(0)

    async def load(self, target: Target) -> Load:
        """Return what has been measured until now, a minute late; AWS refuses it as it refuses the rest."""
        if self.refusing is not None:
            raise self.refusing
        end = (self.ecs.clock.now() - self.late) // 60 * 60 - 60
        minutes = [end - back * 60 for back in range(180)] if self.measured else []
        used = {minute: self.use(minute) for minute in minutes}
        return Load(
            {minute: use.cpu for minute, use in used.items()},
            {minute: use.least for minute, use in used.items()},
            {minute: use.memory for minute, use in used.items()},
            {minute: use.tasks for minute, use in used.items()},
        )

    async def free_addresses(self, target: Target, subnets: Sequence[str]) -> int:
        if isinstance(self.addresses, AwsError):
            raise self.addresses
        return self.addresses

    async def database(self, target: Target, instance: str) -> DatabaseRoom:
        if isinstance(self.room, AwsError):
            raise self.room
        return self.room


class OneOffs:
    """One-off tasks that run for ``seconds`` and end with ``code``, as ECS describes them."""

    def __init__(self, clock: Now, ecs: RollingEcs) -> None:
        self.clock = clock
        self.ecs = ecs
        self.seconds = 30.0
        self.code: int | None = 0
        self.end: dict[str, Any] = {"stop_code": "EssentialContainerExited", "reason": "Essential container exited"}
        self.starts = True
        """Whether the task runs before it stops."""
        self.container_reason = ""
        self.lines: list[str] | AwsError = ["INFO  [alembic.runtime.migration] Running upgrade a -> b"]
        self.no_room: list[str] = []
        """Reasons of ECS for which the next calls start nothing."""
        self.failing: list[AwsError] = []
        """Errors that the next calls of ``run`` raise and that have started nothing."""
        self.lost: list[AwsError] = []
        """Errors that the next calls of ``run`` raise although they have started the task."""
        self.started: dict[str, tuple[OneOff, tuple[str, ...], float]] = {}
        """Token → what was started, and when."""
        self.calls = 0
        self.stopped: list[str] = []
        self.forgotten = False
        self.blind = 0
        """How many looks do not show yet what was just started."""

    async def run(self, target: Target, task: OneOff, command: Sequence[str], token: str) -> str:
        self.ecs.note_change("run", task)
        self.calls += 1
        if self.failing:
            raise self.failing.pop(0)
        if self.no_room:
            raise NotPlaced(self.no_room.pop(0))
        self.started.setdefault(token, (task, tuple(command), self.clock.now()))
        if self.lost:
            raise self.lost.pop(0)
        return f"arn:task/{token}"

    async def find(self, target: Target, family: str, token: str) -> Task | None:
        if self.blind:
            self.blind -= 1
            return None
        known = self.started.get(token)
        return self._seen(token) if known is not None and known[0].family == family else None

    async def task(self, target: Target, arn: str) -> Task | None:
        return self._seen(arn.removeprefix("arn:task/"))

    def _seen(self, token: str) -> Task | None:
        if self.forgotten:
            return None
        task, _, began = self.started[token]
        over = self.clock.now() >= began + self.seconds or token in self.stopped
        code = self.code if over else None
        container = Container(task.container, code, self.container_reason if over else "", task.image)
        runs = self.starts and self.clock.now() >= began + 5
        return Task(
            f"arn:task/{token}", token, over, over, began + 5 if runs else None, containers=(container,),
            **(self.end if over else {}),
        )  # fmt: skip

    @property
    def over(self) -> bool:
        """Whether a task has ended."""
        return any(self.clock.now() >= began + self.seconds for _, _, began in self.started.values())

    async def stop(self, target: Target, arn: str, reason: str) -> None:
        self.ecs.note_change("stop", reason)
        self.stopped.append(arn.removeprefix("arn:task/"))
        self.code, self.end = 143, {"stop_code": "UserInitiated", "reason": reason}

    async def log(self, target: Target, place: LogPlace, arn: str, most: int) -> list[str]:
        if isinstance(self.lines, AwsError):
            raise self.lines
        return self.lines[-most:]


class Nothing:
    """The surroundings of a service that has nothing but a scalable target."""

    async def around(self, target: Target, service: Body) -> tuple[dict[str, Any], tuple[str, ...]]:
        return {"scalable_targets": [{"MinCapacity": 2, "MaxCapacity": 6}]}, ()

    async def watched(self, target: Target, service: Body, definition: Body) -> tuple[dict[str, Any], tuple[str, ...]]:
        return {}, ()


@dataclass
class Registry:
    tags: dict[str, str] = field(default_factory=dict)

    async def digest(self, target: Target, reference: str) -> str | None:
        return self.tags.get(reference)


@dataclass
class Needed:
    """What each version needs to start again; by default a role that is there."""

    by_version: dict[str, tuple[Need, ...]] = field(default_factory=dict)

    async def of(self, target: Target, snapshots: Sequence[Snapshot]) -> list[tuple[Need, ...]]:
        there = (Need("the role ecsTaskRole", there=True),)
        return [self.by_version.get(snapshot.version, there) for snapshot in snapshots]


@dataclass
class Foreseen:
    """What may take a way back away; by default nothing."""

    by_version: dict[str, tuple[Deletion, ...]] = field(default_factory=dict)
    room: Vcpus = Vcpus(1000, 10)  # noqa: RUF009  frozen
    asked_for_spot: list[bool] = field(default_factory=list)

    async def expiring(self, target: Target, snapshot: Snapshot) -> tuple[Deletion, ...]:
        return self.by_version.get(snapshot.version, ())

    async def vcpus(self, target: Target, *, spot: bool) -> Vcpus:
        self.asked_for_spot.append(spot)
        return self.room


class Shelf:
    """The backup bucket, in memory."""

    def __init__(self) -> None:
        self.objects: dict[str, StoredObject] = {}
        self.failing: list[AwsError] = []

    async def put(self, target: Target, snapshot_id: str, stored: StoredObject, *, again: bool = False) -> bool:
        if self.failing:
            raise self.failing.pop(0)
        if snapshot_id in self.objects and not again:
            return False
        self.objects[snapshot_id] = stored
        return True

    async def get(self, target: Target, snapshot_id: str) -> StoredObject | None:
        return self.objects.get(snapshot_id)

    async def ids(self, target: Target) -> list[str]:
        return sorted(self.objects, reverse=True)

    async def targets(self) -> list[Target]:
        return [TARGET] if self.objects else []

    async def delete(self, target: Target, snapshot_id: str) -> None:
        self.objects.pop(snapshot_id, None)


class Recovery:
    """Recovery on the fakes; a test delivers its messages one by one."""

    def __init__(self, identity: Identity = UNSIGNED) -> None:
        self.clock = Now()
        self.policies = FakePolicies(ServicePolicy(target=TARGET, recovery=RecoverySection(rollback_window=60)))
        self.store = FakeStore()
        self.ecs = RollingEcs(self.clock)
        self.shelf = Shelf()
        self.snapshots = SignedSnapshots(self.shelf, identity)
        self.registry = Registry()
        self.stacks = FakeMovers()
        self.needs = Needed()
        self.outlook = Foreseen()
        self.infrastructure = FakeInfrastructure()
        self.handlers = Handlers(self.clock, self.policies)
        self.scaler = Scaler(self.ecs)
        self.examiner = ScalingExaminer(self.ecs, self.scaler, self.scaler, self.clock)
        self.one_off = OneOffs(self.clock, self.ecs)
        self.planner = MigrationPlanner(self.ecs, self.registry, self.policies)
        self.application = FakeApplication(lambda: self.one_off.over)
        self.read_schema = ReadSchema(self.ecs, self.application, self.policies, self.clock)
        self.read_log = ReadLog(self.ecs, self.one_off, self.clock)
        self.drill_examiner = DrillExaminer(self.ecs, self.registry, self.inspect, self.clock)
        self.jobs: dict[str, Callable[[Any], Any]] = {
            "capture-snapshot": CaptureJob(
                self.ecs, self.application, Nothing(), self.snapshots, self.clock, self.policies, self.store
            ),
            "purge-snapshots": PurgeJob(self.snapshots),
            "tend-snapshots": TendJob(self.snapshots, self.store, self.clock, self.policies),
            "apply-change": ChangeJob(self.ecs, self.registry, self.policies, self.store, self.clock),
            "consider-alert": ConsiderJob(self.ecs, self.snapshots, self.policies, self.needs, self.store, self.clock),
            "rollback": RollbackJob(
                self.ecs,
                self.ecs,
                self.registry,
                self.stacks,
                self.snapshots,
                self.policies,
                self.store,
                self.clock,
                SETTLE,
            ),
            "look-moves": LookMovesJob(self.trace, self.ecs, self.snapshots, self.store, self.clock, self.policies),
            "look-exhausted": LookExhaustedJob(self.examiner, self.policies, self.store, self.clock),
            "scale": ScaleJob(self.ecs, self.scaler, self.examiner, self.policies, self.store, self.clock),
            "unscale": UnscaleJob(self.ecs, self.scaler, self.store, self.clock, SETTLE),
            "raise-again": RaiseAgainJob(self.ecs, self.scaler, self.store, self.clock),
            "check-migration": CheckMigrationJob(self.ecs, self.planner, self.policies, self.store, self.clock),
            "migrate": MigrateJob(
                self.ecs,
                self.one_off,
                self.read_schema,
                self.read_log,
                self.planner,
                TakeTurns(self.store, self.policies, self.clock),
                self.policies,
                self.store,
                self.clock,
            ),
            "drill": DrillJob(
                self.ecs,
                self.ecs,
                self.drill_examiner,
                ScalingDrill(self.ecs, self.ecs, self.examiner, self.clock),
                RecreationDrill(self.recreate, self.drill_examiner, self.clock),
                self.policies,
                self.store,
                self.clock,
                SETTLE,
            ),
        }

    @property
    def now(self) -> datetime:
        return moment(self.clock.now())

    @property
    def inspect(self) -> Inspect:
        return Inspect(self.ecs, Nothing(), self.snapshots, self.store, self.clock)

    @property
    def trace(self) -> Trace:
        return Trace(self.ecs, FakeMovers(), self.store, self.clock)

    @property
    def assess(self) -> Assess:
        return Assess(self.ecs, self.snapshots, self.needs, self.outlook, self.store, self.clock)

    @property
    def recreate(self) -> Recreate:
        return Recreate(self.infrastructure, self.snapshots, self.store)

    @property
    def protection(self) -> Protection:
        return Protection.from_bytes(self.store.states.get(key_of(TARGET)))

    async def send(
        self,
        event: Event,
        id: str,  # noqa: A002  CloudEvents' word
        *,
        again: bool = False,
        at: datetime | None = None,
    ) -> StepFinished | None:
        """Deliver, and return the answer that the command has by now.

        ``again``: after a restoration of Redis. ``at``: when it was published.
        """
        meta = Meta(id, "surefoot/test", at or self.now, read_again=again)
        transition = await self.handlers.messages[type(event)](event, meta)
        if transition is not None:
            await self.store.apply(transition, cause=id)
        return self.answer(id)

    async def work(self, *, die_at: int | None = None, only: str | None = None) -> None:
        """Work on the queued jobs until there are none; a job that dies goes back into the queue."""
        while True:
            queued = (held for held in self.store.jobs.values() if held.state == "queued")
            held = next((held for held in queued if only is None or held.job.kind == only), None)
            if held is None:
                return
            await self.attempt(held, die_at)
            die_at = None

    async def attempt(self, held: HeldJob, die_at: int | None = None) -> None:
        """Work on one job; where its process dies, it goes back into the queue."""
        if held.cancelled:
            held.state = "done"
            return
        held.attempts += 1
        held.state = "running"
        try:
            self.store.write(await self.jobs[held.job.kind](Work(held, self.store, self.ecs, die_at)))
        except Crash:
            held.state = "queued"
            return
        except Cancelled:
            pass
        held.state = "done"

    async def watch(self, times: int, hours: float = 1) -> None:
        """Look so many times at the ways back, so many hours apart."""
        for _ in range(times):
            self.clock.time += hours * 3600
            job = WatchJob(
                self.inspect, self.assess, self.snapshots, self.store, self.clock, self.policies, self.recreate
            )
            running = self.work_on("watch-ways-back", b"")
            running.id = f"look:{self.clock.time}"
            self.store.write(await job(running))

    def work_on(self, kind: str, payload: bytes) -> Work:
        """Return a running job that no message of the test has begun."""
        return Work(HeldJob(Job("left-over", kind, payload)), self.store, self.ecs)

    async def fire(self) -> None:
        """Fire the timers that are due."""
        for timer in sorted(self.store.timers.values(), key=lambda timer: timer.due):
            if timer.due <= self.clock.now() and timer.id in self.store.timers:
                del self.store.timers[timer.id]
                transition = await self.handlers.timers[timer.kind](timer)
                if transition is not None:
                    self.store.write(transition)

    @property
    def decided(self) -> list[RollbackDecided]:
        """The decisions that were published, the oldest first."""
        return list(reversed(self.published(RollbackDecided)))

    async def overdue(self) -> None:
        """Let the timer of a rollback whose job does nothing any more fire until it ends the rollback."""
        while self.protection.rollback is not None:
            self.clock.time = min(timer.due for timer in self.store.timers.values() if timer.kind == "overdue")
            await self.fire()

    async def rolled_back(self) -> RollbackFinished:
        """Roll ``run-1`` back on a command, to the end; return how it ended."""
        await self.send(RollBack(target=TARGET, run_id="run-1", trigger="a gate failed"), "command")
        await self.work()
        [finished] = self.published(RollbackFinished)
        return finished

    def published(self, kind: type[E]) -> list[E]:
        """Return the events of a kind as their readers see them: once for each id."""
        by_id = {emission.id: emission.event for emission in reversed(self.store.emitted)}
        return [event for event in by_id.values() if isinstance(event, kind)]

    def answer(self, command_id: str) -> StepFinished | None:
        """Return the first answer to a command, which is the one that its sender takes; None if there is none."""
        answers = (emission.event for emission in self.store.emitted if isinstance(emission.event, StepFinished))
        return next((answer for answer in answers if answer.command_id == command_id), None)

    # the commands of a deployment, as the orchestrator sends them

    async def snapshot(
        self, run: str = "run-1", purpose: Any = "before-change", *, policy: RecoveryPolicy | None = None
    ) -> str:
        command = CaptureSnapshot(target=TARGET, run_id=run, purpose=purpose, policy=policy)
        await self.send(command, f"{run}:{purpose}")
        await self.work()
        answer = self.answer(f"{run}:{purpose}")
        assert answer is not None
        assert answer.output is not None
        assert answer.output.kind == "snapshot"
        return answer.output.snapshot_id

    async def arm(
        self, run: str = "run-1", *, minutes: float = 60, auto: bool = True, policy: RecoveryPolicy | None = None
    ) -> StepFinished:
        snapshot = await self.snapshot(run, policy=policy)
        answer = await self.send(
            Arm(
                target=TARGET, run_id=run, snapshot_id=snapshot, auto_recovery=auto,
                expires_at=self.now + timedelta(minutes=minutes), policy=policy,
            ),
            f"{run}:arm",
        )  # fmt: skip
        assert answer is not None
        return answer

    async def change(self, run: str = "run-1", image: str = BAD, *, work: bool = True) -> StepFinished | None:
        self.clock.time += 5
        await self.send(ApplyChange(target=TARGET, run_id=run, images={"backend": image}), f"{run}:change")
        if work:
            await self.work(only="apply-change")
        return self.answer(f"{run}:change")

    async def deployed(self, *, auto: bool = True, image: str = BAD, policy: RecoveryPolicy | None = None) -> None:
        """Arm the target and change it, 20 seconds ago."""
        await self.arm(auto=auto, policy=policy)
        answer = await self.change(image=image)
        assert answer is not None
        assert answer.verdict == "pass"
        self.clock.time += 20

    def alert(
        self, *, rule: str = "error_rate", alert_id: str = "alert-1", began: float = 0, state: Any = "raised"
    ) -> CriticalAlert:
        """Return an alert that began ``began`` seconds ago."""
        return CriticalAlert(
            target=TARGET, alert_id=alert_id, rule=rule, state=state, value=30, comparison=">", threshold=10,
            unit="%", samples=100, began_at=moment(self.clock.now() - began), detail="seen",
        )  # fmt: skip
