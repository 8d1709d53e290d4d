"""Harm on demand as boto3 meets it, and the log that tells what came of each call."""

import json
import time
from collections.abc import Iterator
from typing import Any

import boto3
import httpx2
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, ConnectionClosedError, ReadTimeoutError

from sandbox.aws.faults.rules import Asked, FaultRules
from sandbox.aws.server import SimulatedAws
from sandbox.aws.server.seed import BACKUP_BUCKET, CLUSTER, SERVICE
from sandbox.scenarios.harm import Rule

ONCE = Config(
    connect_timeout=3, read_timeout=5, retries={"total_max_attempts": 1}, user_agent_extra="surefoot/tests/x/1"
)
AGAIN = {"cluster": CLUSTER, "service": SERVICE, "forceNewDeployment": True}


@pytest.fixture(scope="module")
def aws() -> Iterator[SimulatedAws]:
    with SimulatedAws(clock=lambda: 1_800_000_000.0) as found:
        yield found


@pytest.fixture(autouse=True)
def _peace(aws: SimulatedAws) -> Iterator[None]:
    yield
    tell(aws, "DELETE", "harm")


def client(aws: SimulatedAws, service: str, config: Config = ONCE) -> Any:
    return boto3.client(
        service,  # type: ignore[call-overload]  # any service
        endpoint_url=aws.endpoint,
        region_name="us-west-2",
        aws_access_key_id="test",
        aws_secret_access_key="test",
        config=config,
    )


def tell(aws: SimulatedAws, method: str, path: str, body: Any = None) -> Any:
    return httpx2.request(method, f"{aws.endpoint}/_sandbox/{path}", json=body, timeout=10).json()


def changes(aws: SimulatedAws, after: int = 0) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = tell(aws, "GET", f"calls?changing=1&after={after}")
    return found


def last(aws: SimulatedAws) -> int:
    return max((one["number"] for one in changes(aws)), default=0)


CALLS = {
    "ecs": lambda one: one.describe_services(cluster=CLUSTER, services=[SERVICE]),
    "ecr": lambda one: one.describe_images(repositoryName="backend"),
    "cloudwatch": lambda one: one.describe_alarms(),
    "elbv2": lambda one: one.describe_load_balancers(),
    "sts": lambda one: one.get_caller_identity(),
    "s3": lambda one: one.list_objects_v2(Bucket=BACKUP_BUCKET),
}


@pytest.mark.parametrize(("kind", "status"), [("throttle", {400, 503}), ("deny", {400, 403}), ("expire", {400})])
@pytest.mark.parametrize("service", CALLS)
def test_each_service_says_no_as_aws_does(aws: SimulatedAws, service: str, kind: str, status: set[int]) -> None:
    code = {"throttle": ("Throttl", "SlowDown"), "deny": ("AccessDenied",), "expire": ("ExpiredToken",)}[kind]
    tell(aws, "POST", "harm", {"kind": kind, "calls": 1})
    with pytest.raises(ClientError) as told:
        CALLS[service](client(aws, service))
    assert told.value.response["Error"]["Code"].startswith(code)
    assert told.value.response["ResponseMetadata"]["HTTPStatusCode"] in status
    CALLS[service](client(aws, service))  # the rule is used up


def test_a_role_can_be_denied_an_action(aws: SimulatedAws) -> None:
    """IAM user guide, "Troubleshoot access denied error messages"."""
    trust = {"Effect": "Allow", "Principal": {"AWS": "123456789012"}, "Action": "sts:AssumeRole"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    iam = client(aws, "iam")
    role = iam.create_role(RoleName="court-case-monitor", AssumeRolePolicyDocument=document)["Role"]["Arn"]
    keys = client(aws, "sts").assume_role(RoleArn=role, RoleSessionName="here")["Credentials"]
    named: Any = {"aws_access_key_id": keys["AccessKeyId"], "aws_secret_access_key": keys["SecretAccessKey"]}
    named["aws_session_token"] = keys["SessionToken"]
    of_role: Any = boto3.client("ecs", endpoint_url=aws.endpoint, region_name="us-west-2", **named)
    rule = {"kind": "deny", "caller": "assumed-role/court-case-monitor/", "operation": "UpdateService"}
    tell(aws, "POST", "harm", rule)
    with pytest.raises(ClientError) as told:
        of_role.update_service(**AGAIN)
    assert told.value.response["Error"]["Message"] == (
        "User: arn:aws:sts::123456789012:assumed-role/court-case-monitor/here is not authorized to perform: "
        "ecs:UpdateService because no identity-based policy allows the ecs:UpdateService action"
    )
    CALLS["ecs"](of_role)
    client(aws, "ecs").update_service(**AGAIN)
    assert changes(aws)[-1]["caller"] == "arn:aws:iam::123456789012:user/test"


@pytest.mark.parametrize("service", CALLS)
def test_an_internal_error_is_one_in_every_protocol(aws: SimulatedAws, service: str) -> None:
    tell(aws, "POST", "harm", {"kind": "error-before", "calls": 1})
    with pytest.raises(ClientError) as told:
        CALLS[service](client(aws, service))
    assert told.value.response["ResponseMetadata"]["HTTPStatusCode"] == 500


@pytest.mark.parametrize(
    ("kind", "error", "effects"),
    [
        ("error-before", ClientError, 0),
        ("error-after", ClientError, 1),
        ("reset", ConnectionClosedError, 0),
        ("reset-after", ConnectionClosedError, 1),
    ],
)
def test_the_log_tells_whether_a_lost_call_took_effect(
    aws: SimulatedAws, kind: str, error: type[Exception], effects: int
) -> None:
    before = last(aws)
    tell(aws, "POST", "harm", {"kind": kind, "operation": "UpdateService", "calls": 1})
    with pytest.raises(error):
        client(aws, "ecs").update_service(**AGAIN)
    found = [one for one in changes(aws, before) if one["effect"]]
    assert len(found) == effects
    for one in found:
        assert one["effect"].startswith("ecs-svc/")
        assert "court-case-backend:1" in one["effect"]
        assert "surefoot/tests/x/1" in one["user_agent"]


def test_a_call_whose_caller_has_hung_up_lands_late(aws: SimulatedAws) -> None:
    before = last(aws)
    tell(aws, "POST", "harm", {"kind": "slow", "operation": "UpdateService", "calls": 1, "delay": 1.0})
    impatient = ONCE.merge(Config(read_timeout=0.3))
    with pytest.raises(ReadTimeoutError):
        client(aws, "ecs", impatient).update_service(**AGAIN)
    assert not changes(aws, before)
    deadline = time.monotonic() + 10
    while not changes(aws, before):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert changes(aws, before)[0]["effect"]


def test_an_answer_that_waits_has_taken_effect(aws: SimulatedAws) -> None:
    before = last(aws)
    tell(aws, "POST", "harm", {"kind": "slow-after", "operation": "UpdateService", "calls": 1, "delay": 0.4})
    begun = time.monotonic()
    client(aws, "ecs").update_service(**AGAIN)
    assert time.monotonic() - begun >= 0.4
    assert changes(aws, before)[0]["effect"]


def test_a_stale_read_does_not_know_what_was_just_done(aws: SimulatedAws) -> None:
    ecs = client(aws, "ecs")
    tell(aws, "POST", "harm", {"kind": "stale", "service": "ecs", "delay": 60})

    def primary() -> str:
        answer = ecs.describe_services(cluster=CLUSTER, services=[SERVICE])
        return str(answer["services"][0]["deployments"][0]["id"])

    old = primary()
    ecs.update_service(**AGAIN)
    assert primary() == old
    tell(aws, "DELETE", "harm")
    assert primary() != old


def test_a_call_without_effect_says_so_and_a_registration_names_what_it_made(aws: SimulatedAws) -> None:
    ecs, before = client(aws, "ecs"), last(aws)
    ecs.update_service(cluster=CLUSTER, service=SERVICE, desiredCount=3)
    container = {"name": "one", "image": "example/one"}
    ecs.register_task_definition(family="other", containerDefinitions=[container])
    assert [one["effect"] for one in changes(aws, before)] == ["", "other:1"]


def test_a_rule_holds_for_whom_it_names(aws: SimulatedAws) -> None:
    tell(aws, "POST", "harm", {"kind": "deny", "service": "ecs", "agent": "surefoot/recovery"})
    CALLS["ecs"](client(aws, "ecs"))
    with pytest.raises(ClientError):
        CALLS["ecs"](client(aws, "ecs", ONCE.merge(Config(user_agent_extra="surefoot/recovery/x/1"))))
    (rule,) = tell(aws, "GET", "harm")
    assert (rule["kind"], rule["done"]) == ("deny", 1)


@pytest.mark.parametrize(
    "body", [{"kind": "worse"}, {}, {"kind": "deny", "calls": 0}, {"kind": "deny", "colour": 1}, []]
)
def test_a_rule_that_cannot_be_is_refused_with_a_sentence(aws: SimulatedAws, body: Any) -> None:
    answer = httpx2.post(f"{aws.endpoint}/_sandbox/harm", json=body)
    assert answer.status_code == 400
    assert answer.json()["message"]


def test_a_share_and_a_time() -> None:
    now = [0.0]
    harm, call = FaultRules(clock=lambda: now[0]), Asked("ecs", "DescribeServices", "", "", "")
    harm.add(Rule.model_validate({"kind": "throttle", "share": 0.3, "seconds": 10}))
    hits = sum(harm.of(call) is not None for _ in range(1000))
    assert 230 < hits < 370
    now[0] = 10.1
    assert harm.of(call) is None
    assert not harm.rules()


def test_an_image_and_a_role_can_be_gone_and_come_back(aws: SimulatedAws) -> None:
    ecs = client(aws, "ecs")
    digest = tell(aws, "POST", "images", {"tag": "mine", "behaviour": "healthy"})["digest"]
    image = f"123456789012.dkr.ecr.us-west-2.amazonaws.com/backend@{digest}"
    body = ecs.describe_task_definition(taskDefinition="court-case-backend")["taskDefinition"]
    named = {key: body[key] for key in ("executionRoleArn", "networkMode", "cpu", "memory", "requiresCompatibilities")}
    container = {**body["containerDefinitions"][0], "image": image}
    ecs.register_task_definition(family="mine", containerDefinitions=[container], **named)
    network = ecs.describe_services(cluster=CLUSTER, services=[SERVICE])["services"][0]["networkConfiguration"]

    def reason() -> str:
        run = ecs.run_task(cluster=CLUSTER, taskDefinition="mine", launchType="FARGATE", networkConfiguration=network)
        arn = run["tasks"][0]["taskArn"]
        aws.step(40)
        task = ecs.describe_tasks(cluster=CLUSTER, tasks=[arn])["tasks"][0]
        return str(task.get("stoppedReason", task["lastStatus"]))

    assert reason() == "RUNNING"
    for gone, what, words in (
        ("images", {"images": [image]}, "CannotPullContainerError"),
        ("roles", {"role": body["executionRoleArn"]}, "ResourceInitializationError"),
    ):
        tell(aws, "POST", f"{gone}/gone", what)
        assert words in reason()
        tell(aws, "POST", f"{gone}/back", what)
        assert reason() == "RUNNING"


def test_the_log_tells_which_task_a_repeated_client_token_has(aws: SimulatedAws) -> None:
    ecs, before = client(aws, "ecs"), last(aws)
    service = ecs.describe_services(cluster=CLUSTER, services=[SERVICE])["services"][0]
    for token in ("once", "once", "another"):
        ecs.run_task(
            cluster=CLUSTER,
            taskDefinition=service["taskDefinition"],
            launchType="FARGATE",
            networkConfiguration=service["networkConfiguration"],
            clientToken=token,
            startedBy=token,
        )
    first, again, other = (call["effect"].split() for call in changes(aws, before) if call["operation"] == "RunTask")
    assert first == again != other
    assert (first[1], other[1]) == ("once", "another")
