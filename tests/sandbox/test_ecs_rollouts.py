"""Every behaviour rolled out under virtual time, seen with boto3 only."""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.config import Config

from sandbox.aws.server import SimulatedAws
from sandbox.aws.server.seed import CLUSTER, SERVICE
from sandbox.scenarios.behaviour import Behaviour, Later

if TYPE_CHECKING:
    from mypy_boto3_ecs import ECSClient
    from mypy_boto3_elbv2 import ElasticLoadBalancingv2Client

START = 1_764_000_000.0
SESSION = boto3.Session("testing", "testing", region_name="us-west-2")
BREAKER: Any = {"deploymentCircuitBreaker": {"enable": True, "rollback": True}}


class Account:
    """One simulated account with its clients."""

    def __init__(self, aws: SimulatedAws) -> None:
        self.aws = aws
        config = Config(connect_timeout=5, read_timeout=10, retries={"max_attempts": 1})
        self.ecs: ECSClient = SESSION.client("ecs", endpoint_url=aws.endpoint, config=config)
        self.elb: ElasticLoadBalancingv2Client = SESSION.client("elbv2", endpoint_url=aws.endpoint, config=config)

    def service(self) -> Any:
        return self.ecs.describe_services(cluster=CLUSTER, services=[SERVICE])["services"][0]

    def primary(self) -> Any:
        return self.service()["deployments"][0]

    def register(self, tag: str) -> str:
        old: Any = self.ecs.describe_task_definition(taskDefinition="court-case-backend")["taskDefinition"]
        repository = old["containerDefinitions"][0]["image"].partition(":")[0]
        containers: Any = [{**old["containerDefinitions"][0], "image": f"{repository}:{tag}"}]
        kept = ("family", "cpu", "memory", "networkMode", "requiresCompatibilities", "executionRoleArn")
        body: Any = {key: old[key] for key in kept}
        answer = self.ecs.register_task_definition(**body, containerDefinitions=containers)
        return answer["taskDefinition"]["taskDefinitionArn"]

    def deploy(self, tag: str, **more: Any) -> str:
        """Roll out an image; the id of the new deployment."""
        answer = self.ecs.update_service(cluster=CLUSTER, service=SERVICE, taskDefinition=self.register(tag), **more)
        return answer["service"]["deployments"][0]["id"]

    def tasks(self, **chosen: Any) -> list[Any]:
        arns = self.ecs.list_tasks(cluster=CLUSTER, serviceName=SERVICE, **chosen)["taskArns"]
        return list(self.ecs.describe_tasks(cluster=CLUSTER, tasks=arns)["tasks"]) if arns else []

    def deployment(self) -> Any:
        """The current service deployment."""
        arn = self.service()["currentServiceDeployment"]
        return self.ecs.describe_service_deployments(serviceDeploymentArns=[arn])["serviceDeployments"][0]

    def targets(self) -> list[str]:
        group = self.service()["loadBalancers"][0]["targetGroupArn"]
        answer = self.elb.describe_target_health(TargetGroupArn=group)["TargetHealthDescriptions"]
        return sorted(one["TargetHealth"]["State"] for one in answer)

    def until(self, reached: Callable[[], bool], *, seconds: float = 900, step: float = 10) -> float:
        """Let virtual time pass until ``reached``; how long that took."""
        for passed in range(0, int(seconds), int(step)):
            if reached():
                return float(passed)
            self.aws.step(step)
        pytest.fail(f"not reached within {seconds} virtual seconds: {self.service()['deployments']}")


@pytest.fixture
def account() -> Iterator[Account]:
    with SimulatedAws(clock=lambda: START) as aws:
        yield Account(aws)


def events(account: Account) -> list[str]:
    return [event["message"] for event in reversed(account.service()["events"])]


def test_the_account_starts_steady(account: Account) -> None:
    service = account.service()
    assert (service["runningCount"], service["pendingCount"], service["desiredCount"]) == (3, 0, 3)
    assert [one["rolloutState"] for one in service["deployments"]] == ["COMPLETED"]
    assert account.targets() == ["healthy"] * 3
    assert account.deployment()["status"] == "SUCCESSFUL"
    assert service["createdAt"].timestamp() < START


def test_a_healthy_image_replaces_the_old_tasks_and_keeps_the_minimum(account: Account) -> None:
    before = account.primary()["id"]
    deployment = account.deploy("healthy")
    assert deployment != before
    statuses = [(one["id"], one["status"], one["rolloutState"]) for one in account.service()["deployments"]]
    assert statuses == [(deployment, "PRIMARY", "IN_PROGRESS"), (before, "ACTIVE", "COMPLETED")]

    fewest = 9

    def completed() -> bool:
        nonlocal fewest
        fewest = min(fewest, account.targets().count("healthy"))
        return bool(account.primary()["rolloutState"] == "COMPLETED")

    taken = account.until(completed)
    assert 40 < taken < 150
    assert fewest >= 3
    assert len(account.service()["deployments"]) == 1
    assert account.deployment()["status"] == "SUCCESSFUL"
    running = account.tasks(startedBy=deployment)
    assert {task["lastStatus"] for task in running} == {"RUNNING"}
    assert len({task["containers"][0]["imageDigest"] for task in running}) == 1
    stopped = account.tasks(desiredStatus="STOPPED")
    assert {task["stopCode"] for task in stopped} == {"ServiceSchedulerInitiated"}
    assert {task["stoppedReason"] for task in stopped} == {f"Scaling activity initiated by deployment {deployment}"}
    said = " ".join(events(account))
    for words in ("has started 3 tasks", "registered 1 targets in", "has begun draining connections on",
                  "deregistered", "has stopped", "deployment completed.", "has reached a steady state."):  # fmt: skip
        assert words in said


def test_a_crash_loop_never_completes_and_the_old_tasks_stay(account: Account) -> None:
    before = account.primary()["id"]
    deployment = account.deploy("crash-loop")
    account.until(lambda: account.primary()["failedTasks"] >= 6)
    service = account.service()
    assert [one["rolloutState"] for one in service["deployments"]] == ["IN_PROGRESS", "COMPLETED"]
    assert account.deployment()["status"] == "IN_PROGRESS"
    assert account.targets().count("healthy") == 3
    assert {task["lastStatus"] for task in account.tasks(startedBy=before)} == {"RUNNING"}
    crashed = account.tasks(desiredStatus="STOPPED", startedBy=deployment)[0]
    assert (crashed["stopCode"], crashed["containers"][0]["exitCode"]) == ("EssentialContainerExited", 1)
    assert crashed["stoppedReason"] == "Essential container in task exited"


def test_an_image_for_another_architecture_is_never_pulled_and_ecs_backs_off(account: Account) -> None:
    deployment = account.deploy("wrong-architecture")
    account.until(lambda: account.primary()["failedTasks"] >= 9)
    stopped = account.tasks(desiredStatus="STOPPED", startedBy=deployment)[-1]
    assert stopped["stopCode"] == "TaskFailedToStart"
    assert stopped["stoppedReason"].startswith("CannotPullContainerError: ")
    assert "platform 'linux/amd64'" in stopped["containers"][0]["reason"]
    assert "exitCode" not in stopped["containers"][0]
    account.aws.step(1)
    waiting = account.tasks(startedBy=deployment)
    assert waiting == []
    assert any("unable to consistently start tasks successfully" in message for message in events(account))
    taken = account.until(lambda: account.primary()["failedTasks"] > 9)
    assert taken >= 40, "the third wait is longer than the first"
    assert account.targets().count("healthy") == 3


def test_a_tag_that_does_not_exist_cannot_be_pulled(account: Account) -> None:
    deployment = account.deploy("no-such-tag")
    account.until(lambda: account.primary()["failedTasks"] >= 1)
    stopped = account.tasks(desiredStatus="STOPPED", startedBy=deployment)[0]
    assert stopped["stoppedReason"].endswith("backend:no-such-tag: not found")


def test_unhealthy_tasks_are_replaced_again_and_again(account: Account) -> None:
    deployment = account.deploy("unhealthy")
    account.until(lambda: "unhealthy" in account.targets())
    account.until(lambda: account.primary()["failedTasks"] >= 4)
    stopped = account.tasks(desiredStatus="STOPPED", startedBy=deployment)[0]
    assert stopped["stoppedReason"].startswith("Task failed ELB health checks in (target-group arn:aws:")
    assert account.targets().count("healthy") == 3
    assert any("is unhealthy in (target-group" in message and "[503]" in message for message in events(account))


def test_a_task_that_falls_ill_later_is_replaced(account: Account) -> None:
    later = Later(after=300, passes_health_check=False)
    account.aws.world.registry.push("ailing", Behaviour(name="ailing", later=later))
    account.deploy("ailing")
    account.until(lambda: account.primary()["rolloutState"] == "COMPLETED")
    first = {task["taskArn"] for task in account.tasks()}
    account.aws.step(480)
    assert first.isdisjoint(task["taskArn"] for task in account.tasks())
    assert any("is unhealthy in (target-group" in one for one in events(account))


@pytest.mark.parametrize("tag", ["slow", "memory-leak", "database-failure"])
def test_what_ecs_cannot_see_completes(account: Account, tag: str) -> None:
    account.deploy(tag)
    account.until(lambda: account.primary()["rolloutState"] == "COMPLETED")
    assert {task.behaviour.name for task in account.aws.world.views()[0].tasks} == {tag}


def test_a_leaking_task_is_killed_by_the_kernel_and_replaced(account: Account) -> None:
    deployment = account.deploy("memory-leak")
    account.until(lambda: account.primary()["rolloutState"] == "COMPLETED")
    account.until(lambda: bool(account.tasks(desiredStatus="STOPPED", startedBy=deployment)), seconds=900)
    killed = account.tasks(desiredStatus="STOPPED", startedBy=deployment)[0]["containers"][0]
    assert killed["exitCode"] == 137
    assert killed["reason"] == "OutOfMemoryError: Container killed due to memory usage"
    account.until(lambda: account.service()["runningCount"] == 3)
    assert account.primary()["rolloutState"] == "COMPLETED"


def test_the_circuit_breaker_fails_the_roll_out_and_rolls_back(account: Account) -> None:
    before = account.service()["taskDefinition"]
    account.ecs.update_service(cluster=CLUSTER, service=SERVICE, deploymentConfiguration=BREAKER)
    assert len(account.service()["deployments"]) == 1, "a configuration alone starts no deployment"
    failed = account.deploy("crash-loop")
    account.until(lambda: account.primary()["id"] != failed, step=1)
    service = account.service()
    states = {one["id"]: (one["rolloutState"], one["rolloutStateReason"]) for one in service["deployments"]}
    assert states[failed] == ("FAILED", "ECS deployment circuit breaker: tasks failed to start.")
    assert states[service["deployments"][0]["id"]][1].startswith("ECS deployment circuit breaker: rolling back to")
    assert service["taskDefinition"] == before
    record = account.deployment()
    assert record["status"] == "ROLLBACK_IN_PROGRESS"
    assert record["deploymentCircuitBreaker"] == {"status": "TRIGGERED", "failureCount": 3, "threshold": 3}
    account.until(lambda: account.primary()["rolloutState"] == "COMPLETED")
    assert account.deployment()["status"] == "ROLLBACK_SUCCESSFUL"
    assert account.service()["runningCount"] == 3
    assert any(f"(deployment {failed}) deployment failed: tasks failed to start." in one for one in events(account))


def test_a_breaker_without_rollback_stops_launching(account: Account) -> None:
    breaker = {"deploymentCircuitBreaker": {"enable": True, "rollback": False}}
    failed = account.deploy("crash-loop", deploymentConfiguration=breaker)
    account.until(lambda: account.primary()["rolloutState"] == "FAILED")
    account.aws.step(120)
    assert account.tasks(startedBy=failed) == []
    assert account.deployment()["status"] == "STOPPED"
    assert account.targets() == ["healthy"] * 3


def test_a_breaker_that_is_tuned_trips_at_its_own_threshold(account: Account) -> None:
    threshold = {"type": "COUNT", "value": 5}
    breaker: Any = {"enable": True, "rollback": True, "thresholdConfiguration": threshold}
    failed = account.deploy("crash-loop", deploymentConfiguration={"deploymentCircuitBreaker": breaker})
    account.until(lambda: account.primary()["id"] != failed, step=1)
    told = account.deployment()["deploymentCircuitBreaker"]
    assert (told["status"], told["threshold"]) == ("TRIGGERED", 5)
    assert told["failureCount"] >= 5


def test_a_newer_deployment_supersedes_an_unfinished_one(account: Account) -> None:
    first = account.deploy("crash-loop")
    unfinished = account.service()["currentServiceDeployment"]
    account.aws.step(30)
    second = account.deploy("healthy")
    account.until(lambda: account.primary()["rolloutState"] == "COMPLETED")
    assert account.primary()["id"] == second
    assert account.tasks(startedBy=first) == []
    old = account.ecs.describe_service_deployments(serviceDeploymentArns=[unfinished])["serviceDeployments"][0]
    assert old["status"] == "STOPPED"


@pytest.mark.parametrize(
    ("kind", "status", "healed"), [("ROLLBACK", "ROLLBACK_SUCCESSFUL", True), ("ABORT", "STOPPED", False)]
)
def test_a_deployment_can_be_stopped(account: Account, kind: Any, status: str, healed: bool) -> None:
    before = account.service()["taskDefinition"]
    account.deploy("crash-loop")
    account.aws.step(40)
    arn = account.service()["currentServiceDeployment"]
    listed = account.ecs.list_service_deployments(cluster=CLUSTER, service=SERVICE, status=["PENDING", "IN_PROGRESS"])[
        "serviceDeployments"
    ]
    assert [one["serviceDeploymentArn"] for one in listed] == [arn]
    account.ecs.stop_service_deployment(serviceDeploymentArn=arn, stopType=kind)
    account.until(lambda: account.deployment()["status"] == status)
    assert (account.service()["taskDefinition"] == before) is healed
    with pytest.raises(account.ecs.exceptions.ConflictException):
        account.ecs.stop_service_deployment(serviceDeploymentArn=arn, stopType="ROLLBACK")


def test_scaling_starts_no_deployment(account: Account) -> None:
    before = account.primary()["id"]
    account.ecs.update_service(cluster=CLUSTER, service=SERVICE, desiredCount=5)
    account.until(lambda: account.targets() == ["healthy"] * 5)
    account.ecs.update_service(cluster=CLUSTER, service=SERVICE, desiredCount=2)
    account.until(lambda: account.targets() == ["healthy"] * 2)
    assert account.primary()["id"] == before


def test_a_forced_deployment_starts_the_same_image_anew(account: Account) -> None:
    before = account.primary()["id"]
    account.ecs.update_service(cluster=CLUSTER, service=SERVICE, forceNewDeployment=True)
    assert account.primary()["id"] != before
    account.until(lambda: account.primary()["rolloutState"] == "COMPLETED")


def test_the_same_seed_and_calls_give_the_same_history_at_any_step() -> None:
    def history(step: float) -> list[tuple[float, str]]:
        with SimulatedAws(clock=lambda: START, seed=7) as aws:
            account = Account(aws)
            account.deploy("crash-loop")
            account.until(lambda: aws.world.now >= START + 120, step=step)
            told = account.service()["events"]
            return [
                (event["createdAt"].timestamp(), event["message"].partition("target-group")[0])
                for event in told
                if event["createdAt"].timestamp() <= START + 120
            ]

    fine, coarse = history(2), history(60)
    assert len(fine) > 5
    assert fine == coarse
