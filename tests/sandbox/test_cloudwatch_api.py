"""The simulated CloudWatch through boto3, over HTTP."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from random import Random
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode
from urllib.request import Request, urlopen

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from moto.backends import get_backend
from moto.server import ThreadedMotoServer

from sandbox.aws.cloudwatch.alarms import step
from sandbox.aws.cloudwatch.api import install
from sandbox.aws.cloudwatch.metric_store import MetricStore, metric_key, samples
from sandbox.aws.world.traffic import seed_history
from sandbox.aws.world.views import GroupView, ServiceView, TaskView
from sandbox.scenarios.behaviour import Behaviour
from services._chassis.clock import moment

if TYPE_CHECKING:
    from mypy_boto3_cloudwatch import CloudWatchClient

NOW = 1_764_000_000.0
TWO: list[Any] = [{"Name": "ServiceName", "Value": "web"}, {"Name": "ClusterName", "Value": "court"}]


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def store() -> Iterator[MetricStore]:
    store = MetricStore()
    undo = install(lambda *_: store, lambda: NOW)
    yield store
    undo()


@pytest.fixture
def client(endpoint: str, store: MetricStore) -> Iterator["CloudWatchClient"]:
    get_backend("cloudwatch").reset()
    client = boto3.client(
        "cloudwatch",
        endpoint_url=endpoint,
        region_name="us-west-2",
        aws_access_key_id="test",
        aws_secret_access_key="test",
        config=Config(retries={"total_max_attempts": 1}, connect_timeout=5, read_timeout=20),
    )
    yield client
    client.close()


def at(minutes: float) -> datetime:
    return moment(NOW + minutes * 60)


def stat(name: str, stat: str, *, query: str = "m1", **more: Any) -> Any:
    metric = {"Namespace": "Shop", "MetricName": name, "Dimensions": TWO}
    return {"Id": query, "MetricStat": {"Metric": metric, "Period": 60, "Stat": stat}, **more}


def test_data_put_through_the_api_come_back_whatever_the_order_of_the_dimensions(
    client: "CloudWatchClient",
) -> None:
    client.put_metric_data(
        Namespace="Shop",
        MetricData=[
            {"MetricName": "Time", "Dimensions": TWO, "Timestamp": at(-2), "Values": [1, 3], "Counts": [9, 1]},
            {"MetricName": "Time", "Dimensions": TWO[::-1], "Timestamp": at(-1), "Value": 5, "Unit": "Seconds"},
            {
                "MetricName": "Time",
                "Dimensions": TWO,
                "Timestamp": at(-3),
                "StatisticValues": {"SampleCount": 4, "Sum": 10, "Minimum": 1, "Maximum": 4},
            },
            {"MetricName": "Time", "Dimensions": TWO[:1], "Timestamp": at(-1), "Value": 99},
        ],
    )
    client.put_metric_data(Namespace="Other", MetricData=[{"MetricName": "Time", "Dimensions": TWO, "Value": 7}])
    queries = [
        stat("Time", "Average"),
        stat("Time", "p90", query="m2", Label="slow"),
        stat("Time", "Sum", query="m3", ReturnData=False),
        {"Id": "e1", "Expression": "m3 * 2"},
    ]
    answer = client.get_metric_data(
        StartTime=at(-5), EndTime=at(0), MetricDataQueries=queries, ScanBy="TimestampAscending"
    )
    average, slow, double = answer["MetricDataResults"]
    assert (average["Id"], average["Label"], average["StatusCode"]) == ("m1", "Time", "Complete")
    assert average["Timestamps"] == [at(-3), at(-2), at(-1)]
    assert average["Values"] == [2.5, 1.2, 5.0]
    assert (slow["Label"], slow["Timestamps"]) == ("slow", [at(-2), at(-1)])
    assert slow["Values"] == [pytest.approx(1.2), 5.0]
    assert (double["Id"], double["Values"]) == ("e1", [20.0, 24.0, 10.0])
    newest_first = client.get_metric_data(StartTime=at(-5), EndTime=at(0), MetricDataQueries=queries)
    assert newest_first["MetricDataResults"][0]["Values"] == [5.0, 1.2, 2.5]


def test_statistics_and_the_list_of_metrics(client: "CloudWatchClient", store: MetricStore) -> None:
    key = metric_key("Shop", "Time", {one["Name"]: one["Value"] for one in TWO})
    store.put(key, NOW - 90, samples([1.0, 2.0, 4.0], unit="Seconds"))
    answer = client.get_metric_statistics(
        Namespace="Shop",
        MetricName="Time",
        Dimensions=TWO,
        StartTime=at(-60),
        EndTime=at(0),
        Period=300,
        Statistics=["Sum", "Maximum"],
        ExtendedStatistics=["p50"],
    )
    (point,) = answer["Datapoints"]
    assert point == {
        "Timestamp": at(-5), "Unit": "Seconds", "Sum": 7.0, "Maximum": 4.0, "ExtendedStatistics": {"p50": 2.0},
    }  # fmt: skip
    listed = client.list_metrics(Namespace="Shop", Dimensions=[{"Name": "ClusterName"}])["Metrics"]
    assert [(one["MetricName"], len(one["Dimensions"])) for one in listed] == [("Time", 2)]
    assert client.list_metrics(Dimensions=[{"Name": "ClusterName", "Value": "x"}])["Metrics"] == []
    for number in range(600):
        store.put(metric_key("Many", f"m{number}"), NOW, samples([1.0]))
    pages = client.get_paginator("list_metrics").paginate(Namespace="Many")
    assert [len(page["Metrics"]) for page in pages] == [500, 100]


def test_pages_add_up_to_the_whole(client: "CloudWatchClient", store: MetricStore) -> None:
    for name in ("a", "b"):
        for minute in range(1, 8):
            store.put(metric_key("Shop", name), NOW - minute * 60, samples([float(minute)]))
    queries: list[Any] = [
        {"Id": name, "MetricStat": {"Metric": {"Namespace": "Shop", "MetricName": name}, "Period": 60, "Stat": "Sum"}}
        for name in ("a", "none", "b")
    ]
    window = {"StartTime": at(-10), "EndTime": at(0)}
    pages: list[Any] = []
    token: dict[str, Any] = {}
    while not pages or token:
        pages.append(
            client.get_metric_data(MetricDataQueries=queries, MaxDatapoints=5, **window, **token)  # type: ignore[arg-type]
        )
        token = {"NextToken": pages[-1]["NextToken"]} if "NextToken" in pages[-1] else {}
    values: dict[str, list[float]] = {"a": [], "none": [], "b": []}
    for page in pages:
        assert sum(len(one["Values"]) for one in page["MetricDataResults"]) <= 5
        for one in page["MetricDataResults"]:
            values[one["Id"]] += one["Values"]
    assert values == {"a": [1, 2, 3, 4, 5, 6, 7], "none": [], "b": [1, 2, 3, 4, 5, 6, 7]}
    assert [one["StatusCode"] for page in pages for one in page["MetricDataResults"] if one["Id"] == "a"] == [
        "PartialData", "Complete",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("queries", "words"),
    [
        ([{"Id": "e1", "Expression": "m9 + 1"}], "'m9' is not defined"),
        ([{"Id": "e1", "Expression": "1 +"}], "the end"),
        ([{"Id": "e1", "Expression": "e1 + 1"}], "lead back"),
        ([{"Id": "e1", "Expression": "1 + 1"}], "must be a time series"),
        ([stat("Time", "p101")], "p101 is not known"),
        ([stat("Time", "Sum"), stat("Time", "Sum")], "used twice"),
        ([{"Id": "Big", "Expression": "1"}], "small letter"),
        ([{"Id": "a"}], "either MetricStat or Expression"),
    ],
)
def test_a_wrong_query_is_a_validation_error(client: "CloudWatchClient", queries: Any, words: str) -> None:
    with pytest.raises(ClientError, match=words) as error:
        client.get_metric_data(StartTime=at(-5), EndTime=at(0), MetricDataQueries=queries)
    assert error.value.response["Error"]["Code"] == "ValidationError"
    assert error.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400


def test_limits_are_refused(client: "CloudWatchClient") -> None:
    with pytest.raises(ClientError, match="two weeks in the past"):
        client.put_metric_data(
            Namespace="Shop", MetricData=[{"MetricName": "a", "Value": 1, "Timestamp": at(-60 * 24 * 15)}]
        )
    with pytest.raises(ClientError, match="exceeds the limit of 1440"):
        client.get_metric_statistics(
            Namespace="Shop",
            MetricName="a",
            StartTime=at(-1441),
            EndTime=at(0),
            Period=60,
            Statistics=["Sum"],
        )
    with pytest.raises(ClientError, match="NextToken"):
        client.list_metrics(NextToken="nonsense")


def test_an_alarm_keeps_what_it_was_given_and_its_state(client: "CloudWatchClient", store: MetricStore) -> None:
    queries: list[Any] = [
        stat("Errors", "Sum", query="e5", ReturnData=False),
        stat("Requests", "Sum", query="req", ReturnData=False),
        {"Id": "rate", "Expression": "IF(req>=20, 100*FILL(e5,0)/req, 0)", "Label": "Error rate", "ReturnData": True},
    ]
    wanted: dict[str, Any] = {
        "AlarmName": "surefoot-rate",
        "AlarmDescription": "errors",
        "ActionsEnabled": True,
        "OKActions": ["arn:aws:sns:us-west-2:123456789012:ok"],
        "AlarmActions": ["arn:aws:sns:us-west-2:123456789012:alarm"],
        "InsufficientDataActions": [],
        "EvaluationPeriods": 3,
        "DatapointsToAlarm": 2,
        "Threshold": 10.0,
        "ComparisonOperator": "GreaterThanThreshold",
        "TreatMissingData": "notBreaching",
        "Metrics": queries,
    }
    client.put_metric_alarm(**wanted)
    (alarm,) = client.describe_alarms(AlarmNames=["surefoot-rate"])["MetricAlarms"]
    metrics = [{"ReturnData": True, **one} for one in queries]
    assert {name: alarm.get(name) for name in wanted} == {**wanted, "Metrics": metrics}
    assert (alarm["StateValue"], alarm["StateUpdatedTimestamp"]) == ("INSUFFICIENT_DATA", moment(NOW))
    dimensions = {one["Name"]: one["Value"] for one in TWO}
    for minute in (1, 2):
        store.put(metric_key("Shop", "Requests", dimensions), NOW - minute * 60, samples([1.0], [100.0]))
        store.put(metric_key("Shop", "Errors", dimensions), NOW - minute * 60, samples([1.0], [30.0]))
    (change,) = step(get_backend("cloudwatch")["123456789012"]["us-west-2"].alarms.values(), store, NOW + 30)
    assert (change.old, change.new) == ("INSUFFICIENT_DATA", "ALARM")
    assert change.actions == ("arn:aws:sns:us-west-2:123456789012:alarm",)
    client.put_metric_alarm(**{**wanted, "Threshold": 40.0})
    (alarm,) = client.describe_alarms(StateValue="ALARM")["MetricAlarms"]
    assert (alarm["Threshold"], alarm["StateUpdatedTimestamp"]) == (40.0, moment(NOW + 30))
    assert alarm["StateReason"].startswith("Threshold Crossed: 2 out of the last 2 datapoints [30.0 (")
    (change,) = step(get_backend("cloudwatch")["123456789012"]["us-west-2"].alarms.values(), store, NOW + 30)
    assert change.new == "OK"


def test_alarms_are_found_by_type_prefix_and_page(client: "CloudWatchClient") -> None:
    simple: dict[str, Any] = {
        "MetricName": "CPUUtilization",
        "Namespace": "AWS/ECS",
        "Dimensions": TWO,
        "ExtendedStatistic": "p95",
        "Period": 60,
        "Unit": "Percent",
        "EvaluationPeriods": 5,
        "Threshold": 80.0,
        "ComparisonOperator": "GreaterThanThreshold",
    }
    for name in ("b", "a", "c"):
        client.put_metric_alarm(AlarmName=f"surefoot-{name}", **simple)
    client.put_metric_alarm(AlarmName="other", **simple)
    pages = client.get_paginator("describe_alarms").paginate(
        AlarmNamePrefix="surefoot-",
        AlarmTypes=["MetricAlarm", "CompositeAlarm"],
        PaginationConfig={"PageSize": 2},
    )
    assert [[one["AlarmName"] for one in page["MetricAlarms"]] for page in pages] == [
        ["surefoot-a", "surefoot-b"], ["surefoot-c"],
    ]  # fmt: skip
    assert client.describe_alarms(AlarmTypes=["CompositeAlarm"])["MetricAlarms"] == []
    (kept,) = client.describe_alarms(AlarmNames=["other"])["MetricAlarms"]
    assert {name: kept[name] for name in simple} == simple  # type: ignore[literal-required]  # all of them fields
    client.set_alarm_state(AlarmName="other", StateValue="ALARM", StateReason="a rehearsal")
    (shown,) = client.describe_alarms(StateValue="ALARM")["MetricAlarms"]
    assert (shown["StateReason"], shown["StateUpdatedTimestamp"]) == ("a rehearsal", moment(NOW))
    client.delete_alarms(AlarmNames=["other"])
    assert client.describe_alarms(AlarmNames=["other"])["MetricAlarms"] == []


NO_METRIC = dict.fromkeys(("MetricName", "Namespace", "Statistic", "Period"))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"ComparisonOperator": "Above"}, "ComparisonOperator is one of"),
        ({"TreatMissingData": "good"}, "TreatMissingData is one of"),
        ({"DatapointsToAlarm": 9}, "must not be above"),
        ({"Statistic": "Median"}, "Median is not known"),
        ({"Period": 61}, "multiple of 60"),
        ({"Metrics": [{"Id": "e1", "Expression": "1"}]}, "either MetricName or Metrics"),
        (
            {**NO_METRIC, "Metrics": [stat("Errors", "Sum", query=f"m{n}", ReturnData=n == 0) for n in range(11)]},
            "at most 10 metrics",
        ),
    ],
)
def test_a_wrong_alarm_is_refused_and_not_kept(client: "CloudWatchClient", change: dict[str, Any], words: str) -> None:
    alarm: dict[str, Any] = {
        "MetricName": "CPUUtilization",
        "Namespace": "AWS/ECS",
        "Statistic": "Average",
        "Period": 60,
        "EvaluationPeriods": 5,
        "Threshold": 80.0,
        "ComparisonOperator": "GreaterThanThreshold",
    }
    wanted = {name: value for name, value in {**alarm, **change}.items() if value is not None}
    with pytest.raises(ClientError, match=words):
        client.put_metric_alarm(AlarmName="wrong", **wanted)
    assert client.describe_alarms()["MetricAlarms"] == []


def test_query_requests_are_served_too(endpoint: str, client: "CloudWatchClient", store: MetricStore) -> None:
    store.put(metric_key("Shop", "a"), NOW - 60, samples([3.0]))
    form = {
        "Action": "GetMetricData", "Version": "2010-08-01",
        "StartTime": at(-5).isoformat(), "EndTime": at(0).isoformat(),
        "MetricDataQueries.member.1.Id": "q1",
        "MetricDataQueries.member.1.MetricStat.Metric.Namespace": "Shop",
        "MetricDataQueries.member.1.MetricStat.Metric.MetricName": "a",
        "MetricDataQueries.member.1.MetricStat.Period": "60",
        "MetricDataQueries.member.1.MetricStat.Stat": "Sum",
    }  # fmt: skip
    credential = "AWS4-HMAC-SHA256 Credential=test/20260101/us-west-2/monitoring/aws4_request"
    request = Request(endpoint, urlencode(form).encode(), {"Authorization": credential})
    with urlopen(request, timeout=10) as response:
        body = response.read().decode()
    assert "<Id>q1</Id>" in body
    assert "<member>3.0</member>" in body


def test_a_day_of_eight_metrics_is_answered_in_full(client: "CloudWatchClient", store: MetricStore) -> None:
    task = TaskView(Behaviour(name="healthy"), 86_400.0, 45.0, frozenset({"targetgroup/web/2"}))
    group = GroupView("app/court/1", "targetgroup/web/2", 2, 0)
    view = ServiceView("court", "web", (group,), (task, task))
    seed_history(store, view, NOW, 2, Random(1))
    names = {
        "AWS/ECS": ("CPUUtilization", "MemoryUtilization"),
        "AWS/ApplicationELB": ("RequestCount", "HTTPCode_Target_2XX_Count", "HealthyHostCount"),
    }
    dimensions = {
        "AWS/ECS": {"ClusterName": "court", "ServiceName": "web"},
        "AWS/ApplicationELB": {"TargetGroup": "targetgroup/web/2", "LoadBalancer": "app/court/1"},
    }
    asked = [(space, name, "Average") for space, all_ in names.items() for name in all_]
    asked += [("AWS/ApplicationELB", "TargetResponseTime", percentile) for percentile in ("p50", "p95", "p99")]
    queries: list[Any] = [
        {
            "Id": f"m{number}",
            "MetricStat": {
                "Metric": {
                    "Namespace": space,
                    "MetricName": name,
                    "Dimensions": [{"Name": key, "Value": value} for key, value in dimensions[space].items()],
                },
                "Period": 60,
                "Stat": stat,
            },
        }
        for number, (space, name, stat) in enumerate(asked)
    ]
    answer = client.get_metric_data(
        StartTime=moment(NOW) - timedelta(days=1), EndTime=moment(NOW), MetricDataQueries=queries
    )
    assert [len(one["Values"]) for one in answer["MetricDataResults"]] == [1440] * 8
