"""Seeds the simulated accounts: one workload in each, steady and healthy.

There may be several services of the first kind, each behind a load balancer of its own: ``BackendService``,
``BackendService-2`` ….
"""

import json
from collections.abc import Sequence
from contextlib import suppress
from functools import cache
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config

from sandbox.aws.accounts import ACCOUNT
from sandbox.aws.inprocess import WsgiApplication, answered_by
from sandbox.aws.moto.patches import name_secret
from sandbox.aws.server import entrances
from sandbox.aws.server.entrances import Entrances, Network
from sandbox.aws.sts.sessions import Session
from sandbox.aws.workloads import COURT, EXTERNAL_ID, ROLE, Workload
from sandbox.scenarios.balancing import Action, Listener, LoadBalancer, TargetGroup, WeightedGroup
from sandbox.scenarios.infrastructure import Infrastructure
from sandbox.scenarios.service import (
    USUAL_CONTAINER_PORT,
    ContainerDefinition,
    Scaling,
    Service,
    ServiceLoadBalancer,
    TaskDefinition,
)

if TYPE_CHECKING:
    from mypy_boto3_application_autoscaling import ApplicationAutoScalingClient
    from mypy_boto3_ec2 import EC2Client

CLUSTER = COURT.cluster
SERVICE = COURT.service
CONTAINER = COURT.container
FAMILY = COURT.family
LOAD_BALANCER = COURT.load_balancer
BACKUP_BUCKET = COURT.bucket
LOG_GROUP = COURT.log_group
PORT = USUAL_CONTAINER_PORT
MASTER_PASSWORD = "nobody-asks-for-it"  # noqa: S105  RDS wants one
HEADER_VALUE = "probe-5e1f"
ADMINISTRATOR = "OrganizationAccountAccessRole"
"""The role by which the first account enters those that it has made (AWS Organizations user guide)."""


@cache
def _loader() -> boto3.Session:
    """Return the process's one boto3 session, since reading the service models takes most of a start."""
    return boto3.Session()


def numbered(name: str, number: int) -> str:
    """Return the name of a numbered resource; the first has the plain name."""
    return name if number == 1 else f"{name}-{number}"


def usual(here: Workload, ports: Sequence[int]) -> Infrastructure:
    """Return a service for each port, each behind a load balancer of its own that listens there."""
    services, balancers, groups = [], [], []
    for number, port in enumerate(ports, 1):
        group = TargetGroup(name=numbered(here.target_group, number))
        forward = Action(target_groups=(WeightedGroup(target_group=group.name),))
        groups.append(group)
        balancers.append(
            LoadBalancer(
                name=numbered(here.load_balancer, number), listeners=(Listener(port=port, default_actions=(forward,)),)
            )
        )
        container = ContainerDefinition(name=here.container)
        services.append(
            Service(
                cluster=here.cluster,
                service_name=numbered(here.service, number),
                load_balancers=(ServiceLoadBalancer(target_group=group.name, container_name=here.container),),
                task_definition=TaskDefinition(
                    family=numbered(here.family, number), container_definitions=(container,)
                ),
                scaling=Scaling() if number == 1 else None,
            )
        )
    return Infrastructure(
        service=services[0],
        other_services=tuple(services[1:]),
        load_balancers=tuple(balancers),
        target_groups=tuple(groups),
    )


class Records:
    """Creates a workload's resources in moto, by calls that ``gateway`` answers in this process."""

    def __init__(self, gateway: WsgiApplication, workload: Workload, credentials: Session | None) -> None:
        """``credentials`` are those of the workload's account; None signs as a user of the first account."""
        self._answer = answered_by(gateway)
        self._workload = workload
        self._credentials = credentials

    def network_and_entrances(self, wanted: Infrastructure) -> tuple[Network, Entrances]:
        """Network, bucket, log group, secrets, database, load balancers and target groups."""
        here = self._workload
        network = _network(self._client("ec2"))
        made = entrances.create(self._client, network, wanted)
        if here.bucket:
            storage = self._client("s3")
            constraint: Any = {"LocationConstraint": here.place.region}
            storage.create_bucket(Bucket=here.bucket, CreateBucketConfiguration=constraint)
            blocked: Any = dict.fromkeys(
                ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets"), True
            )
            storage.put_public_access_block(Bucket=here.bucket, PublicAccessBlockConfiguration=blocked)
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
        return network, made

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

    def task_roles(self) -> None:
        """The roles by which the workload's tasks start and run; regions of one account share them."""
        iam, here = self._client("iam"), self._workload
        for name in (f"{here.application}-execution", here.family):
            with suppress(iam.exceptions.EntityAlreadyExistsException):
                iam.create_role(RoleName=name, AssumeRolePolicyDocument=_trust({}))

    def scaling(self, wanted: Infrastructure) -> None:
        """Register the bounds, policies and schedules of auto scaling."""
        for service in wanted.services:
            if service.scaling is not None and service.scheduling_strategy == "REPLICA":
                _scale(self._client("application-autoscaling"), service, service.scaling)

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


def _network(client: "EC2Client") -> Network:
    vpc = client.describe_vpcs(Filters=[{"Name": "is-default", "Values": ["true"]}])["Vpcs"][0]["VpcId"]
    subnets = client.describe_subnets(Filters=[{"Name": "vpc-id", "Values": [vpc]}])["Subnets"]
    group, balancers = (
        client.create_security_group(GroupName=name, Description=f"the backend's {what}", VpcId=vpc)["GroupId"]
        for name, what in (("backend", "tasks"), ("backend-entrance", "load balancers"))
    )
    client.authorize_security_group_ingress(
        GroupId=group,
        IpPermissions=[
            {"IpProtocol": "tcp", "FromPort": PORT, "ToPort": PORT, "IpRanges": [{"CidrIp": "10.0.0.0/16"}]},
            {"IpProtocol": "tcp", "FromPort": PORT, "ToPort": PORT, "UserIdGroupPairs": [{"GroupId": balancers}]},
        ],
    )
    return Network(vpc, [subnet["SubnetId"] for subnet in subnets[:2]], group, balancers)


def _scale(client: "ApplicationAutoScalingClient", service: Service, scaling: Scaling) -> None:
    of: Any = {
        "ServiceNamespace": "ecs",
        "ResourceId": f"service/{service.name}",
        "ScalableDimension": "ecs:service:DesiredCount",
    }
    low, high = scaling.bounds(service.desired_count)
    client.register_scalable_target(**of, MinCapacity=low, MaxCapacity=high)
    for policy in scaling.target_tracking:
        client.put_scaling_policy(
            **of,
            PolicyName=policy.policy_name,
            PolicyType="TargetTrackingScaling",
            TargetTrackingScalingPolicyConfiguration={
                "TargetValue": policy.target_value,
                "PredefinedMetricSpecification": {"PredefinedMetricType": policy.predefined_metric_type},
                "ScaleInCooldown": policy.scale_in_cooldown,
                "ScaleOutCooldown": policy.scale_out_cooldown,
            },
        )
    for action in scaling.scheduled_actions:
        client.put_scheduled_action(
            **of,
            ScheduledActionName=action.scheduled_action_name,
            Schedule=action.schedule,
            ScalableTargetAction={"MinCapacity": action.min_capacity, "MaxCapacity": action.max_capacity},
        )
