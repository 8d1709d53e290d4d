"""Tests the live service over HTTP, where its users reach it: for a command, and for a request over the API."""

from collections.abc import Collection
from dataclasses import dataclass, replace

from contracts.base import Target
from contracts.deployment import Cause
from contracts.gates import Gate, worst
from contracts.policy import Application, ValidationPolicy
from contracts.validator import Suite, ValidateDeployment
from services._chassis.clock import Clock, moment
from services._chassis.commands import Command
from services._chassis.jobs import Running
from services._chassis.policies import Policies, governed
from services._chassis.transition import Decision, Transition, decided
from services._chassis.web import Address
from services.validator.domain import judge, preflight
from services.validator.domain.facts import Absent, LiveService, Unknown
from services.validator.domain.operation import Result, Tested, Validation
from services.validator.domain.validations import Validations, validations_key
from services.validator.ports import Applications, EcsServices, SuiteRunner

VALIDATION = "validate-deployment"
OPERATION = "validate-on-request"


@dataclass(frozen=True, slots=True)
class ServiceTests:
    """Tests a service: the work that both jobs share."""

    services: EcsServices
    applications: Applications
    runner: SuiteRunner

    async def __call__(
        self, target: Target, suites: Collection[Suite], deadline: float, policy: ValidationPolicy
    ) -> Result:
        address = await self._address(target, policy.application)
        if isinstance(address, Result):
            return address
        results = await self.runner.run(address, policy.tests, suites, deadline)
        gates = judge.judge(results, policy.tests)
        verdict = worst(gate.verdict for gate in gates)
        return Result(
            verdict=verdict,
            cause=judge.cause(verdict),
            summary=judge.summary(results, gates),
            gates=gates,
            output=judge.probes(results),
            tests=tuple(Tested.of(result) for result in results),
        )

    async def _address(self, target: Target, application: Application) -> Address | Result:
        """Return where to send the tests, or the result if there is nowhere."""
        service = await self.services.service(target)
        if not isinstance(service, LiveService):
            return _nowhere(preflight.target_gate(target, service), Cause.USAGE, service)
        address = await self.applications.address(target, application, service.target_groups)
        if not isinstance(address, Address):
            return _nowhere(_unknown("load_balancer", address), Cause.GATE, address)
        headers = await self.applications.headers(target, application)
        if isinstance(headers, Unknown):
            return _nowhere(_unknown("header_secrets", headers), Cause.ERROR, headers)
        return replace(address, headers=headers)


def _unknown(gate: str, found: Absent | Unknown) -> Gate:
    return Gate.true(gate, None, samples=0, detail=found.detail)


def _nowhere(gate: Gate, if_absent: Cause, found: Absent | Unknown) -> Result:
    """Return the result where no test could be sent; its cause is an error where something failed."""
    cause = Cause.ERROR if isinstance(found, Unknown) else if_absent
    return Result(verdict=gate.verdict, cause=cause, summary=gate.detail, gates=(gate,))


@dataclass(frozen=True, slots=True)
class Validate:
    """Answer ``validate-deployment``."""

    test: ServiceTests
    policies: Policies

    async def __call__(self, running: Running) -> Transition:
        asked = ValidateDeployment.model_validate_json(running.payload)
        command, policy = governed(asked, ValidationPolicy, self.policies)
        result = await self.test(command.target, command.suites, command.deadline.timestamp(), policy)
        await running.check()
        answer = Command.of(command, running).answer(
            result.verdict, result.summary, result.gates, result.cause, result.output
        )

        def decide(state: bytes | None) -> Decision:
            validations = Validations.from_bytes(state)
            if command.run_id in validations.ended:
                return Decision()  # the command was answered at the end of its run
            return Decision(validations.answered(running.id).to_bytes(), emit=(answer,))

        return Transition(validations_key(command.target), decide)


@dataclass(frozen=True, slots=True)
class ValidateOnRequest:
    """Do and end an operation that was requested over the API, by the policy in force."""

    test: ServiceTests
    policies: Policies
    clock: Clock

    async def __call__(self, running: Running) -> Transition:
        operation = Validation.model_validate_json(running.payload)
        policy = self.policies.of(operation.target).part(ValidationPolicy)
        result = await self.test(operation.target, operation.suites, operation.deadline.timestamp(), policy)
        result = result.model_copy(update={"policy_digest": policy.digest})
        return decided(records=operation.ended(result, moment(self.clock.now())).record)
