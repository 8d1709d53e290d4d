"""The stacks of CloudFormation to which services belong, as far as they touch these: states, updates, ways back.

An update by the stack waits until the service is stable. Where its deployment fails, CloudFormation takes the stack
back by itself: it brings back what the template named before (CloudFormation user guide, "Stack status codes", and the
resource AWS::ECS::Service).
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from math import inf

from sandbox.aws.ecs.services import Service

STACK_TAG = "aws:cloudformation:stack-name"
GOES_BACK_AFTER = 5.0
"""Seconds from the begin of a stack's way back until CloudFormation has got to the service."""
LOOKS_EVERY = 15.0
"""Seconds between two looks of CloudFormation whether the service is stable."""


@dataclass(slots=True)
class Stack:
    """A stack with one service."""

    name: str
    service: Service
    versions: list[str]
    """ARNs of the task definitions that its template has named, the newest last."""
    status: str = "UPDATE_COMPLETE"
    goes_back_at: float = inf
    """When it changes the service on its way back."""
    looks_at: float = inf
    """When it looks whether the service is stable."""

    @property
    def due(self) -> float:
        return min(self.goes_back_at, self.looks_at)


@dataclass(slots=True)
class Stacks:
    known: dict[str, Stack] = field(default_factory=dict)
    """Name → stack."""
    bring: Callable[[Service, str], None] = lambda _service, _version: None
    """Has CloudFormation call UpdateService."""

    def add(self, name: str, service: Service) -> None:
        self.known[name] = Stack(name, service, [service.revision.definition.arn])

    def of(self, service: Service) -> Stack | None:
        return next((stack for stack in self.known.values() if stack.service is service), None)

    @property
    def due(self) -> float:
        return min((stack.due for stack in self.known.values()), default=inf)

    def updates(self, stack: Stack, version: str, now: float) -> None:
        """Note that CloudFormation has brought in a version, for which it waits now."""
        stack.versions.append(version)
        stack.status, stack.looks_at = "UPDATE_IN_PROGRESS", now + LOOKS_EVERY

    def goes_back(self, stack: Stack, now: float, after: float = GOES_BACK_AFTER) -> None:
        """Begin to take a stack back; ``after`` so many seconds the service's turn comes."""
        stack.status, stack.goes_back_at, stack.looks_at = "UPDATE_ROLLBACK_IN_PROGRESS", now + after, inf

    def live_through(self, now: float) -> None:
        for stack in self.known.values():
            if stack.goes_back_at <= now:
                stack.versions = stack.versions[:-1] or stack.versions
                stack.goes_back_at, stack.looks_at = inf, now + LOOKS_EVERY
                self.bring(stack.service, stack.versions[-1])
            if stack.looks_at <= now:
                self._look(stack, now)

    def _look(self, stack: Stack, now: float) -> None:
        """Look whether the service is stable, and end what is under way where it is."""
        state, back = stack.service.primary.rollout_state, "ROLLBACK" in stack.status
        stack.looks_at = now + LOOKS_EVERY
        if state == "COMPLETED":
            stack.status, stack.looks_at = "UPDATE_ROLLBACK_COMPLETE" if back else "UPDATE_COMPLETE", inf
        elif state == "FAILED" and back:
            stack.status, stack.looks_at = "UPDATE_ROLLBACK_FAILED", inf
        elif state == "FAILED":
            self.goes_back(stack, now)
