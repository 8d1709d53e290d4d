"""Check that the existing alarms of a target are armed and quiet."""

from dataclasses import dataclass

from contracts.monitor import CheckAlarms
from services._aws.errors import AwsError
from services._chassis.commands import Command
from services._chassis.jobs import Running
from services._chassis.transition import Transition, decided
from services.monitor.decisions import from_gates, not_reached
from services.monitor.domain.alarms import quiet_gate
from services.monitor.ports import Alarms, EcsServices, NotFound

CHECK = "check-alarms"


@dataclass(frozen=True, slots=True)
class CheckAlarmsJob:
    services: EcsServices
    alarms: Alarms

    async def __call__(self, running: Running) -> Transition:
        command = CheckAlarms.model_validate_json(running.payload)
        try:
            scope = await self.services.alarm_scope(command.target)
            gate = quiet_gate(await self.alarms.all(command.target, scope.named), scope)
        except (NotFound, AwsError) as error:
            return decided(not_reached(Command.of(command, running), error))
        return decided(from_gates(Command.of(command, running), (gate,)))
