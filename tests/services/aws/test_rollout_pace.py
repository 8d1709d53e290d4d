"""How long deployments of a service take: the arithmetic, and what is read for it."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.base import Target
from contracts.rollout_pace import LEAST_SILENCE, LONGEST, RolloutPace, duration
from services._aws.ecs_views import EcsService
from services._aws.measure_pace import measure_pace
from tests.kit import ScriptedAws, refusal

TARGET = Target(account="123456789012", region="us-west-2", cluster="Main", service="api")


def pace(tasks: int, minimum: float = 100, maximum: float = 200, **fields: Any) -> RolloutPace:
    return RolloutPace(tasks=tasks, minimum_percent=minimum, maximum_percent=maximum, **fields)


@pytest.mark.parametrize(
    ("tasks", "minimum", "maximum", "batch", "batches", "drains"),
    [
        (3, 100, 200, 3, 1, 0),  # all at once beside the old ones
        (20, 100, 105, 1, 20, 19),  # one by one
        (20, 50, 100, 10, 2, 2),  # no room: each half stops first
        (3, 0, 100, 3, 1, 1),  # stop before start
        (2, 100, 150, 1, 2, 1),
        (1, 100, 150, 1, 1, 1),  # no room at all: one batch, as if there were any
        (0, 100, 200, 1, 1, 1),
        (1, 100, 200, 1, 1, 0),
    ],
)
def test_batches_follow_from_the_two_percentages(
    tasks: int, minimum: float, maximum: float, batch: int, batches: int, drains: int
) -> None:
    found = pace(tasks, minimum, maximum)
    assert (found.batch, found.batches, found.drains) == (batch, batches, drains)


def test_a_usual_service_has_ten_minutes_and_a_slow_one_as_long_as_its_batches_take() -> None:
    usual = pace(3, registration=20, draining=330)
    assert (usual.expected, usual.silence) == (140, LEAST_SILENCE)
    draining = pace(20, 100, 105, registration=20, draining=3630)
    assert draining.silence == 2 * 140 + 3630
    assert draining.expected == 20 * 140 + 19 * 3630
    assert draining.longest == LONGEST
    slow = pace(3, learned=1500)
    assert (slow.per_batch, slow.silence, slow.longest) == (1500, 3000, 6000)


def test_a_grace_period_is_waited_for_once_and_one_of_weeks_is_no_time_of_a_start() -> None:
    late = pace(1, grace=1800, registration=30)
    assert (late.per_batch, late.silence) == (1950, 2 * 150 + 1800)
    assert pace(1, grace=2_000_000).per_batch == 120 + 3600


def test_what_old_tasks_drained_in_the_last_deployments_is_no_time_of_a_start() -> None:
    """ECS completes a deployment when its last old task is gone, which an hour of draining delays for each batch."""
    at_once = pace(3, draining=3630, learned=3800)
    assert (at_once.per_batch, at_once.silence) == (170, LEAST_SILENCE)
    one_by_one = pace(10, 90, 100, draining=330, learned=10 * (330 + 400))
    assert (one_by_one.batches, one_by_one.per_batch, one_by_one.silence) == (10, 400, 2 * 400 + 330)


def test_a_pace_grows_with_the_tasks_that_are_wanted_and_never_shrinks() -> None:
    found = pace(20, 100, 110)
    assert found.grown(40).batches == found.batches == 10
    assert found.grown(40).tasks == 40
    assert found.grown(5) is found


@given(
    st.integers(0, 500),
    st.floats(0, 100),
    st.floats(100, 200),
    st.floats(0, 4000),
    st.floats(0, 4000),
    st.floats(0, 1e6),
    st.floats(0, 1e7),
    st.floats(0, 1e6),
)
def test_every_service_has_a_pace(
    tasks: int,
    minimum: float,
    maximum: float,
    registration: float,
    draining: float,
    learned: float,
    grace: float,
    bake: float,
) -> None:
    found = pace(
        tasks, minimum, maximum, registration=registration, draining=draining, learned=learned, grace=grace, bake=bake
    )
    assert found.batch * found.batches >= tasks
    assert LEAST_SILENCE <= found.silence <= found.longest <= LONGEST
    assert found.expected >= found.per_batch > 0


def test_the_bound_is_told_with_its_reasons() -> None:
    found = pace(20, 100, 105, registration=20, draining=330, learned=6600, assumed=("ECS said no, so that this is",))
    assert found.sentence == (
        "nothing may stand still for 10 minutes (20 batches of 1 task, 140 s each to start and become healthy, "
        "330 s to drain old tasks, its last deployments took 1 hour 50 minutes, ECS said no, so that this is "
        "assumed)"
    )
    assert pace(3).sentence == (
        "nothing may stand still for 10 minutes (1 batch of 3 tasks, 120 s each to start and become healthy)"
    )


@pytest.mark.parametrize(
    ("seconds", "told"), [(45, "45 s"), (600, "10 minutes"), (3600, "1 hour"), (7500, "2 hours 5 minutes")]
)
def test_seconds_are_told_as_a_person_tells_them(seconds: float, told: str) -> None:
    assert duration(seconds) == told


SERVICE = EcsService(
    {
        "desiredCount": 4,
        "healthCheckGracePeriodSeconds": 60,
        "deploymentConfiguration": {"minimumHealthyPercent": 50, "maximumPercent": 100},
        "loadBalancers": [{"targetGroupArn": "g/1"}, {"targetGroupArn": "g/2"}],
    }
)
CHECKED = {
    "containerDefinitions": [
        {"name": "web", "stopTimeout": 90, "healthCheck": {"startPeriod": 200, "interval": 10}},
        {"name": "log"},
    ]
}
BEGAN = datetime(2026, 1, 12, tzinfo=UTC)


def account(**answers: Any) -> ScriptedAws:
    usual = {
        "describe_target_groups": {
            "TargetGroups": [
                {"HealthCheckIntervalSeconds": 10, "HealthyThresholdCount": 2},
                {"HealthCheckIntervalSeconds": 30, "HealthyThresholdCount": 5},
            ]
        },
        "describe_target_group_attributes": lambda asked: {
            "Attributes": [
                {
                    "Key": "deregistration_delay.timeout_seconds",
                    "Value": "600" if asked["TargetGroupArn"] == "g/2" else "5",
                }
            ]
        },
        "list_service_deployments": {
            "serviceDeployments": [
                {"startedAt": BEGAN, "finishedAt": BEGAN + timedelta(seconds=400)},
                {"startedAt": BEGAN, "finishedAt": BEGAN + timedelta(seconds=450)},
                {"startedAt": BEGAN, "finishedAt": BEGAN + timedelta(days=1)},
                {"startedAt": BEGAN},
            ]
        },
    }
    return ScriptedAws(**{**usual, **answers})


async def test_the_pace_is_read_from_settings_target_groups_and_the_last_deployments() -> None:
    aws = account()
    found = await measure_pace(aws, TARGET, SERVICE, CHECKED)
    assert found == RolloutPace(
        tasks=4, minimum_percent=50, maximum_percent=100, grace=60, registration=210, draining=690, learned=450
    )
    assert aws.asked["list_service_deployments"]["status"] == ["SUCCESSFUL"]


async def test_what_cannot_be_read_is_assumed_and_that_is_said() -> None:
    denied = refusal("AccessDeniedException")
    found = await measure_pace(
        account(describe_target_groups=denied, list_service_deployments=denied), TARGET, SERVICE, {}
    )
    assert (found.registration, found.draining, found.learned) == (150, 330, 0)
    assert [phrase.partition(",")[0] for phrase in found.assumed] == [
        "Elastic Load Balancing did not answer DescribeTargetGroups: AccessDeniedException",
        "ECS did not answer ListServiceDeployments: AccessDeniedException",
    ]


class Hanging(ScriptedAws):
    """Never answers one operation."""

    hangs = ""

    async def call(self, service: str, operation: str, /, **parameters: Any) -> dict[str, Any]:
        if operation == self.hangs:
            await asyncio.Event().wait()
        return await super().call(service, operation, **parameters)


@pytest.mark.parametrize(
    ("operation", "silent", "learned", "assumed"),
    [
        ("list_service_deployments", "ListServiceDeployments", 0, "so that the time of a usual start is"),
        (
            "describe_target_group_attributes",
            "the settings of its target groups",
            450,
            "so that Elastic Load Balancing's default times are",
        ),
    ],
)
async def test_what_does_not_answer_is_not_waited_for_and_the_rest_counts(
    operation: str, silent: str, learned: float, assumed: str
) -> None:
    aws = Hanging(**account().answers)
    aws.hangs = operation
    found = await measure_pace(aws, TARGET, SERVICE, CHECKED, patience=0.01)
    assert (found.learned, found.registration) == (learned, 210)
    assert found.assumed == (f"AWS did not answer {silent} in time, {assumed}",)


async def test_a_service_without_a_load_balancer_or_optional_fields_has_a_pace() -> None:
    aws = account(list_service_deployments={})
    found = await measure_pace(aws, TARGET, EcsService({"desiredCount": 2}), {"containerDefinitions": [{}]})
    assert found == RolloutPace(tasks=2, draining=30)
    assert "describe_target_groups" not in aws.asked


@pytest.mark.parametrize(("provider", "start"), [("FARGATE", 120), ("FARGATE_SPOT", 120), ("ours", 420)])
async def test_a_task_may_wait_for_an_instance_of_its_capacity_provider(provider: str, start: float) -> None:
    service = EcsService({"desiredCount": 2, "capacityProviderStrategy": [{"capacityProvider": provider}]})
    assert (await measure_pace(account(), TARGET, service, {})).start == start


@pytest.mark.parametrize(
    ("configuration", "bake"),
    [
        ({"strategy": "ROLLING", "bakeTimeInMinutes": 30}, 0),
        ({"strategy": "BLUE_GREEN", "bakeTimeInMinutes": 30}, 1800),
        ({"strategy": "BLUE_GREEN"}, 0),
        (
            {
                "strategy": "CANARY",
                "bakeTimeInMinutes": 5,
                "canaryConfiguration": {"canaryPercent": 10.0, "canaryBakeTimeInMinutes": 10},
            },
            900,
        ),
        (
            {
                "strategy": "LINEAR",
                "bakeTimeInMinutes": 5,
                "linearConfiguration": {"stepPercent": 30.0, "stepBakeTimeInMinutes": 6},
            },
            300 + 3 * 360,
        ),
    ],
)
async def test_the_time_for_which_ecs_keeps_the_old_tasks_is_waited_for(
    configuration: dict[str, Any], bake: float
) -> None:
    percents = {"minimumHealthyPercent": 100, "maximumPercent": 110, "strategy": configuration["strategy"]}
    service = EcsService({"desiredCount": 20, "deploymentConfiguration": percents | configuration})
    found = await measure_pace(account(list_service_deployments={}), TARGET, service, {})
    assert found.bake == bake
    assert found.batches == (10 if configuration["strategy"] == "ROLLING" else 1)
    assert found.silence == LEAST_SILENCE + max(0, bake - (LEAST_SILENCE - 240))


def test_what_ecs_kept_the_old_tasks_for_is_no_time_of_a_start() -> None:
    found = pace(3, bake=1800, learned=2000)
    assert (found.per_batch, found.expected, found.silence) == (200, 2000, 2 * 200 + 1800)
    assert "30 minutes for which ECS keeps the old ones" in found.sentence


async def test_a_daemon_stops_its_tasks_before_it_starts_new_ones() -> None:
    daemon = EcsService({"desiredCount": 5, "schedulingStrategy": "DAEMON"})
    found = await measure_pace(account(), TARGET, daemon, {})
    assert (found.batches, found.drains) == (1, 1)
