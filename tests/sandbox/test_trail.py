"""CloudTrail and scaling activities of the simulated AWS: who changed what, as it is told afterwards."""

from collections.abc import Iterator
from typing import Any

import boto3
import orjson
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from sandbox.aws.server import SimulatedAws
from sandbox.aws.server.seed import CLUSTER, SERVICE
from sandbox.scenarios.incident import Incident

START = 1_764_000_000.0
SESSION = boto3.Session("testing", "testing", region_name="us-west-2")
CONFIG = Config(connect_timeout=5, read_timeout=10, retries={"max_attempts": 1}, user_agent_extra="surefoot/test/me/1")


@pytest.fixture(scope="module")
def aws() -> Iterator[SimulatedAws]:
    with SimulatedAws(clock=lambda: START) as aws:
        yield aws


def client(aws: SimulatedAws, name: Any) -> Any:
    return SESSION.client(name, endpoint_url=aws.endpoint, config=CONFIG)


def looked_up(aws: SimulatedAws, name: str = "UpdateService", **more: Any) -> Any:
    attributes = [{"AttributeKey": "EventName", "AttributeValue": name}]
    return client(aws, "cloudtrail").lookup_events(LookupAttributes=attributes, **more)


def test_a_call_is_told_with_its_caller_minutes_later_and_without_what_may_be_secret(aws: SimulatedAws) -> None:
    before = len(looked_up(aws)["Events"])
    client(aws, "ecs").update_service(cluster=CLUSTER, service=SERVICE, desiredCount=4)
    assert len(looked_up(aws)["Events"]) == before
    aws.step(301)
    newest = looked_up(aws)["Events"][0]
    document = orjson.loads(newest["CloudTrailEvent"])
    assert document["requestParameters"] == {"cluster": CLUSTER, "service": SERVICE, "desiredCount": 4}
    assert document["userAgent"].endswith("surefoot/test/me/1")
    assert document["userIdentity"]["arn"] == "arn:aws:iam::123456789012:user/testing"
    assert document["eventID"] == newest["EventId"]


def test_a_deployment_is_named_by_its_call_and_a_refused_call_by_its_error(aws: SimulatedAws) -> None:
    ecs = client(aws, "ecs")
    ecs.update_service(cluster=CLUSTER, service=SERVICE, forceNewDeployment=True)
    deployment = ecs.describe_services(cluster=CLUSTER, services=[SERVICE])["services"][0]["deployments"][0]["id"]
    with pytest.raises(ClientError):
        ecs.update_service(cluster=CLUSTER, service=SERVICE, taskDefinition="nobody:7")
    aws.step(301)
    refused, deployed = (orjson.loads(event["CloudTrailEvent"]) for event in looked_up(aws)["Events"][:2])
    assert "errorCode" in refused
    assert deployed["responseElements"]["service"]["deployments"][0]["id"] == deployment


def test_limits_are_told_and_pages_and_times_are_those_of_aws(aws: SimulatedAws) -> None:
    scaling = client(aws, "application-autoscaling")
    of: Any = {
        "ServiceNamespace": "ecs",
        "ResourceId": f"service/{CLUSTER}/{SERVICE}",
        "ScalableDimension": "ecs:service:DesiredCount",
    }
    for most in (8, 9):
        scaling.register_scalable_target(**of, MinCapacity=2, MaxCapacity=most)
    aws.step(301)
    first = looked_up(aws, "RegisterScalableTarget", MaxResults=1)
    second = looked_up(aws, "RegisterScalableTarget", MaxResults=1, NextToken=first["NextToken"])
    asked = [orjson.loads(page["Events"][0]["CloudTrailEvent"])["requestParameters"] for page in (first, second)]
    assert [each["maxCapacity"] for each in asked] == [9, 8]
    assert looked_up(aws, StartTime=1, EndTime=2)["Events"] == []
    with pytest.raises(ClientError, match="InvalidTimeRange"):
        looked_up(aws, StartTime=2, EndTime=1)


def test_an_autoscaler_tells_its_activity_and_a_person_none(aws: SimulatedAws) -> None:
    aws.happen(Incident(scale_to=5, by="autoscaler"))
    aws.happen(Incident(scale_to=3, by="terraform"))
    aws.step(301)
    told = client(aws, "application-autoscaling").describe_scaling_activities(
        ServiceNamespace="ecs", ResourceId=f"service/{CLUSTER}/{SERVICE}"
    )["ScalingActivities"]
    assert told[0]["Description"] == "Setting desired count to 5."
    by = [orjson.loads(event["CloudTrailEvent"])["userIdentity"]["arn"] for event in looked_up(aws)["Events"][:2]]
    assert ["terraform" in by[0], "AWSServiceRoleForApplicationAutoScaling" in by[1]] == [True, True]
