"""Tests the live service over HTTP, where its users reach it: for a command, and for a request over the API."""

from dataclasses import dataclass

from contracts.policy_parts import ValidationPolicy
from contracts.validator import ValidateDeployment
from services._chassis.clock import Clock, moment
from services._chassis.commands import Command
from services._chassis.jobs import Running
from services._chassis.policies import Policies, governed
from services._chassis.transition import Decision, Transition, decided
from services.validator.domain.operation import Validation
from services.validator.domain.validations import Validations, validations_key
from services.validator.jobs.service_tests import ServiceTests

VALIDATION = "validate-deployment"
OPERATION = "validate-on-request"


@dataclass(frozen=True, slots=True)
class Validate:
    """Answer ``validate-deployment``."""

    test: ServiceTests
    policies: Policies

    async def __call__(self, running: Running) -> Transition:
        asked = ValidateDeployment.model_validate_json(running.payload)
        command, policy = governed(asked, ValidationPolicy, self.policies)
        deadline = command.deadline.timestamp()
        result = await self.test(command.target, command.suites, deadline, policy, command.baseline)
        await running.check()
        answer = Command.of(command, running).answer(
            result.verdict, result.summary, result.gates, result.cause, result.output
        )

        def decide(state: bytes | None) -> Decision:
            validations = Validations.from_bytes(state)
            if command.run_id in validations.ended:
                return Decision()  # the command was answered at the end of its run
            return Decision(validations.answered(running.id).to_bytes(), emit=(answer,), expires=True)

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
