"""Prepares and reads the simulated account for a benchmark."""

from dataclasses import dataclass
from typing import Any

import boto3
import httpx2

from contracts.base import Target
from services._chassis.clock import Pace

ACCOUNT, REPOSITORY = "123456789012", "123456789012.dkr.ecr.us-west-2.amazonaws.com/backend"
FAMILY = "court-case-backend"


def service_name(number: int) -> str:
    """Return the sandbox's name of a service; numbers begin with 1."""
    return "BackendService" if number == 1 else f"BackendService-{number}"


@dataclass(frozen=True, slots=True)
class Call:
    """A call that AWS has received."""

    number: int
    at: float
    """Time of the call: real time, in epoch seconds."""
    operation: str
    agent: str
    resource: str


class Account:
    """Calls AWS under a name of its own, so that the log tells its calls from ours and from the bare script's."""

    def __init__(self, environment: dict[str, str]) -> None:
        self.environment = environment
        self._url = environment["AWS_ENDPOINT_URL"]
        self._pace = Pace.parse(environment["SUREFOOT_CLOCK"])
        self.ecs: Any = boto3.client(
            "ecs",
            endpoint_url=self._url,
            region_name=environment["AWS_REGION"],
            aws_access_key_id="person",
            aws_secret_access_key="person",  # noqa: S106  the sandbox takes any
        )

    def target(self, number: int) -> Target:
        cluster, region = self.environment["CLUSTER_NAME"], self.environment["AWS_REGION"]
        return Target(account=ACCOUNT, region=region, cluster=cluster, service=service_name(number))

    def changed_version(self, service: str) -> str:
        """Register another healthy version of what the service runs, and return its ARN."""
        cluster = self.environment["CLUSTER_NAME"]
        live = self.ecs.describe_services(cluster=cluster, services=[service])["services"][0]["taskDefinition"]
        old = self.ecs.describe_task_definition(taskDefinition=live)["taskDefinition"]
        kept = ("family", "networkMode", "cpu", "memory", "requiresCompatibilities", "executionRoleArn", "taskRoleArn")
        (container,) = old["containerDefinitions"]
        containers = [{**container, "environment": [*container.get("environment", []), {"name": "NEW", "value": "1"}]}]
        wanted = {name: old[name] for name in kept if name in old} | {"containerDefinitions": containers}
        return str(self.ecs.register_task_definition(**wanted)["taskDefinition"]["taskDefinitionArn"])

    def update(self, service: str, version: str) -> None:
        self.ecs.update_service(cluster=self.environment["CLUSTER_NAME"], service=service, taskDefinition=version)

    def calls(self, after: int = 0) -> list[Call]:
        pace = self._pace
        return [
            Call(
                call["number"],
                pace.anchor + (call["time"] - pace.anchor) / pace.rate,
                call["operation"],
                call["user_agent"],
                call["resource"],
            )
            for call in self.control("GET", f"calls?after={after}")
        ]

    def control(self, method: str, path: str, body: Any = None) -> Any:
        """Call the sandbox's control API."""
        answer = httpx2.request(method, f"{self._url}/_sandbox/{path}", json=body, timeout=20)
        answer.raise_for_status()
        return answer.json()
