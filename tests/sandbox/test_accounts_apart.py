"""Several accounts and regions that are opened for one test: with limits, without a socket, alone."""

from contextlib import closing
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from sandbox.aws.accounts import ACCOUNT, HOME, OPT_IN_REGION, REGION, SECOND_ACCOUNT
from sandbox.aws.inprocess import answered_by
from sandbox.aws.server import SimulatedAws
from sandbox.aws.server.in_process import InProcessAws
from sandbox.aws.workloads import EVERYWHERE, EXTERNAL_ID, PAYMENTS, ROLE

NOW = 1_800_000_000.0
ONCE = Config(connect_timeout=3, read_timeout=5, retries={"total_max_attempts": 1})
THERE = f"arn:aws:iam::{SECOND_ACCOUNT}:role/{ROLE}"
OURS = f"arn:aws:iam::{ACCOUNT}:role/{ROLE}"
Keys = dict[str, Any]


def session_of(keys: Keys | None, region: str = REGION) -> boto3.Session:
    return boto3.Session(
        aws_access_key_id=keys["AccessKeyId"] if keys else "test",
        aws_secret_access_key=keys["SecretAccessKey"] if keys else "test",
        aws_session_token=keys["SessionToken"] if keys else None,
        region_name=region,
    )


def test_each_account_and_region_has_its_own_limits() -> None:
    with SimulatedAws(clock=lambda: NOW, workloads=EVERYWHERE, throttles=True) as limited:

        def client(service: Any, keys: Keys | None = None, region: str = REGION) -> Any:
            return session_of(keys, region).client(service, endpoint_url=limited.endpoint, config=ONCE)

        asked = {"RoleArn": THERE, "RoleSessionName": "surefoot-recovery", "ExternalId": EXTERNAL_ID}
        keys = client("sts").assume_role(**asked)["Credentials"]
        ours = client("cloudwatch")
        for _ in range(9):
            ours.describe_alarms()
        with pytest.raises(ClientError, match="Rate exceeded"):
            ours.describe_alarms()
        client("cloudwatch", keys).describe_alarms()
        client("cloudwatch", region=OPT_IN_REGION).describe_alarms()


def test_the_same_holds_in_this_process() -> None:
    """The endpoints have their own names here, so that the global one is told by its name."""
    with closing(InProcessAws(lambda: NOW, workloads=EVERYWHERE, session_seconds=5)) as account:
        send = answered_by(account.open("http://aws.sandbox", "application.sandbox", [80, 81, 82]))
        account.sessions.clock = lambda: NOW

        def inside(service: Any, keys: Keys | None = None, region: str = REGION, **more: Any) -> Any:
            found = session_of(keys, region).client(service, config=ONCE, **more)
            found.meta.events.register("before-send", send)
            return found

        asked = {"RoleArn": THERE, "RoleSessionName": "surefoot-recovery"}
        with pytest.raises(ClientError, match="AccessDenied"):
            inside("sts").assume_role(**asked)
        answer = inside("sts").assume_role(**asked, ExternalId=EXTERNAL_ID)
        keys = answer["Credentials"]
        assert keys["Expiration"].timestamp() == NOW + 5
        assert inside("ecs", keys).list_clusters()["clusterArns"] == [
            f"arn:aws:ecs:{REGION}:{SECOND_ACCOUNT}:cluster/{PAYMENTS.cluster}"
        ]
        globally = inside("sts", region="us-east-1", endpoint_url="https://sts.amazonaws.com")
        of_the_globe = globally.assume_role(RoleArn=OURS, RoleSessionName="surefoot-recovery")["Credentials"]
        with pytest.raises(ClientError, match="UnrecognizedClientException"):
            inside("ecs", of_the_globe, OPT_IN_REGION).list_clusters()
        regional = inside("sts", region="us-east-1", endpoint_url="https://sts.us-east-1.amazonaws.com")
        keys_of_a_region = regional.assume_role(RoleArn=OURS, RoleSessionName="surefoot-recovery")["Credentials"]
        assert inside("ecs", keys_of_a_region, OPT_IN_REGION).list_clusters()["clusterArns"]
        account.sessions.clock = lambda: NOW + 5
        with pytest.raises(ClientError, match="ExpiredTokenException"):
            inside("ecs", keys).list_clusters()


def test_alone_there_is_one_account_and_one_region() -> None:
    with closing(InProcessAws(lambda: NOW)) as account:
        account.open("http://aws.sandbox", "application.sandbox", [80])
        assert list(account.worlds) == [HOME]
