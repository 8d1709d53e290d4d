"""What the end-to-end tests ask of Surefoot and of the simulated AWS."""

from typing import Any

import boto3
from rich.console import Console

from surefoot.client import Surefoot
from surefoot.wait import wait_for

CLUSTER, SERVICE = "CourtCaseCluster", "BackendService"
REPOSITORY = "123456789012.dkr.ecr.us-west-2.amazonaws.com/backend"
LONGEST = 150.0


def aws(environment: dict[str, str], service: str) -> Any:
    return boto3.client(
        service,  # type: ignore[call-overload]  # any service
        endpoint_url=environment["AWS_ENDPOINT_URL"],
        region_name=environment["AWS_REGION"],
        aws_access_key_id="sandbox",
        aws_secret_access_key="sandbox",
    )


def described(environment: dict[str, str]) -> dict[str, Any]:
    """The service as AWS describes it."""
    answer = aws(environment, "ecs").describe_services(cluster=CLUSTER, services=[SERVICE])
    service: dict[str, Any] = answer["services"][0]
    return service


def deployed(environment: dict[str, str], image: str, **wanted: Any) -> dict[str, Any]:
    """Deploy a tag of the sandbox's repository and return the finished run."""
    api = Surefoot(environment["SUREFOOT_URL"])
    body = {"image": f"{REPOSITORY}:{image}", "actor": "tests", **wanted}
    run_id = api.orchestrate(CLUSTER, SERVICE, body)
    return wait_for(api, CLUSTER, SERVICE, run_id, timeout=LONGEST, console=Console(stderr=True))
