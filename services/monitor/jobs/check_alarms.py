"""Check that the existing alarms of a target are armed and quiet."""

from collections.abc import Collection
from dataclasses import dataclass

from contracts.base import Target
from contracts.gates import Gate
from contracts.monitor import CheckAlarms
from services._aws.errors import AwsError
from services._chassis.clock import Clock
from services._chassis.commands import Command
from services._chassis.jobs import Running
from services._chassis.transition import Transition, decided
from services.monitor.decisions import from_gates, not_reached
from services.monitor.domain.after_migration import gates_since_migration, no_alarms, unread
from services.monitor.domain.alarms import AlarmScope, quiet_gate, unread_gate
from services.monitor.domain.service_alarms import ServiceAlarms
from services.monitor.ports import Alarms, EcsServices, NotFound

CHECK = "check-alarms"


@dataclass(frozen=True, slots=True)
class CheckAlarmsJob:
    services: EcsServices
    alarms: Alarms
    clock: Clock

    async def __call__(self, running: Running) -> Transition:
        command = CheckAlarms.model_validate_json(running.payload)
        asked = Command.of(command, running)
        try:
            if command.migrated_since is not None:
                gates = await self._since_migration(command, command.migrated_since.timestamp())
                return decided(from_gates(asked, gates))
            scope = (await self.services.alarm_scope(command.target)).with_named(self._named(command))
            gate = await self._gate(command.target, scope)
        except (NotFound, AwsError) as error:
            return decided(not_reached(asked, error))
        return decided(from_gates(asked, (gate,)))

    async def _since_migration(self, command: CheckAlarms, since: float) -> tuple[Gate, ...]:
        """Judge the alarms that watch the service's deployments. Raise as ``_gate`` does."""
        try:
            names = await self.services.alarms_of_deployments(command.target) | self._named(command)
            if not names:
                return (no_alarms(),)
            found, now = await self.alarms.named(command.target, names), self.clock.now()
            until = command.migrated_until.timestamp() if command.migrated_until else now
            return gates_since_migration(found, since, until, now)
        except AwsError as error:
            if error.temporary:
                raise
            return (unread(str(error)),)

    async def _gate(self, target: Target, scope: AlarmScope) -> Gate:
        """Judge the alarms. That nobody may read them stops nothing; raise ``AwsError`` where that may change."""
        try:
            found = await self.alarms.all(target, scope.named)
        except AwsError as error:
            if error.temporary:
                raise
            return unread_gate(str(error))
        return quiet_gate(found, scope, await self._states(target, scope.firing(found)))

    def _named(self, command: CheckAlarms) -> frozenset[str]:
        """Return the alarms that the run's policy names."""
        return frozenset(command.policy.monitoring.alarms) if command.policy else frozenset()

    async def _states(self, target: Target, firing: Collection[str]) -> ServiceAlarms:
        """Return what mutes the alarms that fire, or that it could not be read: then they count."""
        try:
            return await self.alarms.named(target, firing) if firing else ServiceAlarms()
        except AwsError as error:
            return ServiceAlarms(unread=str(error))
