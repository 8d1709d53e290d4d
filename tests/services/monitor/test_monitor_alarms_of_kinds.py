"""Alarms and dashboards of services as people have them, at a simulated AWS: what they watch, and that it is quiet."""

import json
from collections.abc import Mapping
from typing import Any, cast

import pytest

from contracts.base import Target
from contracts.monitor import SetUpMonitoring
from contracts.results import StepFinished
from sandbox.aws.accounts import ACCOUNT, REGION
from services._chassis.aws import Aws
from services._chassis.service import Platform
from services._chassis.store import IndexedStore
from services.monitor.adapters.ecs import AwsEcs
from services.monitor.app import create_app
from services.monitor.domain.metrics import MINUTE
from services.monitor.jobs.set_up import SET_UP
from services.monitor.settings import Settings
from tests.kit import FakeClock, FakeRunning
from tests.sandbox.built import START, Built, built

pytestmark = pytest.mark.slow  # each builds an account
TARGET = Target(account=ACCOUNT, region=REGION, cluster="CourtCaseCluster", service="BackendService")
FORWARD_FIRST = {"target_groups": [{"target_group": "court-case-backend"}]}
USUAL = {"name": "court-case-alb", "listeners": [{"default_actions": [FORWARD_FIRST]}]}
SECOND = {"target_group": "second", "container_name": "backend", "container_port": 8000}
FIRST = {**SECOND, "target_group": "court-case-backend"}
TO_SECOND = {"target_groups": [{"target_group": "second"}]}
BOTH = {"service": {"load_balancers": [FIRST, SECOND]}, "target_groups": [{}, {"name": "second"}]}


def sent(rule: str) -> dict[str, Any]:
    """Return a listener whose rule sends a path to the second target group."""
    condition = {"path_pattern": [rule]}
    rules = [{"priority": 1, "conditions": [condition], "actions": [TO_SECOND]}]
    return {**USUAL, "listeners": [{"default_actions": [FORWARD_FIRST], "rules": rules}]}


def weighted(first: int, second: int) -> dict[str, Any]:
    groups = [
        {"target_group": "court-case-backend", "weight": first},
        {"target_group": "second", "weight": second},
    ]
    return {**BOTH, "load_balancers": [{**USUAL, "listeners": [{"default_actions": [{"target_groups": groups}]}]}]}


INSIDE = {"name": "inside", "scheme": "internal", "listeners": [{"default_actions": [TO_SECOND]}]}
PLAIN = {"name": "plain", "type": "network", "listeners": [{"protocol": "TCP", "default_actions": [TO_SECOND]}]}
BY_RULE = {
    "default_actions": [{"type": "fixed-response", "status_code": "404"}],
    "rules": [{"priority": 1, "conditions": [{"path_pattern": ["/api/*"]}], "actions": [FORWARD_FIRST]}],
}
NOT_COUNTED = "; no application load balancer sends requests to {}, which they do not count"
KINDS: Mapping[str, tuple[dict[str, Any], int, str]] = {
    "the usual one": ({}, 8, ""),
    "two load balancers": (
        {**BOTH, "load_balancers": [USUAL, INSIDE]},
        8,
        "; they count the target groups court-case-backend, second together",
    ),
    "a path rule with a target group of its own": (
        {**BOTH, "load_balancers": [sent("/admin/*")]},
        8,
        "; they count the target groups court-case-backend, second together",
    ),
    "a network load balancer beside": (
        {**BOTH, "target_groups": [{}, {"name": "second", "protocol": "TCP"}], "load_balancers": [USUAL, PLAIN]},
        8,
        NOT_COUNTED.format("second"),
    ),
    "a network load balancer alone": (
        {
            "service": {"load_balancers": [SECOND]},
            "target_groups": [{"name": "second", "protocol": "TCP"}],
            "load_balancers": [PLAIN],
        },
        4,
        NOT_COUNTED.format("second"),
    ),
    "the second group is idle": (weighted(1, 0), 8, NOT_COUNTED.format("second")),
    "the first group is idle": (weighted(0, 1), 8, NOT_COUNTED.format("court-case-backend")),
    "an internal one": ({"load_balancers": [{**USUAL, "scheme": "internal"}]}, 8, ""),
    "a path rule": ({"load_balancers": [{**USUAL, "listeners": [BY_RULE]}]}, 8, ""),
    "a worker": ({"service": {"load_balancers": []}}, 4, ""),
    "a daemon": (
        {"service": {"scheduling_strategy": "DAEMON", "launch_type": "EC2", "scaling": None}},
        8,
        "",
    ),
}


class Account:
    """An account that is built from a description, and a monitor in front of it."""

    def __init__(self, made: Built) -> None:
        self.made, self.cloudwatch = made, made.client("cloudwatch")
        self.aws = Aws(made.connection, "monitor")
        self.monitor = create_app(
            Settings(aws_account=ACCOUNT), Platform(cast("IndexedStore", None), FakeClock(START), self.aws)
        )
        self.time = START

    def step(self, minutes: int) -> None:
        self.time += minutes * MINUTE
        self.made.aws.world.step(self.time)

    async def set_up(self) -> StepFinished:
        running = FakeRunning(SetUpMonitoring(target=TARGET, run_id="run-1").model_dump_json().encode())
        transition = await self.monitor.jobs[SET_UP](running)
        event = transition.decide(None).emit[0].event
        assert isinstance(event, StepFinished)
        return event

    def alarms(self) -> dict[str, str]:
        found = self.cloudwatch.describe_alarms(AlarmNamePrefix="surefoot-")["MetricAlarms"]
        return {alarm["AlarmName"].rpartition("-")[2]: alarm["StateValue"] for alarm in found}

    def graphs(self) -> list[dict[str, Any]]:
        (name,) = (entry["DashboardName"] for entry in self.cloudwatch.list_dashboards()["DashboardEntries"])
        body = json.loads(self.cloudwatch.get_dashboard(DashboardName=name)["DashboardBody"])
        return [widget["properties"] for widget in body["widgets"]]


@pytest.mark.parametrize("kind", KINDS)
async def test_the_alarms_of_each_kind_are_taken_told_and_quiet(kind: str) -> None:
    description, alarms, told = KINDS[kind]
    with built(description) as made:
        account = Account(made)
        account.step(10)
        answer = await account.set_up()
        gates = {gate.name: gate for gate in answer.gates}
        assert gates["alarms_active"].value == alarms
        assert gates["alarms_active"].detail == f"surefoot-CourtCaseCluster/BackendService-*{told}"
        account.step(8)
        assert set(account.alarms().values()) == {"OK"}, account.alarms()


async def test_the_dashboard_has_sums_and_two_graphs_of_each_group() -> None:
    with built(KINDS["two load balancers"][0]) as made:
        account = Account(made)
        account.step(5)
        await account.set_up()
        graphs = {graph["title"]: graph["metrics"] for graph in account.graphs()}
        assert [title for title in graphs if "second" in title or "court-case" in title] == [
            "Target Group court-case-backend",
            "Response Time (s) of court-case-backend",
            "Target Group second",
            "Response Time (s) of second",
        ]
        (rate,) = (line[0]["expression"] for line in graphs["Error Rate (%)"] if "expression" in line[0])
        assert rate == (
            "100 * (FILL(target_5xx, 0) + FILL(target_5xx_1, 0) + FILL(elb_5xx, 0) + FILL(elb_5xx_1, 0))"
            " / (requests + requests_1 + FILL(elb_5xx, 0) + FILL(elb_5xx_1, 0))"
        )
        for title, lines in graphs.items():
            ids = [line[-1]["id"] for line in lines if isinstance(line[-1], dict)]
            assert len(set(ids)) == len(ids), title


async def test_a_group_that_is_added_is_noticed_and_one_that_is_known_is_not_asked_for_again() -> None:
    with built({**BOTH, "load_balancers": [USUAL, INSIDE]}) as made:
        services = AwsEcs(Account(made).aws)
        both = await services.watched(TARGET, None)
        assert [group.name for group in both.groups] == ["court-case-backend", "second"]
        of_one = both.model_copy(update={"others": ()})
        assert (await services.watched(TARGET, of_one)).groups == both.groups
        idle = both.model_copy(update={"others": (), "uncounted": (both.groups[1].target_group,), "routed_at": START})
        assert (await services.watched(TARGET, idle)).groups == idle.groups
        assert (await services.watched(TARGET, idle.without_routes())).groups == both.groups, "weights may change"
        assert (await services.alarm_scope(TARGET)).groups == both.groups
