"""Tries a recovery plan for real and times it: look, remember, trigger, and watch until every task serves."""

from dataclasses import dataclass, field
from datetime import timedelta

from contracts.policy import ServicePolicy
from contracts.prose import prose
from services._aws.ecs_views import EcsService
from services._aws.errors import AwsError
from services._aws.optional_reads import OptionalReads
from services._chassis.clock import Clock, moment
from services._chassis.jobs import Running
from services._chassis.policies import Policies
from services._chassis.store import Store
from services._chassis.transition import Transition, decided
from services.recovery.decisions.drill import failed, measured, note, note_plan, refused, stopped
from services.recovery.domain.change import Body
from services.recovery.domain.drill.drill import Drill
from services.recovery.domain.drill.drill_plan import lost_configuration, sentence_of, why_not_again
from services.recovery.domain.drill.drill_work import DrillWork
from services.recovery.domain.ecs_service import Baseline, ecs_does, live_deployment
from services.recovery.domain.protection import Protection, key_of
from services.recovery.domain.rollback.observed import Observed
from services.recovery.domain.rollback.roll_back import POLL_SECONDS, SEEN_SECONDS
from services.recovery.examine import DrillExaminer
from services.recovery.jobs.drill_recreate import RecreationDrill
from services.recovery.jobs.drill_scaling import ScalingDrill
from services.recovery.observe import running_of
from services.recovery.ports.service import Balancers, Ecs

LONGEST = timedelta(hours=6)
"""A drill of a rollback ends by then, however slow the service is."""


@dataclass(frozen=True, slots=True)
class DrillJob:
    ecs: Ecs
    balancers: Balancers
    examiner: DrillExaminer
    scaling: ScalingDrill
    recreation: RecreationDrill
    policies: Policies
    store: Store
    clock: Clock
    settle_seconds: float
    """Product seconds after which a call of which no answer is known cannot reach AWS any more."""

    async def __call__(self, running: Running) -> Transition:
        """Return the end of the drill. What ends it early is decided elsewhere, and seen here."""
        execution = _Execution(self, running, DrillWork.from_bytes(running.payload))
        while True:
            protection = await self.store.read(key_of(execution.work.target), Protection)
            drill = protection.drill
            if drill is None or drill.drill_id != execution.work.drill_id:
                return decided()
            try:
                end, waits = await execution.step(protection, drill), ""
            except AwsError as error:
                end, waits = None, prose(str(error))  # its time ends it, where AWS never lets it go on
            if end is not None:
                return end
            if waits != drill.waits:
                await self.store.apply(note(execution.work, waits=waits), cause="")
            await self.clock.sleep(POLL_SECONDS)


@dataclass(slots=True)
class _Execution:
    job: DrillJob
    running: Running
    work: DrillWork
    reads: OptionalReads = field(default_factory=OptionalReads)

    async def step(self, protection: Protection, drill: Drill) -> Transition | None:
        """Make one step; return the end, if it is over."""
        try:
            policy: ServicePolicy = self.job.policies.of(self.work.target)
        except LookupError as error:
            return stopped(self.work, str(error), moment(self.job.clock.now()))
        if drill.plan != "rollback":
            made = await self._other_plan(protection, drill, policy)
            if made is None or made[1]:
                return made and made[0]
            await self._keep(made[0])
            return None
        if not drill.sentence:
            return await self._plan(drill, policy)
        if drill.called_at is None:
            return await self._trigger()
        return await self._watch(drill)

    async def _other_plan(
        self, protection: Protection, drill: Drill, policy: ServicePolicy
    ) -> tuple[Transition, bool] | None:
        """Return the next step of a plan that deploys nothing, and whether it is the end; None while it waits."""
        if drill.plan == "recreate":
            return await self.job.recreation.step(self.work, drill)
        return await self.job.scaling.step(self.work, protection, drill, policy)

    async def _plan(self, drill: Drill, policy: ServicePolicy) -> Transition | None:
        now = moment(self.job.clock.now())
        live = await self.job.examiner.live(self.work.target)
        obstacle = why_not_again(live, policy, drill.overridden)
        if obstacle is not None or live is None:
            return refused(self.work, obstacle.sentence if obstacle else "", now)
        longest = min(LONGEST, timedelta(seconds=live.pace.longest))
        await self._keep(
            note_plan(
                self.work,
                sentence=sentence_of(live),
                version=live.version,
                deployment_before=live.deployment_id,
                rpo_seconds=lost_configuration(live),
                pace=live.pace,
                until=now + longest,
            )
        )
        return None

    async def _trigger(self) -> Transition | None:
        """Deploy what is live once more. The time is kept before the call, since its answer may be lost."""
        await self._keep(note(self.work, called_at=moment(self.job.clock.now())))
        await self.running.check()
        try:
            body = await self.job.ecs.update(self.work.target, {"forceNewDeployment": True})
        except AwsError as error:
            if error.temporary or error.sent_before:
                return None  # whether it has taken effect, the next look shows
            return failed(self.work, f"{str(error).rstrip('.')}.", moment(self.job.clock.now()))
        await self._keep(note(self.work, deployment_id=str(live_deployment(body)["id"])))
        return None

    async def _watch(self, drill: Drill) -> Transition | None:
        body, now = await self.job.ecs.service(self.work.target), self.job.clock.now()
        if body is None:
            return stopped(self.work, "the service is not there any more", moment(now))
        primary = live_deployment(body)
        drill = await self._ours(drill, str(primary["id"]), str(primary["taskDefinition"]))
        if str(primary["id"]) != drill.deployment_id or not drill.deployment_id:
            return self._not_ours(drill, body, now)
        if primary.get("rolloutState") == "FAILED":
            return failed(
                self.work, f"{drill.version} does not start any more: its deployment has failed.", moment(now)
            )
        if drill.served_at is None:
            observed = await self._observe(body, now)
            if observed.missing:
                return None
            await self._keep(note(self.work, served_at=moment(now)))
        return None if EcsService(body).rolling_out else measured(self.work, moment(now))

    async def _ours(self, drill: Drill, deployment_id: str, task_definition: str) -> Drill:
        """Take the first deployment after the one before for the drill's own, where the answer to its call was lost."""
        same = task_definition.rpartition("/")[2] == drill.version
        if drill.deployment_id or deployment_id == drill.deployment_before or not same:
            return drill
        await self._keep(note(self.work, deployment_id=deployment_id))
        return drill.model_copy(update={"deployment_id": deployment_id})

    def _not_ours(self, drill: Drill, body: Body, now: float) -> Transition | None:
        """Return the end where another deployment is live than the drill's; None while ECS may not show that yet."""
        called = drill.called_at.timestamp() if drill.called_at else now
        primary = live_deployment(body)
        if not drill.deployment_id and str(primary["id"]) == drill.deployment_before:
            if now < called + self.job.settle_seconds + SEEN_SECONDS:
                return None
            return failed(self.work, "AWS has not taken the call that deploys it once more.", moment(now))
        if str(primary["id"]) == drill.deployment_before and now < called + SEEN_SECONDS:
            return None
        if ecs_does(body, None, Baseline()) != "idle":
            why = f"{drill.version} does not start any more: ECS has taken its deployment back."
            return failed(self.work, why, moment(now))
        return stopped(self.work, "somebody else has deployed the service meanwhile", moment(now))

    async def _observe(self, body: Body, now: float) -> Observed:
        """Return how far the new tasks have come: they serve where the requests go to them and to no other."""
        service, primary, targets = EcsService(body), live_deployment(body), None
        if service.target_groups:
            targets = await self.reads.read(
                "DescribeTargetHealth", lambda: self.job.balancers.targets(self.work.target, body)
            )
        return Observed(
            now=now,
            live="goal",
            rollout="IN_PROGRESS" if service.rolling_out else "COMPLETED",
            running=running_of(body, primary, needed=True),
            desired=service.desired,
            targets=None if isinstance(targets, AwsError) else targets,
            ecs="idle",
            others=sum(other.running for other in service.deployments if other.status != "PRIMARY"),
        )

    async def _keep(self, transition: Transition) -> None:
        await self.job.store.apply(transition, cause="")
