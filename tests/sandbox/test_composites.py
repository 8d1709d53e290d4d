"""Composite alarms: their rules, and that they follow the alarms that they name."""

import boto3
import pytest
from botocore.exceptions import ClientError

from sandbox.aws.cloudwatch.composite_alarms import rule_of
from sandbox.aws.cloudwatch.metric_math import InvalidExpression
from sandbox.aws.server import SimulatedAws
from sandbox.aws.server.seed import CLUSTER, SERVICE

pytest_plugins = ["sandbox.fixtures"]
STATES = {"errors": "ALARM", "slow": "OK", "disk full": "ALARM", "new": "INSUFFICIENT_DATA"}


@pytest.mark.parametrize(
    ("rule", "holds"),
    [
        ("ALARM(errors)", True),
        ('ALARM("disk full")', True),
        ("ALARM(arn:aws:cloudwatch:us-west-2:123456789012:alarm:errors)", True),
        ("OK(errors)", False),
        ("INSUFFICIENT_DATA(new)", True),
        ("ALARM(nobody)", False),
        ("ALARM(errors) AND ALARM(slow)", False),
        ("ALARM(errors) AND NOT ALARM(slow)", True),
        ("ALARM(slow) AND ALARM(slow) OR ALARM(errors)", True),
        ("ALARM(slow) AND (ALARM(slow) OR ALARM(errors))", False),
        ("NOT (ALARM(slow) OR OK(errors))", True),
        ("TRUE AND NOT FALSE", True),
    ],
)
def test_a_rule_is_judged_by_the_states(rule: str, holds: bool) -> None:
    assert rule_of(rule)(STATES) is holds


@pytest.mark.parametrize(
    "rule", ["", "ALARM", "ALARM(", "ALARM(a) OK(b)", "alarm(a)", "(ALARM(a)", 'ALARM("a', "a AND b"]
)
def test_what_is_no_rule_is_refused(rule: str) -> None:
    with pytest.raises(InvalidExpression, match="AlarmRule"):
        rule_of(rule)


def test_it_follows_the_alarms_that_it_names_and_tells(simulated_aws: SimulatedAws) -> None:
    cloudwatch, sqs, sns = boto3.client("cloudwatch"), boto3.client("sqs"), boto3.client("sns")
    queue = sqs.create_queue(QueueName="people")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    topic = sns.create_topic(Name="people")["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    for name, threshold in (("busy", 10.0), ("melting", 99.0)):
        cloudwatch.put_metric_alarm(
            AlarmName=name, Namespace="AWS/ECS", MetricName="CPUUtilization", Statistic="Average", Period=60,
            Dimensions=[{"Name": "ClusterName", "Value": CLUSTER}, {"Name": "ServiceName", "Value": SERVICE}],
            EvaluationPeriods=1, Threshold=threshold, ComparisonOperator="GreaterThanThreshold",
        )  # fmt: skip
    for name, rule in (("either", "ALARM(busy) OR ALARM(melting)"), ("both", "ALARM(busy) AND ALARM(melting)")):
        cloudwatch.put_composite_alarm(AlarmName=name, AlarmRule=rule, AlarmActions=[topic])
    simulated_aws.step(300)
    found = cloudwatch.describe_alarms(AlarmTypes=["CompositeAlarm"])["CompositeAlarms"]
    assert {one["AlarmName"]: one["StateValue"] for one in found} == {"either": "ALARM", "both": "OK"}
    (message,) = sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10)["Messages"]
    assert "either" in message["Body"]
    with pytest.raises(ClientError, match="AlarmRule"):
        cloudwatch.put_composite_alarm(AlarmName="wrong", AlarmRule="ALARM(")
