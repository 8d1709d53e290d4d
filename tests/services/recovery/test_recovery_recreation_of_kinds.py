"""Everything of a service of each kind is deleted on the simulated AWS, made again, and names nothing that is gone."""

import json
from typing import Any

import pytest

from benchmarks.recreations import Course, Recreated, recreated
from benchmarks.surrounded import LOGS, Person, settings
from sandbox.scenarios.model import Scenario
from surefoot.rehearsal.stage import Stage

ELSE = {"type": "fixed-response", "status_code": "404", "message_body": "not here"}
NIGHT = {"scheduled_action_name": "night", "schedule": "cron(0 22 * * ? *)", "min_capacity": 2, "max_capacity": 4}
ONE_FIRST = {"minimum_healthy_percent": 0, "maximum_percent": 100}


def to(group: str) -> list[dict[str, Any]]:
    return [{"target_groups": [{"target_group": group}]}]


RULE = {"priority": 10, "conditions": [{"path_pattern": ["/orders/*"]}], "actions": to("court-case-backend")}
BOTH = (("inside", "internal", "inside"), ("court-case-alb", "internet-facing", "court-case-backend"))
SERVED = {"container_name": "backend", "container_port": 8000}
KINDS: dict[str, dict[str, Any]] = {
    "two groups": {
        "service": {
            "load_balancers": [SERVED | {"target_group": group} for *_, group in BOTH],
            "scaling": {"scheduled_actions": [NIGHT]},
        },
        "target_groups": [{"name": group} for *_, group in BOTH],
        "load_balancers": [
            {"name": name, "scheme": scheme, "listeners": [{"default_actions": to(group)}]}
            for name, scheme, group in BOTH
        ],
    },
    "path rule": {"load_balancers": [{"listeners": [{"default_actions": [ELSE], "rules": [RULE]}]}]},
    "worker": {"service": {"load_balancers": []}},
    "internal": {"load_balancers": [{"scheme": "internal"}]},
    "daemon": {
        "service": {
            "scheduling_strategy": "DAEMON",
            "launch_type": "EC2",
            "load_balancers": [],
            "task_definition": {"network_mode": "bridge"},
        }
    },
    "stop before start": {"service": {"desired_count": 1, "deployment_configuration": ONE_FIRST}},
}
IN_SHORT = "two groups"
"""The kind that has the most parts."""


def scenario(kind: str = "usual") -> Scenario:
    world = {**KINDS.get(kind, {}), "history_days": 0}
    return Scenario.model_validate(
        {"name": "again", "teaches": "It is made again.", "world": world, "expect": {"outcome": "succeeded"}}
    )


@pytest.mark.parametrize(
    "kind", [pytest.param(kind, marks=() if kind == IN_SHORT else pytest.mark.slow) for kind in KINDS]
)
def test_everything_of_it_is_made_again_and_names_nothing_that_is_gone(kind: str) -> None:
    wanted = scenario(kind)
    person = Person(wanted.world.service)
    ended = recreated(wanted, course=Course(before=person.surround, after=person.look))
    assert serves(ended) < 3600
    now, then = person.now["service"], person.then["service"]
    assert (now["runningCount"], now["desiredCount"]) == (then["desiredCount"], then["desiredCount"])
    assert settings(person.now) == settings(person.then)
    assert not person.old_ids
    assert ended.finished is not None
    assert ("FromPort=5432" in ended.finished.sentence) is (kind != "daemon"), "who owns the database is told"


def serves(ended: Recreated) -> float:
    """Return after how many seconds it serves again."""
    assert ended.finished is not None, ended.refused
    assert ended.finished.result == "recreated", ended.finished.sentence
    return ended.seconds


def test_of_a_service_that_is_half_gone_the_other_half_stays_as_it_is() -> None:
    wanted = scenario()
    person = Person(wanted.world.service)

    def shorten(stage: Stage) -> None:
        stage.connection.client("logs").put_retention_policy(logGroupName=LOGS, retentionInDays=7)

    course = Course("service", person.surround, gone=shorten, after=person.look)
    ended = recreated(wanted, course=course)
    serves(ended)
    assert person.now["logs"][0]["retentionInDays"] == 7, "it is left as it is"
    assert [call.operation for call in ended.calls] == [
        "CreateService", "RegisterScalableTarget", "PutScalingPolicy", "PutScalingPolicy",
    ]  # fmt: skip
    same = {name: person.then[name] for name in ("target_groups", "listeners", "dashboards")}
    assert json.dumps({name: person.now[name] for name in same}, default=str) == json.dumps(same, default=str)
