"""Migrations in a run, and what is followed of them after Redis was restored."""

from contracts.envelope import Meta
from contracts.migration import Migrate, MigrationFinished, MigrationStarted
from contracts.policy_parts import RecoveryPolicy
from services._chassis.commands import Command
from services._chassis.jobs import FailedJob
from services._chassis.policies import governed
from services._chassis.transition import Timer, Transition, decided
from services.recovery.decisions import migrate as migrations
from services.recovery.decisions import migrate_again
from services.recovery.decisions.migrate_in_run import migrate_for_run
from services.recovery.decisions.refuse import refused_by_policy
from services.recovery.domain.migration.migration import MigrateWork
from services.recovery.handlers.base import AreaHandlers, on


class MigrationHandlers(AreaHandlers):
    async def migrate(self, command: Migrate, meta: Meta) -> Transition:
        try:
            given, policy = governed(command, RecoveryPolicy, self.policies)
        except LookupError as error:
            return decided(refused_by_policy(Command.of(command, meta), error))
        now, asked = self.now, Command.of(given, meta)
        return on(given.target, lambda held: migrate_for_run(held, given, asked, policy.recovery, now))

    async def own_started(self, event: MigrationStarted, meta: Meta) -> Transition | None:
        """Follow a migration, and never start it, that a Redis restored from an older copy does not know."""
        if not meta.read_again:
            return None
        return on(event.target, lambda protection: migrate_again.started_again(protection, event, meta.time))

    async def own_finished(self, event: MigrationFinished, meta: Meta) -> Transition | None:
        if not meta.read_again:
            return None
        return on(event.target, lambda protection: migrate_again.finished_again(protection, event, meta.time))

    async def follow(self, timer: Timer) -> Transition:
        """Begin the job of a migration that was published before Redis was restored, unless its end was, too."""
        work = MigrateWork.from_bytes(timer.payload)
        return on(work.target, lambda protection: migrate_again.follow(protection, work))

    def failed(self, job: FailedJob) -> Transition:
        """End a migration whose job has failed for good; its task may run on."""
        return migrations.lost(MigrateWork.from_bytes(job.payload), job.why, self.now)
