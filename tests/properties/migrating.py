"""Migrations as the properties play them: tasks that end after two looks, and a plan that needs no AWS."""

from collections.abc import Sequence
from typing import Any

from contracts.base import Target
from contracts.schema_status import SchemaStatus
from sandbox.virtual.redis import give_way
from services._aws.errors import AwsError
from services.recovery.domain.migration.effect import Proof
from services.recovery.domain.migration.migration import Migration, MigrationPlan, OneOff
from services.recovery.domain.migration.migration_end import Container, Task
from services.recovery.domain.migration.migration_plan import Prepared

IMAGE = "shop/web@sha256:" + "2" * 64
LOOKS = 2
"""A task has ended at this look."""
LOST = AwsError("ECS did not answer RunTask: ReadTimeoutError", temporary=True, sent_before=True)
DENIED = AwsError("ECS refused RunTask: AccessDeniedException", code="AccessDeniedException")


class Tasks:
    """One-off tasks as ECS runs them. The same token is the same task."""

    def __init__(self) -> None:
        self.started: dict[str, int] = {}
        """Token → how often its task was looked at."""
        self.code: int | None = 0
        """How tasks end from now on; None: without an exit code."""
        self.loses = False
        """Whether the answers of RunTask are lost."""
        self.refuses = False

    async def run(self, _target: Target, _task: OneOff, _command: Sequence[str], token: str) -> str:
        await give_way()
        if self.refuses:
            raise DENIED
        self.started.setdefault(token, 0)
        await give_way()
        if self.loses:
            raise LOST
        return token

    async def find(self, _target: Target, _family: str, token: str) -> Task | None:
        await give_way()
        return self._seen(token) if token in self.started else None

    async def task(self, _target: Target, arn: str) -> Task | None:
        await give_way()
        self.started[arn] += 1
        return self._seen(arn)

    def _seen(self, token: str) -> Task:
        over = self.started[token] >= LOOKS
        container = Container("web", self.code if over else None, "", IMAGE)
        return Task(token, token, over, over, 1.0, "EssentialContainerExited" if over else "", "", (container,))

    async def stop(self, _target: Target, _arn: str, _reason: str) -> None:
        raise AssertionError("nothing is stopped by default")

    async def log(self, *_: Any) -> list[str]:
        raise AssertionError("its log cannot be read")


class Planner:
    """Plans any migration without a look at AWS."""

    async def plan(self, _target: Target, asked: Migration, _policy: object) -> Prepared:
        await give_way()
        task = OneOff(family="web-migrate", task_definition="", container="web", image=IMAGE, launch_type="FARGATE")
        sentence = f"Runs {' '.join(asked.command)}."
        definition = {"family": "web-migrate", "containerDefinitions": [{"name": "web", "image": IMAGE}]}
        return Prepared(MigrationPlan(task=task, sentence=sentence), definition)


class Untold:
    """An application that tells nothing of its schema."""

    async def now(self, _target: Target) -> SchemaStatus:
        await give_way()
        return SchemaStatus(unknown="the application tells nothing of its migrations")

    async def proof(self, target: Target, *_: Any) -> tuple[SchemaStatus, Proof]:
        return await self.now(target), Proof("Whether the schema has changed is not known.")
