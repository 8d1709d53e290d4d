"""Look at the alarms that are there, and set dashboard and alarms of our own up."""

from collections.abc import Collection
from dataclasses import dataclass

from contracts.base import Target
from contracts.gates import Gate, Verdict, worst
from contracts.monitor import CheckAlarms, SetUpMonitoring
from contracts.results import MonitoringOutput
from services._aws.errors import AwsError
from services._chassis.clock import Clock, moment
from services._chassis.commands import Command
from services._chassis.jobs import Running
from services._chassis.transition import Decision, Transition, decided
from services.monitor.domain.alarms import quiet_gate
from services.monitor.domain.answers import summary
from services.monitor.domain.metrics import WatchedService
from services.monitor.domain.operation import Part, SetUp
from services.monitor.domain.rules import Rule
from services.monitor.domain.watch import Watch, watch_key
from services.monitor.jobs.answers import from_gates, not_reached
from services.monitor.jobs.looks import look_at
from services.monitor.ports import Alarms, Dashboards, NotFound, Services


@dataclass(frozen=True, slots=True)
class SettingUp:
    """Dashboard and alarms: those that are there, and ours."""

    clock: Clock
    services: Services
    alarms: Alarms
    dashboards: Dashboards
    rules: tuple[Rule, ...]

    async def check_alarms(self, running: Running) -> Transition:
        command = CheckAlarms.model_validate_json(running.payload)
        try:
            marks = await self.services.alarm_scope(command.target)
            gate = quiet_gate(await self.alarms.all(command.target, marks.named), marks)
        except (NotFound, AwsError) as error:
            return decided(not_reached(Command.of(command, running), error))
        return decided(from_gates(Command.of(command, running), (gate,)))

    async def set_up(self, running: Running) -> Transition:
        command = SetUpMonitoring.model_validate_json(running.payload)
        try:
            service, gates, output = await self._create(running, command.target, ("dashboard", "alarms"))
        except (NotFound, AwsError) as error:
            return decided(not_reached(Command.of(command, running), error))
        emit = from_gates(Command.of(command, running), gates, output)
        return self._watch(command.target, service, Decision(emit=(emit,)))

    async def set_up_on_request(self, running: Running) -> Transition:
        asked = SetUp.model_validate_json(running.payload)
        try:
            service, gates, output = await self._create(running, asked.target, asked.parts)
        except (NotFound, AwsError) as error:
            why = str(error)
            failed = asked.failed(why, moment(self.clock.now()), verdict=Verdict.INCONCLUSIVE, summary=why)
            return decided(records=failed.record)
        said, verdict = summary(gates), worst(gate.verdict for gate in gates)
        now = moment(self.clock.now())
        done = asked.finished(said, now, verdict=verdict, summary=said, gates=gates, output=output)
        if "alarms" not in asked.parts:
            return decided(records=done.record)
        return self._watch(asked.target, service, Decision(records=done.record))

    async def _create(
        self, running: Running, target: Target, parts: Collection[Part]
    ) -> tuple[WatchedService, tuple[Gate, ...], MonitoringOutput]:
        """Create or replace what is asked for; an alarm counts when CloudWatch shows it armed."""
        service = await self.services.watched(target, None)
        gates: list[Gate] = []
        names: list[str] = []
        if "dashboard" in parts:
            await running.check()
            name = await self.dashboards.put(target, service, self.rules)
            there = await self.dashboards.body(target) is not None
            gates.append(Gate.true("dashboard_created", there, detail=name))
        if "alarms" in parts:
            for rule in self.rules:
                await running.check()
                put = await self.alarms.put(target, service, rule)
                names += [put] if put else []
            armed = await self.alarms.armed(target, names)
            gates.append(Gate.measured("alarms_active", len(armed), ">=", len(names), detail=f"{service.own_name}-*"))
        return service, tuple(gates), MonitoringOutput(dashboard=service.own_name, alarms=tuple(names))

    def _watch(self, target: Target, service: WatchedService, so_far: Decision) -> Transition:
        """Watch from now on."""
        now = self.clock.now()

        def decide(state: bytes | None) -> Decision:
            watch = Watch.from_bytes(state, target=target).with_set_up(service)
            return Decision(watch.to_bytes(), so_far.emit, (look_at(target, now),), records=so_far.records)

        return Transition(watch_key(target), decide)
