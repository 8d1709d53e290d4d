"""What the simulated account holds at its start: the court case backend of the guide, steady and healthy."""

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import boto3
from botocore.config import Config

from sandbox.aws.ecs import api as ecs
from sandbox.aws.registry import RUNNING_TAG
from sandbox.aws.world import REGION, World

if TYPE_CHECKING:
    from mypy_boto3_ec2 import EC2Client

CLUSTER = "CourtCaseCluster"
SERVICE = "BackendService"
CONTAINER = "backend"
PORT = 8000
DESIRED = 3
LOAD_BALANCER = "court-case-alb"
BACKUP_BUCKET = "court-case-disaster-recovery-backups"
LOG_GROUP = "/ecs/court-case-backend"
JWT_SECRET = "arn:aws:secretsmanager:us-west-2:123456789012:secret:court-case/jwt-AbCdEf"  # noqa: S105  its name, not its value
ROLES = "arn:aws:iam::123456789012:role"


@dataclass(frozen=True, slots=True)
class Network:
    vpc: str
    subnets: list[str]
    security_group: str


SEEDING = "sandbox-seed"
"""What the calls that fill the account call themselves."""
_CONFIG = Config(connect_timeout=5, read_timeout=10, retries={"max_attempts": 1}, user_agent_extra=SEEDING)


@cache
def _session() -> boto3.Session:
    """One for the process, since reading the service models takes most of a start."""
    return boto3.Session("testing", "testing", region_name=REGION)  # moto asks for credentials, takes any


def seed_records(endpoint: str, application_port: int) -> tuple[Network, str, str]:
    """Make what moto keeps: network, load balancer, bucket, log group.

    Return the network, the ARN of the load balancer and that of the target group.
    """
    session, config = _session(), _CONFIG
    network = _network(session.client("ec2", endpoint_url=endpoint, config=config))
    balancing = session.client("elbv2", endpoint_url=endpoint, config=config)
    balancer = balancing.create_load_balancer(
        Name=LOAD_BALANCER,
        Subnets=network.subnets,
        SecurityGroups=[network.security_group],
        Scheme="internet-facing",
    )["LoadBalancers"][0]["LoadBalancerArn"]
    group = balancing.create_target_group(
        Name="court-case-backend", Protocol="HTTP", Port=PORT, VpcId=network.vpc, TargetType="ip",
        HealthCheckPath="/health", HealthCheckIntervalSeconds=10, HealthCheckTimeoutSeconds=9,
        HealthyThresholdCount=2, UnhealthyThresholdCount=3, Matcher={"HttpCode": "200"},
    )["TargetGroups"][0]["TargetGroupArn"]  # fmt: skip
    balancing.modify_target_group_attributes(
        TargetGroupArn=group, Attributes=[{"Key": "deregistration_delay.timeout_seconds", "Value": "30"}]
    )
    balancing.create_listener(
        LoadBalancerArn=balancer, Protocol="HTTP", Port=application_port,
        DefaultActions=[{"Type": "forward", "TargetGroupArn": group}],
    )  # fmt: skip
    storage = session.client("s3", endpoint_url=endpoint, config=config)
    storage.create_bucket(Bucket=BACKUP_BUCKET, CreateBucketConfiguration={"LocationConstraint": "us-west-2"})
    storage.put_bucket_versioning(Bucket=BACKUP_BUCKET, VersioningConfiguration={"Status": "Enabled"})
    session.client("logs", endpoint_url=endpoint, config=config).create_log_group(logGroupName=LOG_GROUP)
    return network, balancer, group


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


def seed_service(world: World, network: Network, group: str) -> None:
    """Create the cluster and the service at the world's present; it is steady about a minute later."""
    image = f"{world.registry.uri}:{RUNNING_TAG}"
    now = world.now
    settings = [{"name": "containerInsights", "value": "disabled"}]
    ecs.call(world.ecs, "CreateCluster", {"clusterName": CLUSTER, "settings": settings}, now)
    ecs.call(world.ecs, "RegisterTaskDefinition", task_definition(image), now)
    ecs.call(
        world.ecs,
        "CreateService",
        {
            "cluster": CLUSTER,
            "serviceName": SERVICE,
            "taskDefinition": "court-case-backend",
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
        },
        now,
    )


def task_definition(image: str) -> dict[str, object]:
    """The backend's task definition, with a plain environment value that is a secret, as they are found."""
    return {
        "family": "court-case-backend",
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


def seed_scaling(endpoint: str) -> None:
    """Two to six tasks, following the processor: records that nothing acts upon by itself."""
    client = _session().client("application-autoscaling", endpoint_url=endpoint, config=_CONFIG)
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
