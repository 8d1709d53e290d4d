"""The alarms that ECS alone is given: errors and response time of a target group, by the policy's limits."""

from typing import Any

from benchmarks.judge.rule import ERRORS, SLOW
from benchmarks.judge.sight import service_of
from contracts.limits import LEAST_REQUESTS
from surefoot.rehearsal.stage import Stage

PERIOD = 60
PERIODS, TO_ALARM = 5, 2
"""Two bad minutes of five: ECS bakes for as long as its alarms look back, so that a longer look sees more."""


def alarms_of(stage: Stage) -> list[str]:
    """Create the alarms, and return their names; none where no load balancer counts requests."""
    groups = service_of(stage.aws).revision.target_groups
    balancer = stage.aws.world.ecs.neighbours.load_balancer_of(groups[0][0]) if groups else None
    if balancer is None:
        return []
    dimensions = [
        {"Name": "TargetGroup", "Value": groups[0][0].rsplit(":", 1)[-1]},
        {"Name": "LoadBalancer", "Value": balancer},
    ]
    usual: Any = {
        "EvaluationPeriods": PERIODS,
        "DatapointsToAlarm": TO_ALARM,
        "ComparisonOperator": "GreaterThanThreshold",
        "TreatMissingData": "notBreaching",
    }
    rate = f"IF(requests >= {LEAST_REQUESTS / 2:g}, 100 * FILL(failed, 0) / requests, 0)"
    client = stage.connection.client("cloudwatch")
    client.put_metric_alarm(
        AlarmName="alone-errors",
        Threshold=ERRORS.threshold,
        Metrics=[
            {"Id": "rate", "Expression": rate, "ReturnData": True},
            _metric("failed", "HTTPCode_Target_5XX_Count", dimensions),
            _metric("requests", "RequestCount", dimensions),
        ],
        **usual,
    )
    client.put_metric_alarm(
        AlarmName="alone-response-time",
        Threshold=SLOW.threshold,
        Namespace="AWS/ApplicationELB",
        MetricName="TargetResponseTime",
        Dimensions=dimensions,
        ExtendedStatistic="p95",
        Period=PERIOD,
        **usual,
    )
    return ["alone-errors", "alone-response-time"]


def _metric(id_: str, name: str, dimensions: list[dict[str, str]]) -> Any:
    metric = {"Namespace": "AWS/ApplicationELB", "MetricName": name, "Dimensions": dimensions}
    return {"Id": id_, "ReturnData": False, "MetricStat": {"Metric": metric, "Period": PERIOD, "Stat": "Sum"}}
