"""Considers an alert outside a run: looks at ECS and at the snapshots, and rolls back or records why not."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from contracts.base import Target, caused_id, id_of
from contracts.monitor import CriticalAlert
from contracts.policy_parts import RecoveryPolicy
from services._aws.body import epoch
from services._aws.ecs_views import EcsService
from services._aws.errors import AwsError
from services._aws.optional_reads import OptionalReads
from services._chassis.clock import Clock, moment
from services._chassis.jobs import Running
from services._chassis.policies import Policies
from services._chassis.store import Store
from services._chassis.transition import Decision, Job, Timer, Transition
from services.recovery.decisions.record import on_record
from services.recovery.decisions.triggers import CONSIDER, begin_on_record, rollback_id
from services.recovery.domain import alert as alerts
from services.recovery.domain.answer import Answer, Why, acted, call_people
from services.recovery.domain.change import Body
from services.recovery.domain.decision_record import About, decision_on, record_once
from services.recovery.domain.ecs_service import Baseline, ecs_does
from services.recovery.domain.outside import (
    NOTHING,
    GoesBack,
    Live,
    LookAgain,
    Seen,
    decide,
    in_time,
    why_not_live,
    without_looking,
)
from services.recovery.domain.proof import Unproven
from services.recovery.domain.protection import Protection, RollingBack, key_of
from services.recovery.domain.snapshot import why_not_kept
from services.recovery.domain.way_back import Candidate, candidate_of, worth_comparing
from services.recovery.domain.work import ConsiderWork
from services.recovery.ports import Ecs, Snapshots

AGAIN = timedelta(seconds=60)
"""Product time until an alert is considered again that could not be decided."""
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


def policy_of(policies: Policies, target: Target) -> RecoveryPolicy | None:
    """Return the policy in force; None where it lets nobody act on the service."""
    try:
        return policies.of(target).part(RecoveryPolicy)
    except LookupError:
        return None


def begin_to_consider(
    protection: Protection, work: ConsiderWork, cause: str, policy: RecoveryPolicy | None, now: datetime
) -> Decision:
    """Begin a look at ECS for an alert outside a run, look again later, or record why neither.

    ``cause`` names the job.
    """
    answer = without_looking(protection, work.alert, policy.recovery if policy else None)
    if answer is None:
        return Decision(protection.to_bytes(), jobs=(Job(caused_id(cause, CONSIDER), CONSIDER, work.to_bytes()),))
    return _on_record(protection, work, in_time(answer, work.asked_at, now), policy, now)


def considered(
    protection: Protection, work: ConsiderWork, seen: Seen, policy: RecoveryPolicy | None, now: datetime
) -> Decision:
    """Roll back, or record why not. What was seen may be older than the state: a run may have armed meanwhile."""
    alert = work.alert
    answer = decide(protection, alert, seen, policy.recovery if policy else None, now.timestamp())
    if not isinstance(answer, GoesBack):
        version = seen.live.task_definition if seen.live else ""
        return _on_record(protection, work, in_time(answer, work.asked_at, now), policy, now, version)
    rollback = RollingBack.begun(
        alerts.trigger_of(alert),
        rollback_id=rollback_id(id_of(str(work.target), answer.live.deployment_id)),
        run_id=None,
        snapshot_id=answer.to.snapshot_id,
        started_at=now,
        judged=answer.live.task_definition,
        deployment_id=answer.live.deployment_id,
    )
    digest = policy.digest if policy else ""
    return begin_on_record(protection, work.target, rollback, acted(Why.ALERT, answer.sentence), "", alert, digest)


def _on_record(
    protection: Protection,
    work: ConsiderWork,
    answer: Answer | LookAgain,
    policy: RecoveryPolicy | None,
    now: datetime,
    task_definition: str = "",
) -> Decision:
    """Record why an alert outside a run does not roll back; where that may change, look again later."""
    again = isinstance(answer, LookAgain)
    shown = answer.answer if isinstance(answer, LookAgain) else answer
    about = About(task_definition=task_definition, digest=policy.digest if policy else "", alert=work.alert)
    event = decision_on(work.target, shown, alerts.trigger_of(work.alert), now, about)
    known, record = record_once(protection, event, "")
    timer = Timer(again_id(work.alert), "consider", (now + AGAIN).timestamp(), work.to_bytes())
    return on_record(Decision(known.to_bytes(), timers=(timer,) if again else ()), record)


def not_considered(
    protection: Protection, work: ConsiderWork, why: str, policy: RecoveryPolicy | None, now: datetime
) -> Decision:
    """Call people, since the job has failed for good. ``why`` completes "recovery …"."""
    return _on_record(protection, work, call_people(Why.UNSEEN, f"recovery's look at the service {why}"), policy, now)


def again_id(alert: CriticalAlert) -> str:
    """Return the id of the timer at which an alert outside a run is considered again."""
    return f"consider:{alert.alert_id}"
