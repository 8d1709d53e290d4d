"""Looks at ECS and at the snapshots for an alert outside a run, so that it can be decided."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from contracts.base import Target
from contracts.policy_parts import RecoveryPolicy
from contracts.rollout_pace import RolloutPace
from services._aws.body import epoch
from services._aws.ecs import digests_of
from services._aws.ecs_views import EcsService
from services._aws.errors import AwsError
from services._aws.optional_reads import OptionalReads
from services._chassis.clock import Clock, moment
from services._chassis.jobs import Running
from services._chassis.policies import Policies
from services._chassis.store import Store
from services._chassis.transition import Transition
from services.recovery.assess import SAFETY_SECONDS
from services.recovery.decisions.consider import considered, policy_of
from services.recovery.domain.change import Body
from services.recovery.domain.ecs_service import Baseline, ecs_does
from services.recovery.domain.outside.course import Course, Revision, course_of, revisions_of
from services.recovery.domain.outside.live import NOTHING, Live, Seen
from services.recovery.domain.outside.outside import why_not_live, without_looking
from services.recovery.domain.outside.signs import Signs, in_trouble
from services.recovery.domain.outside.way_back import Candidate, Evidence, candidate_of, worth_comparing
from services.recovery.domain.protection import Protection, key_of
from services.recovery.domain.readiness import Room, judge
from services.recovery.domain.scaling.scale_plan import RECENT_SECONDS
from services.recovery.domain.snapshots.content import Content
from services.recovery.domain.snapshots.proof import Unproven
from services.recovery.domain.snapshots.snapshot import Snapshot, why_not_kept
from services.recovery.domain.snapshots.snapshot_index import SnapshotEntry
from services.recovery.domain.work import ConsiderWork
from services.recovery.ports.readiness import Needs
from services.recovery.ports.service import Ecs
from services.recovery.ports.snapshots import Snapshots

HISTORY = 90 * 86_400.0
"""Seconds for which ECS knows service deployments (Amazon ECS API reference, ListServiceDeployments)."""


def patient_reads() -> OptionalReads:
    """Return reads that are waited for as long as those of a rollback by hand."""
    return OptionalReads(SAFETY_SECONDS)


@dataclass(frozen=True, slots=True)
class ConsiderJob:
    ecs: Ecs
    snapshots: Snapshots
    policies: Policies
    needs: Needs
    store: Store
    clock: Clock
    reads: Callable[[], OptionalReads] = patient_reads

    async def __call__(self, running: Running) -> Transition:
        work = ConsiderWork.from_bytes(running.payload)
        policy = policy_of(self.policies, work.target)
        protection = await self.store.read(key_of(work.target), Protection)
        seen = NOTHING
        if policy is not None and without_looking(protection, work.alert, policy.recovery) is None:
            try:
                seen = await self._look(work, protection, policy)
            except AwsError as error:
                seen = Seen(unseen=f"AWS did not let recovery look at the service: {error}")
        now = moment(self.clock.now())
        return Transition(
            key_of(work.target), lambda state: considered(Protection.from_bytes(state), work, seen, policy, now)
        )

    async def _look(self, work: ConsiderWork, protection: Protection, policy: RecoveryPolicy) -> Seen:
        """Look at what is live and, only where that may be rolled back, at what there is to go back to."""
        service = await self.ecs.service(work.target)
        if service is None:
            return Seen()
        live = await self._live(work.target, service)
        window = policy.recovery.rollback_window
        if why_not_live(protection, work.alert, live, window, self.clock.now()) is not None:
            return Seen(live)
        if live.course is None:
            return Seen(live, unseen=f"ECS did not tell what was live before {live.version}")
        evidence = await self._evidence(work.target, protection, service, live, live.course)
        return Seen(live, evidence, await self._signs(work, service))

    async def _signs(self, work: ConsiderWork, body: Body) -> Signs:
        service, since, target = EcsService(body), self.clock.now() - RECENT_SECONDS, work.target
        recent = (event.message for event in service.events if event.created_at is None or event.created_at > since)
        near = [other for other in self.policies.all() if other.region == target.region and other != target]
        others = {other: await self.store.read(key_of(other), Protection) for other in near}
        return Signs(
            wanted=service.desired,
            running=service.running,
            messages=tuple(recent),
            tasks=tuple(await self.ecs.tasks(target)),
            others=in_trouble(others, work.alert),
        )

    async def _live(self, target: Target, service: Body) -> Live:
        seen, reads = EcsService(service), self.reads()
        primary = seen.primary
        began_at = primary.created_at if primary is not None else None
        since = (began_at or self.clock.now()) - HISTORY
        found = await reads.read("ListServiceDeployments", lambda: self.ecs.deployments(target, since))
        deployments = None if isinstance(found, AwsError) else _current(seen, found)
        current = next(iter(deployments or ()), {})
        task_definition = primary.task_definition if primary is not None else ""
        return Live(
            deployment_id=primary.id if primary is not None else "",
            task_definition=task_definition,
            began_at=began_at,
            finished_at=epoch(current.get("finishedAt")),
            rolling_out=seen.rolling_out,
            ecs=ecs_does(service, deployments, Baseline()),
            obstacle=why_not_kept(service) or "",
            deletion=seen.being_deleted or "",
            course=None
            if isinstance(found, AwsError)
            else await self._course(target, reads, current, found, task_definition),
        )

    async def _course(
        self, target: Target, reads: OptionalReads, current: Body, deployments: list[Body], task_definition: str
    ) -> Course | None:
        arns = revisions_of(current, deployments)
        if not arns:
            return None
        found = await reads.read("DescribeServiceRevisions", lambda: self.ecs.service_revisions(target, arns))
        revisions = () if isinstance(found, AwsError) else map(_revision, found)
        return course_of(current, revisions, task_definition)

    async def _evidence(
        self, target: Target, protection: Protection, service: Body, live: Live, course: Course
    ) -> Evidence:
        definition = await self._definition(target, live.task_definition)
        digests = dict(course.after.digests) or await self.ecs.digests(target, service)
        ours, before = Content(definition, digests), await self._before(target, course)
        registered_at, replaced_at = epoch(definition.get("registeredAt")), [old.created_at for old in course.before]
        return Evidence(
            course=course,
            candidates=await self._candidates(target, protection, live, ours, before),
            content=ours.fingerprint,
            content_before=before[0].fingerprint if before else "",
            repeats=await self._repeated(target, course, ours),
            older=registered_at is not None and any(at is not None and registered_at < at for at in replaced_at),
        )

    async def _before(self, target: Target, course: Course) -> tuple[Content, ...]:
        """Return what ran directly before; nothing where one of its task definitions was deleted."""
        found = []
        for revision in course.before:
            definition = await self.ecs.task_definition(target, revision.task_definition)
            if definition is None:
                return ()
            found.append(Content(definition, revision.digests))
        return tuple(found)

    async def _repeated(self, target: Target, course: Course, ours: Content) -> str:
        """Return the name of an earlier version that ran the same; empty where ECS knows none.

        Only a version with the same digests is looked at, unless its task definition is the one that is live.
        """
        for revision in (*course.before, *course.earlier):
            if revision.repeats(course.after):
                return revision.version
            if not revision.digests or revision.digests != dict(course.after.digests):
                continue
            body = await self.ecs.task_definition(target, revision.task_definition)
            if body is not None and Content(body, revision.digests).same(ours) is not False:
                return revision.version
        return ""

    async def _definition(self, target: Target, name: str) -> Body:
        definition = await self.ecs.task_definition(target, name)
        if definition is None:
            raise AwsError(f"ECS does not know {name}", temporary=True)
        return definition

    async def _candidates(
        self, target: Target, protection: Protection, live: Live, ours: Content, before: tuple[Content, ...]
    ) -> tuple[Candidate, ...]:
        found = []
        for entry in worth_comparing(protection.snapshots, live.deployment_id):
            try:
                usable = await self.snapshots.get(target, entry.snapshot_id, protection.snapshots)
            except Unproven:
                continue  # it is listed as unusable (GET …/snapshots), and no rollback would use it
            if usable is None:
                continue
            primary = EcsService(usable.snapshot.service).primary
            began_at = primary.created_at if primary is not None else None
            served = 0.0 if began_at is None else max(0.0, usable.snapshot.taken_at.timestamp() - began_at)
            candidate = candidate_of(entry, usable.snapshot, served, ours, before)
            lost = await self._lost(target, entry, usable.snapshot) if candidate.before else ()
            found.append(replace(candidate, lost=lost))
        return tuple(found)

    async def _lost(self, target: Target, entry: SnapshotEntry, snapshot: Snapshot) -> tuple[str, ...]:
        """Return what the snapshot needs and AWS says not to have. What AWS does not let be seen is no obstacle."""
        found = await self.reads().read("what a version needs", lambda: self.needs.of(target, [snapshot]))
        if isinstance(found, AwsError):
            raise found
        way = judge(entry, found[0], Room(RolloutPace(tasks=0)), live=False)
        return way.because if way.can is False else ()


def _revision(body: Body) -> Revision:
    return Revision(
        arn=str(body.get("serviceRevisionArn", "")),
        task_definition=str(body.get("taskDefinition", "")),
        digests=digests_of(body),
        created_at=epoch(body.get("createdAt")),
    )


def _current(service: EcsService, deployments: list[Body]) -> list[Body]:
    """Return the course of the deployment that is live, as a list; of several, the newest where ECS names none.

    A rollback of ECS's own belongs to the course of the deployment that it takes back.
    """
    named = [each for each in deployments if each.get("serviceDeploymentArn") == service.current_deployment]
    return (named or deployments)[:1]
