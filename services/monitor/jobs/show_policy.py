"""Write the dashboard and the alarms of a target as its policy says; delete the alarms of rules that are gone."""

from collections.abc import Collection
from dataclasses import dataclass

from contracts.base import Target
from contracts.gates import Gate
from contracts.policy import MonitoringPolicy
from contracts.results import MonitoringOutput
from services._chassis.jobs import Running
from services.monitor.domain.metrics import WatchedService
from services.monitor.domain.operation import Part
from services.monitor.domain.rules import rules_of
from services.monitor.ports import Alarms, Dashboards, EcsServices

BOTH: tuple[Part, ...] = ("dashboard", "alarms")


@dataclass(frozen=True, slots=True)
class Shown:
    """What CloudWatch has now."""

    service: WatchedService
    gates: tuple[Gate, ...]
    output: MonitoringOutput


@dataclass(frozen=True, slots=True)
class ShowPolicy:
    """A step of several jobs; doing it twice is the same as doing it once."""

    services: EcsServices
    alarms: Alarms
    dashboards: Dashboards

    async def __call__(
        self, running: Running, target: Target, policy: MonitoringPolicy, parts: Collection[Part] = BOTH
    ) -> Shown:
        """Raise ``NotFound`` or ``AwsError``. An alarm counts when CloudWatch shows it armed."""
        service = await self.services.watched(target, None)
        gates: list[Gate] = []
        names: list[str] = []
        if "dashboard" in parts:
            gates.append(await self._dashboard(running, target, service, policy))
        if "alarms" in parts:
            names = await self._put_alarms(running, target, service, policy)
            there = await self.alarms.ours(target, service)
            if gone := there.keys() - names:
                await running.check()
                await self.alarms.delete(target, gone)
            armed = sum(there.get(name, False) for name in names)
            gates.append(Gate.measured("alarms_active", armed, ">=", len(names), detail=f"{service.own_name}-*"))
        return Shown(service, tuple(gates), MonitoringOutput(dashboard=service.own_name, alarms=tuple(names)))

    async def _dashboard(
        self, running: Running, target: Target, service: WatchedService, policy: MonitoringPolicy
    ) -> Gate:
        await running.check()
        name = await self.dashboards.put(target, service, rules_of(policy.rules), policy.monitoring)
        there = await self.dashboards.body(target) is not None
        return Gate.true("dashboard_created", there, detail=name)

    async def _put_alarms(
        self, running: Running, target: Target, service: WatchedService, policy: MonitoringPolicy
    ) -> list[str]:
        names = []
        for rule in rules_of(policy.rules):
            await running.check()
            if name := await self.alarms.put(target, service, rule, policy.monitoring):
                names.append(name)
        return names
