"""What a service meets beyond its own image: Spot, subnets, secrets, drains and stops, other ways to deploy."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from sandbox.aws.accounts import REGION
from sandbox.aws.ecs.deployments import provider
from sandbox.aws.server.in_process import InProcessAws
from sandbox.aws.server.incidents import Impossible
from sandbox.aws.server.seed import CLUSTER, FAMILY, SERVICE
from sandbox.scenarios.behaviour import Behaviour
from sandbox.scenarios.incident import Incident
from sandbox.virtual.aws import InProcessConnection

SPOT: Any = [{"capacityProvider": "FARGATE_SPOT", "weight": 1}]
ON = {"cluster": CLUSTER, "service": SERVICE}


class Aws:
    """An account in this process with its clients."""

    def __init__(self, account: InProcessAws) -> None:
        self._connection = InProcessConnection(REGION, account.open("http://aws.sandbox", "app.sandbox", [80]))
        self.account = account
        self.ecs = self.client("ecs")

    def client(self, name: str) -> Any:
        return self._connection.client(name)

    def service(self) -> Any:
        return self.ecs.describe_services(cluster=CLUSTER, services=[SERVICE])["services"][0]

    def tasks(self, status: str = "RUNNING") -> list[Any]:
        arns = self.ecs.list_tasks(cluster=CLUSTER, desiredStatus=status)["taskArns"]
        return list(self.ecs.describe_tasks(cluster=CLUSTER, tasks=arns)["tasks"]) if arns else []

    def register(self, **changes: Any) -> str:
        old = self.ecs.describe_task_definition(taskDefinition=FAMILY)["taskDefinition"]
        kept = ("family", "cpu", "memory", "networkMode", "requiresCompatibilities", "executionRoleArn")
        body = {name: old[name] for name in kept}
        container = {**old["containerDefinitions"][0], **changes}
        made = self.ecs.register_task_definition(**body, containerDefinitions=[container])
        return str(made["taskDefinition"]["taskDefinitionArn"])

    def network(self) -> Any:
        return self.service()["networkConfiguration"]

    def targets(self) -> list[str]:
        group = self.service()["loadBalancers"][0]["targetGroupArn"]
        told = self.client("elbv2").describe_target_health(TargetGroupArn=group)["TargetHealthDescriptions"]
        return sorted(one["TargetHealth"]["State"] for one in told)


@pytest.fixture
def aws() -> Iterator[Aws]:
    account = InProcessAws(lambda: 1_764_000_000.0)
    yield Aws(account)
    account.close()


def test_base_and_weight_share_the_tasks() -> None:
    """ECS developer guide, "Amazon ECS capacity providers": base first, then by weight."""
    strategy = [
        {"capacityProvider": "FARGATE", "base": 2, "weight": 1},
        {"capacityProvider": "FARGATE_SPOT", "weight": 3},
    ]
    placed: list[str] = []
    for _ in range(10):
        placed.append(provider(strategy, placed))
    assert placed[:2] == ["FARGATE", "FARGATE"]
    assert Counter(placed) == {"FARGATE": 4, "FARGATE_SPOT": 6}


def test_another_strategy_wants_a_new_deployment_and_a_spot_task_is_taken_back(aws: Aws) -> None:
    """ECS API reference, UpdateService; developer guide, termination notices of Fargate Spot."""
    with pytest.raises(ClientError, match="you must force a new deployment"):
        aws.ecs.update_service(**ON, capacityProviderStrategy=SPOT)
    with pytest.raises(Impossible, match="0 tasks run on Spot, so that 1 cannot be taken back"):
        aws.account.happen(Incident(interrupts=1))
    aws.ecs.update_service(**ON, capacityProviderStrategy=SPOT, forceNewDeployment=True)
    aws.account.step(300)
    service = aws.service()
    assert "launchType" not in service
    assert service["capacityProviderStrategy"][0]["capacityProvider"] == "FARGATE_SPOT"
    tasks = aws.tasks()
    assert {task["capacityProviderName"] for task in tasks} == {"FARGATE_SPOT"}
    aws.account.happen(Incident(interrupts=1))
    (going,) = [task for task in aws.tasks("STOPPED") if task["stopCode"] == "SpotInterruption"]
    assert (going["lastStatus"], going["stoppedReason"]) == ("STOPPING", "Your Spot Task was interrupted.")
    assert aws.targets() == ["draining", "healthy", "healthy"]  # nobody waits for that
    aws.account.step(120)
    assert {task["lastStatus"] for task in aws.tasks("STOPPED")} == {"STOPPED"}
    assert len(aws.tasks()) == 3
    assert aws.service()["deployments"][0]["failedTasks"] == 0
    aws.ecs.update_service(**ON, capacityProviderStrategy=[], forceNewDeployment=True)
    assert aws.service()["launchType"] == "FARGATE"


def test_a_full_subnet_has_no_place_for_a_task(aws: Aws) -> None:
    """ECS developer guide, "Stopped tasks error messages", Create Network Interface."""
    subnets = aws.client("ec2")
    ids = aws.service()["networkConfiguration"]["awsvpcConfiguration"]["subnets"]
    before = [one["AvailableIpAddressCount"] for one in subnets.describe_subnets(SubnetIds=ids)["Subnets"]]
    aws.ecs.update_service(**ON, desiredCount=5)
    aws.account.step(120)
    after = [one["AvailableIpAddressCount"] for one in subnets.describe_subnets(SubnetIds=ids)["Subnets"]]
    assert sum(before) - sum(after) == 2
    aws.account.happen(Incident(subnets="full"))
    aws.ecs.update_service(**ON, desiredCount=6)
    aws.account.step(30)
    stopped = aws.tasks("STOPPED")
    assert stopped
    assert {task["stopCode"] for task in stopped} == {"TaskFailedToStart"}
    assert stopped[0]["stoppedReason"].endswith(": InsufficientFreeAddressesInSubnet")
    aws.account.happen(Incident(subnets="back"))
    aws.account.step(900)
    assert len(aws.tasks()) == 6


def test_the_last_address_of_a_subnet_is_for_a_task(aws: Aws) -> None:
    ec2 = aws.client("ec2")
    made = ec2.create_subnet(VpcId=ec2.describe_vpcs()["Vpcs"][0]["VpcId"], CidrBlock="172.31.200.0/28")["Subnet"]
    assert made["AvailableIpAddressCount"] == 11
    network = {"awsvpcConfiguration": {"subnets": [made["SubnetId"]]}}
    run: Any = {"cluster": CLUSTER, "taskDefinition": FAMILY, "launchType": "FARGATE", "networkConfiguration": network}
    aws.ecs.run_task(**run, count=10)
    aws.ecs.run_task(**run)
    aws.account.step(60)
    assert len(aws.tasks()) == 3 + 11
    aws.ecs.run_task(**run)
    aws.account.step(60)
    assert len(aws.tasks()) == 3 + 11


def test_a_task_without_its_secret_does_not_start(aws: Aws) -> None:
    """ECS developer guide, "Stopped tasks error messages", ResourceInitializationError."""
    secret = aws.ecs.describe_task_definition(taskDefinition=FAMILY)["taskDefinition"]["containerDefinitions"][0][
        "secrets"
    ][0]["valueFrom"]
    manager = aws.client("secretsmanager")
    manager.delete_secret(SecretId=secret)
    aws.ecs.update_service(**ON, desiredCount=4)
    aws.account.step(40)
    reason = aws.tasks("STOPPED")[0]["stoppedReason"]
    assert reason.startswith("ResourceInitializationError: unable to pull secrets or registry auth: ")
    assert f"failed to fetch secret {secret} from secrets manager: ResourceNotFoundException" in reason
    manager.restore_secret(SecretId=secret)
    aws.account.step(600)
    assert len(aws.tasks()) == 4


def test_a_parameter_that_is_not_there_is_a_secret_that_is_not_there(aws: Aws) -> None:
    arn = "arn:aws:ssm:us-west-2:123456789012:parameter/court/key"
    named = aws.register(secrets=[{"name": "KEY", "valueFrom": arn}])
    aws.ecs.update_service(**ON, taskDefinition=named)
    aws.account.step(30)
    assert "unable to retrieve secrets from ssm" in aws.tasks("STOPPED")[0]["stoppedReason"]
    aws.client("ssm").put_parameter(Name="/court/key", Value="v", Type="SecureString")
    aws.account.step(600)
    versioned = aws.register(secrets=[{"name": "KEY", "valueFrom": f"{arn}:99"}])
    aws.ecs.run_task(
        cluster=CLUSTER, taskDefinition=versioned, launchType="FARGATE",
        networkConfiguration=aws.network(),
    )  # fmt: skip
    aws.account.step(60)
    assert "parameter/court/key:99" in aws.tasks("STOPPED")[-1]["stoppedReason"]
    assert aws.service()["taskDefinition"] == named
    assert aws.service()["deployments"][0]["rolloutState"] == "COMPLETED"


@pytest.mark.parametrize(("stop_seconds", "code"), [(15, 0), (60, 137)])
def test_a_container_has_its_stop_timeout_after_its_target_has_drained(aws: Aws, stop_seconds: int, code: int) -> None:
    """ECS developer guide, "Task definition parameters", stopTimeout; ELB user guide, "Deregistration delay"."""
    registry = aws.account.world.registry
    registry.push("mine", Behaviour(stop_seconds=stop_seconds))
    aws.ecs.update_service(**ON, taskDefinition=aws.register(image=f"{registry.uri}:mine", stopTimeout=20))
    aws.account.step(600)
    task = aws.tasks()[0]["taskArn"]
    group = aws.service()["loadBalancers"][0]["targetGroupArn"]
    attributes = [{"Key": "deregistration_delay.timeout_seconds", "Value": "100"}]
    aws.client("elbv2").modify_target_group_attributes(TargetGroupArn=group, Attributes=attributes)
    aws.ecs.stop_task(cluster=CLUSTER, task=task)
    lived = {"DEACTIVATING": 0}
    for second in range(1, 200):
        aws.account.step(1)
        (now,) = aws.ecs.describe_tasks(cluster=CLUSTER, tasks=[task])["tasks"]
        lived.setdefault(now["lastStatus"], second)
    assert lived["STOPPING"] - lived["DEACTIVATING"] == 100
    assert lived["DEPROVISIONING"] - lived["STOPPING"] == min(stop_seconds, 20)
    assert now["containers"][0]["exitCode"] == code


def test_a_service_for_instances_finds_none(aws: Aws) -> None:
    """ECS developer guide, "Amazon ECS service event messages"."""
    aws.ecs.register_task_definition(family="ec2", containerDefinitions=[{"name": "a", "image": "b", "memory": 64}])
    aws.ecs.create_service(cluster=CLUSTER, serviceName="ec2", taskDefinition="ec2", desiredCount=1)
    aws.account.step(60)
    (service,) = aws.ecs.describe_services(cluster=CLUSTER, services=["ec2"])["services"]
    assert (service["launchType"], service["runningCount"]) == ("EC2", 0)
    assert "No Container Instances were found in your cluster." in service["events"][0]["message"]
    with pytest.raises(ClientError, match="No Container Instances were found in your cluster"):
        aws.ecs.run_task(cluster=CLUSTER, taskDefinition="ec2")
    with pytest.raises(ClientError, match="Task definition does not support launch_type FARGATE"):
        aws.ecs.run_task(cluster=CLUSTER, taskDefinition="ec2", launchType="FARGATE")


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"launchType": "FARGATE", "capacityProviderStrategy": SPOT}, "Specifying both a launch type and capacity"),
        ({"capacityProviderStrategy": [{"capacityProvider": "FARGATE_SPTO"}]}, "'FARGATE_SPTO' was not found"),
        ({"launchType": "FARGATE", "count": 11}, "Count must be between 1 and 10"),
        (
            {"overrides": {"containerOverrides": [{"name": "web"}]}},
            "container named web is not a container",
        ),
        (
            {"capacityProviderStrategy": [{"capacityProvider": "FARGATE"}, {"capacityProvider": "FARGATE_SPOT"}]},
            "a weight greater than zero",
        ),
    ],
)
def test_a_task_has_one_place_to_run(aws: Aws, change: Any, why: str) -> None:
    """ECS API reference, RunTask, launchType and capacityProviderStrategy."""
    with pytest.raises(ClientError, match=why):
        aws.ecs.run_task(cluster=CLUSTER, taskDefinition=FAMILY, networkConfiguration=aws.network(), **change)


def test_without_capacity_a_task_is_not_run(aws: Aws) -> None:
    aws.account.happen(Incident(capacity="gone"))
    answer = aws.ecs.run_task(
        cluster=CLUSTER, taskDefinition=FAMILY, launchType="FARGATE", networkConfiguration=aws.network()
    )
    assert answer["tasks"] == []
    assert answer["failures"][0]["reason"].startswith("Capacity is unavailable at this time.")


@pytest.mark.parametrize(("by", "tags"), [("NONE", []), ("SERVICE", ["application"]), ("TASK_DEFINITION", ["of"])])
def test_tags_are_propagated_as_the_service_says(aws: Aws, by: str, tags: list[str]) -> None:
    """ECS developer guide, "Tagging your resources": propagateTags."""
    aws.ecs.tag_resource(resourceArn=aws.service()["taskDefinition"], tags=[{"key": "of", "value": "definition"}])
    aws.ecs.update_service(**ON, propagateTags=by, forceNewDeployment=True)
    aws.account.step(300)
    arns = aws.ecs.list_tasks(cluster=CLUSTER, serviceName=SERVICE)["taskArns"]
    (task, *_) = aws.ecs.describe_tasks(cluster=CLUSTER, tasks=arns, include=["TAGS"])["tasks"]
    assert [tag["key"] for tag in task["tags"]] == tags


def test_what_ecs_refuses_does_not_happen(aws: Aws) -> None:
    aws.ecs.update_service(**ON, deploymentConfiguration={"strategy": "BLUE_GREEN"})
    with pytest.raises(Impossible, match="ECS refuses it: The simulated ECS keeps BLUE_GREEN services"):
        aws.account.happen(Incident(database="away", deploys="healthy"))
    assert aws.account.world.conditions.database


def test_secrets_can_be_gone_and_come_back(aws: Aws) -> None:
    aws.account.happen(Incident(secrets="gone"))
    aws.ecs.update_service(**ON, desiredCount=4)
    aws.account.step(40)
    assert "ResourceNotFoundException" in aws.tasks("STOPPED")[0]["stoppedReason"]
    aws.account.happen(Incident(secrets="back"))
    aws.account.step(600)
    assert len(aws.tasks()) == 4


@pytest.mark.parametrize("strategy", ["BLUE_GREEN", "LINEAR", "CANARY"])
def test_a_strategy_that_is_not_simulated_is_kept_and_deploys_nothing(aws: Aws, strategy: str) -> None:
    aws.ecs.update_service(**ON, deploymentConfiguration={"strategy": strategy, "bakeTimeInMinutes": 5})
    assert aws.service()["deploymentConfiguration"]["strategy"] == strategy
    with pytest.raises(ClientError, match=f"keeps {strategy} services, and deploys none of them anew"):
        aws.ecs.update_service(**ON, forceNewDeployment=True)
    aws.ecs.update_service(**ON, desiredCount=4)
    aws.account.step(120)
    assert aws.service()["runningCount"] == 4


def test_nothing_waits_to_be_continued(aws: Aws) -> None:
    """ECS API reference, ContinueServiceDeployment."""
    current = aws.service()["currentServiceDeployment"]
    with pytest.raises(ClientError, match="No lifecycle hook h-1 of the service deployment awaits an action"):
        aws.ecs.continue_service_deployment(serviceDeploymentArn=current, hookId="h-1")
    with pytest.raises(ClientError, match="ServiceDeploymentNotFoundException"):
        aws.ecs.continue_service_deployment(serviceDeploymentArn=f"{current}0", hookId="h-1")


def test_the_alarms_of_target_tracking_lie_around_the_target(aws: Aws) -> None:
    """Application Auto Scaling user guide, "How target tracking scaling works": they are AWS's own, and armed."""
    alarms = aws.client("cloudwatch").describe_alarms(AlarmNamePrefix="TargetTracking-")["MetricAlarms"]
    assert sorted(alarm["Threshold"] for alarm in alarms) == [63.0, 70.0]
    aws.account.step(1200)
    firing = aws.client("cloudwatch").describe_alarms(StateValue="ALARM")["MetricAlarms"]
    assert [alarm["ComparisonOperator"] for alarm in firing] == ["LessThanThreshold"]


def test_what_code_deploy_deploys_is_not_deployed_by_ecs(aws: Aws) -> None:
    """ECS API reference, UpdateService, services of the CODE_DEPLOY controller; TaskSet."""
    named: Any = {"networkConfiguration": aws.service()["networkConfiguration"], "launchType": "FARGATE"}
    made = aws.ecs.create_service(
        cluster=CLUSTER, serviceName="theirs", taskDefinition=FAMILY, desiredCount=2,
        deploymentController={"type": "CODE_DEPLOY"}, **named,
    )["service"]  # fmt: skip
    assert (made["deployments"], made["taskSets"][0]["status"]) == ([], "PRIMARY")
    aws.account.step(120)
    (service,) = aws.ecs.describe_services(cluster=CLUSTER, services=["theirs"])["services"]
    assert service["taskSets"][0]["stabilityStatus"] == "STEADY_STATE"
    with pytest.raises(ClientError, match="Unable to update task definition on services with a CODE_DEPLOY"):
        aws.ecs.update_service(cluster=CLUSTER, service="theirs", taskDefinition=aws.register())


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"loadBalancers": [{"containerName": "web", "containerPort": 8000}]}, "container web does not exist"),
        (
            {"loadBalancers": [{"containerName": "backend", "containerPort": 1}]},
            "did not have a container port 1 ",
        ),
        (
            {"loadBalancers": [{"containerName": "backend", "containerPort": 8000, "targetGroupArn": "arn:none"}]},
            "The target group with targetGroupArn arn:none does not have an associated load balancer",
        ),
        ({"networkConfiguration": {"awsvpcConfiguration": {"subnets": ["subnet-1"]}}}, "subnet ID 'subnet-1' does not"),
    ],
)
def test_what_does_not_fit_is_refused(aws: Aws, change: Any, why: str) -> None:
    with pytest.raises(ClientError, match=why):
        aws.ecs.update_service(**ON, **change)


def test_lost_events_are_heard_by_nobody(aws: Aws) -> None:
    queues, events = aws.client("sqs"), aws.client("events")
    url = queues.create_queue(QueueName="ecs")["QueueUrl"]
    arn = queues.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    events.put_rule(Name="ecs", EventPattern='{"source": ["aws.ecs"]}')
    events.put_targets(Rule="ecs", Targets=[{"Id": "queue", "Arn": arn}])
    aws.account.happen(Incident(events_lost=1))
    aws.ecs.update_service(**ON, desiredCount=4)
    aws.account.step(60)
    assert not queues.receive_message(QueueUrl=url).get("Messages")
    aws.account.happen(Incident(events_lost=0))
    aws.ecs.update_service(**ON, desiredCount=5)
    aws.account.step(60)
    assert queues.receive_message(QueueUrl=url)["Messages"]
