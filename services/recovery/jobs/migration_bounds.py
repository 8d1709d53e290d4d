"""What bounds a migration's task while it runs: its time, and the critical alerts that began after it."""

from dataclasses import dataclass

from contracts.migration import QUIET
from contracts.prose import prose
from services._aws.errors import AwsError
from services._chassis.clock import Clock, moment
from services._chassis.jobs import Running
from services._chassis.store import Store
from services._chassis.transition import Transition
from services.recovery.decisions.migrate import note, over_time
from services.recovery.domain.migration.meanwhile import rules_of, standing
from services.recovery.domain.migration.migration import MigrateWork, Migration, MigrationPlan
from services.recovery.domain.migration.migration_end import Task, judge
from services.recovery.ports.migration import OneOffTasks

REFUSED_SECONDS = 120.0
"""Product seconds for which AWS may not let a migration be prepared or stopped, or answer whether a task was started.
"""
ALERT_SECONDS = 600.0
"""Product seconds for which a run waits, once its migration has ended well, for the end of the alerts that began while
it ran: those of what only waited for a lock are soon over."""


@dataclass(frozen=True, slots=True)
class MigrationBounds:
    """Tells what goes on for too long or does harm, and stops it where the policy says so. It is remembered before."""

    tasks: OneOffTasks
    store: Store
    clock: Clock
    running: Running
    work: MigrateWork

    async def keep(self, migration: Migration, task: Task) -> None:
        """Look at a task that runs."""
        alerts = standing(migration) if migration.on_alert == "stop" else ()
        stopped = bool(alerts) and await self._on_alert(task, rules_of(alerts))
        if not stopped and self.clock.now() >= migration.limit:
            await self._at_limit(migration, task)

    async def waits(self, migration: Migration, plan: MigrationPlan, task: Task) -> bool:
        """Return whether the run still waits for the end of the alerts, once its migration's task has ended well."""
        if migration.run_id is None or migration.answered or QUIET in migration.overridden or not standing(migration):
            return False
        if judge(task, plan.task).result != "succeeded":
            return False
        now = self.clock.now()
        seen, rules = migration.seen_ended_at or moment(now), rules_of(standing(migration))
        remark = f"Its task has ended with exit code 0, and the run waits for the end of the alerts ({rules})."
        await self._apply(note(self.work, seen_ended_at=seen, remark=prose(remark)))
        return now < min(seen.timestamp() + ALERT_SECONDS, migration.limit)

    async def goes_on(self, migration: Migration, why: str) -> None:
        """Tell once that it goes on although its time is over."""
        if not migration.answered:
            how = "It goes on, and is followed: wait for its end, or stop its task in ECS"
            await self._apply(over_time(self.work, f"{why}. {how} ({migration.task_arn.rpartition('/')[2]})."))

    async def _on_alert(self, task: Task, rules: str) -> bool:
        """Stop it for the alerts that fire since it runs; where AWS refuses, tell that, and try again at the next look.

        Return whether it is about to stop.
        """
        refused = await self._stop(task, f"critical alerts fire since it runs ({rules})", stopped_on_alert=True)
        if refused is None:
            return True
        remark = f"It was to be stopped for {rules}, and cannot be: {str(refused).rstrip('.')}."
        await self._apply(note(self.work, remark=prose(remark)))
        return False

    async def _at_limit(self, migration: Migration, task: Task) -> None:
        """Stop it, where the policy says so; otherwise tell that it goes on."""
        took = f"It takes longer than {migration.minutes:g} minutes"
        if migration.at_limit != "stop":
            await self.goes_on(migration, took)
            return
        refused = await self._stop(task, f"{took[0].lower()}{took[1:]}", stopped_at_limit=True)
        late = self.clock.now() >= migration.limit + REFUSED_SECONDS
        if refused is not None and (late or not refused.temporary):
            await self.goes_on(migration, f"{took}, and cannot be stopped: {str(refused).rstrip('.')}")

    async def _stop(self, task: Task, why: str, **noted: bool) -> AwsError | None:
        """Have ECS stop the task; return what AWS answers where it does not."""
        if task.stopping:
            return None
        await self._apply(note(self.work, **noted))
        await self.running.check()
        try:
            await self.tasks.stop(self.work.target, task.arn, f"Surefoot: {why}")
        except AwsError as failed:
            return failed
        return None

    async def _apply(self, transition: Transition) -> None:
        await self.store.apply(transition, cause="")
