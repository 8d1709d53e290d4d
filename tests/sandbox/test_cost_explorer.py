"""Cost Explorer's requests through boto3: filters, the values of dimensions, and what it refuses."""

from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from sandbox.aws.accounts import REGION
from sandbox.aws.server.in_process import InProcessAws
from sandbox.virtual.aws import InProcessConnection

START = 1_764_000_000.0
"""2025-11-24 at 16:00; the world was born three days before."""
A_DAY = {"Start": "2025-11-22", "End": "2025-11-23"}
"""On which three tasks of 512 CPU units and 1,024 MiB ran."""
A_TASK = 0.5 * 0.04048 + 1 * 0.004445
"""US dollars an hour."""
VCPU, GB = "USW2-Fargate-vCPU-Hours:perCPU", "USW2-Fargate-GB-Hours"
VCPUS: Any = {"Dimensions": {"Key": "USAGE_TYPE", "Values": [VCPU]}}
OURS: Any = {"Tags": {"Key": "application", "Values": ["court-case"]}}
OTHERS: Any = {"Dimensions": {"Key": "SERVICE", "Values": ["Amazon Relational Database Service"]}}


@pytest.fixture(scope="module")
def ce() -> Iterator[Any]:
    account = InProcessAws(lambda: START)
    front = account.open("http://aws.sandbox", "application.sandbox", [80])
    yield InProcessConnection(REGION, front).client("ce")
    account.close()


@pytest.mark.parametrize(
    ("filter_", "share"),
    [
        (VCPUS, 0.5 * 0.04048),
        ({"Not": VCPUS}, 0.004445),
        ({"And": [VCPUS, OURS]}, 0.5 * 0.04048),
        ({"And": [VCPUS, OTHERS]}, 0),
        ({"Or": [VCPUS, OTHERS]}, 0.5 * 0.04048),
        ({"Tags": {"Key": "application", "MatchOptions": ["ABSENT"]}}, 0),
        ({"Tags": {"Key": "team", "MatchOptions": ["ABSENT"]}}, A_TASK),
        ({"Dimensions": {"Key": "REGION", "Values": ["us-west-2", "us-east-1"]}}, A_TASK),
        ({"Not": {"Dimensions": {"Key": "RECORD_TYPE", "Values": ["Credit", "Refund"]}}}, A_TASK),
    ],
)
def test_filters_choose_lines(ce: Any, filter_: Any, share: float) -> None:
    answer = ce.get_cost_and_usage(TimePeriod=A_DAY, Granularity="DAILY", Metrics=["UnblendedCost"], Filter=filter_)
    cost = float(answer["ResultsByTime"][0]["Total"]["UnblendedCost"]["Amount"])
    assert cost == pytest.approx(3 * 24 * share)


def test_services_are_listed_where_they_cost_something(ce: Any) -> None:
    answer = ce.get_dimension_values(TimePeriod=A_DAY, Dimension="SERVICE")
    assert [one["Value"] for one in answer["DimensionValues"]] == ["Amazon Elastic Container Service"]
    assert (answer["ReturnSize"], answer["TotalSize"]) == (1, 1)
    before = {"Start": "2025-11-01", "End": "2025-11-02"}
    assert ce.get_dimension_values(TimePeriod=before, Dimension="SERVICE")["DimensionValues"] == []
    found = ce.get_dimension_values(TimePeriod=A_DAY, Dimension="USAGE_TYPE", SearchString="gb-hours")
    assert [one["Value"] for one in found["DimensionValues"]] == [GB]


@pytest.mark.parametrize(
    ("changed", "code", "said"),
    [
        ({"TimePeriod": {"Start": "2025-11-22", "End": "2025-11-22"}}, "ValidationException", "should be before end"),
        ({"TimePeriod": {"Start": "2025-11-23", "End": "2025-11-22"}}, "ValidationException", "should be before end"),
        (
            {"TimePeriod": {"Start": "2025-13-01", "End": "2025-12-01"}},
            "ValidationException",
            "Start time 2025-13-01 is",
        ),
        ({"TimePeriod": {"Start": "2025-11-01", "End": "tomorrow"}}, "ValidationException", "format is: yyyy-MM-dd."),
        (
            {"TimePeriod": {"Start": "2025-11-01", "End": "2025-12-02"}},
            "ValidationException",
            "beginning of next month",
        ),
        (
            {"TimePeriod": {"Start": "1990-01-01", "End": "2025-11-22"}},
            "ValidationException",
            "data goes back 434 days",
        ),
        (
            {"TimePeriod": {"Start": "2025-11-01", "End": "2025-11-22"}, "Granularity": "HOURLY"},
            "ValidationException",
            "HOURLY data goes back 14 days only",
        ),
        ({"Granularity": "WEEKLY"}, "ValidationException", r"enum value set: \[DAILY, HOURLY, MONTHLY\]"),
        ({"Metrics": []}, "ValidationException", "metric"),
        ({"Metrics": ["Cost"]}, "ValidationException", "Metric Cost is invalid"),
        ({"GroupBy": [{"Type": "TAG", "Key": key} for key in "abc"]}, "ValidationException", "At most 2"),
        ({"Filter": {**VCPUS, **OURS}}, "ValidationException", "exactly one"),
        ({"GroupBy": [{"Type": "DIMENSION", "Key": "AZ"}]}, "UnsupportedOperationException", "no dimension AZ of ce"),
        ({"GroupBy": [{"Type": "COST_CATEGORY", "Key": "x"}]}, "UnsupportedOperationException", "no grouping by COST_"),
        ({"Filter": {"CostCategories": {"Key": "x"}}}, "UnsupportedOperationException", "no filter by CostCategories"),
        (
            {"Filter": {"Tags": {"Key": "x", "Values": ["y"], "MatchOptions": ["CONTAINS"]}}},
            "UnsupportedOperationException",
            "no match option CONTAINS of ce",
        ),
    ],
)
def test_what_cannot_be_answered_is_refused(ce: Any, changed: Any, code: str, said: str) -> None:
    asked = {"TimePeriod": A_DAY, "Granularity": "DAILY", "Metrics": ["UnblendedCost"], **changed}
    with pytest.raises(ClientError, match=said) as refused:
        ce.get_cost_and_usage(**asked)
    assert refused.value.response["Error"]["Code"] == code


def test_no_other_operation_is_answered_by_anybody(ce: Any) -> None:
    with pytest.raises(ClientError, match="The simulated AWS has no GetCostForecast of ce") as refused:
        ce.get_cost_forecast(
            TimePeriod={"Start": "2025-11-25", "End": "2025-11-30"}, Metric="UNBLENDED_COST", Granularity="DAILY"
        )
    assert refused.value.response["Error"]["Code"] == "UnsupportedOperationException"
    with pytest.raises(ClientError, match="no DescribeCostCategoryDefinition of ce"):
        ce.describe_cost_category_definition(CostCategoryArn="arn:aws:ce::123456789012:costcategory/x")
