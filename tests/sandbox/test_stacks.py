"""The stacks of CloudFormation to which simulated services belong: their states, and what they bring in and back."""

from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from contracts.base import Target
from sandbox.aws.accounts import ACCOUNT, REGION
from sandbox.aws.server import SimulatedAws
from sandbox.aws.server.incidents import Impossible
from sandbox.aws.server.seed import CLUSTER, SERVICE
from sandbox.scenarios.incident import Incident
from sandbox.scenarios.model import Scenario
from services._chassis.aws import Aws
from services._chassis.aws_connection import AwsConnection
from services.recovery.adapters.movers import AwsMovers

TARGET = Target(account=ACCOUNT, region=REGION, cluster=CLUSTER, service=SERVICE)
TAG = "aws:cloudformation:stack-name"
SCENARIO: dict[str, Any] = {
    "name": "stacks",
    "teaches": "Two services, one of them in a stack.",
    "world": {
        "service": {"stack": "court"},
        "other_services": [{"service_name": "Alone", "load_balancers": []}],
    },
    "expect": {"outcome": "succeeded"},
}


@pytest.mark.slow
async def test_a_stack_brings_in_and_takes_back_what_fails_and_is_read_as_aws_tells_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One simulated AWS for all of it: a start of its own for each part would take most of the time."""
    now = [1_768_228_200.0]
    with SimulatedAws(clock=lambda: now[0], scenario=Scenario.model_validate(SCENARIO)) as aws:
        monkeypatch.setenv("AWS_ENDPOINT_URL", aws.endpoint)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
        connection = AwsConnection(REGION)
        movers = AwsMovers(Aws(connection, "recovery"))
        console: Any = boto3.client("ecs", region_name=REGION)

        async def status() -> str:
            return await movers.stack(TARGET, "court")

        def live() -> str:
            found = console.describe_services(cluster=CLUSTER, services=[SERVICE], include=["TAGS"])["services"][0]
            assert {"key": TAG, "value": "court"} in found["tags"]
            return str(found["taskDefinition"])

        def tags(version: str) -> list[str]:
            found = console.describe_task_definition(taskDefinition=version, include=["TAGS"])
            return [tag["value"] for tag in found.get("tags", []) if tag["key"] == TAG]

        first = live()
        assert (await status(), tags(first)) == ("UPDATE_COMPLETE", ["court"])
        assert await movers.stack(TARGET, "another") == ""
        with pytest.raises(ClientError, match="does not exist"):
            boto3.client("cloudformation", region_name=REGION).describe_stacks(StackName="another")

        aws.happen(Incident(deploys="healthy", by="cloudformation"))
        second = live()
        assert (await status(), tags(second)) == ("UPDATE_IN_PROGRESS", ["court"])
        aws.step(600)
        assert await status() == "UPDATE_COMPLETE"

        aws.happen(Incident(deploys="healthy", by="terraform"))
        assert tags(live()) == [], "nobody else sets the tag"
        aws.happen(Incident(stack_goes_back=30))
        assert await status() == "UPDATE_ROLLBACK_IN_PROGRESS"
        aws.step(20)
        assert live() not in {first, second}
        aws.step(20)
        assert live() == first, "what the template named before"
        aws.step(600)
        assert await status() == "UPDATE_ROLLBACK_COMPLETE"

        breaker = {"deploymentCircuitBreaker": {"enable": True, "rollback": False}}
        console.update_service(cluster=CLUSTER, service=SERVICE, deploymentConfiguration=breaker)
        aws.happen(Incident(deploys="crash-loop", by="cdk"))
        aws.step(1500)
        assert (await status(), live()) == ("UPDATE_ROLLBACK_COMPLETE", first), "it goes back by itself"

        aws.happen(Incident(stack="UPDATE_ROLLBACK_FAILED"))
        assert await status() == "UPDATE_ROLLBACK_FAILED"
        with pytest.raises(Impossible, match="belongs to no stack"):
            aws.happen(Incident(stack="UPDATE_COMPLETE", service="Alone"))
        connection.close()
