"""An account that is built from a description, and its clients, for the tests."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from random import Random
from typing import Any

import httpx2

from sandbox.aws.accounts import REGION
from sandbox.aws.http_answers import Request
from sandbox.aws.server.in_process import InProcessAws
from sandbox.scenarios.model import Scenario
from sandbox.virtual.aws import InProcessConnection
from sandbox.virtual.http import transport_to

START = 1_764_000_000.0
HERE = {"cluster": "CourtCaseCluster", "services": ["BackendService"]}
ECR = "123456789012.dkr.ecr.us-west-2.amazonaws.com"


class Built:
    """An account in this process with what a description has."""

    def __init__(self, description: dict[str, Any], images: dict[str, Any]) -> None:
        scenario = Scenario.model_validate(
            {
                "name": "built",
                "teaches": "-",
                "world": {**description, "images": images},
                "expect": {"outcome": "succeeded"},
            }
        )
        self.aws = InProcessAws(lambda: START, scenario=scenario)
        ports = [listener.port for _, listener in scenario.world.listeners]
        self.connection = InProcessConnection(REGION, self.aws.open("http://aws.sandbox", "app.sandbox", ports))
        self.ecs = self.client("ecs")

    def client(self, name: str) -> Any:
        return self.connection.client(name)

    def service(self, name: str = "BackendService") -> Any:
        return self.ecs.describe_services(**{**HERE, "services": [name]})["services"][0]

    def tasks(self, name: str = "BackendService", status: str = "RUNNING") -> list[Any]:
        arns = self.ecs.list_tasks(cluster=HERE["cluster"], serviceName=name, desiredStatus=status)["taskArns"]
        return list(self.ecs.describe_tasks(cluster=HERE["cluster"], tasks=arns)["tasks"]) if arns else []

    def ask(self, path: str, headers: dict[str, str] | None = None) -> Any:
        """Return what the first listener makes of a GET request: its own answer, or whom it may meet."""
        path, _, query = path.partition("?")
        return self.aws.listeners.way(0, Random(1), Request("GET", path, headers or {}, query))

    def get(self, url: str) -> httpx2.Response:
        async def send() -> httpx2.Response:
            async with httpx2.AsyncClient(transport=transport_to(self.aws)) as client:
                return await client.get(url)

        return asyncio.run(send())

    def deploy(self, image: str, **service: Any) -> Any:
        """Deploy another image for the container ``backend``."""
        old = self.ecs.describe_task_definition(taskDefinition=self.service()["taskDefinition"])["taskDefinition"]
        containers = [
            {**body, "image": image if body["name"] == "backend" else body["image"]}
            for body in old["containerDefinitions"]
        ]
        kept = ("family", "cpu", "memory", "networkMode", "requiresCompatibilities")
        made = self.ecs.register_task_definition(**{name: old[name] for name in kept}, containerDefinitions=containers)
        arn = made["taskDefinition"]["taskDefinitionArn"]
        changed = {"cluster": HERE["cluster"], "service": "BackendService", "taskDefinition": arn, **service}
        return self.ecs.update_service(**changed)


@contextmanager
def built(description: dict[str, Any] | None = None, images: dict[str, Any] | None = None) -> Iterator[Built]:
    made = Built(description or {}, images or {})
    try:
        yield made
    finally:
        made.aws.close()
