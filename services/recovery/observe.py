"""Looks at a service that is being rolled back: what decides, and what a decision can do without."""

from dataclasses import dataclass, field
from typing import Literal

from contracts.base import Target
from contracts.rollout_pace import RolloutPace
from services._aws.ecs_views import EcsService
from services._aws.errors import AwsError
from services._aws.measure_pace import described_pace
from services._aws.optional_reads import OptionalReads
from services._chassis.tasks import both
from services.recovery.domain.change import Body, matches_change
from services.recovery.domain.ecs_service import Baseline, EcsAct, ecs_does, live_deployment
from services.recovery.domain.moves.stack import stack_of
from services.recovery.domain.protection import OurChange
from services.recovery.domain.rollback.observed import Observed
from services.recovery.domain.rollback.stack import StackSeen
from services.recovery.domain.snapshots.snapshot import Snapshot, differences, left_alone
from services.recovery.domain.work import RollbackProgress
from services.recovery.ports.moves import Stacks
from services.recovery.ports.service import Balancers, Ecs

SKEW_SECONDS = 300.0
"""How much earlier deployments are asked for where AWS's own time does not say from when on they count: its clock may
differ from ours (from five minutes on AWS refuses every signature), and one that was under way counts itself."""


@dataclass(frozen=True, slots=True)
class RollbackObserver:
    """Reads ECS and the load balancer for one rollback."""

    ecs: Ecs
    balancers: Balancers
    stacks: Stacks
    target: Target
    snapshot: Snapshot
    change: OurChange | None
    """The run's change; None where there is none, and for a rollback that a person asked for."""
    baseline: Baseline
    since: float
    """Epoch seconds by our clock before which deployments do not count, where AWS's own time is not known."""
    reads: OptionalReads = field(default_factory=OptionalReads)
    accused: str = ""
    """The deployment that an alert outside a run accuses: only this one is taken back. Empty for other rollbacks."""
    all_restored: bool = True
    """Whether the snapshot's settings are brought back with its version."""
    stack: str = ""
    """The stack of CloudFormation that is watched, if it goes back; empty where none is."""

    async def observe(self, service: Body, progress: RollbackProgress, now: float) -> Observed:
        """Return what ``service``, as ECS has just described it, shows. Raise ``AwsError`` where that is too little."""
        primary, seen = live_deployment(service), EcsService(service)
        deployments, stack = await both(self._deployments(), self._stack(progress))
        ecs = ecs_does(service, deployments, self.baseline)
        live = await self._live(progress, primary, ecs)
        if live == "foreign" and await self._is_the_stacks(stack, progress, str(primary["taskDefinition"])):
            live = "judged"
        targets = None
        if live == "goal" and seen.target_groups:
            targets = await self.reads.read(
                "DescribeTargetHealth", lambda: self.balancers.targets(self.target, service)
            )
        unseen = isinstance(targets, AwsError)
        before = self.baseline.deployment_id
        return Observed(
            now=now,
            live=live,
            rollout=primary.get("rolloutState") or "COMPLETED",
            running=running_of(service, primary, needed=live == "goal"),
            desired=seen.desired if live == "goal" else int(service.get("desiredCount") or 0),
            targets=None if isinstance(targets, AwsError) else targets,
            ecs=ecs,
            others=sum(other.running for other in seen.deployments if other.status != "PRIMARY"),
            moved=bool(before and primary["id"]) and primary["id"] != before,
            differs=bool(differences(self.snapshot, service, progress.goals[-1])),
            version=str(primary["taskDefinition"]).rpartition("/")[2],
            unseen=str(targets) if unseen else "",
            left=left_alone(self.snapshot, service),
            deployment_id=str(primary["id"]),
            stack=stack,
        )

    async def _deployments(self) -> list[Body] | None:
        since = self.baseline.created_at
        if since is None or self.baseline.service_deployment is None:
            since = (since or self.since) - SKEW_SECONDS
        found = await self.reads.read("ListServiceDeployments", lambda: self.ecs.deployments(self.target, since))
        return None if isinstance(found, AwsError) else found

    async def _stack(self, progress: RollbackProgress) -> StackSeen | None:
        """Return the stack's state; None where it makes no difference: none is watched, or all is under way."""
        begun = progress.restored_at or progress.called
        if not self.stack or begun or (progress.deployment_id and not progress.watched_from):
            return None
        status = await self.reads.read("DescribeStacks", lambda: self.stacks.stack(self.target, self.stack))
        if isinstance(status, AwsError):
            return StackSeen(self.stack, unread=str(status))
        return StackSeen(self.stack, status)

    async def _is_the_stacks(self, stack: StackSeen | None, progress: RollbackProgress, version: str) -> bool:
        """Return whether CloudFormation has brought this version in while it took the stack back, which was watched.

        It is as little what is to be brought back as what was live before. Nobody can update a stack that goes back, so
        that no person has: the state is read after the service, and is another one once somebody updates the stack.
        """
        if stack is None or not stack.gone_back or not progress.watched_from:
            return False
        name = f"DescribeTaskDefinition of {version}"
        found = await self.reads.read(name, lambda: self.ecs.task_definition(self.target, version))
        return not isinstance(found, AwsError) and found is not None and stack_of(found) == stack.name

    async def _live(
        self, progress: RollbackProgress, primary: Body, ecs: EcsAct
    ) -> Literal["goal", "judged", "foreign"]:
        """Return which version is live: the snapshot's, the one to be taken back, or another one.

        Our change is recognised by its ARN or, where its job died before it could note that, by its content. A version
        to which ECS has fallen back from our change is to be replaced as well. Who deploys what an alert accuses once
        more is not fought.
        """
        version, change = str(primary["taskDefinition"]), self.change
        if version in progress.goals:
            return "goal"
        if change is None:
            again = self.accused and primary["id"] != self.accused and ecs == "idle"
            return "judged" if version == progress.judged and not again else "foreign"
        if version == change.task_definition or ecs == "rolled-back":
            return "judged"
        definition = await self.ecs.task_definition(self.target, version)
        ours = definition is not None and matches_change(definition, change.images, change.asked)
        return "judged" if ours else "foreign"

    async def pace(self, service: Body) -> RolloutPace | None:
        """Return the pace of the service with the snapshot's settings; None where AWS does not answer in time."""
        measured = await self.reads.read(
            "the settings of its rollouts",
            lambda: self.ecs.pace(self.target, self._restored(service), self.snapshot.task_definition),
        )
        return None if isinstance(measured, AwsError) else measured

    def usual_pace(self, service: Body) -> RolloutPace:
        """Return the pace as far as the description of the service says it."""
        return described_pace(EcsService(self._restored(service)))

    def _restored(self, service: Body) -> Body:
        kept = self.snapshot.service.get("deploymentConfiguration") if self.all_restored else None
        return {**service, "deploymentConfiguration": kept} if kept else service


def running_of(service: Body, primary: Body, *, needed: bool) -> int:
    """Return the running tasks of the primary deployment; where ECS leaves them out, those of the whole service."""
    if primary.get("runningCount") is not None:
        return int(primary["runningCount"])
    return EcsService(service).running if needed else int(service.get("runningCount") or 0)


def baseline_of(service: Body) -> Baseline:
    """Return the deployment that is live in ``service`` as the one from which on others count."""
    seen = EcsService(service)
    primary = seen.primary
    if primary is None:
        return Baseline(service_deployment=seen.current_deployment)
    over = not seen.rolling_out
    return Baseline(
        deployment_id=primary.id,
        service_deployment=seen.current_deployment if over else None,
        created_at=primary.created_at,
    )
