"""Looks at ECS and at the snapshots for an alert outside a run, so that it can be decided."""

from collections.abc import Callable
from dataclasses import dataclass

from contracts.base import Target
from contracts.policy_parts import RecoveryPolicy
from services._aws.body import epoch
from services._aws.ecs_views import EcsService
from services._aws.errors import AwsError
from services._aws.optional_reads import OptionalReads
from services._chassis.clock import Clock, moment
from services._chassis.jobs import Running
from services._chassis.policies import Policies
from services._chassis.store import Store
from services._chassis.transition import Transition
from services.recovery.decisions.consider import considered, policy_of
from services.recovery.domain.change import Body
from services.recovery.domain.ecs_service import Baseline, ecs_does
from services.recovery.domain.outside import NOTHING, Live, Seen, why_not_live, without_looking
from services.recovery.domain.proof import Unproven
from services.recovery.domain.protection import Protection, key_of
from services.recovery.domain.snapshot import why_not_kept
from services.recovery.domain.way_back import Candidate, candidate_of, worth_comparing
from services.recovery.domain.work import ConsiderWork
from services.recovery.ports import Ecs, Snapshots

LOOK_BACK = 86_400.0
"""Seconds before a deployment began in which the course may have begun that it belongs to (``_current``)."""


@dataclass(frozen=True, slots=True)
class ConsiderJob:
    ecs: Ecs
    snapshots: Snapshots
    policies: Policies
    store: Store
    clock: Clock
    reads: Callable[[], OptionalReads] = OptionalReads

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
        return Seen(live, await self._candidates(work.target, protection, service, live))

    async def _live(self, target: Target, service: Body) -> Live:
        seen = EcsService(service)
        primary = seen.primary
        began_at = primary.created_at if primary is not None else None
        since = (began_at or self.clock.now()) - LOOK_BACK
        found = await self.reads().read("ListServiceDeployments", lambda: self.ecs.deployments(target, since))
        deployments = None if isinstance(found, AwsError) else _current(seen, found)
        current = next(iter(deployments or ()), {})
        return Live(
            deployment_id=primary.id if primary is not None else "",
            task_definition=primary.task_definition if primary is not None else "",
            began_at=began_at,
            finished_at=epoch(current.get("finishedAt")),
            rolling_out=seen.rolling_out,
            ecs=ecs_does(service, deployments, Baseline()),
            obstacle=why_not_kept(service) or "",
            deletion=seen.being_deleted or "",
        )

    async def _candidates(
        self, target: Target, protection: Protection, service: Body, live: Live
    ) -> tuple[Candidate, ...]:
        entries = worth_comparing(protection.snapshots, live.deployment_id)
        if not entries:
            return ()
        definition = await self.ecs.task_definition(target, live.task_definition)
        if definition is None:
            raise AwsError(f"ECS does not know {live.task_definition}", temporary=True)
        digests = await self.ecs.digests(target, service)
        found = []
        for entry in entries:
            try:
                usable = await self.snapshots.get(target, entry.snapshot_id, protection.snapshots)
            except Unproven:
                continue  # it is listed as unusable (GET …/snapshots), and no rollback would use it
            if usable is None:
                continue
            primary = EcsService(usable.snapshot.service).primary
            began_at = primary.created_at if primary is not None else None
            served = 0.0 if began_at is None else max(0.0, usable.snapshot.taken_at.timestamp() - began_at)
            found.append(candidate_of(entry, usable.snapshot, served, definition, digests))
        return tuple(found)


def _current(service: EcsService, deployments: list[Body]) -> list[Body]:
    """Return the course of the deployment that is live, as a list; of several, the newest where ECS names none.

    A rollback of ECS's own belongs to the course of the deployment that it takes back.
    """
    named = [each for each in deployments if each.get("serviceDeploymentArn") == service.current_deployment]
    return (named or deployments)[:1]
