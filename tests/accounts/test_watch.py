"""What ``/readyz`` reports of accounts, and what is renewed in the background."""

import json
import subprocess
import sys
from itertools import pairwise
from typing import Any

import boto3
import pytest

from sandbox.aws.accounts import ACCOUNT, OPT_IN_REGION, REGION, SECOND_ACCOUNT
from sandbox.aws.server.seed import ADMINISTRATOR
from services._chassis.accounts import LOOK_SECONDS, LOST_SECONDS, CredentialsLost
from services._chassis.aws_connection import Place
from services._chassis.credentials import REFUSED_SECONDS, NoCredentials, RoleCredentials
from tests.accounts.conftest import ELSEWHERE, GUESSED, HERE, THERE, Installation, held

PLACE = f"{SECOND_ACCOUNT}/{REGION}"
SOUTH_PLACE = f"{ACCOUNT}/{OPT_IN_REGION}"
MEMORY = """
import os, resource
os.environ.update(AWS_ACCESS_KEY_ID="x", AWS_SECRET_ACCESS_KEY="x")
from contracts.policy import Access
from services._chassis.aws_connection import AwsConnection, Place
class Roles:
    def access(self, account):
        return Access(role=f"arn:aws:iam::{account}:role/surefoot")
connection = AwsConnection("us-west-2")
connection.follow(Roles(), "0" * 12)
apis = ("ecs", "cloudwatch", "elbv2", "sts", "rds")
for api in apis:
    connection.client(api)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for number in range(1, 21):
    for region in ("us-west-2", "eu-west-1", "eu-south-1"):
        for api in apis:
            connection.client(api, Place(f"{number:012}", region))
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024)
"""
"""Prints how many MiB the clients of 20 accounts in three regions take."""


async def test_all_is_well(installation: Installation) -> None:
    await installation.watch.look()
    assert installation.watch.status() == {PLACE: "ok", SOUTH_PLACE: "ok"}
    assert installation.readiness.degraded == []
    calls = installation.aws.calls.calls()
    checked = {(call.account, call.region) for call in calls if call.operation == "GetCallerIdentity"}
    assert checked == {(ACCOUNT, REGION), (ACCOUNT, OPT_IN_REGION), (SECOND_ACCOUNT, REGION)}


async def test_one_account_that_refuses_is_named_until_it_is_mended(
    installation: Installation,
) -> None:
    installation.policies.accounts[SECOND_ACCOUNT] = GUESSED
    await installation.watch.look()
    [sentence] = installation.readiness.degraded
    assert sentence.startswith(f"account {PLACE}: account {SECOND_ACCOUNT} cannot be entered by {GUESSED.role}")
    assert installation.watch.status()[SOUTH_PLACE] == "ok"
    assert "AccessDenied" in installation.watch.status()[PLACE]
    assert await installation.service(HERE)

    for _ in range(int(REFUSED_SECONDS[1] / LOOK_SECONDS)):
        await installation.watch.look()
        installation.time[0] += LOOK_SECONDS
    assert len(installation.connection.asked) <= 2, "a role that refuses is asked every two minutes"

    installation.policies.accounts[SECOND_ACCOUNT] = THERE
    await installation.watch.look()
    assert installation.readiness.degraded == []
    assert await installation.service(ELSEWHERE)


async def test_a_role_that_is_mended_at_aws_is_noticed_by_itself(installation: Installation) -> None:
    iam: Any = boto3.client("iam", region_name=REGION, **keys_of_the_administrator())
    name = "for-nobody"
    nobody = _trust(f"arn:aws:iam::{ACCOUNT}:user/ada")
    iam.create_role(RoleName=name, AssumeRolePolicyDocument=nobody)
    installation.policies.accounts[SECOND_ACCOUNT] = THERE.model_copy(
        update={"role": f"arn:aws:iam::{SECOND_ACCOUNT}:role/{name}", "external_id": None}
    )
    await installation.watch.look()
    assert installation.readiness.degraded
    iam.update_assume_role_policy(RoleName=name, PolicyDocument=_trust(f"arn:aws:iam::{ACCOUNT}:root"))
    installation.time[0] += REFUSED_SECONDS[1]
    await installation.watch.look()
    assert installation.readiness.degraded == []
    iam.delete_role(RoleName=name)


async def test_in_three_hours_credentials_are_renewed_with_twenty_minutes_left_and_twice_an_hour_at_most(
    installation: Installation,
) -> None:
    left: list[float] = []
    while len(left) < 3 * 3600 / LOOK_SECONDS:
        await installation.watch.look()
        credentials = installation.connection.account(Place(SECOND_ACCOUNT, REGION)).credentials
        assert isinstance(credentials, RoleCredentials)
        left.append(credentials.left)
        await installation.sleep(LOOK_SECONDS)
    assert min(left) >= 1200
    begun = [when for when, asked in installation.connection.asked if "ExternalId" in asked]
    assert len(begun) == 5
    assert all(third - first > 3600 for first, third in zip(begun, begun[2:], strict=False))
    assert all(later - earlier >= 2280 for earlier, later in pairwise(begun))
    assert len(installation.connection.asked) == len(begun) + 1, "once it was tried without the external id"


async def test_a_renewal_that_fails_is_told_while_the_present_credentials_hold(installation: Installation) -> None:
    await installation.watch.look()
    installation.time[0] += 2700
    installation.connection.sts_is_away = lambda: True
    await installation.watch.look()
    [sentence] = installation.readiness.degraded
    assert "STS does not answer" in sentence
    assert "The present credentials hold for 15 more minutes" in sentence
    assert await installation.service(ELSEWHERE)


async def test_an_external_id_that_is_not_demanded_is_told(installation: Installation) -> None:
    open_role = THERE.model_copy(update={"role": f"arn:aws:iam::{SECOND_ACCOUNT}:role/{ADMINISTRATOR}"})
    installation.policies.accounts[SECOND_ACCOUNT] = open_role
    await installation.watch.look()
    [sentence] = installation.readiness.degraded
    assert "does not demand its external id" in sentence
    assert installation.watch.status()[PLACE] == "ok"
    installation.policies.accounts[SECOND_ACCOUNT] = THERE
    await installation.watch.look()
    assert installation.readiness.degraded == []


async def test_what_the_policy_drops_is_closed_and_not_told_any_more(installation: Installation) -> None:
    installation.policies.accounts[SECOND_ACCOUNT] = GUESSED
    await installation.watch.look()
    assert installation.connection.entered() == {SECOND_ACCOUNT}
    installation.policies.accounts.clear()
    installation.policies.held = held(HERE)
    await installation.watch.look()
    assert installation.connection.entered() == set()
    assert installation.readiness.degraded == []
    assert installation.watch.status() == {}


async def test_an_account_whose_services_are_not_listed_is_watched_once_somebody_has_acted_there(
    installation: Installation,
) -> None:
    installation.policies.held = held(HERE)
    await installation.watch.look()
    assert installation.watch.status() == {}
    await installation.service(ELSEWHERE)
    await installation.watch.look()
    assert installation.watch.status() == {PLACE: "ok"}


async def test_credentials_of_another_account_are_told(installation: Installation) -> None:
    ours = f"arn:aws:iam::{ACCOUNT}:role/surefoot"
    installation.policies.accounts[SECOND_ACCOUNT] = THERE.model_copy(update={"role": ours, "external_id": None})
    await installation.watch.look()
    sentence = f"the policy says account {SECOND_ACCOUNT}, but its role's credentials are of {ACCOUNT}"
    assert installation.watch.status()[PLACE] == sentence


async def test_own_credentials_that_are_lost_are_told_and_end_the_process_after_a_while(
    installation: Installation,
) -> None:
    own = installation.connection.own
    busy = [True]
    installation.watch.busy = lambda: busy[0]

    def none() -> None:
        return None

    own._find, own._found, own.held = none, None, None
    await installation.watch.look()
    sentences = " ".join(installation.readiness.degraded)
    assert "This process cannot get its own credentials: no credentials are configured" in sentences
    installation.time[0] += LOST_SECONDS
    await installation.watch.look()
    busy[0] = False
    with pytest.raises(CredentialsLost, match=r"cannot get its own credentials.*for 10 minutes"):
        await installation.watch.look()


async def test_a_process_that_works_on_jobs_has_twice_the_time_to_get_credentials(installation: Installation) -> None:
    installation.watch.busy = lambda: True
    own = installation.connection.own
    own._find, own._found, own.held = lambda: None, None, None
    await installation.watch.look()
    installation.time[0] += LOST_SECONDS * 2
    with pytest.raises(CredentialsLost):
        await installation.watch.look()


@pytest.mark.slow
def test_a_thousand_changes_of_a_role_leave_nothing_behind(installation: Installation) -> None:
    connection, place = installation.connection, Place(SECOND_ACCOUNT, REGION)
    for number in range(1000):
        installation.policies.accounts[SECOND_ACCOUNT] = THERE.model_copy(update={"external_id": f"id-{number}"})
        connection.account(place)
        connection.drop_left_accounts()
    assert connection.entered() == {SECOND_ACCOUNT}
    installation.policies.accounts.clear()
    with pytest.raises(NoCredentials):
        connection.account(place)
    connection.drop_left_accounts()
    assert connection.entered() == set()


def test_twenty_accounts_in_three_regions_take_less_than_120_megabytes() -> None:
    done = subprocess.run([sys.executable, "-c", MEMORY], capture_output=True, text=True, check=True, timeout=100)
    assert float(done.stdout) < 120


def _trust(principal: str) -> str:
    statement = {"Effect": "Allow", "Principal": {"AWS": principal}, "Action": "sts:AssumeRole"}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def keys_of_the_administrator() -> dict[str, Any]:
    role = f"arn:aws:iam::{SECOND_ACCOUNT}:role/{ADMINISTRATOR}"
    sts = boto3.client("sts", region_name=REGION)
    keys = sts.assume_role(RoleArn=role, RoleSessionName="administrator")["Credentials"]
    return {
        "aws_access_key_id": keys["AccessKeyId"],
        "aws_secret_access_key": keys["SecretAccessKey"],
        "aws_session_token": keys["SessionToken"],
    }
