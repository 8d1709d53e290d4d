"""CloudWatch's points, whole and in parts."""

from datetime import UTC, datetime
from typing import Any

import pytest

from contracts.base import Target
from services._aws.cloudwatch import Metric, query, read_series
from services._aws.errors import AwsError
from tests.kit import ScriptedAws, refusal

TARGET = Target(account="123456789012", region="us-west-2", cluster="Main", service="api")
CPU = Metric("cpu", "AWS/ECS", "CPUUtilization", "Average", {"ClusterName": "Main", "ServiceName": "api"})
REQUESTS = Metric("requests", "AWS/ApplicationELB", "RequestCount", "Sum", {"LoadBalancer": "app/web/1"})
AT = [datetime(2025, 11, 24, 12, minute, tzinfo=UTC) for minute in range(3)]
SECONDS = [time.timestamp() for time in AT]


def cloudwatch(*results: dict[str, Any]) -> ScriptedAws:
    return ScriptedAws(get_metric_data={"MetricDataResults": list(results)})


async def test_points_are_joined_over_pages_and_a_metric_without_one_is_empty() -> None:
    aws = cloudwatch(
        {"Id": "cpu", "Timestamps": AT[:2], "Values": [10, 20], "StatusCode": "PartialData", "Messages": []},
        {"Id": "cpu", "Timestamps": AT[2:], "Values": [30], "StatusCode": "Complete"},
        {"Id": "requests", "StatusCode": "Complete", "Messages": [{"Code": "NoData", "Value": "none"}]},
    )
    series = await read_series(aws, TARGET, [CPU, REQUESTS], 0, 60)
    assert series == {"cpu": dict(zip(SECONDS, [10, 20, 30], strict=True)), "requests": {}}
    asked = aws.asked["get_metric_data"]
    assert [one["Id"] for one in asked["MetricDataQueries"]] == ["cpu", "requests"]
    assert (asked["StartTime"].timestamp(), asked["EndTime"].timestamp()) == (0, 60)
    assert aws.targets == [TARGET]


async def test_an_answer_without_a_metric_leaves_it_empty() -> None:
    assert await read_series(cloudwatch(), TARGET, [CPU], 0, 60) == {"cpu": {}}


@pytest.mark.parametrize("status", ["InternalError", "Forbidden"])
async def test_no_answer_is_no_absence(status: str) -> None:
    with pytest.raises(AwsError, match=f"CloudWatch has no answer for cpu: {status}") as raised:
        await read_series(cloudwatch({"Id": "cpu", "StatusCode": status}), TARGET, [CPU], 0, 60)
    assert raised.value.temporary == (status == "InternalError")
    with pytest.raises(AwsError, match="CloudWatch did not answer GetMetricData: Throttling"):
        await read_series(ScriptedAws(get_metric_data=refusal("Throttling")), TARGET, [CPU], 0, 60)


def test_a_query_names_its_metric() -> None:
    assert query(CPU, 300, returned=False) == {
        "Id": "cpu",
        "MetricStat": {
            "Metric": {
                "Namespace": "AWS/ECS",
                "MetricName": "CPUUtilization",
                "Dimensions": [{"Name": "ClusterName", "Value": "Main"}, {"Name": "ServiceName", "Value": "api"}],
            },
            "Period": 300,
            "Stat": "Average",
        },
        "ReturnData": False,
    }
