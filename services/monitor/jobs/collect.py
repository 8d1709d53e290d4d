"""Look at a target: read every metric once, and decide what follows for its rules, alerts and pending evaluations."""

from dataclasses import dataclass, replace

import structlog

from contracts.base import Target
from contracts.policy_parts import MonitoringPolicy
from services._aws.errors import AwsError
from services._chassis.clock import Clock
from services._chassis.jobs import Running
from services._chassis.policies import Policies
from services._chassis.store import Store
from services._chassis.transition import Decision, Transition
from services.monitor.decisions import looked
from services.monitor.domain.blind import Blind
from services.monitor.domain.comparison.span import BASELINE, GoodStart
from services.monitor.domain.doubt import AROUND, DAY, DAYS_BEFORE, HOUR, EarlierDays
from services.monitor.domain.history import good_starts
from services.monitor.domain.look import Look
from services.monitor.domain.metrics import (
    DATABASE_ERRORS,
    MINUTE,
    Readings,
    StoppedTask,
    minutes_before,
    settled,
    with_stopped,
)
from services.monitor.domain.rules import evaluate
from services.monitor.domain.service_alarms import ServiceAlarms
from services.monitor.domain.trouble import NONE, Troubles
from services.monitor.domain.watch import Watch, watch_key
from services.monitor.domain.watched_service import WatchedService
from services.monitor.ports import Alarms, Databases, EcsServices, Metrics, NotFound

log = structlog.get_logger()

LOOK_BACK = 15 * MINUTE
FARTHEST = 3 * 3600.0
"""Seconds: a look reads the points of ``LOOK_BACK`` at least, and of ``FARTHEST`` at most during a run."""
JUDGED = 5
"""Minutes after the policy's window in which what broke a rule within it may still be raised."""
SILENT = 2
"""After so many minutes without a healthy task it is asked which tasks have stopped."""


@dataclass(frozen=True, slots=True)
class CollectJob:
    store: Store
    clock: Clock
    policies: Policies
    services: EcsServices
    metrics: Metrics
    databases: Databases
    alarms: Alarms

    async def __call__(self, running: Running) -> Transition:
        target, now = Target.parse(running.payload.decode()), self.clock.now()
        before = await self.store.read(watch_key(target), Watch, target=target)
        in_force = self._in_force(target)
        wanted = before.judged_by(in_force, now)
        try:
            looks, gone = {policy: await self._look(before, policy, now) for policy in wanted}, False
        except NotFound:
            looks, gone = {policy: Look(policy, now) for policy in wanted}, True
        known = {waiting.command_id for waiting in before.pending}

        def decide(state: bytes | None) -> Decision:
            watch = Watch.from_bytes(state, target=target)
            return looked(watch, looks, in_force, known, now, gone=gone)

        return Transition(watch_key(target), decide)

    def _in_force(self, target: Target) -> MonitoringPolicy | None:
        """Return the policy in force; None where nobody may act on the target any more."""
        try:
            return self.policies.of(target).part(MonitoringPolicy)
        except LookupError as error:
            log.warning("a service is not watched", target=str(target), why=str(error))
            return None

    async def _look(self, watch: Watch, policy: MonitoringPolicy, now: float) -> Look:
        """Make a look; where CloudWatch does not answer, it is one without readings. Raise ``NotFound``."""
        try:
            service = await self._service(watch, now)
        except AwsError as error:
            return Look(policy, now, blind=Blind(str(error)))
        guarded = watch.wanted_closely(now) or self._is_young(watch.target, service, now)
        try:
            readings = await self._read(watch, service, policy, now, guarded=guarded)
            if readings.doubts_routes:
                service = await self._service(watch, now, anew=True)
                readings = await self._read(watch, service, policy, now, guarded=guarded)
            look = Look(policy, now, readings, guarded=guarded)
            look = replace(
                look,
                published=await self._published(watch, look),
                troubles=await self._troubles(watch, look),
                alarms=await self._alarms(watch, look, service),
            )
            return replace(look, starts=await self._starts(watch, look), days=await self._days(watch, look))
        except AwsError as error:
            stopped = await self._stopped(watch, Readings(service), now)
            look = Look(policy, now, blind=Blind(str(error), service=service, stopped=stopped), guarded=guarded)
            alarms = await self._alarms(watch, look, service)
            return replace(look, troubles=await self._troubles(watch, look), alarms=alarms)

    async def _service(self, watch: Watch, now: float, *, anew: bool = False) -> WatchedService:
        """Return the service as ECS shows it. ``anew``: its listeners and rules are read again in any case.

        Raise ``NotFound`` or ``AwsError``.
        """
        known = watch.dimensions
        kept = known and (known.without_routes() if anew else known.routes_at(now))
        return (await self.services.watched(watch.target, kept)).following(known, now)

    async def _read(
        self, watch: Watch, service: WatchedService, policy: MonitoringPolicy, now: float, *, guarded: bool
    ) -> Readings:
        longest = max((rule.minutes for rule in policy.rules), default=0) * MINUTE
        oldest = min((waiting.since for waiting in watch.pending), default=now)
        if service.rollout is not None and guarded:
            # the version before is what the new one is compared with: it served before any failed attempt
            oldest = min(oldest, service.rollout.began_at, *(begin for begin, _ in service.rollout.attempts))
        compared = BASELINE * MINUTE if watch.pending else HOUR * MINUTE if guarded else 0.0
        start = max(now - FARTHEST, min(now, oldest) - max(LOOK_BACK + longest, compared))
        found = await self.metrics.read(watch.target, service, policy.monitoring.metrics_namespace, start, now)
        return with_stopped(found, await self._stopped(watch, found, now))

    def _is_young(self, target: Target, service: WatchedService, now: float) -> bool:
        """Return whether recovery may roll the newest deployment back outside a run, by the policy in force."""
        try:
            window = self.policies.of(target).recovery.rollback_window
        except LookupError:
            return False
        rollout = service.rollout
        if rollout is None or not window:
            return False
        return rollout.settled_at is None or now - rollout.settled_at < (window + JUDGED) * MINUTE

    async def _stopped(self, watch: Watch, found: Readings, now: float) -> tuple[StoppedTask, ...] | None:
        """Return the tasks that have stopped; ECS is asked for an evaluation, or where no task seems to be healthy."""
        missing = found.service.wanted > 0 and not any(
            found.healthy.get(minute, 0.0) for minute in minutes_before(settled(found.healthy, now), SILENT)
        )
        if not watch.pending and not missing:
            return None
        try:
            return await self.services.stopped(watch.target)
        except AwsError as error:
            log.warning("nothing is known of the tasks that have stopped", why=str(error))
            return None

    async def _published(self, watch: Watch, look: Look) -> bool:
        """Return whether the application publishes its database errors at all; only evaluations need to know it."""
        if look.readings is None or not watch.pending:
            return False
        if look.readings.of(DATABASE_ERRORS):
            return True
        namespace = look.policy.monitoring.metrics_namespace
        return await self.metrics.database_published(watch.target, look.readings.service, namespace, look.at)

    async def _alarms(self, watch: Watch, look: Look, service: WatchedService) -> ServiceAlarms:
        """Read the service's alarms while they may roll a deployment back, once a minute.

        What cannot be read stops nothing.
        """
        known = watch.service_alarms
        names = service.alarms_of_ecs | {*look.policy.monitoring.alarms}
        if not names or not look.guarded or not known.due(look.at):
            return known
        try:
            return known.following(await self.alarms.named(watch.target, names), look.at)
        except AwsError as error:
            log.warning("the service's alarms could not be read", target=str(watch.target), why=str(error))
            return known.following(str(error), look.at)

    async def _starts(self, watch: Watch, look: Look) -> tuple[GoodStart, ...]:
        """Return how the last good deployments started, where something has become worse.

        Where CloudWatch does not tell it, the minutes before the change decide alone.
        """
        service = look.readings.service if look.readings else None
        if service is None or service.rollout is None or not look.finds_worse(watch.pending):
            return ()
        lasted, namespace = look.at - service.rollout.began_at, look.policy.monitoring.metrics_namespace
        try:
            return tuple(
                [
                    GoodStart(
                        began_at,
                        await self.metrics.read(watch.target, service, namespace, began_at, began_at + lasted),
                    )
                    for began_at in good_starts(service.rollout.earlier, look.at)
                ]
            )
        except AwsError as error:
            log.warning("nothing is known of earlier starts", target=str(watch.target), why=str(error))
            return ()

    async def _days(self, watch: Watch, look: Look) -> EarlierDays | None:
        """Return how the service was at this time on earlier days, where an alert outside a run may take it back."""
        readings = look.readings
        if readings is None or not look.guarded or watch.wanted_closely(look.at):
            return None
        gating = (rule for rule in look.rules if rule.gates_deployment)
        if not any(evaluate(rule, readings, look.at).verdict == "broken" for rule in gating):
            return None
        namespace, at = look.policy.monitoring.metrics_namespace, look.at
        spans = [(at - days * DAY - AROUND, at - days * DAY + AROUND) for days in DAYS_BEFORE]
        try:
            found = [
                await self.metrics.read(watch.target, readings.service, namespace, *span)
                for span in spans
                if readings.service.created_at < span[0]
            ]
        except AwsError as error:
            log.warning("nothing is known of earlier days", target=str(watch.target), why=str(error))
            return EarlierDays(unread=str(error))
        return EarlierDays(tuple(found))

    async def _troubles(self, watch: Watch, look: Look) -> Troubles:
        """Return when the database was in trouble.

        RDS is asked at each look while a deployment may be rolled back, since metrics come later than its troubles;
        else only where a rule that gates deployments is broken.
        """
        instance, readings = look.policy.monitoring.database, look.readings
        if instance is None:
            return NONE
        gating = (rule for rule in look.rules if rule.gates_deployment)
        broken = readings is not None and any(evaluate(rule, readings, look.at).verdict == "broken" for rule in gating)
        if not broken and not look.guarded:
            return watch.troubles
        try:
            return watch.troubles.following(await self.databases.fault(watch.target, instance, look.at), look.at)
        except AwsError as error:
            log.warning("nothing is known of the database", why=str(error))
            return watch.troubles
