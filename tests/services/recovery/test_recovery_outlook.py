"""What may take a way back away before it is needed: lifecycle policies of ECR, and the quota of Fargate."""

import json
from types import SimpleNamespace
from typing import Any

import pytest

from contracts.recovery import Disarm
from contracts.rollout_pace import RolloutPace
from sandbox.aws.ecr.api import Ecr
from sandbox.aws.ecr.registry import Registry
from sandbox.aws.errors import AwsFault
from services._chassis.clock import moment
from services.recovery.adapters.outlook import AwsOutlook
from services.recovery.domain.fargate_room import Vcpus, quota_warning, surge_of
from services.recovery.domain.image_expiry import Deletion, RepositoryImage, rules_of, when_deleted
from tests.kit import FakeClock, ScriptedAws, refusal
from tests.services.recovery.harness import OTHER, TARGET, Recovery

NOW = 1_800_000_000.0
DAY = 86_400.0
IMAGE = RepositoryImage("sha256:1", ("prod-1",), NOW - 10 * DAY)
UNTAGGED = RepositoryImage("sha256:1", (), NOW - 10 * DAY)


def rule(priority: int, status: str, count: int, kind: str = "sinceImagePushed", **selection: Any) -> dict[str, Any]:
    action = selection.pop("action", "expire")
    selected = {"tagStatus": status, "countType": kind, "countNumber": count, **selection}
    return {"rulePriority": priority, "selection": selected, "action": {"type": action}}


def found(*rules: dict[str, Any], image: RepositoryImage = IMAGE, others: Any = None) -> str:
    deletion = when_deleted(image, rules_of(json.dumps({"rules": rules})), others, NOW)
    return deletion.clause if deletion else ""


def pushed(*days_ago: float, tag: str = "prod-x") -> list[RepositoryImage]:
    return [RepositoryImage(f"sha256:{days}", (tag,), NOW - days * DAY) for days in days_ago]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        pytest.param(found(), "", id="no rule"),
        pytest.param(found(rule(1, "any", 14)), "rule 1 of its repository's lifecycle policy deletes it on", id="age"),
        pytest.param(found(rule(1, "any", 14)), f"{moment(NOW + 4 * DAY):%Y-%m-%d}", id="ten of fourteen days"),
        pytest.param(found(rule(1, "any", 5)), f"{moment(NOW):%Y-%m-%d}", id="due already"),
        pytest.param(found(rule(1, "untagged", 1)), "", id="it has a tag"),
        pytest.param(found(rule(1, "untagged", 14), image=UNTAGGED), "deletes it on", id="its tag was moved"),
        pytest.param(found(rule(1, "tagged", 14, tagPrefixList=["prod"])), "deletes it on", id="prefix"),
        pytest.param(found(rule(1, "tagged", 14, tagPrefixList=["prod", "release"])), "", id="all prefixes must fit"),
        pytest.param(found(rule(1, "tagged", 14, tagPatternList=["*-1"])), "deletes it on", id="pattern"),
        pytest.param(found(rule(1, "tagged", 14, tagPatternList=["prod"])), "", id="a pattern fits whole tags"),
        pytest.param(found(rule(1, "tagged", 14, tagPatternList=["prod-[1]"])), "", id="no other wildcard than a star"),
        pytest.param(
            found(rule(2, "any", 14), rule(1, "tagged", 100, tagPrefixList=["prod"])), "rule 1", id="priority"
        ),
        pytest.param(found(rule(1, "any", 14, action="transition")), "archives it on", id="archived"),
        pytest.param(found(rule(1, "any", 14, "sinceImagePulled")), "is not known here", id="a rule of a later day"),
        pytest.param(
            found(rule(1, "any", 14), image=RepositoryImage("d", (), None)), "is not known here", id="no date"
        ),
        pytest.param(
            found(rule(1, "any", 5, "imageCountMoreThan"), others=[IMAGE, *pushed(1, 2, 20, 30)]),
            "this one after 3 more are pushed",
            id="two of five are newer",
        ),
        pytest.param(
            found(rule(1, "any", 2, "imageCountMoreThan"), others=[IMAGE, *pushed(1, 2)]),
            "this one within a day",
            id="enough are newer",
        ),
        pytest.param(
            found(
                rule(1, "tagged", 2, "imageCountMoreThan", tagPrefixList=["prod"]),
                others=[IMAGE, *pushed(1, tag="test-1"), *pushed(2)],
            ),
            "this one after 1 more",
            id="others that the rule selects count alone",
        ),
        pytest.param(
            found(rule(1, "any", 5, "imageCountMoreThan")), "how many are newer could not be read", id="denied"
        ),
    ],
)
def test_when_a_lifecycle_policy_deletes_an_image(text: str, says: str) -> None:
    assert bool(text) == bool(says)
    assert says in text


@pytest.mark.parametrize(
    ("rules", "newer", "soon"),
    [
        (rule(1, "any", 17), 0, True),
        (rule(1, "any", 18), 0, False),
        (rule(1, "any", 3, "imageCountMoreThan"), 0, True),
        (rule(1, "any", 4, "imageCountMoreThan"), 0, False),
        (rule(1, "any", 4, "imageCountMoreThan"), 1, True),
        (rule(1, "any", 1, "sinceImagePulled"), 0, False),
    ],
)
def test_what_is_deleted_within_a_week_or_after_three_pushes_goes_soon(
    rules: dict[str, Any], newer: int, soon: bool
) -> None:
    others = [IMAGE, *pushed(*range(1, newer + 1))]
    deletion = when_deleted(IMAGE, rules_of(json.dumps({"rules": [rules]})), others, NOW)
    assert deletion is not None
    assert deletion.soon is soon


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"rules": [{}]}', '{"rules": [{"rulePriority": "x"}]}', "null"])
def test_what_is_no_lifecycle_policy_is_told(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  of any text
        rules_of(text)


@pytest.mark.parametrize(
    ("room", "surge", "says"),
    [
        (Vcpus(20, 10), 4, ""),
        (Vcpus(14, 10), 4, ""),
        (Vcpus(13, 10), 4, "uses 10 of 13 Fargate vCPUs"),
        (Vcpus(why="Service Quotas did not answer: AccessDenied"), 4, "is not known: Service Quotas did not answer"),
        (Vcpus(6, why="CloudWatch has no point of its usage"), 4, "CloudWatch has no point"),
        (Vcpus(why="denied"), 0, ""),
    ],
)
def test_whether_the_quota_has_room(room: Vcpus, surge: float, says: str) -> None:
    told = quota_warning(room, surge)
    assert bool(told) == bool(says)
    assert says in told


@pytest.mark.parametrize(
    ("tasks", "maximum", "cpu", "vcpus"), [(4, 200, 512, 2), (3, 150, 1024, 1), (4, 100, 4096, 0), (0, 200, 512, 0)]
)
def test_how_many_vcpus_a_rollback_wants_besides(tasks: int, maximum: int, cpu: int, vcpus: float) -> None:
    assert surge_of(RolloutPace(tasks=tasks, maximum_percent=maximum), cpu) == vcpus


async def two_versions(recovery: Recovery) -> None:
    """Prove two versions, the newer of them live."""
    await recovery.snapshot(purpose="after-change")
    await recovery.deployed(image=OTHER)
    recovery.clock.time += 600
    await recovery.snapshot(purpose="after-change", run="run-2")
    await recovery.send(Disarm(target=TARGET, run_id="run-1"), "disarm")


async def test_a_way_back_of_which_the_image_goes_soon_is_there_and_says_so(recovery: Recovery) -> None:
    await two_versions(recovery)
    recovery.ecs.settings["launchType"] = "FARGATE"
    recovery.outlook.room = Vcpus(why="Service Quotas did not answer GetServiceQuota: AccessDeniedException")
    readiness = await recovery.assess.readiness(TARGET)
    assert readiness is not None
    assert readiness.good
    for way in readiness.ways:
        later = Deletion("the image x: rule 1 deletes it on 2026-12-05")
        recovery.outlook.by_version[way.entry.task_definition] = (later,)
    again = await recovery.assess.readiness(TARGET)
    assert again is not None
    told = {way.entry.snapshot_id: " ".join(way.beware) for way in again.ways}
    assert (again.lost, again.ready) == (readiness.lost, readiness.ready), "it is no loss yet"
    assert all("rule 1 deletes it" in told[snapshot] for snapshot in again.good)
    assert all("AccessDeniedException" in told[snapshot] for snapshot in again.good)


@pytest.mark.parametrize(
    ("settings", "spot"),
    [
        ({"launchType": "EC2"}, []),
        ({"launchType": "FARGATE", "schedulingStrategy": "DAEMON"}, []),
        ({"launchType": "FARGATE", "deploymentConfiguration": {"maximumPercent": 100}}, []),
        ({"launchType": "FARGATE"}, [False]),
        ({"capacityProviderStrategy": [{"capacityProvider": "FARGATE_SPOT"}]}, [True]),
        ({"capacityProviderStrategy": [{"capacityProvider": "mine"}]}, []),
    ],
)
async def test_the_quota_is_asked_for_only_where_tasks_of_fargate_start_beside_others(
    recovery: Recovery, settings: dict[str, Any], spot: list[bool]
) -> None:
    recovery.ecs.settings |= settings
    await two_versions(recovery)
    readiness = await recovery.assess.readiness(TARGET)
    assert readiness is not None
    assert len(readiness.good) == 2
    assert recovery.outlook.asked_for_spot == spot * 2


CODE = "000000000001.dkr.ecr.us-west-2.amazonaws.com/backend"
VERSION: Any = SimpleNamespace(
    task_definition={
        "containerDefinitions": [
            {"name": "app", "image": f"{CODE}:prod-1"},
            {"name": "proxy", "image": "docker.io/library/nginx:1"},
            {"name": "odd", "image": "NOT an image"},
        ]
    },
    digests={"app": "sha256:" + "1" * 64},
)
DETAIL = {"imageDigest": "sha256:" + "1" * 64, "imageTags": ["prod-1"], "imagePushedAt": moment(NOW - 10 * DAY)}
NEWER = [{"imageDigest": f"sha256:{days}", "imagePushedAt": moment(NOW - days * DAY)} for days in (1, 2)]


def policy(*rules: dict[str, Any]) -> dict[str, Any]:
    return {"lifecyclePolicyText": json.dumps({"rules": rules})}


def details(parameters: dict[str, Any]) -> dict[str, Any]:
    """Answer for the image alone, or for the whole repository."""
    return {"imageDetails": [DETAIL] if "imageIds" in parameters else [DETAIL, *NEWER]}


@pytest.mark.parametrize(
    ("answers", "says"),
    [
        ({"get_lifecycle_policy": policy(rule(1, "any", 14)), "describe_images": details}, "deletes it on"),
        (
            {"get_lifecycle_policy": policy(rule(1, "any", 5, "imageCountMoreThan")), "describe_images": details},
            "this one after 3 more are pushed",
        ),
        ({"get_lifecycle_policy": policy(rule(1, "untagged", 1)), "describe_images": details}, ""),
        ({"get_lifecycle_policy": refusal("LifecyclePolicyNotFoundException")}, ""),
        ({"get_lifecycle_policy": refusal("RepositoryNotFoundException")}, ""),
        (
            {
                "get_lifecycle_policy": policy(rule(1, "any", 14)),
                "describe_images": refusal("ImageNotFoundException"),
            },
            "",
        ),
        ({"get_lifecycle_policy": refusal("AccessDeniedException")}, "is not known (ECR"),
        (
            {"get_lifecycle_policy": {"lifecyclePolicyText": "{}"}, "describe_images": details},
            "is not known (its lifecycle policy has another form",
        ),
    ],
)
async def test_the_images_of_ecr_alone_are_looked_at_and_what_is_refused_is_not_known(
    answers: dict[str, Any], says: str
) -> None:
    aws = ScriptedAws(**answers)
    told = await AwsOutlook(aws, FakeClock(NOW)).expiring(TARGET, VERSION)
    assert len(told) == bool(says)
    assert all(says in deletion.clause and "@sha256:111" in deletion.clause for deletion in told)
    assert "secret" not in str(told)
    assert {parameters["registryId"] for _, parameters in aws.calls} == {"000000000001"}


USAGE = {
    "MetricNamespace": "AWS/Usage",
    "MetricName": "ResourceCount",
    "MetricDimensions": {"Class": "Standard/OnDemand", "Resource": "vCPU", "Service": "Fargate", "Type": "Resource"},
    "MetricStatisticRecommendation": "Maximum",
}


MEASURED = {"Quota": {"Value": 30.0, "UsageMetric": USAGE}}


def points(*values: float) -> dict[str, Any]:
    times = [moment(NOW - 300 * number) for number in range(1, len(values) + 1)]
    found = {"Id": "used", "Timestamps": times, "Values": list(values), "StatusCode": "Complete"}
    return {"MetricDataResults": [found]}


@pytest.mark.parametrize(
    ("answers", "quota", "used", "why"),
    [
        ({"get_service_quota": MEASURED, "get_metric_data": points(7, 9)}, 30, 7, ""),
        ({"get_service_quota": MEASURED, "get_metric_data": points()}, 30, None, "no point"),
        ({"get_service_quota": {"Quota": {"Value": 30.0}}}, 30, None, "names no metric"),
        ({"get_service_quota": {}}, None, None, "names no metric"),
        ({"get_service_quota": refusal("AccessDeniedException")}, None, None, "Service Quotas"),
        (
            {"get_service_quota": MEASURED, "get_metric_data": refusal("AccessDenied")},
            None, None, "CloudWatch",
        ),
    ],
)  # fmt: skip
async def test_what_the_account_may_use_of_fargate_and_uses(
    answers: dict[str, Any], quota: float | None, used: float | None, why: str
) -> None:
    found = await AwsOutlook(ScriptedAws(**answers), FakeClock(NOW)).vcpus(TARGET, spot=False)
    assert (found.quota, found.used) == (quota, used)
    assert (bool(found.why), why in found.why) == (bool(why), True)


async def test_a_lifecycle_policy_of_the_simulated_ecr_is_read() -> None:
    registry = Registry("000000000001.dkr.ecr.us-west-2.amazonaws.com")
    repository = registry.repositories[registry.uri]
    ecr = Ecr(registry, "000000000001", "us-west-2", "http://here")
    with pytest.raises(AwsFault, match="does not exist for the repository"):
        ecr.call("GetLifecyclePolicy", {"repositoryName": "backend"}, NOW)
    repository.lifecycle = json.dumps({"rules": [rule(1, "any", 14)]})
    assert rules_of(ecr.call("GetLifecyclePolicy", {"repositoryName": "backend"}, NOW)["lifecyclePolicyText"])
