"""The surroundings of orchestrator and recovery: services that answer, an AWS that works or fails, a monitor."""

from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from contracts.base import Event, Target, caused_id
from contracts.deployment import Cause
from contracts.envelope import Envelope, Message, Meta
from contracts.gates import Verdict
from contracts.recovery import KnownVersion
from contracts.results import MonitoringOutput, Output, PreflightOutput, ProbesOutput, StepFinished, StepProgressed
from contracts.rollout_pace import RolloutPace
from sandbox.virtual.redis import give_way
from services._aws.errors import AwsError
from services._chassis.clock import Clock, moment
from services._chassis.jobs import Running
from services._chassis.store import Store
from services._chassis.transition import Transition, decided
from services.recovery.decisions.roll_back import end_rollback
from services.recovery.domain.change import Body
from services.recovery.domain.outside.signs import ServiceTask
from services.recovery.domain.protection import Protection, key_of
from services.recovery.domain.readiness import Need
from services.recovery.domain.rollback.roll_back import Done, Ended
from services.recovery.domain.snapshots.known_version import Versions
from services.recovery.domain.snapshots.proof import Proof, ProvenSnapshot
from services.recovery.domain.snapshots.snapshot import Snapshot
from services.recovery.domain.work import RollbackWork

ARN = "arn:aws:ecs:eu-central-1:123456789012:task-definition/web"
DEPLOYED, BEFORE = (
    KnownVersion(images={"web": "sha256:" + "2" * 64}),
    KnownVersion(images={"web": "sha256:" + "1" * 64}),
)
"""The version that every run deploys, and the one before it."""
PACE = RolloutPace(tasks=20, maximum_percent=105, draining=330)
"""The pace of a service whose tasks are replaced one by one, in hours."""
OUTPUTS: dict[str, Output] = {
    "run-preflight": PreflightOutput(images={"web": f"shop/web@{DEPLOYED.images['web']}"}, pace=PACE),
    "validate-deployment": ProbesOutput(requests=20, failures=0, p95_seconds=0.1),
    "set-up-monitoring": MonitoringOutput(dashboard="web", alarms=()),
}


def answer(command: Envelope, verdict: Verdict, cause: Cause | None, now: float) -> Message:
    """Return the answer of one of the five other services; the caller keeps it, so that a repetition gets the same."""
    event, step = command.event, command.entry.name
    assert isinstance(event, Event)
    passed = verdict is Verdict.PASS
    event = StepFinished(
        target=event.target,
        run_id=command.meta.run_id or "",
        command_id=command.meta.id,
        step=step,
        verdict=verdict,
        cause=None if passed else cause,
        summary=f"{step} says {verdict}.",
        output=OUTPUTS.get(step) if passed else None,
    )
    return _message(event, caused_id(command.meta.id, "finished"), now)


def progress(command: Envelope, number: int, now: float) -> Message:
    event = command.event
    assert isinstance(event, Event)
    event = StepProgressed(
        target=event.target,
        run_id=command.meta.run_id or "",
        command_id=command.meta.id,
        step=command.entry.name,
        message=f"Step {number}.",
        silent_until=moment(now + PACE.silence) if number % 2 else None,
    )
    return _message(event, caused_id(command.meta.id, f"progress:{number}"), now)


def _message(event: Event, id_: str, now: float) -> Message:
    return Envelope(Meta(id_, "surefoot/another", moment(now), getattr(event, "run_id", None)), event).to_message()


@dataclass
class Account:
    """One service at AWS and a bucket: recovery's ports, as far as its jobs ask. Each call gives way once."""

    live: str = f"{ARN}:1"
    number: int = 1
    """How many deployments there were."""
    began_at: float = 0.0
    now: Callable[[], float] = float
    fails: bool = False
    """Whether each changing call fails."""
    past: list[tuple[str, float]] = field(default_factory=list)
    """Version and begin of each deployment before, the oldest first."""
    objects: dict[str, ProvenSnapshot] = field(default_factory=dict)

    async def service(self, _target: Target) -> Body | None:
        await give_way()
        return self._described()

    def _described(self) -> Body:
        primary = {
            "id": self.deployment_id,
            "status": "PRIMARY",
            "taskDefinition": self.live,
            "createdAt": moment(self.began_at),
        }
        return {
            "taskDefinition": self.live,
            "desiredCount": 1,
            "runningCount": 1,
            "deployments": [primary],
            "currentServiceDeployment": f"service-deployment/{self.number}",
        }

    @property
    def deployment_id(self) -> str:
        return f"ecs-svc/{self.number}"

    def deploy(self, version: str) -> None:
        self.past.append((self.live, self.began_at))
        self.live, self.number, self.began_at = version, self.number + 1, self.now()

    async def deployments(self, _target: Target, _since: float) -> list[Body]:
        await give_way()
        return [
            {
                "serviceDeploymentArn": f"service-deployment/{number}",
                "status": "SUCCESSFUL",
                "createdAt": moment(began_at),
                "sourceServiceRevisions": [{"arn": f"revision/{number - 1}"}] if number > 1 else [],
                "targetServiceRevision": {"arn": f"revision/{number}"},
            }
            for number, (_, began_at) in reversed([*self._deployed()])
        ]

    async def tasks(self, _target: Target) -> list[ServiceTask]:
        await give_way()
        return [ServiceTask(self.deployment_id)]

    async def of(self, _target: Target, snapshots: Sequence[Snapshot]) -> list[tuple[Need, ...]]:
        await give_way()
        return [(Need("the role web", there=True),) for _ in snapshots]

    async def service_revisions(self, _target: Target, arns: Sequence[str]) -> list[Body]:
        await give_way()
        return [
            {
                "serviceRevisionArn": f"revision/{number}",
                "taskDefinition": version,
                "createdAt": moment(began_at),
                "containerImages": [{"containerName": "web", "imageDigest": _digest_of(version)}],
            }
            for number, (version, began_at) in self._deployed()
            if f"revision/{number}" in arns
        ]

    def _deployed(self) -> Iterator[tuple[int, tuple[str, float]]]:
        return enumerate([*self.past, (self.live, self.began_at)], start=1)

    async def task_definition(self, _target: Target, name: str) -> Body | None:
        await give_way()
        container = {"name": "web", "image": f"shop/web@{_digest_of(name)}"}
        return {
            "taskDefinitionArn": name,
            "family": "web",
            "status": "ACTIVE",
            "containerDefinitions": [container],
        }

    async def revisions(self, _target: Target, _family: str) -> list[Body]:
        await give_way()
        return []

    async def register(self, _target: Target, _body: Body) -> str:
        await self._changing()
        return f"{ARN}:{self.number + 1}"

    async def update(self, _target: Target, parameters: dict[str, Any]) -> Body:
        await self._changing()
        self.deploy(parameters["taskDefinition"])
        return self._described()

    async def _changing(self) -> None:
        await give_way()
        if self.fails:
            raise AwsError("AWS said no.", temporary=False)

    async def digests(self, _target: Target, _service: Body) -> dict[str, str]:
        await give_way()
        return {}

    async def digest(self, _target: Target, _reference: str) -> str | None:
        await give_way()
        return None

    async def revision(self, target: Target, service: Body) -> Body:
        return {}

    async def way_back(self, target: Target, service: Body) -> tuple[Body, dict[str, str]]:
        return service, await self.digests(target, service)

    async def around(self, _target: Target, _service: Body) -> tuple[dict[str, Any], tuple[str, ...]]:
        await give_way()
        return {}, ()

    async def watched(
        self, _target: Target, _service: Body, _definition: Body
    ) -> tuple[dict[str, Any], tuple[str, ...]]:
        await give_way()
        return {}, ()

    async def put(self, snapshot: Snapshot) -> ProvenSnapshot | None:
        await self._changing()
        stored = ProvenSnapshot(snapshot, "0" * 64, Proof.NONE)
        return stored if self.objects.setdefault(snapshot.snapshot_id, stored) is stored else None

    async def get(self, _target: Target, snapshot_id: str, _index: object) -> ProvenSnapshot | None:
        await give_way()
        return self.objects.get(snapshot_id)

    async def unindexed(self, _target: Target, _now: object, most: int) -> list[ProvenSnapshot]:
        await give_way()
        return [self.objects[name] for name in sorted(self.objects, reverse=True)][:most]


def _digest_of(version: str) -> str:
    return f"sha256:{int(version.rpartition(':')[2]):064x}"


@dataclass
class AnyRollback:
    """The job of a rollback that ends with a given result; outside a run, what it restores is deployed."""

    store: Store
    clock: Clock
    ends: Ended
    account: Account
    versions: Versions = field(default_factory=Versions)
    """What it says that it has exchanged."""

    async def __call__(self, running: Running) -> Transition:
        work = RollbackWork.model_validate_json(running.payload)
        rollback = Protection.from_bytes(await self.store.load(key_of(work.target))).rollback
        if rollback is None or rollback.rollback_id != work.rollback_id:
            return decided()
        await running.check()
        ends = self.ends
        if rollback.deployment_id and isinstance(ends, Done):
            self.account.deploy(f"{ARN}:1")
            ends = replace(ends, deployment_id=self.account.deployment_id)
        return end_rollback(work, ends, moment(self.clock.now()), versions=self.versions)


class Reads:
    """Optional reads, awaited where no loop runs."""

    async def read(self, _name: str, question: Callable[[], Awaitable[Any]]) -> Any:
        try:
            return await question()
        except AwsError as error:
            return error
