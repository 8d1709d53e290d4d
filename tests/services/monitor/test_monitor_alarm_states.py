"""What is read of a service's alarms: on the simulated AWS, and from answers as CloudWatch gives them."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from contracts.base import Target
from sandbox.aws.accounts import ACCOUNT, REGION
from sandbox.aws.server import SimulatedAws
from sandbox.aws.server.seed import CLUSTER, SERVICE
from services._aws.errors import AwsError
from services._chassis.aws import Aws
from services._chassis.aws_connection import AwsConnection
from services.monitor.adapters.alarm_states import states_of
from services.monitor.domain.metrics import MINUTE
from services.monitor.domain.service_alarms import ServiceAlarm

pytest_plugins = ["sandbox.fixtures"]
TARGET = Target(account=ACCOUNT, region=REGION, cluster=CLUSTER, service=SERVICE)
AT = datetime(2026, 11, 27, 9, 3, tzinfo=UTC)
METRIC = {
    "AlarmName": "errors",
    "StateValue": "ALARM",
    "StateReason": "Threshold Crossed",
    "StateTransitionedTimestamp": AT,
    "MetricName": "HTTPCode_Target_5XX_Count",
    "Period": 60,
    "EvaluationPeriods": 5,
    "DatapointsToAlarm": 2,
    "Threshold": 5.0,
    "ComparisonOperator": "GreaterThanThreshold",
}


class Answers:
    """CloudWatch with these answers, by operation; an error is raised."""

    def __init__(self, **answers: Any) -> None:
        self.answers = answers
        self.asked: list[str] = []

    def at(self, _: Target) -> "Answers":
        return self

    async def call(self, _: str, operation: str, **parameters: Any) -> Any:
        self.asked.append(operation)
        answer = self.answers.get(operation, {})
        if isinstance(answer, Exception):
            raise answer
        names = parameters.get("AlarmNames")
        keep = {key: [one for one in found if one["AlarmName"] in names] for key, found in answer.items() if names}
        return keep or answer

    async def pages(self, service: str, operation: str, key: str, **parameters: Any) -> Any:
        return (await self.call(service, operation, **parameters)).get(key, [])


def denied(operation: str) -> ClientError:
    return ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, operation)


async def read(*metric_alarms: dict[str, Any], names: tuple[str, ...] = ("errors",), **more: Any) -> tuple[Any, Any]:
    answers = Answers(**{"describe_alarms": {"MetricAlarms": list(metric_alarms), **more.pop("others", {})}, **more})
    found = await states_of(answers, TARGET, names)  # type: ignore[arg-type]  # a stand-in
    return found, answers


async def one(alarm: dict[str, Any], **more: Any) -> ServiceAlarm:
    found, _ = await read(alarm, **more)
    (known,) = found.known
    assert isinstance(known, ServiceAlarm)
    return known


async def test_a_metric_alarm_says_since_when_it_fires_and_over_what_it_looks() -> None:
    known = await one(METRIC)
    assert (known.state, known.since, known.span, known.keeps_state) == ("ALARM", AT.timestamp(), 300, False)
    assert not known.warms_up
    assert (await one({**METRIC, "MetricName": "CPUUtilization"})).warms_up
    assert (await one({**METRIC, "TreatMissingData": "ignore"})).keeps_state
    assert (await one({**METRIC, "EvaluationState": "EVALUATION_ERROR"})).evaluation == "EVALUATION_ERROR"


@pytest.mark.parametrize(
    ("values", "minute"),
    [
        ((9.0, 1.0, 7.0, 8.0, 0.0), 0),  # the newest two that break it: at 09:02 and 09:00
        ((9.0, 7.0, 7.0, 8.0, 0.0), 1),
        ((9.0, 1.0, 1.0, 1.0, 0.0), None),  # it says fewer than it takes
    ],
)
async def test_the_points_for_which_it_fired_are_in_the_reason(values: tuple[float, ...], minute: int | None) -> None:
    """As in the CloudWatch user guide: each point has its time, the newest is the first."""
    points = [
        f'{{"timestamp": "2026-11-27T09:0{2 - back}:00.000+0000", "sampleCount": 1.0, "value": {value}}}'
        for back, value in enumerate(values[:3])
    ]
    data = f'{{"version": "1.0", "evaluatedDatapoints": [{", ".join(points)}]}}'
    known = await one({**METRIC, "StateReasonData": data})
    assert known.breached_from == (None if minute is None else AT.replace(minute=minute).timestamp())


@pytest.mark.parametrize("data", ["", "{}", "nonsense", "[]", '{"evaluatedDatapoints": [{"value": 9}]}'])
async def test_without_points_nobody_says_so(data: str) -> None:
    assert (await one({**METRIC, "StateReasonData": data})).breached_from is None


async def test_one_that_is_quiet_costs_one_call() -> None:
    _, answers = await read({**METRIC, "StateValue": "OK"})
    assert answers.asked == ["describe_alarms"]


async def test_a_mute_rule_and_a_suppressor_silence_it() -> None:
    rules = {"AlarmMuteRuleSummaries": [{"AlarmMuteRuleArn": "arn:aws:cloudwatch:r:1:alarm-mute-rule:night"}]}
    assert (await one(METRIC, list_alarm_mute_rules=rules)).muted == "muted by night"
    suppressed = {**METRIC, "ActionsSuppressedBy": "Alarm", "ActionsSuppressor": "maintenance"}
    assert (await one(suppressed)).muted == "its actions are suppressed by maintenance"


async def test_its_history_says_when_it_fired_before() -> None:
    def item(minute: int, state: str) -> dict[str, Any]:
        return {"Timestamp": AT.replace(minute=minute), "HistoryData": f'{{"newState": {{"stateValue": "{state}"}}}}'}

    items = [item(3, "ALARM"), item(2, "OK"), item(1, "ALARM"), {"HistoryData": "nonsense"}]
    known = await one(METRIC, describe_alarm_history={"AlarmHistoryItems": items})
    assert known.fired == (AT.replace(minute=1).timestamp(),)


async def test_what_else_is_denied_is_said() -> None:
    known = await one(
        METRIC,
        list_alarm_mute_rules=denied("ListAlarmMuteRules"),
        describe_alarm_history=denied("DescribeAlarmHistory"),
    )
    assert (known.state, known.muted, known.fired) == ("ALARM", "", ())
    assert ["ListAlarmMuteRules" in known.unread[0], "DescribeAlarmHistory" in known.unread[1]] == [True, True]


async def test_where_alarms_cannot_be_described_that_is_an_error() -> None:
    with pytest.raises(AwsError, match="DescribeAlarms: AccessDenied"):
        await read(describe_alarms=denied("DescribeAlarms"))


async def test_a_composite_alarm_looks_over_what_the_alarms_that_fire_look_over() -> None:
    rule = 'ALARM("errors") OR ALARM(arn:aws:cloudwatch:r:1:alarm:cpu)'
    composite = {"AlarmName": "all", "AlarmRule": rule, "StateValue": "ALARM", "StateUpdatedTimestamp": AT}
    cpu = {**METRIC, "AlarmName": "cpu", "StateValue": "OK", "MetricName": "CPUUtilization", "Period": 300}
    found, _ = await read(METRIC, cpu, names=("all",), others={"CompositeAlarms": [composite]})
    (known,) = found.known
    assert (known.name, known.since, known.span, known.warms_up) == ("all", AT.timestamp(), 300, False)


async def test_alarms_of_every_type_are_found_and_a_name_without_one_is_said() -> None:
    log = {"AlarmName": "log", "StateValue": "OK"}
    found, _ = await read(METRIC, names=("errors", "log", "gone"), others={"LogAlarms": [log]})
    assert [alarm.name for alarm in found.known] == ["errors", "log"]
    assert found.missing == ("gone",)


# -- on the simulated AWS ----------------------------------------------------------------------------------------------


@pytest.fixture
def aws(simulated_aws: SimulatedAws) -> Iterator[Aws]:
    assert simulated_aws
    connection = AwsConnection(REGION)
    yield Aws(connection, "monitor")
    connection.close()


async def test_it_is_so_on_the_simulated_aws(simulated_aws: SimulatedAws, aws: Aws) -> None:
    cloudwatch = boto3.client("cloudwatch")
    for above in (1, 99, 1):
        cloudwatch.put_metric_alarm(
            AlarmName="cpu", Namespace="AWS/ECS", MetricName="CPUUtilization", Statistic="Average", Period=60,
            Dimensions=[{"Name": "ClusterName", "Value": CLUSTER}, {"Name": "ServiceName", "Value": SERVICE}],
            EvaluationPeriods=1, Threshold=above, ComparisonOperator="GreaterThanThreshold",
        )  # fmt: skip
        simulated_aws.step(5 * MINUTE)
    cloudwatch.put_composite_alarm(AlarmName="any", AlarmRule='ALARM("cpu")')
    simulated_aws.step(2 * MINUTE)
    found = await states_of(aws, TARGET, ("any", "cpu"))
    any_, cpu = found.known if found.known[0].name == "any" else reversed(found.known)
    assert (any_.state, cpu.state, any_.warms_up, cpu.warms_up) == ("ALARM", "ALARM", True, True)
    assert cpu.since is not None
    assert [moment < cpu.since for moment in cpu.fired] == [True]
    begins = datetime.fromtimestamp(simulated_aws.now(), UTC)
    schedule: Any = {"Expression": f"at({begins:%Y-%m-%dT%H:%M})", "Duration": "PT1H"}
    cloudwatch.put_alarm_mute_rule(Name="night", Rule={"Schedule": schedule}, MuteTargets={"AlarmNames": ["cpu"]})
    (muted,) = (await states_of(aws, TARGET, ("cpu",))).known
    assert muted.muted == "muted by night"
