"""One-off tasks: RunTask, what became of the task, StopTask, and the end of its log."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from contracts.base import Target
from contracts.prose import quote
from services._aws.body import Body, entries
from services._aws.ecs import DESCRIBED_TASKS
from services._aws.ecs_task import EcsTask
from services._aws.errors import changing, reading
from services._chassis.aws import Aws
from services.recovery.domain.migration.migration import LogPlace, OneOff
from services.recovery.domain.migration.migration_end import Container, Task
from services.recovery.ports.migration import NotPlaced


@dataclass(frozen=True, slots=True)
class AwsOneOffTasks:
    aws: Aws

    async def run(self, target: Target, task: OneOff, command: Sequence[str], token: str) -> str:
        with changing("ECS", "RunTask", secrets=command):
            answer = await self.aws.at(target).call(
                "ecs",
                "run_task",
                cluster=target.cluster,
                taskDefinition=task.task_definition,
                count=1,
                startedBy=token,
                clientToken=token,
                overrides={"containerOverrides": [{"name": task.container, "command": list(command)}]},
                **_where(task),
            )
        started = answer.get("tasks") or ()
        if started:
            return str(started[0]["taskArn"])
        failures = answer.get("failures") or ()
        reasons = dict.fromkeys(str(failure.get("reason") or failure.get("detail") or "") for failure in failures)
        raise NotPlaced(quote("; ".join(filter(None, reasons)) or "ECS has started none, and does not say why", 300))

    async def find(self, target: Target, family: str, token: str) -> Task | None:
        there = self.aws.at(target)
        arns: list[str] = []
        with reading("ECS", "ListTasks"):
            # a listing by starter takes no status beside it, and those that have stopped are wanted as well
            for status in ("RUNNING", "STOPPED"):
                arns += await there.pages(
                    "ecs", "list_tasks", "taskArns", cluster=target.cluster, family=family, desiredStatus=status
                )
        for first in range(0, len(arns), DESCRIBED_TASKS):
            found = await self._described(target, arns[first : first + DESCRIBED_TASKS])
            ours = next((task for task in found if task.token == token), None)
            if ours is not None:
                return ours
        return None

    async def task(self, target: Target, arn: str) -> Task | None:
        return next(iter(await self._described(target, [arn])), None)

    async def _described(self, target: Target, arns: list[str]) -> list[Task]:
        with reading("ECS", "DescribeTasks"):
            answer = await self.aws.at(target).call("ecs", "describe_tasks", cluster=target.cluster, tasks=arns)
        return [_task(body) for body in answer.get("tasks") or ()]

    async def stop(self, target: Target, arn: str, reason: str) -> None:
        with changing("ECS", "StopTask", secrets=()):
            await self.aws.at(target).call("ecs", "stop_task", cluster=target.cluster, task=arn, reason=reason)

    async def log(self, target: Target, place: LogPlace, arn: str, most: int) -> list[str]:
        stream = f"{place.prefix}/{place.container}/{arn.rpartition('/')[2]}"
        with reading("CloudWatch Logs", "GetLogEvents"):
            answer = await self.aws.at(target).call(
                "logs",
                "get_log_events",
                logGroupName=place.group,
                logStreamName=stream,
                startFromHead=False,
                limit=most,
            )
        return [str(event.get("message", "")) for event in answer.get("events") or ()]


def _task(body: Body) -> Task:
    seen = EcsTask(body)
    images = {str(each.get("name", "")): str(each.get("image") or "") for each in entries(body, "containers")}
    return Task(
        arn=seen.arn,
        token=seen.deployment_id,
        stopped=body.get("lastStatus") == "STOPPED",
        stopping=body.get("desiredStatus") == "STOPPED",
        started_at=seen.started_at,
        stop_code=seen.stop_code,
        reason=seen.reason,
        containers=tuple(
            Container(each.name, each.exit_code, each.reason, images.get(each.name, "")) for each in seen.containers
        ),
    )


def _where(task: OneOff) -> dict[str, Any]:
    where: dict[str, Any] = {}
    if task.launch_type:
        where["launchType"] = task.launch_type
    else:
        where["capacityProviderStrategy"] = [dict(provider) for provider in task.providers]
    if task.platform_version:
        where["platformVersion"] = task.platform_version
    if task.network:
        where["networkConfiguration"] = task.network
    return where
