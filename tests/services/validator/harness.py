"""Shared by the tests of the validator's jobs: an ECS with what a test puts into it, and the answer of a job."""

from dataclasses import dataclass, field
from datetime import UTC, datetime

from contracts.base import Target, caused_id
from contracts.policy import Gates
from contracts.results import StepFinished
from services._chassis.transition import Decision, Transition
from services.validator.domain.facts import Absent, Image, LiveService, TaskDefinition, Unknown
from services.validator.domain.manifest import LINUX_AMD64, Platform

TARGET = Target(account="123456789012", region="us-west-2", cluster="Main", service="api")
NOW = datetime(2026, 1, 5, 12, tzinfo=UTC)
REPOSITORY = "123456789012.dkr.ecr.us-west-2.amazonaws.com/app"
DIGEST = "sha256:" + "ab" * 32
ARN = "arn:aws:ecs:us-west-2:123456789012:task-definition/api:7"
DEFAULT_GATES = Gates()
IN_FORCE, CARRIED = "1" * 64, "2" * 64
ARM64 = Platform("linux", "arm64")
GOOD = Image(DIGEST, frozenset({LINUX_AMD64, ARM64}))


def definition(*containers: str, active: bool = True, platform: Platform = LINUX_AMD64) -> TaskDefinition:
    return TaskDefinition(ARN, active, platform, {name: f"{REPOSITORY}:{name}" for name in containers})


LIVE = LiveService(ARN, ("arn:group",))


@dataclass
class FakeEcs:
    live: LiveService | Absent | Unknown = LIVE
    definitions: dict[str, TaskDefinition | Absent | Unknown] = field(default_factory=lambda: {ARN: definition("web")})

    async def service(self, target: Target) -> LiveService | Absent | Unknown:
        assert target == TARGET
        return self.live

    async def task_definition(self, target: Target, name: str) -> TaskDefinition | Absent | Unknown:
        return self.definitions.get(name, Absent(f"there is no task definition {name}"))


def decision(transition: Transition) -> Decision:
    return transition.decide(None)


def answer_of(transition: Transition, step: str) -> StepFinished:
    (emitted,) = decision(transition).emit
    assert emitted.id == caused_id("command-1", "finished")
    assert isinstance(emitted.event, StepFinished)
    assert (emitted.event.command_id, emitted.event.run_id, emitted.event.step) == ("command-1", "run-1", step)
    assert emitted.event.summary
    return emitted.event


def verdicts(answer: StepFinished) -> dict[str, str]:
    return {gate.name: gate.verdict.value for gate in answer.gates}
