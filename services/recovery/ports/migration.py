"""Tasks beside a service, and the schema that its application reports."""

from collections.abc import Sequence
from typing import Protocol

from contracts.base import Target
from contracts.policy import Application
from contracts.schema_status import SchemaStatus
from services.recovery.domain.change import Body
from services.recovery.domain.migration.migration import LogPlace, OneOff
from services.recovery.domain.migration.migration_end import Task


class NotPlaced(Exception):
    """ECS has answered that it starts no task: it has no room or no addresses. The text is ECS's, cleaned."""


class OneOffTasks(Protocol):
    """Tasks beside a service. ``run`` and ``stop`` change something: their callers look first."""

    async def run(self, target: Target, task: OneOff, command: Sequence[str], token: str) -> str:
        """Start one task, on demand, and return its ARN; the same token again returns the same task.

        Raise ``NotPlaced``.
        """
        ...

    async def find(self, target: Target, family: str, token: str) -> Task | None:
        """Return the task of a family that was started with this token, also one that has stopped; None if none was."""
        ...

    async def task(self, target: Target, arn: str) -> Task | None:
        """Return a task; None if ECS has forgotten it, an hour or so after its end."""
        ...

    async def stop(self, target: Target, arn: str, reason: str) -> None: ...

    async def log(self, target: Target, place: LogPlace, arn: str, most: int) -> list[str]:
        """Return the last lines of a task's log, ``most`` at most, the oldest first, as the application wrote them."""
        ...


class Applications(Protocol):
    """The applications that the services run."""

    async def schema(self, target: Target, service: Body, application: Application) -> SchemaStatus:
        """Return what the application that serves tells of its database's schema, within seconds.

        No error is raised: what is not known is said by the status itself.
        """
        ...
