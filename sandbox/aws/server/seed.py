"""Seeds the simulated accounts: one workload in each, steady and healthy.

There may be several services of the first kind, each behind a load balancer of its own: ``BackendService``,
``BackendService-2`` ….
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config

from sandbox.aws.accounts import ACCOUNT
from sandbox.aws.ecs import api as ecs
from sandbox.aws.inprocess import WsgiApplication, answered_by
from sandbox.aws.moto.patches import name_secret
from sandbox.aws.sts.sessions import Session
from sandbox.aws.workloads import COURT, EXTERNAL_ID, ROLE, Workload
from sandbox.aws.world.world import World
from sandbox.scenarios.behaviour import RUNNING_TAG

if TYPE_CHECKING:
    from mypy_boto3_application_autoscaling import ApplicationAutoScalingClient
    from mypy_boto3_ec2 import EC2Client
    from mypy_boto3_elbv2 import ElasticLoadBalancingv2Client

CLUSTER = COURT.cluster
SERVICE = COURT.service
CONTAINER = COURT.container
FAMILY = COURT.family
LOAD_BALANCER = COURT.load_balancer
BACKUP_BUCKET = COURT.bucket
LOG_GROUP = COURT.log_group
PORT = 8000
DESIRED = 3
MASTER_PASSWORD = "nobody-asks-for-it"  # noqa: S105  RDS wants one
HEADER_VALUE = "probe-5e1f"
ADMINISTRATOR = "OrganizationAccountAccessRole"
"""The role by which the first account enters those that it has made (AWS Organizations user guide)."""


@dataclass(frozen=True, slots=True)
class Network:
    vpc: str
    subnets: list[str]
    security_group: str


@cache
def _loader() -> boto3.Session:
    """Return the process's one boto3 session, since reading the service models takes most of a start."""
    return boto3.Session()


@dataclass(frozen=True, slots=True)
class Entrance:
    """The ARNs of one service's load balancer and of its target group."""

    balancer: str
    group: str


def numbered(name: str, number: int) -> str:
    """Return the name of a numbered resource; the first has the plain name."""
    return name if number == 1 else f"{name}-{number}"


class Records:
    """Creates a workload's resources in moto, by calls that ``gateway`` answers in this process."""

    def __init__(self, gateway: WsgiApplication, workload: Workload, credentials: Session | None) -> None:
        """``credentials`` are those of the workload's account; None signs as a user of the first account."""
        self._answer = answered_by(gateway)
        self._workload = workload
        self._credentials = credentials

    def network_and_entrances(self, ports: Sequence[int]) -> tuple[Network, list[Entrance]]:
        """Network, bucket, log group, secrets, database, and an entrance for each port."""
        here = self._workload
        network = _network(self._client("ec2"))
        balancing = self._client("elbv2")
        entrances = [_entrance(balancing, here, network, port, number) for number, port in enumerate(ports, 1)]
        if here.bucket:
            storage = self._client("s3")
            constraint: Any = {"LocationConstraint": here.place.region}
            storage.create_bucket(Bucket=here.bucket, CreateBucketConfiguration=constraint)
            storage.put_bucket_versioning(Bucket=here.bucket, VersioningConfiguration={"Status": "Enabled"})
        self._client("logs").create_log_group(logGroupName=here.log_group)
        secrets = self._client("secretsmanager")
        secrets.create_secret(Name=here.secret, SecretString=MASTER_PASSWORD)
        name_secret(here.place, here.secret, here.secret_arn)
        secrets.create_secret(Name=here.header_secret, SecretString=HEADER_VALUE)
        self._client("rds").create_db_instance(
            DBInstanceIdentifier=here.database, DBInstanceClass="db.t4g.medium", Engine="postgres",
            AllocatedStorage=50, MasterUsername="app", MasterUserPassword=MASTER_PASSWORD, PubliclyAccessible=False,
        )  # fmt: skip
        return network, entrances

    def roles(self) -> None:
        """The roles by which the first account may enter: Surefoot's, and in another account the administrator's.

        The roles of another account demand the external id.
        """
        iam = self._client("iam")
        if self._workload.place.account == ACCOUNT:
            iam.create_role(RoleName=ROLE, AssumeRolePolicyDocument=_trust({}))
            return
        condition = {"StringEquals": {"sts:ExternalId": EXTERNAL_ID}}
        iam.create_role(RoleName=ROLE, AssumeRolePolicyDocument=_trust(condition))
        iam.create_role(RoleName=ADMINISTRATOR, AssumeRolePolicyDocument=_trust({}))

    def scaling(self) -> None:
        """Register auto scaling of two to six tasks by CPU: records that nothing acts upon by itself."""
        _seed_scaling(self._client("application-autoscaling"), self._workload)

    def _client(self, service: Any) -> Any:
        keys = self._credentials
        client = _loader().client(
            service,
            region_name=self._workload.place.region,
            aws_access_key_id=keys.access_key if keys else "testing",  # any will do
            aws_secret_access_key=keys.secret if keys else "testing",
            aws_session_token=keys.token if keys else None,
            config=Config(s3={"addressing_style": "path"}),  # as of a server without a domain
        )
        client.meta.events.register("before-send", self._answer)
        return client


def _trust(condition: dict[str, Any]) -> str:
    statement: dict[str, Any] = {
        "Effect": "Allow",
        "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"},
        "Action": "sts:AssumeRole",
    }
    if condition:
        statement["Condition"] = condition
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def _entrance(
    balancing: "ElasticLoadBalancingv2Client", here: Workload, network: Network, port: int, number: int
) -> Entrance:
    balancer = balancing.create_load_balancer(
        Name=numbered(here.load_balancer, number),
        Subnets=network.subnets,
        SecurityGroups=[network.security_group],
        Scheme="internet-facing",
    )["LoadBalancers"][0]["LoadBalancerArn"]
    group = balancing.create_target_group(
        Name=numbered(here.target_group, number), Protocol="HTTP", Port=PORT, VpcId=network.vpc, TargetType="ip",
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
    return Network(vpc, [subnet["SubnetId"] for subnet in subnets[:2]], group)


def seed_services(world: World, network: Network, entrances: Sequence[Entrance]) -> None:
    """Create the cluster and its services at the world's present; they are steady about a minute later."""
    here, now = world.workload, world.now
    image = f"{world.registry.uri}:{RUNNING_TAG}"
    settings = [{"name": "containerInsights", "value": "disabled"}]
    ecs.call(world.ecs, "CreateCluster", {"clusterName": here.cluster, "settings": settings}, now)
    for number, entrance in enumerate(entrances, 1):
        family = numbered(here.family, number)
        ecs.call(world.ecs, "RegisterTaskDefinition", task_definition(image, here) | {"family": family}, now)
        _create_service(world, network, entrance.group, numbered(here.service, number), family)


def _create_service(world: World, network: Network, group: str, name: str, family: str) -> None:
    ecs.call(
        world.ecs,
        "CreateService",
        {
            "cluster": world.workload.cluster,
            "serviceName": name,
            "taskDefinition": family,
            "desiredCount": DESIRED,
            "launchType": "FARGATE",
            "healthCheckGracePeriodSeconds": 30,
            "loadBalancers": [
                {"targetGroupArn": group, "containerName": world.workload.container, "containerPort": PORT}
            ],
            "networkConfiguration": {
                "awsvpcConfiguration": {
                    "subnets": network.subnets,
                    "securityGroups": [network.security_group],
                    "assignPublicIp": "DISABLED",
                }
            },
            "tags": [{"key": "application", "value": world.workload.application}],
            "propagateTags": "SERVICE",
        },
        world.now,
    )


def task_definition(image: str, workload: Workload = COURT) -> dict[str, object]:
    """The backend's task definition, with a plain environment value that is a secret, as they are found."""
    return {
        "family": workload.family,
        "requiresCompatibilities": ["FARGATE"],
        "networkMode": "awsvpc",
        "cpu": "512",
        "memory": "1024",
        "executionRoleArn": f"{workload.roles}/{workload.application}-execution",
        "taskRoleArn": f"{workload.roles}/{workload.family}",
        "runtimePlatform": {"cpuArchitecture": "X86_64", "operatingSystemFamily": "LINUX"},
        "containerDefinitions": [
            {
                "name": workload.container,
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
                        "valueFrom": workload.secret_arn,
                    }
                ],
                "logConfiguration": {
                    "logDriver": "awslogs",
                    "options": {
                        "awslogs-group": workload.log_group,
                        "awslogs-region": workload.place.region,
                        "awslogs-stream-prefix": "ecs",
                    },
                },
            }
        ],
    }


def _seed_scaling(client: "ApplicationAutoScalingClient", here: Workload) -> None:
    resource = f"service/{here.cluster}/{here.service}"
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
