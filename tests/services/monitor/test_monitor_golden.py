"""What CloudWatch is sent for the built-in rules stays as it is, to the byte."""

import json
from pathlib import Path
from typing import Any, cast

import pytest
from botocore.exceptions import ClientError

from contracts.base import Target
from contracts.policy import Monitoring
from contracts.policy_rules import BUILT_IN_RULES
from services._chassis.aws import Aws
from services.monitor.adapters.alarms import CloudWatchAlarms
from services.monitor.adapters.dashboards import CloudWatchDashboards
from services.monitor.domain.routes import Sharing
from services.monitor.domain.rules import rules_of
from services.monitor.domain.watched_service import CountedGroup, WatchedService
from tests.services.monitor.harness import ALONE, BALANCED

GOLDEN = Path(__file__).parents[2] / "data" / "monitor"
TOPIC = "arn:aws:sns:us-west-2:123456789012:alerts"
SEVERAL = BALANCED.model_copy(
    update={
        "others": (
            CountedGroup(load_balancer="app/front/1", target_group="targetgroup/admin/3"),
            CountedGroup(load_balancer="app/inside/4", target_group="targetgroup/inside/5"),
        )
    }
)
SHARED = SEVERAL.model_copy(update={"shared": {"app/front/1": Sharing(why="it sends requests to other as well")}})
SERVICES = {"balanced": BALANCED, "alone": ALONE, "several": SEVERAL, "shared": SHARED}


TARGET = Target(account="123456789012", region="us-west-2", cluster="Main", service="api")


class Recorder:
    """An AWS that writes down what it is sent."""

    def __init__(self) -> None:
        self.calls: list[dict[str, Any]] = []

    def at(self, target: Target) -> "Recorder":
        assert target == TARGET
        return self

    async def call(self, service: str, operation: str, **parameters: Any) -> dict[str, Any]:
        if operation == "get_dashboard":  # nothing is left of the previous version
            raise ClientError({"Error": {"Code": "ResourceNotFound"}}, operation)
        self.calls.append({"service": service, "operation": operation, "parameters": parameters})
        return {}


async def sent(of: WatchedService, topic: str | None, database: str | None, warning_minutes: int) -> str:
    recorder = Recorder()
    aws, monitoring = cast("Aws", recorder), Monitoring(alarms_topic=topic, database=database)
    watched = rules_of(
        rule.model_copy(update={"minutes": warning_minutes}) if rule.severity == "warning" else rule
        for rule in BUILT_IN_RULES
    )
    await CloudWatchDashboards(aws, 300).put(TARGET, of, watched, monitoring)
    alarms = CloudWatchAlarms(aws)
    for rule in watched:
        await alarms.put(TARGET, of, rule, monitoring)
    return json.dumps(recorder.calls, indent=1) + "\n"


@pytest.mark.parametrize("name", SERVICES)
@pytest.mark.parametrize(("topic", "database", "minutes"), [(None, None, 5), (TOPIC, "court", 3)])
async def test_alarms_and_dashboard_are_sent_as_ever(
    name: str, topic: str | None, database: str | None, minutes: int
) -> None:
    golden = GOLDEN / f"{name}-{'with' if topic else 'without'}-topic.json"
    assert await sent(SERVICES[name], topic, database, minutes) == golden.read_text()
