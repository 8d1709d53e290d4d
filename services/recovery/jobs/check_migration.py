"""Looks, before a run changes anything, whether its migration can run, and whether one can go back over it."""

from dataclasses import dataclass

from contracts.base import Target
from contracts.deployment import Cause, Change, ImageChange, Override, TaskDefinitionChange
from contracts.gates import Gate, Verdict
from contracts.migration import ENCRYPTION, POSSIBLE, CheckMigration
from contracts.policy import Recovery
from contracts.recovery import CommandTrigger
from services._aws.errors import AwsError
from services._chassis.clock import Clock, moment
from services._chassis.commands import Command
from services._chassis.jobs import Running
from services._chassis.policies import Policies
from services._chassis.store import Store
from services._chassis.transition import Transition, decided
from services.recovery.domain.migration.migration import Migration
from services.recovery.domain.migration.migration_gates import Declared, gates_of
from services.recovery.domain.protection import Protection, key_of
from services.recovery.ports.service import Ecs
from services.recovery.prepare import MigrationPlanner

CHECK_MIGRATION = "check-migration"
"""The kind of the job."""


@dataclass(frozen=True, slots=True)
class CheckMigrationJob:
    ecs: Ecs
    planner: MigrationPlanner
    policies: Policies
    store: Store
    clock: Clock

    async def __call__(self, running: Running) -> Transition:
        command = CheckMigration.model_validate_json(running.payload)
        asked = Command.of(command, running)
        try:
            gates = await self._gates(command)
        except (AwsError, LookupError) as failed:
            why = f"What the migration runs with could not be looked at: {str(failed).rstrip('.')}."
            return decided(asked.inconclusive(why, Cause.ERROR))
        failing = " ".join(filter(None, (gate.detail for gate in gates if gate.verdict is not Verdict.PASS)))
        return decided(asked.from_gates(gates, failing or gates[0].detail))

    async def _gates(self, command: CheckMigration) -> tuple[Gate, ...]:
        target = command.target
        protection = await self.store.read(key_of(target), Protection)
        if protection.migration is not None and protection.migration.run_id != command.run_id:
            busy = f"{protection.migration.migration_id} is under way on this service: wait for its end."
            return (Gate.true(POSSIBLE, holds=False, detail=busy),)
        prepared = await self.planner.plan(target, self._asked(command), self.policies.of(target))
        service = await self.ecs.service(target) or {}
        live = await self._live(target, service)
        recovery = command.policy.recovery if command.policy else Recovery()
        declared = Declared(
            command.migration.compatible,
            recovery.migrates_at_start,
            recovery.ecs_rollback_over_migration,
            protection.schema_left,
        )
        return gates_of(prepared, service, live, declared)

    async def _live(self, target: Target, service: dict[str, object]) -> dict[str, object]:
        name = service.get("taskDefinition")
        return (await self.ecs.task_definition(target, str(name)) or {}) if name else {}

    def _asked(self, command: CheckMigration) -> Migration:
        """Return what would be asked for; that the database's URL is encrypted is a gate of its own."""
        images, task_definition = _named(command.change)
        return Migration(
            migration_id=command.run_id,
            trigger=CommandTrigger(reason="looked at beforehand"),
            command=command.migration.command,
            container=command.migration.container,
            images=images,
            task_definition=task_definition,
            minutes=1,
            asked_at=moment(self.clock.now()),
            overrides=(Override(gate=ENCRYPTION, reason="a gate of its own"),),
        )


def _named(change: Change) -> tuple[dict[str, str] | None, str | None]:
    """Return the images and the task definition that a change names."""
    match change:
        case ImageChange():
            return {change.container or "": change.reference}, None
        case TaskDefinitionChange():
            return None, change.task_definition
        case _:
            return None, None
