"""Commands in, answers out. All work is jobs: AWS and the tested service take longer than a moment."""

import asyncio
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from contracts.base import Target
from contracts.deployment import Cause, CheckUp, DeploymentFinished, ImageChange, Observe, TaskDefinitionChange
from contracts.envelope import Meta
from contracts.gates import Gate, Verdict, worst
from contracts.recovery import RollbackStarted
from contracts.results import PreflightOutput
from contracts.validator import RunPreflight, Suite, ValidateDeployment
from services._chassis.clock import Clock, moment
from services._chassis.commands import Command
from services._chassis.jobs import FailedJob, Running
from services._chassis.transition import Decision, Emit, Transition, decided
from services.validator.domain import judge, preflight
from services.validator.domain.facts import Absent, LiveService, TaskDefinition, Unknown
from services.validator.domain.judge import Thresholds
from services.validator.domain.manifest import Platform
from services.validator.domain.operation import Result, Tested
from services.validator.domain.operation import Validation as ValidationOperation
from services.validator.domain.preflight import Findings, Wanted
from services.validator.domain.reference import Reference
from services.validator.domain.validations import Validations, validations_key
from services.validator.ports import Address, Balancers, Images, Probes, Services

PREFLIGHT = "run-preflight"
VALIDATION = "validate-deployment"
OPERATION = "validate-on-request"


async def on_run_preflight(command: RunPreflight, meta: Meta) -> Transition:
    return decided(jobs=(Command.of(command, meta).job(PREFLIGHT, command.model_dump_json().encode()),))


async def on_validate_deployment(command: ValidateDeployment, meta: Meta) -> Transition:
    """Begin the tests, unless the run is over already."""
    asked, run_id = Command.of(command, meta), command.run_id

    def decide(state: bytes | None) -> Decision:
        validations = Validations.from_bytes(state)
        if run_id in validations.ended:
            return Decision(emit=(_run_is_over(asked),))
        job = asked.job(VALIDATION, command.model_dump_json().encode())
        return Decision(validations.begun(asked.id, run_id).to_bytes(), jobs=(job,))

    return Transition(validations_key(command.target), decide)


async def on_run_over(event: DeploymentFinished | RollbackStarted, _: Meta) -> Transition | None:
    """End the run's tests: it is over, or is being rolled back, and nobody waits for their result any more."""
    target, run_id = event.target, event.run_id
    if run_id is None:
        return None

    def decide(state: bytes | None) -> Decision:
        validations = Validations.from_bytes(state)
        waiting = validations.of_run(run_id)
        return Decision(
            validations.run_over(run_id).to_bytes(),
            emit=tuple(_run_is_over(Command.to(ValidateDeployment, target, run_id, id_)) for id_ in waiting),
            cancel_jobs=waiting,
        )

    return Transition(validations_key(target), decide)


def validation_failed(job: FailedJob) -> Transition:
    """The executor has answered the command: the end of its run need not."""
    command = ValidateDeployment.model_validate_json(job.payload)

    def decide(state: bytes | None) -> Decision:
        return Decision(Validations.from_bytes(state).answered(job.id).to_bytes())

    return Transition(validations_key(command.target), decide)


def _run_is_over(command: Command) -> Emit:
    return command.inconclusive("The run is over, or is being rolled back: its tests are not needed.", Cause.REFUSED)


@dataclass(frozen=True, slots=True)
class Preflight:
    """Does what is asked for exist, can it run, and exactly which digest is it?"""

    services: Services
    images: Images
    policy: Platform | None
    """The platform that every image needs; None: just the task definition's."""

    async def work(self, running: Running) -> Transition:
        command = RunPreflight.model_validate_json(running.payload)
        service = await self.services.service(command.target)
        findings = Findings((preflight.target_gate(command.target, service),), (service,))
        if isinstance(service, LiveService):
            match command.change:
                case ImageChange():
                    findings += await self._image(command.target, command.change, service)
                case TaskDefinitionChange(task_definition=name):
                    findings += await self._task_definition(command.target, name)
                case Observe():
                    findings += Findings((), output=PreflightOutput())
                case CheckUp():
                    output = PreflightOutput(live_deployment=service.deployment_id, under_way=service.rolling_out)
                    findings += Findings((), output=output)
        verdict = worst(gate.verdict for gate in findings.gates)
        answer = Command.of(command, running).answer(
            verdict, preflight.summary(findings), findings.gates, preflight.cause(findings), findings.output
        )
        return decided(answer)

    async def _image(self, target: Target, change: ImageChange, service: LiveService) -> Findings:
        definition = await self._definition_of(target, service)
        if not isinstance(definition, TaskDefinition):
            return preflight.containers_unknown(definition)
        container, chosen = preflight.choose_container(change, tuple(definition.images))
        gates = (preflight.reference_gate(change.reference), chosen)
        if container is None or gates[0].verdict is not Verdict.PASS:
            return Findings(gates)
        wanted = await self._look_for(target, container, change.reference)
        return Findings(gates, (wanted.found,)) + preflight.image_findings(wanted, definition.platform, self.policy)

    async def _task_definition(self, target: Target, name: str) -> Findings:
        definition = await self.services.task_definition(target, name)
        gates = preflight.task_definition_gates(name, definition)
        if not isinstance(definition, TaskDefinition):
            return Findings(gates, (definition,))
        looked = (self._look_for(target, *one) for one in definition.images.items())
        wanted = tuple(await asyncio.gather(*looked))
        gates += (
            preflight.exists_gate(wanted),
            preflight.architecture_gate(wanted, definition.platform, self.policy),
        )
        output = PreflightOutput(task_definition=definition.arn)
        return Findings(gates, tuple(one.found for one in wanted), output)

    async def _definition_of(self, target: Target, service: LiveService) -> TaskDefinition | Absent | Unknown:
        if service.task_definition is None:
            return Absent("the service has no task definition of its own: its deployment controller is EXTERNAL")
        return await self.services.task_definition(target, service.task_definition)

    async def _look_for(self, target: Target, container: str, image: str) -> Wanted:
        try:
            reference = Reference.parse(image)
        except ValueError as error:
            return Wanted(container, image, Absent(str(error)))
        return Wanted(container, image, await self.images.image(target, reference))


@dataclass(frozen=True, slots=True)
class Validation:
    """Test the live service over HTTP, through its load balancer."""

    services: Services
    balancers: Balancers
    probes: Probes
    base_urls: Mapping[str, str]
    """``cluster/service`` → where to send the tests, instead of to the load balancer's own name."""
    thresholds: Thresholds
    clock: Clock

    async def answer_command(self, running: Running) -> Transition:
        command = ValidateDeployment.model_validate_json(running.payload)
        result = await self._validate(command.target, command.suites, command.deadline.timestamp())
        await running.check()
        answer = Command.of(command, running).answer(
            result.verdict, result.summary, result.gates, result.cause, result.output
        )

        def decide(state: bytes | None) -> Decision:
            validations = Validations.from_bytes(state)
            if command.run_id in validations.ended:
                return Decision()  # the end of the run has answered
            return Decision(validations.answered(running.id).to_bytes(), emit=(answer,))

        return Transition(validations_key(command.target), decide)

    async def answer_request(self, running: Running) -> Transition:
        asked = ValidationOperation.model_validate_json(running.payload)
        result = await self._validate(asked.target, asked.suites, asked.deadline.timestamp())
        return decided(records=asked.ended(result, moment(self.clock.now())).record)

    async def _validate(self, target: Target, suites: Collection[Suite], deadline: float) -> Result:
        address = await self._address(target)
        if isinstance(address, Result):
            return address
        tried = await self.probes.run(address, suites, deadline)
        gates = judge.judge(tried, self.thresholds)
        verdict = worst(gate.verdict for gate in gates)
        return Result(
            verdict=verdict,
            cause=judge.cause(verdict),
            summary=judge.summary(tried, gates),
            gates=gates,
            output=judge.probes(tried),
            tests=tuple(Tested.of(one) for one in tried),
        )

    async def _address(self, target: Target) -> Address | Result:
        """Where to send the tests, or the result if there is nowhere."""
        service = await self.services.service(target)
        if not isinstance(service, LiveService):
            return _nowhere(preflight.target_gate(target, service), Cause.USAGE, service)
        configured = self.base_urls.get(f"{target.cluster}/{target.service}")
        if configured is not None:
            return Address(configured, certified=True)
        address = await self.balancers.address(target, service.target_groups)
        if isinstance(address, Address):
            return address
        gate = Gate.true("load_balancer", None, samples=0, detail=address.detail)
        return _nowhere(gate, Cause.GATE, address)


def _nowhere(gate: Gate, cause: Cause, found: Absent | Unknown) -> Result:
    said = Cause.ERROR if isinstance(found, Unknown) else cause
    return Result(verdict=gate.verdict, cause=said, summary=gate.detail, gates=(gate,))
