"""Answers ``run-preflight``: whether what is asked for exists and can run, and exactly which digest it has.

If it is asked to, it also runs the tests on the version before the change, beside this; they decide nothing here, and
neither does the pace of the service's rollouts, which it measures.
"""

import asyncio
from dataclasses import dataclass, replace

from contracts.base import Target
from contracts.deployment import CheckUp, ImageChange, Observe, TaskDefinitionChange
from contracts.gates import Gate, Verdict, worst
from contracts.image_reference import Reference
from contracts.policy_parts import PreflightPolicy
from contracts.results import PreflightOutput
from contracts.rollout_pace import RolloutPace
from contracts.validator import Baseline, RunPreflight
from services._chassis.commands import Command
from services._chassis.jobs import Running
from services._chassis.policies import Policies, governed
from services._chassis.transition import Transition, decided
from services.validator.domain import preflight
from services.validator.domain.facts import Absent, LiveService, TaskDefinition, Unknown
from services.validator.domain.fit import fit_gate
from services.validator.domain.images import (
    Demands,
    Wanted,
    architecture_gate,
    digests_of,
    exists_gate,
    image_findings,
    pinned,
)
from services.validator.domain.permitted import permitted_gate
from services.validator.domain.preflight import Findings
from services.validator.domain.room import room_gate
from services.validator.domain.way_back import way_back_gate
from services.validator.jobs.service_tests import ServiceTests
from services.validator.ports import EcsServices, Images, Rollouts

PREFLIGHT = "run-preflight"


@dataclass(frozen=True, slots=True)
class Preflight:
    services: EcsServices
    images: Images
    rollouts: Rollouts
    policies: Policies
    test: ServiceTests

    async def __call__(self, running: Running) -> Transition:
        asked = RunPreflight.model_validate_json(running.payload)
        command, policy = governed(asked, PreflightPolicy, self.policies)
        service = await self.services.service(command.target)
        findings, baseline, pace = await asyncio.gather(
            self._look(command, service, policy),
            self._baseline(command, service),
            self._pace(command, service),
        )
        findings = findings.beside(baseline, pace)
        verdict = worst(gate.verdict for gate in findings.gates)
        answer = Command.of(command, running).answer(
            verdict, preflight.summary(findings), findings.gates, preflight.cause(findings), findings.output
        )
        return decided(answer)

    async def _baseline(self, command: RunPreflight, service: LiveService | Absent | Unknown) -> Baseline | None:
        """Test the version before the change; None where it is not certain that this is the one which is live."""
        if command.baseline is None or not isinstance(service, LiveService):
            return None
        others_deploy = isinstance(command.change, Observe | CheckUp)
        if others_deploy and service.rolling_out:
            return None
        seen = await self.test.before_the_change(command.target, service, command.baseline)
        if others_deploy and await self._has_moved(command.target, service):
            return None
        return seen

    async def _pace(self, command: RunPreflight, service: LiveService | Absent | Unknown) -> RolloutPace | None:
        if not isinstance(service, LiveService):
            return None
        change = command.change
        asked = change.task_definition if isinstance(change, TaskDefinitionChange) else None
        return await self.rollouts.pace(command.target, asked)

    async def _has_moved(self, target: Target, service: LiveService) -> bool:
        """Return whether somebody may have begun a deployment while the tests ran, so that they may have seen it."""
        now = await self.services.service(target)
        return not isinstance(now, LiveService) or now.rolling_out or now.deployment_id != service.deployment_id

    async def _look(
        self, command: RunPreflight, service: LiveService | Absent | Unknown, policy: PreflightPolicy
    ) -> Findings:
        findings = Findings((preflight.target_gate(command.target, service),), (service,))
        if not isinstance(service, LiveService):
            return findings
        match command.change:
            case ImageChange() | TaskDefinitionChange() as change:
                return findings + await self._change(command.target, change, service, policy)
            case Observe():
                return findings + Findings((), output=PreflightOutput())
            case CheckUp():
                output = PreflightOutput(live_deployment=service.deployment_id, under_way=service.rolling_out)
                return findings + Findings((), output=output)

    async def _change(
        self, target: Target, change: ImageChange | TaskDefinitionChange, service: LiveService, policy: PreflightPolicy
    ) -> Findings:
        """Return whether the service can roll anything out, whether it could go back, and what to apply."""
        asked = (
            self._image(target, change, service, policy)
            if isinstance(change, ImageChange)
            else self._task_definition(target, change, service, policy)
        )
        way_back, resolved = await asyncio.gather(self.rollouts.way_back(target), asked)
        unknown_blocks = policy.gates.unchecked_way_back == "block"
        before = room_gate(service), way_back_gate(way_back, unknown_blocks=unknown_blocks)
        return Findings(before) + resolved

    async def _image(
        self, target: Target, change: ImageChange, service: LiveService, policy: PreflightPolicy
    ) -> Findings:
        definition = await self._definition_of(target, service)
        if not isinstance(definition, TaskDefinition):
            return preflight.containers_unknown(definition)
        container, chosen = preflight.choose_container(change, tuple(definition.images))
        gates: tuple[Gate, ...] = (preflight.reference_gate(change.reference), chosen)
        if container is None or gates[0].verdict is not Verdict.PASS:
            return Findings(gates)
        new = replace(definition, images={**definition.images, container: change.reference})
        gates += permitted_gate(definition, new, policy.change)
        wanted = await self._look_up(target, container, change.reference)
        return Findings(gates) + image_findings(
            wanted, definition.images, definition.platform, Demands.of(policy.gates)
        )

    async def _task_definition(
        self, target: Target, change: TaskDefinitionChange, service: LiveService, policy: PreflightPolicy
    ) -> Findings:
        name, demands = change.task_definition, Demands.of(policy.gates)
        definition, live = await asyncio.gather(
            self.services.task_definition(target, name), self._definition_of(target, service)
        )
        gates = preflight.task_definition_gates(name, definition)
        if not isinstance(definition, TaskDefinition):
            return Findings(gates, (definition,))
        lookups = (self._look_up(target, container, image) for container, image in definition.images.items())
        wanted = tuple(await asyncio.gather(*lookups))
        gates += permitted_gate(live, definition, policy.change)
        gates += (
            fit_gate(service, definition, await self.rollouts.target_types(target, service.target_groups)),
            exists_gate(wanted, demands),
            architecture_gate(wanted, definition.platform, demands),
        )
        exact = {image.container: known for image in wanted if (known := pinned(image)) is not None}
        output = PreflightOutput(task_definition=definition.arn, digests=digests_of(exact))
        return Findings(gates, tuple(image.found for image in wanted), output)

    async def _definition_of(self, target: Target, service: LiveService) -> TaskDefinition | Absent | Unknown:
        if service.task_definition is None:
            return Absent("the service has no task definition of its own: its deployment controller is EXTERNAL")
        return await self.services.task_definition(target, service.task_definition)

    async def _look_up(self, target: Target, container: str, image: str) -> Wanted:
        try:
            reference = Reference.parse(image)
        except ValueError as error:
            return Wanted(container, image, Absent(str(error)))
        return Wanted(container, image, await self.images.image(target, reference))
