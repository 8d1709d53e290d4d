"""Reads the end of a migration's log, as it may be shown. The last lines come later than the task's end."""

from collections.abc import Sequence
from dataclasses import dataclass

from contracts.base import Target
from services._aws.errors import AwsError
from services._chassis.clock import Clock
from services.recovery.domain.migration.log_secrets import secrets_in
from services.recovery.domain.migration.migration import LogPlace, MigrationPlan
from services.recovery.domain.migration.migration_end import MOST_LINES, Task, shown
from services.recovery.ports.migration import OneOffTasks
from services.recovery.ports.service import Ecs

QUIET_SECONDS = 10.0
"""Product seconds between two reads: a log that has not grown meanwhile is at its end."""
LATE_SECONDS = 60.0
"""Product seconds for which a log may grow, or its stream be missing, after the end of its task."""
NO_STREAM = "ResourceNotFoundException"
"""The code with which CloudWatch Logs says that there is no such stream, or group, yet (its API reference)."""


@dataclass(frozen=True, slots=True)
class ReadLog:
    ecs: Ecs
    tasks: OneOffTasks
    clock: Clock

    async def end_of(self, target: Target, plan: MigrationPlan, task: Task) -> tuple[tuple[str, ...], str]:
        """Return the last lines, and a sentence why there are none."""
        if plan.log is None:
            return (), "Its log is not in CloudWatch Logs."
        try:
            definition = await self.ecs.task_definition(target, plan.task.task_definition)
            if definition is None:
                return (), "Its log is not shown, since what in it may be secret is not known."
            lines = await self._settled(target, plan.log, task)
        except AwsError as failed:
            return (), f"Its log was not read: {str(failed).rstrip('.')}."
        return shown(lines, secrets_in(definition)), ""

    async def _settled(self, target: Target, place: LogPlace, task: Task) -> Sequence[str]:
        """Return the lines once there are some and they grow no more. Raise ``AwsError``."""
        deadline, before = self.clock.now() + LATE_SECONDS, list[str]()
        while True:
            await self.clock.sleep(QUIET_SECONDS)
            late = self.clock.now() >= deadline
            try:
                lines = await self.tasks.log(target, place, task.arn, MOST_LINES)
            except AwsError as failed:
                if late or not (failed.temporary or failed.code == NO_STREAM):
                    raise
                continue
            if late or (lines and lines == before):
                return lines
            before = lines
