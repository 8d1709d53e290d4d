"""Mute rules, and the history of alarms: what CloudWatch says beside an alarm's state."""

from datetime import UTC, datetime

import boto3
import pytest
from botocore.exceptions import ClientError

from sandbox.aws.server import SimulatedAws
from sandbox.aws.server.seed import CLUSTER, SERVICE

pytest_plugins = ["sandbox.fixtures"]
ALARM = "cpu-high"


def high(above: float) -> None:
    boto3.client("cloudwatch").put_metric_alarm(
        AlarmName=ALARM, Namespace="AWS/ECS", MetricName="CPUUtilization", Statistic="Average", Period=60,
        Dimensions=[{"Name": "ClusterName", "Value": CLUSTER}, {"Name": "ServiceName", "Value": SERVICE}],
        EvaluationPeriods=1, Threshold=above, ComparisonOperator="GreaterThanThreshold",
        AlarmActions=[boto3.client("sns").create_topic(Name="people")["TopicArn"]],
    )  # fmt: skip


def queue_of_people() -> str:
    """Subscribe a queue to the alarm's topic; return its URL."""
    sqs, sns = boto3.client("sqs"), boto3.client("sns")
    queue: str = sqs.create_queue(QueueName="people")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    sns.subscribe(TopicArn=sns.create_topic(Name="people")["TopicArn"], Protocol="sqs", Endpoint=arn)
    return queue


def mute(aws: SimulatedAws, begins: float, duration: str = "PT1H", expression: str = "") -> None:
    at = f"at({datetime.fromtimestamp(begins, UTC):%Y-%m-%dT%H:%M})"
    boto3.client("cloudwatch").put_alarm_mute_rule(
        Name="night",
        Rule={"Schedule": {"Expression": expression or at, "Duration": duration}},
        MuteTargets={"AlarmNames": [ALARM]},
    )


def statuses(*wanted: str) -> list[str]:
    answer = boto3.client("cloudwatch").list_alarm_mute_rules(AlarmName=ALARM, Statuses=wanted)  # type: ignore[arg-type]
    return [rule["Status"] for rule in answer["AlarmMuteRuleSummaries"]]


def test_a_muted_alarm_changes_its_state_and_nobody_is_told(simulated_aws: SimulatedAws) -> None:
    queue = queue_of_people()
    high(above=1)
    mute(simulated_aws, simulated_aws.now())
    simulated_aws.step(300)
    assert boto3.client("cloudwatch").describe_alarms(AlarmNames=[ALARM])["MetricAlarms"][0]["StateValue"] == "ALARM"
    assert "Messages" not in boto3.client("sqs").receive_message(QueueUrl=queue)
    assert statuses("ACTIVE") == ["ACTIVE"]
    assert statuses("EXPIRED") == []
    simulated_aws.step(3600)
    assert statuses("ACTIVE", "EXPIRED") == ["EXPIRED"]


def test_a_rule_that_begins_later_mutes_nothing_yet(simulated_aws: SimulatedAws) -> None:
    queue = queue_of_people()
    high(above=1)
    mute(simulated_aws, simulated_aws.now() + 86_400)
    simulated_aws.step(300)
    assert len(boto3.client("sqs").receive_message(QueueUrl=queue)["Messages"]) == 1
    assert statuses("SCHEDULED", "ACTIVE") == ["SCHEDULED"]
    answer = boto3.client("cloudwatch").list_alarm_mute_rules(AlarmName="another")
    assert answer["AlarmMuteRuleSummaries"] == []


@pytest.mark.parametrize(("duration", "expression"), [("PT1S", ""), ("P16D", ""), ("PT1H", "cron(0 1 * * ? *)")])
def test_what_is_not_known_is_refused(simulated_aws: SimulatedAws, duration: str, expression: str) -> None:
    with pytest.raises(ClientError, match="ValidationError"):
        mute(simulated_aws, simulated_aws.now(), duration, expression)


def test_the_history_has_each_change_of_state_the_newest_first(simulated_aws: SimulatedAws) -> None:
    cloudwatch = boto3.client("cloudwatch")
    high(above=1)
    simulated_aws.step(300)
    high(above=99)
    simulated_aws.step(300)
    items = cloudwatch.describe_alarm_history(AlarmName=ALARM, HistoryItemType="StateUpdate")["AlarmHistoryItems"]
    assert [item["HistorySummary"] for item in items] == [
        "Alarm updated from ALARM to OK",
        "Alarm updated from INSUFFICIENT_DATA to ALARM",
    ]
    fired = items[1]["Timestamp"]
    earlier = cloudwatch.describe_alarm_history(AlarmName=ALARM, HistoryItemType="StateUpdate", EndDate=fired)
    assert len(earlier["AlarmHistoryItems"]) == 1
    assert cloudwatch.describe_alarm_history(AlarmName="another")["AlarmHistoryItems"] == []
