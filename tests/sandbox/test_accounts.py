"""A second account, entered by a role, and a second region, as boto3 meets them."""

import json
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import boto3
import httpx2
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from sandbox.aws.accounts import ACCOUNT, OPT_IN_REGION, REGION, SECOND_ACCOUNT
from sandbox.aws.server import SimulatedAws
from sandbox.aws.server.seed import ADMINISTRATOR, HEADER_VALUE
from sandbox.aws.workloads import COURT, COURT_SOUTH, EVERYWHERE, EXTERNAL_ID, PAYMENTS, ROLE, Workload

NOW = 1_800_000_000.0
ONCE = Config(connect_timeout=3, read_timeout=5, retries={"total_max_attempts": 1})
THERE = f"arn:aws:iam::{SECOND_ACCOUNT}:role/{ROLE}"
OURS = f"arn:aws:iam::{ACCOUNT}:role/{ROLE}"
ADMIN = f"arn:aws:iam::{SECOND_ACCOUNT}:role/{ADMINISTRATOR}"
Keys = dict[str, Any]


@pytest.fixture(scope="module")
def shared() -> Iterator[SimulatedAws]:
    with SimulatedAws(clock=lambda: NOW, workloads=EVERYWHERE, history_days=1) as found:
        yield found


@pytest.fixture
def aws(shared: SimulatedAws) -> Iterator[SimulatedAws]:
    yield shared
    shared.sessions.clock = time.time
    control(shared, "DELETE", "harm")


def control(aws: SimulatedAws, method: str, path: str, body: Any = None) -> Any:
    return httpx2.request(method, f"{aws.endpoint}/_sandbox/{path}", json=body, timeout=10).json()


def client(aws: SimulatedAws, service: str, keys: Keys | None = None, region: str = REGION) -> Any:
    return boto3.client(
        service,  # type: ignore[call-overload]  # any service
        endpoint_url=aws.endpoint,
        region_name=region,
        aws_access_key_id=keys["AccessKeyId"] if keys else "test",
        aws_secret_access_key=keys["SecretAccessKey"] if keys else "test",
        aws_session_token=keys["SessionToken"] if keys else None,
        config=ONCE,
    )


def assumed(aws: SimulatedAws, role: str = THERE, keys: Keys | None = None, region: str = REGION, **more: Any) -> Keys:
    known = {"ExternalId": EXTERNAL_ID} if role == THERE else {}
    asked = {"RoleArn": role, "RoleSessionName": "surefoot-recovery", **known, **more}
    credentials: Keys = client(aws, "sts", keys, region).assume_role(**asked)["Credentials"]
    return credentials


def service_of(aws: SimulatedAws, workload: Workload, keys: Keys | None) -> dict[str, Any]:
    ecs = client(aws, "ecs", keys, workload.place.region)
    found: list[dict[str, Any]] = ecs.describe_services(cluster=workload.cluster, services=[workload.service])[
        "services"
    ]
    return found[0]


def create_role(aws: SimulatedAws, name: str, principal: str, **more: Any) -> str:
    statement = {"Effect": "Allow", "Principal": {"AWS": principal}, "Action": "sts:AssumeRole"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    made = client(aws, "iam").create_role(RoleName=name, AssumeRolePolicyDocument=document, **more)
    return str(made["Role"]["Arn"])


# Who may enter


@pytest.mark.parametrize("external_id", [{}, {"ExternalId": "guessed"}])
def test_without_the_external_id_nobody_enters(aws: SimulatedAws, external_id: dict[str, str]) -> None:
    """IAM user guide, "Access to AWS accounts owned by third parties"."""
    with pytest.raises(ClientError) as refused:
        client(aws, "sts").assume_role(RoleArn=THERE, RoleSessionName="here", **external_id)
    assert refused.value.response["Error"]["Code"] == "AccessDenied"
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403
    assert refused.value.response["Error"]["Message"] == (
        f"User: arn:aws:iam::{ACCOUNT}:user/test is not authorized to perform: sts:AssumeRole on resource: {THERE}"
    )


def test_a_role_trusts_whom_its_policy_names(aws: SimulatedAws) -> None:
    other = create_role(aws, "for-somebody-else", f"arn:aws:iam::{ACCOUNT}:user/ada")
    for role in (other, f"arn:aws:iam::{ACCOUNT}:role/nobody-made-it", "arn:aws:iam::999999999999:role/surefoot"):
        with pytest.raises(ClientError, match="not authorized to perform: sts:AssumeRole"):
            assumed(aws, role)
    chained = create_role(aws, "for-our-role", OURS)
    assert assumed(aws, chained, assumed(aws, OURS))
    with pytest.raises(ClientError, match="AccessDenied"):
        assumed(aws, chained)


def test_a_role_says_who_it_is(aws: SimulatedAws) -> None:
    """AWS STS API reference, GetCallerIdentity."""
    identity = client(aws, "sts", assumed(aws)).get_caller_identity()
    assert identity["Account"] == SECOND_ACCOUNT
    assert identity["Arn"] == f"arn:aws:sts::{SECOND_ACCOUNT}:assumed-role/{ROLE}/surefoot-recovery"
    assert identity["UserId"].endswith(":surefoot-recovery")
    plain = client(aws, "sts").get_caller_identity()
    assert (plain["Account"], plain["Arn"]) == (ACCOUNT, f"arn:aws:iam::{ACCOUNT}:user/test")


def test_a_user_of_the_second_account_acts_there(aws: SimulatedAws) -> None:
    iam = client(aws, "iam", assumed(aws, ADMIN))
    iam.create_user(UserName="grace")
    made = iam.create_access_key(UserName="grace")["AccessKey"]
    keys = {"AccessKeyId": made["AccessKeyId"], "SecretAccessKey": made["SecretAccessKey"], "SessionToken": None}
    assert client(aws, "sts", keys).get_caller_identity()["Arn"] == f"arn:aws:iam::{SECOND_ACCOUNT}:user/grace"
    assert service_of(aws, PAYMENTS, keys)["runningCount"] == 3


@pytest.mark.parametrize(
    ("name", "constraint"),
    [
        ("two words", r"regular expression pattern: \[\\w\+=,\.@-\]\*"),
        ("run/1", "regular expression pattern"),
        ("überlauf", "regular expression pattern"),
        ("x" * 65, "length less than or equal to 64"),
    ],
)
def test_names_of_sessions_are_checked(aws: SimulatedAws, name: str, constraint: str) -> None:
    """AWS STS API reference, AssumeRole, RoleSessionName."""
    with pytest.raises(
        ClientError, match=f"at 'roleSessionName' failed to satisfy constraint: .*{constraint}"
    ) as refused:
        assumed(aws, RoleSessionName=name)
    assert refused.value.response["Error"]["Code"] == "ValidationError"
    assert assumed(aws, RoleSessionName="surefoot+recovery=run,1.2@aws-3" + "x" * 33)


def test_how_long_a_session_may_last(aws: SimulatedAws) -> None:
    """AWS STS API reference, AssumeRole, DurationSeconds; IAM user guide, "Role chaining"."""
    long = create_role(aws, "for-long", ACCOUNT, MaxSessionDuration=7200)
    until = assumed(aws, long, DurationSeconds=7200)["Expiration"]
    assert 7195 < (until - datetime.now(UTC)).total_seconds() < 7201
    refusals: dict[str, Any] = {
        "exceeds the MaxSessionDuration set for this role": {"role": THERE, "DurationSeconds": 3601},
        "exceeds the 1 hour session limit for roles assumed by role chaining": {
            "role": long, "keys": assumed(aws, OURS), "DurationSeconds": 3601,
        },
        "Member must have value less than or equal to 43200": {"DurationSeconds": 43_201},
    }  # fmt: skip
    for said, asked in refusals.items():
        with pytest.raises(ClientError, match=said) as refused:
            assumed(aws, **asked)
        assert refused.value.response["Error"]["Code"] == "ValidationError"
    assert assumed(aws, long, assumed(aws, OURS), DurationSeconds=3600)


# How long, and with what


CALLS: dict[str, tuple[Callable[[Any], Any], str, str | tuple[str, ...]]] = {
    "ecs": (lambda one: one.list_clusters(), "ExpiredTokenException", "UnrecognizedClientException"),
    "elbv2": (lambda one: one.describe_load_balancers(), "ExpiredToken", "InvalidClientTokenId"),
    "cloudwatch": (lambda one: one.describe_alarms(), "ExpiredToken", ("InvalidClientTokenId", "UnrecognizedClient")),
    "sts": (lambda one: one.get_caller_identity(), "ExpiredToken", "InvalidClientTokenId"),
    "s3": (lambda one: one.list_buckets(), "ExpiredToken", "InvalidToken"),
    "secretsmanager": (lambda one: one.list_secrets(), "ExpiredTokenException", "UnrecognizedClientException"),
}


@pytest.mark.parametrize("service", CALLS)
def test_credentials_end_with_their_session(aws: SimulatedAws, service: str) -> None:
    call, expired, _ = CALLS[service]
    keys = assumed(aws)
    call(client(aws, service, keys))
    aws.sessions.clock = lambda: time.time() + 3601
    with pytest.raises(ClientError) as refused:
        call(client(aws, service, keys))
    assert refused.value.response["Error"]["Code"].startswith(expired)
    call(client(aws, service, assumed(aws)))


@pytest.mark.parametrize("service", CALLS)
def test_credentials_that_are_none_are_refused(aws: SimulatedAws, service: str) -> None:
    call, _, invalid = CALLS[service]
    keys = assumed(aws)
    for wrong in ({"SessionToken": "another"}, {"SessionToken": None}, {"AccessKeyId": "ASIA0000000000000000"}):
        with pytest.raises(ClientError) as refused:
            call(client(aws, service, keys | wrong))
        assert refused.value.response["Error"]["Code"].startswith(invalid)


def test_sessions_can_be_ended_at_once(aws: SimulatedAws) -> None:
    there, ours = assumed(aws), assumed(aws, OURS)
    ended = control(aws, "POST", "sessions/expire", {"account": SECOND_ACCOUNT})["expired"]
    assert f"arn:aws:sts::{SECOND_ACCOUNT}:assumed-role/{ROLE}/surefoot-recovery" in ended
    with pytest.raises(ClientError, match="ExpiredToken"):
        client(aws, "ecs", there).list_clusters()
    assert client(aws, "ecs", ours).list_clusters()["clusterArns"]


# What is where


def test_each_account_and_region_has_its_own_services(aws: SimulatedAws) -> None:
    there = assumed(aws)
    for workload, keys in ((COURT, None), (PAYMENTS, there), (COURT_SOUTH, None)):
        account, region = workload.place
        arn = f"arn:aws:ecs:{region}:{account}:service/{workload.cluster}/{workload.service}"
        service = service_of(aws, workload, keys)
        assert (service["serviceArn"], service["runningCount"]) == (arn, 3)
        (balancer,) = client(aws, "elbv2", keys, region).describe_load_balancers()["LoadBalancers"]
        assert balancer["LoadBalancerArn"].startswith(f"arn:aws:elasticloadbalancing:{region}:{account}:")
        group = service["loadBalancers"][0]["targetGroupArn"]
        health = client(aws, "elbv2", keys, region).describe_target_health(TargetGroupArn=group)
        assert [one["TargetHealth"]["State"] for one in health["TargetHealthDescriptions"]] == ["healthy"] * 3
        (database,) = client(aws, "rds", keys, region).describe_db_instances()["DBInstances"]
        assert database["DBInstanceIdentifier"] == workload.database
        (repository,) = client(aws, "ecr", keys, region).describe_repositories()["repositories"]
        assert repository["repositoryUri"] == f"{account}.dkr.ecr.{region}.amazonaws.com/backend"
        assert httpx2.get(f"{aws.application_urls[workload.place]}/health").status_code == 200
    with pytest.raises(ClientError, match="ClusterNotFound"):
        client(aws, "ecs", there).describe_services(cluster=COURT.cluster, services=[COURT.service])


def test_metrics_alarms_and_logs_are_those_of_the_account(aws: SimulatedAws) -> None:
    there = assumed(aws)
    watch, ours = client(aws, "cloudwatch", there), client(aws, "cloudwatch")
    names = {one["MetricName"] for one in watch.list_metrics(Namespace=PAYMENTS.namespace)["Metrics"]}
    assert names == {"DatabaseConnectionErrors"}
    assert not watch.list_metrics(Namespace=COURT.namespace)["Metrics"]
    assert not ours.list_metrics(Namespace=PAYMENTS.namespace)["Metrics"]
    watch.put_metric_alarm(
        AlarmName="too-busy", Namespace="AWS/ECS", MetricName="CPUUtilization", Statistic="Average", Period=60,
        EvaluationPeriods=1, Threshold=1, ComparisonOperator="GreaterThanThreshold",
        Dimensions=[
            {"Name": "ClusterName", "Value": PAYMENTS.cluster}, {"Name": "ServiceName", "Value": PAYMENTS.service},
        ],
    )  # fmt: skip
    aws.step(120)
    assert [one["StateValue"] for one in watch.describe_alarms(AlarmNames=["too-busy"])["MetricAlarms"]] == ["ALARM"]
    assert not ours.describe_alarms(AlarmNames=["too-busy"])["MetricAlarms"]
    logs = client(aws, "logs", there)
    assert [one["logGroupName"] for one in logs.describe_log_groups()["logGroups"]] == [PAYMENTS.log_group]
    assert logs.filter_log_events(logGroupName=PAYMENTS.log_group)["events"]
    with pytest.raises(ClientError, match="ResourceNotFound"):
        client(aws, "logs").filter_log_events(logGroupName=PAYMENTS.log_group)


def test_a_roll_out_there_is_none_here(aws: SimulatedAws) -> None:
    before = service_of(aws, COURT, None)["deployments"]
    keys = assumed(aws)
    client(aws, "ecs", keys).update_service(cluster=PAYMENTS.cluster, service=PAYMENTS.service, forceNewDeployment=True)
    assert len(service_of(aws, PAYMENTS, keys)["deployments"]) == 2
    aws.step(600)
    assert [one["rolloutState"] for one in service_of(aws, PAYMENTS, keys)["deployments"]] == ["COMPLETED"]
    assert [one["id"] for one in service_of(aws, COURT, None)["deployments"]] == [one["id"] for one in before]


def test_what_happens_to_one_account_happens_to_no_other(aws: SimulatedAws) -> None:
    control(aws, "POST", "happenings", {"database": "away", "account": SECOND_ACCOUNT})
    keys = assumed(aws)
    for workload, credentials, status in ((PAYMENTS, keys, "failed"), (COURT, None, "available")):
        (database,) = client(aws, "rds", credentials).describe_db_instances()["DBInstances"]
        assert (database["DBInstanceIdentifier"], database["DBInstanceStatus"]) == (workload.database, status)
    assert [world.conditions.database for world in aws.worlds.values()] == [True, False, True]
    control(aws, "POST", "happenings", {"database": "back", "account": SECOND_ACCOUNT, "region": REGION})
    said = control(aws, "POST", "happenings", {"database": "away", "account": "999999999999"})["message"]
    assert said.startswith("nothing runs in 999999999999/us-west-2; there is 123456789012/us-west-2, ")


def test_secrets_of_headers_can_be_read(aws: SimulatedAws) -> None:
    """AWS Secrets Manager API reference, GetSecretValue; Systems Manager API reference, GetParameter."""
    keys = assumed(aws)
    secrets = client(aws, "secretsmanager", keys)
    read = secrets.get_secret_value(SecretId=PAYMENTS.header_secret)
    assert read["SecretString"] == HEADER_VALUE
    assert secrets.get_secret_value(SecretId=read["ARN"])["Name"] == PAYMENTS.header_secret
    assert client(aws, "secretsmanager").get_secret_value(SecretId=COURT.header_secret)["SecretString"] == HEADER_VALUE
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        client(aws, "secretsmanager").get_secret_value(SecretId=PAYMENTS.header_secret)
    client(aws, "ssm", keys).put_parameter(Name="/payments/probe", Value="x", Type="SecureString")
    found = client(aws, "ssm", keys).get_parameter(Name="/payments/probe", WithDecryption=True)
    assert found["Parameter"]["Value"] == "x"
    called = [one for one in control(aws, "GET", "calls") if one["operation"] == "GetSecretValue"]
    assert PAYMENTS.header_secret in {one["resource"] for one in called}
    assert HEADER_VALUE not in json.dumps(called)


def test_costs_are_on_the_bill_of_their_account(aws: SimulatedAws) -> None:
    ours, theirs = client(aws, "ce"), client(aws, "ce", assumed(aws))
    period = {"Start": "2027-01-13", "End": "2027-01-15"}
    asked: Any = {
        "TimePeriod": period, "Granularity": "DAILY", "Metrics": ["UnblendedCost"],
        "GroupBy": [{"Type": "DIMENSION", "Key": "LINKED_ACCOUNT"}],
    }  # fmt: skip
    for explorer, account in ((ours, ACCOUNT), (theirs, SECOND_ACCOUNT)):
        days = explorer.get_cost_and_usage(**asked)["ResultsByTime"]
        assert {group["Keys"][0] for day in days for group in day["Groups"]} == {account}


def test_the_log_of_calls_says_where_each_acted(aws: SimulatedAws) -> None:
    keys = assumed(aws)
    client(aws, "ecs", keys).list_clusters()
    client(aws, "s3", keys, OPT_IN_REGION).list_buckets()
    called = [(one["operation"], one["account"], one["region"]) for one in control(aws, "GET", "calls")[-3:]]
    assert called == [
        ("AssumeRole", ACCOUNT, REGION),
        ("ListClusters", SECOND_ACCOUNT, REGION),
        ("ListBuckets", SECOND_ACCOUNT, OPT_IN_REGION),
    ]


# The second region


def test_an_opt_in_region_takes_no_token_of_the_global_endpoint(aws: SimulatedAws) -> None:
    """IAM user guide, "Manage AWS STS in an AWS Region"."""
    of_the_globe = assumed(aws, OURS, region="us-east-1")
    assert client(aws, "ecs", of_the_globe).list_clusters()["clusterArns"]
    for service, (call, _, invalid) in CALLS.items():
        with pytest.raises(ClientError) as refused:
            call(client(aws, service, of_the_globe, OPT_IN_REGION))
        assert refused.value.response["Error"]["Code"].startswith(invalid)
    for region in (REGION, OPT_IN_REGION):
        keys = assumed(aws, OURS, region=region)
        assert client(aws, "ecs", keys, OPT_IN_REGION).list_clusters()["clusterArns"]


def test_where_nothing_is_simulated_that_is_said(aws: SimulatedAws) -> None:
    with pytest.raises(ClientError, match="only, not 123456789012/ap-south-1"):
        client(aws, "ecs", region="ap-south-1").list_clusters()
    with pytest.raises(ClientError, match=f"only, not {SECOND_ACCOUNT}/{OPT_IN_REGION}"):
        client(aws, "ecs", assumed(aws), OPT_IN_REGION).list_clusters()


# Faults and limits of one account


@pytest.mark.parametrize(("kind", "code"), [("deny", "AccessDenied"), ("throttle", "Throttling")])
def test_one_account_refuses_and_the_others_go_on(aws: SimulatedAws, kind: str, code: str) -> None:
    keys = assumed(aws)
    control(aws, "POST", "harm", {"kind": kind, "service": "ecs", "account": SECOND_ACCOUNT})
    with pytest.raises(ClientError, match=code):
        service_of(aws, PAYMENTS, keys)
    assert service_of(aws, COURT, None)["runningCount"] == 3
    assert service_of(aws, COURT_SOUTH, None)["runningCount"] == 3
    (rule,) = control(aws, "GET", "harm")
    assert (rule["account"], rule["done"]) == (SECOND_ACCOUNT, 1)


def test_a_stale_read_is_one_of_the_same_account(aws: SimulatedAws) -> None:
    keys = assumed(aws)
    control(aws, "POST", "harm", {"kind": "stale", "service": "ecs", "delay": 60})
    ours = client(aws, "ecs").list_clusters()["clusterArns"]
    assert client(aws, "ecs", keys).list_clusters()["clusterArns"] != ours
