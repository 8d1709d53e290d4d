"""Services of other kinds than the sandbox's own: daemons, sidecars, images of any registry, schedules."""

from typing import Any

import pytest
from botocore.exceptions import ClientError

from sandbox.scenarios.incident import Incident
from tests.sandbox.built import ECR, built

DAEMON: dict[str, Any] = {
    "service": {
        "scheduling_strategy": "DAEMON",
        "launch_type": "EC2",
        "load_balancers": [],
        "task_definition": {"network_mode": "bridge"},
    },
    "container_instances": 4,
}
SIDECAR = "public.ecr.aws/acme/router:1"
WITH_SIDECAR: dict[str, Any] = {
    "service": {
        "task_definition": {"container_definitions": [{"name": "router", "image": SIDECAR}, {"name": "backend"}]}
    }
}


def test_a_daemon_runs_once_on_each_instance_and_has_no_desired_count() -> None:
    """ECS developer guide, "Amazon ECS services", DAEMON; ECS API reference, UpdateService."""
    with built(DAEMON) as made:
        service = made.service()
        assert (service["schedulingStrategy"], service["desiredCount"], service["runningCount"]) == ("DAEMON", 4, 4)
        assert len({task["containerInstanceArn"] for task in made.tasks()}) == 4
        assert {task["launchType"] for task in made.tasks()} == {"EC2"}
        configuration = service["deploymentConfiguration"]
        assert (configuration["minimumHealthyPercent"], configuration["maximumPercent"]) == (0, 100)
        with pytest.raises(ClientError, match="does not support a desired count"):
            made.ecs.update_service(cluster="CourtCaseCluster", service="BackendService", desiredCount=4)
        with pytest.raises(ClientError, match="values above 100"):
            made.deploy(f"{ECR}/backend:healthy", deploymentConfiguration={"maximumPercent": 200})
        made.deploy(f"{ECR}/backend:healthy")
        made.aws.step(300)
        assert made.service()["deployments"][0]["rolloutState"] == "COMPLETED"
        assert len({task["containerInstanceArn"] for task in made.tasks()}) == 4


def test_each_container_has_an_image_of_its_own_and_the_named_one_serves() -> None:
    with built(WITH_SIDECAR) as made:
        (first, *_) = made.tasks()
        images = {container["name"]: container["image"] for container in first["containers"]}
        assert images == {"router": SIDECAR, "backend": f"{ECR}/backend:1.0"}
        digests = {container["imageDigest"] for container in first["containers"]}
        assert len(digests) == 2
        assert made.get("http://app.sandbox/health").status_code == 200


def test_the_end_of_an_essential_sidecar_is_the_end_of_the_task() -> None:
    """ECS API reference, ContainerDefinition, essential."""
    with built(WITH_SIDECAR, {SIDECAR: {"crash_after": 100, "exit_code": 7}}) as made:
        ended = made.tasks(status="STOPPED")
        codes = {container["name"]: container["exitCode"] for container in ended[0]["containers"]}
        assert codes == {"router": 7, "backend": 0}
        assert ended[0]["stopCode"] == "EssentialContainerExited"


def test_an_image_that_is_deleted_is_found_by_nobody() -> None:
    with built() as made:
        made.aws.happen(Incident(deletes_image="1.0"))
        with pytest.raises(ClientError, match="ImageNotFoundException"):
            made.client("ecr").describe_images(repositoryName="backend", imageIds=[{"imageTag": "1.0"}])
        made.ecs.update_service(cluster="CourtCaseCluster", service="BackendService", forceNewDeployment=True)
        made.aws.step(60)
        assert "not found" in made.tasks(status="STOPPED")[0]["stoppedReason"]
        assert made.service()["runningCount"] == 3, "what runs runs on"


def test_a_pull_through_cache_lists_what_was_pulled() -> None:
    """ECR user guide, "Using pull through cache rules"."""
    cached = f"{ECR}/docker-hub/library/court:1"
    with built(images={cached: {"pull_through": True}}) as made:
        ecr = made.client("ecr")
        asked = {"repositoryName": "docker-hub/library/court", "imageIds": [{"imageTag": "1"}]}
        with pytest.raises(ClientError, match="RepositoryNotFoundException"):
            ecr.describe_images(**asked)
        made.deploy(cached)
        made.aws.step(200)
        assert ecr.describe_images(**asked)["imageDetails"][0]["repositoryName"] == "docker-hub/library/court"
        assert made.service()["deployments"][0]["rolloutState"] == "COMPLETED"


@pytest.mark.parametrize(("readable", "found"), [(True, "1"), (False, "AccessDeniedException")])
def test_another_account_lets_one_look_or_not(readable: bool, found: str) -> None:
    theirs = "210987654321.dkr.ecr.us-west-2.amazonaws.com/backend:1"
    with built(images={theirs: {"readable": readable}}) as made:
        asked = {"registryId": "210987654321", "repositoryName": "backend", "imageIds": [{"imageTag": "1"}]}
        try:
            answer = made.client("ecr").batch_get_image(**asked)["images"][0]["imageId"]["imageTag"]
        except ClientError as error:
            answer = error.response["Error"]["Code"]
        assert answer == found


def test_sizes_are_kept_in_units_however_they_were_written() -> None:
    """ECS API reference, RegisterTaskDefinition, cpu and memory."""
    with built({"service": {"task_definition": {"cpu": ".5 vCPU", "memory": "1 GB"}}}) as made:
        definition = made.ecs.describe_task_definition(taskDefinition=made.service()["taskDefinition"])
        assert (definition["taskDefinition"]["cpu"], definition["taskDefinition"]["memory"]) == ("512", "1024")


def test_nobody_is_wanted_at_night_and_three_in_the_morning() -> None:
    """Application Auto Scaling user guide, "Scheduled scaling"."""
    night = {"scheduled_action_name": "night", "schedule": "cron(5 16 * * ? *)", "min_capacity": 0, "max_capacity": 0}
    morning = {"scheduled_action_name": "day", "schedule": "cron(30 16 * * ? *)", "min_capacity": 3, "max_capacity": 6}
    with built({"service": {"scaling": {"scheduled_actions": [night, morning]}}}) as made:  # it is 16:00 UTC
        made.aws.step(600)
        assert made.service()["desiredCount"] == 0
        made.aws.step(1500)
        assert made.service()["desiredCount"] == 3


def test_everything_of_a_service_can_be_deleted_and_nothing_of_another_goes_with_it() -> None:
    other = {"service_name": "Other", "load_balancers": [], "task_definition": {"family": "other"}}
    with built({"other_services": [other]}) as made:
        made.aws.happen(Incident(deletes="everything"))
        made.aws.step(400)
        assert (made.service()["status"], made.service("Other")["status"]) == ("INACTIVE", "ACTIVE")
        assert made.service("Other")["runningCount"] == 3
        balancing, scaling = made.client("elbv2"), made.client("application-autoscaling")
        assert balancing.describe_target_groups()["TargetGroups"] == []
        scaled = scaling.describe_scalable_targets(ServiceNamespace="ecs")["ScalableTargets"]
        assert [target["ResourceId"] for target in scaled] == ["service/CourtCaseCluster/Other"]
        assert made.ask("/health") == ()
        assert made.client("logs").describe_log_groups()["logGroups"], "the other one writes there as well"
        groups = made.client("ec2").describe_security_groups()["SecurityGroups"]
        assert "backend" in {group["GroupName"] for group in groups}
        assert len(made.ecs.list_task_definitions(status="ACTIVE")["taskDefinitionArns"]) == 1
