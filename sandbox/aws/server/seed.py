"""What the simulated account holds at its start: the court case backend of the guide, steady and healthy.

There may be several of the kind, each behind a load balancer of its own: ``BackendService``, ``BackendService-2`` ….
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config

from sandbox.aws.accounts import REGION
from sandbox.aws.ecs import api as ecs
from sandbox.aws.inprocess import WsgiApplication, answered_by
from sandbox.aws.moto.patches import name_secret
from sandbox.aws.world.traffic import DATABASE
from sandbox.aws.world.world import World
from sandbox.scenarios.behaviour import RUNNING_TAG

if TYPE_CHECKING:
    from mypy_boto3_application_autoscaling import ApplicationAutoScalingClient
    from mypy_boto3_ec2 import EC2Client
    from mypy_boto3_elbv2 import ElasticLoadBalancingv2Client

CLUSTER = "CourtCaseCluster"
SERVICE = "BackendService"
CONTAINER = "backend"
FAMILY = "court-case-backend"
PORT = 8000
DESIRED = 3
LOAD_BALANCER = "court-case-alb"
BACKUP_BUCKET = "court-case-disaster-recovery-backups"
LOG_GROUP = "/ecs/court-case-backend"
SECRET_NAME = "court-case/jwt"  # noqa: S105  its name, not its value
JWT_SECRET = "arn:aws:secretsmanager:us-west-2:123456789012:secret:court-case/jwt-AbCdEf"  # noqa: S105  its name, not its value
MASTER_PASSWORD = "nobody-asks-for-it"  # noqa: S105  RDS wants one
ROLES = "arn:aws:iam::123456789012:role"


@dataclass(frozen=True, slots=True)
class Network:
    vpc: str
    subnets: list[str]
    security_group: str


@cache
def _session() -> boto3.Session:
    """One for the process, since reading the service models takes most of a start."""
    return boto3.Session("testing", "testing", region_name=REGION)  # moto asks for credentials, takes any


@dataclass(frozen=True, slots=True)
class Entrance:
    """Where requests for one service come in: the ARNs of a load balancer and of its target group."""

    balancer: str
    group: str


def numbered(name: str, number: int) -> str:
    """The first of a kind has the plain name."""
    return name if number == 1 else f"{name}-{number}"


class Records:
    """Makes what moto keeps, by calls that ``gateway`` answers in this process."""

    def __init__(self, gateway: WsgiApplication) -> None:
        self._answer = answered_by(gateway)

    def network_and_entrances(self, ports: Sequence[int]) -> tuple[Network, list[Entrance]]:
        """Network, bucket, log group, secret, database, and an entrance for each port."""
        network = _network(self._client("ec2"))
        balancing = self._client("elbv2")
        entrances = [_entrance(balancing, network, port, number) for number, port in enumerate(ports, 1)]
        storage = self._client("s3")
        storage.create_bucket(Bucket=BACKUP_BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
        storage.put_bucket_versioning(Bucket=BACKUP_BUCKET, VersioningConfiguration={"Status": "Enabled"})
        self._client("logs").create_log_group(logGroupName=LOG_GROUP)
        self._client("secretsmanager").create_secret(Name=SECRET_NAME, SecretString=MASTER_PASSWORD)
        name_secret(SECRET_NAME, JWT_SECRET)
        self._client("rds").create_db_instance(
            DBInstanceIdentifier=DATABASE, DBInstanceClass="db.t4g.medium", Engine="postgres", AllocatedStorage=50,
            MasterUsername="court", MasterUserPassword=MASTER_PASSWORD, PubliclyAccessible=False,
        )  # fmt: skip
        return network, entrances

    def scaling(self) -> None:
        """Two to six tasks, following the processor: records that nothing acts upon by itself."""
        _seed_scaling(self._client("application-autoscaling"))

    def _client(self, service: Any) -> Any:
        # path-style addresses, as of a server without a domain
        client = _session().client(service, config=Config(s3={"addressing_style": "path"}))
        client.meta.events.register("before-send", self._answer)
        return client


def _entrance(balancing: "ElasticLoadBalancingv2Client", network: Network, port: int, number: int) -> Entrance:
    balancer = balancing.create_load_balancer(
        Name=numbered(LOAD_BALANCER, number),
        Subnets=network.subnets,
        SecurityGroups=[network.security_group],
        Scheme="internet-facing",
    )["LoadBalancers"][0]["LoadBalancerArn"]
    group = balancing.create_target_group(
        Name=numbered("court-case-backend", number), Protocol="HTTP", Port=PORT, VpcId=network.vpc, TargetType="ip",
        HealthCheckPath="/health", HealthCheckIntervalSeconds=10, HealthCheckTimeoutSeconds=9,
        HealthyThresholdCount=2, UnhealthyThresholdCount=3, Matcher={"HttpCode": "200"},
    )["TargetGroups"][0]["TargetGroupArn"]  # fmt: skip
    balancing.modify_target_group_attributes(
        TargetGroupArn=group, Attributes=[{"Key": "deregistration_delay.timeout_seconds", "Value": "30"}]
    )
    balancing.create_listener(
        LoadBalancerArn=balancer, Protocol="HTTP", Port=port,
        DefaultActions=[{"Type": "forward", "TargetGroupArn": group}],
    )  # fmt: skip
    return Entrance(balancer, group)


def _network(client: "EC2Client") -> Network:
    vpc = client.describe_vpcs(Filters=[{"Name": "is-default", "Values": ["true"]}])["Vpcs"][0]["VpcId"]
    subnets = client.describe_subnets(Filters=[{"Name": "vpc-id", "Values": [vpc]}])["Subnets"]
    group = client.create_security_group(GroupName="backend", Description="the backend's tasks", VpcId=vpc)["GroupId"]
    client.authorize_security_group_ingress(
        GroupId=group,
        IpPermissions=[
            {"IpProtocol": "tcp", "FromPort": PORT, "ToPort": PORT, "IpRanges": [{"CidrIp": "10.0.0.0/16"}]}
        ],
    )
    return Network(vpc, [one["SubnetId"] for one in subnets[:2]], group)


def seed_services(world: World, network: Network, entrances: Sequence[Entrance]) -> None:
    """Create the cluster and its services at the world's present; they are steady about a minute later."""
    image = f"{world.registry.uri}:{RUNNING_TAG}"
    now = world.now
    settings = [{"name": "containerInsights", "value": "disabled"}]
    ecs.call(world.ecs, "CreateCluster", {"clusterName": CLUSTER, "settings": settings}, now)
    for number, entrance in enumerate(entrances, 1):
        family = numbered(FAMILY, number)
        ecs.call(world.ecs, "RegisterTaskDefinition", task_definition(image) | {"family": family}, now)
        _create_service(world, network, entrance.group, numbered(SERVICE, number), family)


def _create_service(world: World, network: Network, group: str, name: str, family: str) -> None:
    ecs.call(
        world.ecs,
        "CreateService",
        {
            "cluster": CLUSTER,
            "serviceName": name,
            "taskDefinition": family,
            "desiredCount": DESIRED,
            "launchType": "FARGATE",
            "healthCheckGracePeriodSeconds": 30,
            "loadBalancers": [{"targetGroupArn": group, "containerName": CONTAINER, "containerPort": PORT}],
            "networkConfiguration": {
                "awsvpcConfiguration": {
                    "subnets": network.subnets,
                    "securityGroups": [network.security_group],
                    "assignPublicIp": "DISABLED",
                }
            },
            "tags": [{"key": "application", "value": "court-case"}],
            "propagateTags": "SERVICE",
        },
        world.now,
    )


def task_definition(image: str) -> dict[str, object]:
    """The backend's task definition, with a plain environment value that is a secret, as they are found."""
    return {
        "family": FAMILY,
        "requiresCompatibilities": ["FARGATE"],
        "networkMode": "awsvpc",
        "cpu": "512",
        "memory": "1024",
        "executionRoleArn": f"{ROLES}/court-case-execution",
        "taskRoleArn": f"{ROLES}/court-case-backend",
        "runtimePlatform": {"cpuArchitecture": "X86_64", "operatingSystemFamily": "LINUX"},
        "containerDefinitions": [
            {
                "name": CONTAINER,
                "image": image,
                "essential": True,
                "portMappings": [{"containerPort": PORT, "hostPort": PORT, "protocol": "tcp"}],
                "environment": [
                    {"name": "APP_ENV", "value": "production"},
                    {"name": "LOG_LEVEL", "value": "info"},
                    {
                        "name": "DATABASE_URL",
                        "value": "postgresql+asyncpg://app:correct-horse-battery@db.internal:5432/court?ssl=require",
                    },
                ],
                "secrets": [
                    {
                        "name": "JWT_SECRET",
                        "valueFrom": JWT_SECRET,
                    }
                ],
                "logConfiguration": {
                    "logDriver": "awslogs",
                    "options": {
                        "awslogs-group": LOG_GROUP,
                        "awslogs-region": REGION,
                        "awslogs-stream-prefix": "ecs",
                    },
                },
            }
        ],
    }


def _seed_scaling(client: "ApplicationAutoScalingClient") -> None:
    resource = f"service/{CLUSTER}/{SERVICE}"
    client.register_scalable_target(
        ServiceNamespace="ecs", ResourceId=resource, ScalableDimension="ecs:service:DesiredCount",
        MinCapacity=2, MaxCapacity=6,
    )  # fmt: skip
    client.put_scaling_policy(
        PolicyName="backend-cpu", ServiceNamespace="ecs", ResourceId=resource,
        ScalableDimension="ecs:service:DesiredCount", PolicyType="TargetTrackingScaling",
        TargetTrackingScalingPolicyConfiguration={
            "TargetValue": 70.0,
            "PredefinedMetricSpecification": {"PredefinedMetricType": "ECSServiceAverageCPUUtilization"},
            "ScaleInCooldown": 300,
            "ScaleOutCooldown": 60,
        },
    )  # fmt: skip
