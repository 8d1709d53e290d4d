"""What AWS does to every caller: it limits calls, and its reads may lag behind."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from sandbox.aws.faults.throttling import Throttling, buckets
from sandbox.aws.server import SimulatedAws
from sandbox.aws.server.seed import CLUSTER, SERVICE

ON = {"cluster": CLUSTER, "services": [SERVICE]}


@pytest.fixture
def now() -> list[float]:
    return [1_764_000_000.0]


@pytest.fixture
def aws(now: list[float]) -> Iterator[SimulatedAws]:
    with SimulatedAws(clock=lambda: now[0], throttles=True, lags=True) as found:
        yield found


def client(aws: SimulatedAws, name: Any) -> Any:
    return boto3.client(
        name,
        endpoint_url=aws.endpoint,
        region_name="us-west-2",
        aws_access_key_id="test",
        aws_secret_access_key="test",
        config=Config(retries={"total_max_attempts": 1}),
    )


def let_through(call: Any, tries: int = 120) -> int:
    """How many calls go through; the others are throttled."""
    said = Counter(outcome(call) for _ in range(tries))
    assert set(said) <= {"fine", "ThrottlingException: Rate exceeded", "Throttling: Rate exceeded"}
    return said["fine"]


def outcome(call: Any) -> str:
    try:
        call()
    except ClientError as error:
        return "{Code}: {Message}".format(**error.response["Error"])
    return "fine"


def test_each_kind_of_call_has_its_bucket(aws: SimulatedAws, now: list[float]) -> None:
    """ECS developer guide, "Request throttling for the Amazon ECS API"."""
    ecs = client(aws, "ecs")
    assert let_through(lambda: ecs.describe_services(**ON)) == 100
    with pytest.raises(ClientError, match="Rate exceeded"):
        ecs.list_services(cluster=CLUSTER)  # of the same bucket
    ecs.list_tasks(cluster=CLUSTER)
    now[0] += 0.5
    assert let_through(lambda: ecs.describe_services(**ON)) == 10


def test_cloudwatch_has_its_own(aws: SimulatedAws) -> None:
    """CloudWatch user guide, "CloudWatch service quotas"."""
    watch = client(aws, "cloudwatch")
    assert let_through(watch.describe_alarms) == 9


def test_a_bucket_is_never_fuller_than_its_burst() -> None:
    now = [0.0]
    limits = Throttling(lambda: now[0])
    now[0] = 3600.0
    assert [limits.lets_through("monitoring", "PutMetricAlarm") for _ in range(5)] == [True, True, True, False, False]
    assert limits.lets_through("s3", "PutObject")


def test_no_call_is_in_two_buckets() -> None:
    calls = [call for _, named in buckets() for call in named]
    assert len(calls) == len(set(calls))


def test_a_read_may_not_know_of_what_was_just_changed(aws: SimulatedAws, now: list[float]) -> None:
    """ECS API reference, RunTask: the API follows an eventual consistency model."""
    ecs = client(aws, "ecs")

    def desired() -> int:
        return int(ecs.describe_services(**ON)["services"][0]["desiredCount"])

    assert desired() == 3
    ecs.update_service(cluster=CLUSTER, service=SERVICE, desiredCount=4)
    seen = [desired() for _ in range(20)]
    assert set(seen) == {3, 4}
    now[0] += 1.0
    assert {desired() for _ in range(20)} == {4}


def test_a_change_of_something_else_brings_nothing_old_back(aws: SimulatedAws, now: list[float]) -> None:
    ecs = client(aws, "ecs")
    ecs.describe_services(**ON)
    ecs.update_service(cluster=CLUSTER, service=SERVICE, desiredCount=4)
    now[0] += 5
    ecs.stop_task(cluster=CLUSTER, task=ecs.list_tasks(cluster=CLUSTER)["taskArns"][0])
    assert all(ecs.describe_services(**ON)["services"][0]["desiredCount"] == 4 for _ in range(20))


def test_a_world_that_was_stepped_gives_its_time_to_the_buckets(aws: SimulatedAws) -> None:
    watch = client(aws, "cloudwatch")
    assert let_through(watch.describe_alarms) == 9
    aws.step(1)
    assert let_through(watch.describe_alarms) == 9


def test_what_was_seen_long_ago_is_not_seen_again(aws: SimulatedAws, now: list[float]) -> None:
    ecs = client(aws, "ecs")
    ecs.describe_services(**ON)
    now[0] += 60
    ecs.update_service(cluster=CLUSTER, service=SERVICE, desiredCount=4)
    assert all(ecs.describe_services(**ON)["services"][0]["desiredCount"] == 4 for _ in range(20))
