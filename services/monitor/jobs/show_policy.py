"""Write the dashboard and the alarms of a target by its policy, and delete the alarms of rules that are gone."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from contracts.base import Target
from contracts.cloudwatch_names import alarm_prefix, dashboard_name, is_further
from contracts.gates import Gate
from contracts.policy_parts import MonitoringPolicy
from contracts.results import MonitoringOutput
from services._aws.errors import AwsError
from services._chassis.jobs import Running
from services.monitor.domain.operation import Part
from services.monitor.domain.rules import Rule, rules_of
from services.monitor.domain.watched_service import WatchedService, name_of
from services.monitor.ports import Alarms, Dashboards, EcsServices

BOTH: tuple[Part, ...] = ("dashboard", "alarms")


@dataclass(frozen=True, slots=True)
class Shown:
    """What was written to CloudWatch, and the gates that show whether it is there."""

    service: WatchedService
    gates: tuple[Gate, ...]
    output: MonitoringOutput


@dataclass(frozen=True, slots=True)
class ShowPolicy:
    """A part of several jobs. It can be repeated: doing it twice is the same as doing it once."""

    services: EcsServices
    alarms: Alarms
    dashboards: Dashboards

    async def __call__(
        self, running: Running, target: Target, policy: MonitoringPolicy, parts: Collection[Part] = BOTH
    ) -> Shown:
        """Write ``parts`` and return what is there. Raise ``NotFound`` or ``AwsError`` where the service is not known.

        What CloudWatch refuses costs nothing else: the gate of that part is inconclusive and says why. An alarm counts
        as active when CloudWatch lists it with its actions enabled.
        """
        service = await self.services.watched(target, None)
        gates: list[Gate] = []
        names: tuple[str, ...] = ()
        if "dashboard" in parts:
            gates.append(await self._dashboard(running, target, service, policy))
        if "alarms" in parts:
            names, gate = await self._alarms(running, target, service, policy)
            gates.append(gate)
        dashboard = dashboard_name(target.cluster, target.service)
        return Shown(service, tuple(gates), MonitoringOutput(dashboard=dashboard, alarms=names))

    async def _dashboard(
        self, running: Running, target: Target, service: WatchedService, policy: MonitoringPolicy
    ) -> Gate:
        try:
            name = await self.put_dashboard(running, target, service, policy)
            there = await self.dashboards.body(target) is not None
        except AwsError as error:
            return Gate.true("dashboard_created", None, samples=0, detail=str(error))
        return Gate.true("dashboard_created", there, detail=name)

    async def _alarms(
        self, running: Running, target: Target, service: WatchedService, policy: MonitoringPolicy
    ) -> tuple[tuple[str, ...], Gate]:
        """Return the names of the alarms that were put, and the gate that shows whether all are active."""
        names: list[str] = []
        refused: list[AwsError] = []
        for rule in rules_of(policy.rules):
            try:
                names += await self.put_alarm(running, target, service, rule, policy)
            except AwsError as error:
                refused.append(error)
                if error.temporary or error.denied:
                    break  # the others would be refused as well
        if refused:
            why = f"{len(names)} were put; {'; '.join(sorted(set(map(str, refused))))}"
            return tuple(names), Gate.measured("alarms_active", None, ">=", len(names), samples=0, detail=why)
        try:
            ours = await self.delete_others(running, target, service, names)
        except AwsError as error:
            why = f"{len(names)} were put, and nobody can say whether they are active: {error}"
            return tuple(names), Gate.measured("alarms_active", None, ">=", len(names), samples=0, detail=why)
        armed = sum(ours.get(name, False) for name in names)
        detail = f"{alarm_prefix(target.cluster, target.service)}*{_of_groups(service, names)}"
        return tuple(names), Gate.measured("alarms_active", armed, ">=", len(names), detail=detail)

    async def put_dashboard(
        self, running: Running, target: Target, service: WatchedService, policy: MonitoringPolicy
    ) -> str:
        """Return the dashboard's name."""
        await running.check()
        return await self.dashboards.put(target, service, rules_of(policy.rules), policy.monitoring)

    async def put_alarm(
        self, running: Running, target: Target, service: WatchedService, rule: Rule, policy: MonitoringPolicy
    ) -> tuple[str, ...]:
        """Return the names of the rule's alarms; none where it cannot have one."""
        await running.check()
        return await self.alarms.put(target, service, rule, policy.monitoring)

    async def delete_others(
        self, running: Running, target: Target, service: WatchedService, names: Collection[str]
    ) -> Mapping[str, bool]:
        """Delete the target's alarms besides ``names``; return those that were there, and whether each is armed."""
        ours = await self.alarms.ours(target, service)
        if gone := ours.keys() - names:
            await running.check()
            await self.alarms.delete(target, gone)
        return ours


def _of_groups(service: WatchedService, names: Collection[str]) -> str:
    """Return which target groups the alarms watch, as far as that is not plain: where there are others or several."""
    clauses = []
    if len(service.groups) > 1:
        clauses.append(f"they count the target groups {', '.join(group.name for group in service.groups)} together")
    if further := sorted(name.rpartition("-")[2] for name in names if is_further(name)):
        clauses.append(f"not all have room in one alarm, so that there are {', '.join(further)} as well")
    for balancer, sharing in sorted(service.shared.items()):
        why = f"the load balancer {name_of(balancer)} is not the service's alone: {sharing.why}"
        clauses.append(f"{why}; of its own errors those count that are the service's")
    if service.uncounted:
        others = ", ".join(map(name_of, service.uncounted))
        clauses.append(f"no application load balancer sends requests to {others}, which they do not count")
    return "".join(f"; {clause}" for clause in clauses)
