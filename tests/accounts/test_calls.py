"""Each call acts in the account and region of its target, by credentials that are renewed in time."""

import asyncio
import logging
import threading
from typing import Any

import pytest
from botocore.exceptions import ClientError

from sandbox.aws.accounts import ACCOUNT, OPT_IN_REGION, REGION, SECOND_ACCOUNT
from services._aws.errors import AwsError, changing, reading
from services._chassis.acting import Actor, acting
from services._chassis.aws import Aws
from services._chassis.aws_connection import AwsConnection, Place
from services._chassis.credentials import CAUSES, FORCED_SECONDS, REFUSED_SECONDS, NoCredentials, RoleCredentials
from services._chassis.lanes import MOST_THREADS
from tests.accounts.conftest import ELSEWHERE, GUESSED, HERE, SOUTH, THERE, Connection, Installation


def sessions_of(connection: Connection) -> RoleCredentials:
    found = connection.account(Place(SECOND_ACCOUNT, REGION)).credentials
    assert isinstance(found, RoleCredentials)
    return found


async def test_each_target_is_reached_in_its_account_and_region(installation: Installation) -> None:
    for target in (HERE, ELSEWHERE, SOUTH):
        assert (await installation.service(target)).startswith(f"arn:aws:ecs:{target.region}:{target.account}:service/")
    calls = [call for call in installation.aws.calls.calls() if call.service == "ecs"]
    assert {call.caller for call in calls} == {
        f"arn:aws:iam::{ACCOUNT}:user/test",
        f"arn:aws:sts::{SECOND_ACCOUNT}:assumed-role/surefoot/surefoot",
    }
    assert all("surefoot/health/" in call.user_agent for call in calls)
    [(_, asked)] = installation.connection.asked
    assert asked == {
        "RoleArn": THERE.role,
        "RoleSessionName": "surefoot",
        "ExternalId": THERE.external_id,
        "DurationSeconds": 3600,
    }


async def test_without_a_target_calls_act_in_the_own_account(installation: Installation) -> None:
    answer = await Aws(installation.connection, "recovery").call("sts", "get_caller_identity")
    assert answer["Account"] == ACCOUNT
    assert not installation.connection.asked


async def test_all_who_come_at_once_wait_for_one_call_of_sts(installation: Installation) -> None:
    await asyncio.gather(*(installation.service(ELSEWHERE) for _ in range(40)))
    assert len(installation.connection.asked) == 1


async def test_a_role_that_refuses_is_told_with_its_causes_and_is_not_asked_at_once_again(
    installation: Installation,
) -> None:
    installation.policies.accounts[SECOND_ACCOUNT] = GUESSED
    for _ in range(5):
        with pytest.raises(AwsError) as refused, reading("ECS", "DescribeServices"):
            await installation.service(ELSEWHERE)
        assert await installation.service(HERE)
    sentence = str(refused.value)
    places = [sentence.index(cause) for cause in CAUSES]
    assert places == sorted(places)
    assert sentence.startswith(f"account {SECOND_ACCOUNT} cannot be entered by {GUESSED.role}: AccessDenied")
    assert "guessed" not in sentence
    assert (refused.value.denied, refused.value.temporary) == (True, False)
    assert len(installation.connection.asked) == 1
    with pytest.raises(AwsError, match="cannot be entered"), changing("ECS", "UpdateService"):
        await installation.service(ELSEWHERE)
    installation.time[0] += REFUSED_SECONDS[1]
    with pytest.raises(NoCredentials):
        await installation.service(ELSEWHERE)
    assert len(installation.connection.asked) == 2


async def test_a_role_that_is_mended_works_without_a_restart(installation: Installation) -> None:
    installation.policies.accounts[SECOND_ACCOUNT] = GUESSED
    with pytest.raises(NoCredentials):
        await installation.service(ELSEWHERE)
    installation.policies.accounts[SECOND_ACCOUNT] = THERE
    assert await installation.service(ELSEWHERE)
    installation.policies.accounts.clear()
    with pytest.raises(NoCredentials, match="the policy has no role for account 210987654321; add one under"):
        await installation.service(ELSEWHERE)
    installation.policies.accounts[SECOND_ACCOUNT] = THERE
    assert await installation.service(ELSEWHERE)


async def test_credentials_that_have_ended_are_replaced(installation: Installation) -> None:
    await installation.service(ELSEWHERE)
    installation.time[0] += 3599
    assert await installation.service(ELSEWHERE)
    assert len(installation.connection.asked) == 2


async def test_what_aws_takes_for_expired_in_the_middle_is_asked_again_with_new_credentials(
    installation: Installation,
) -> None:
    await installation.service(ELSEWHERE)
    installation.control("POST", "sessions/expire", {"account": SECOND_ACCOUNT})
    found = await asyncio.gather(*(installation.service(ELSEWHERE) for _ in range(5)))
    assert len(set(found)) == 1
    assert len(installation.connection.asked) == 2
    pages = await installation.at(ELSEWHERE).pages("ecs", "list_clusters", "clusterArns")
    assert len(pages) == 1


async def test_credentials_that_end_at_once_do_not_make_a_flood_of_calls_of_sts(installation: Installation) -> None:
    await installation.service(ELSEWHERE)
    refused = []
    for _ in range(10):
        installation.control("POST", "sessions/expire", {"account": SECOND_ACCOUNT})
        try:
            await installation.service(ELSEWHERE)
        except NoCredentials as error:
            refused.append((str(error), error.temporary))
    assert len(refused) >= 9
    assert set(refused) == {(f"AWS takes the credentials for account {SECOND_ACCOUNT} for expired", True)}
    assert len(installation.connection.asked) == 2
    installation.time[0] += FORCED_SECONDS
    assert await installation.service(ELSEWHERE)


async def test_a_call_never_waits_for_sts_while_its_credentials_hold(installation: Installation) -> None:
    await installation.service(ELSEWHERE)
    installation.time[0] += 2700
    begun, over = threading.Event(), threading.Event()

    def away() -> bool:
        begun.set()
        over.wait(30)
        return True

    installation.connection.sts_is_away = away
    credentials = sessions_of(installation.connection)
    assert credentials.due
    renewing = asyncio.create_task(asyncio.to_thread(credentials.renew, credentials.held))
    try:
        await asyncio.to_thread(begun.wait, 30)
        async with asyncio.timeout(10):
            assert await installation.service(ELSEWHERE)
        assert not renewing.done()
    finally:
        over.set()
    with pytest.raises(NoCredentials, match="STS does not answer"):
        await renewing
    assert await installation.service(ELSEWHERE)


async def test_a_region_whose_sts_is_away_is_entered_by_way_of_the_own_one(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    real = AwsConnection._assume_at

    def at(self: AwsConnection, region: str, parameters: Any) -> Any:
        asked.append(region)
        installation.connection.sts_is_away = lambda: region == OPT_IN_REGION
        return real(self, region, parameters)

    south = ELSEWHERE.model_copy(update={"region": OPT_IN_REGION})
    monkeypatch.setattr(Connection, "_assume_at", at)
    identity = await installation.at(south).call("sts", "get_caller_identity")
    assert identity["Account"] == SECOND_ACCOUNT
    assert asked[0] == OPT_IN_REGION


@pytest.mark.parametrize("endpoints", ["legacy", "regional"])
def test_sts_is_asked_in_the_region_of_the_target(monkeypatch: pytest.MonkeyPatch, endpoints: str) -> None:
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    monkeypatch.setenv("AWS_STS_REGIONAL_ENDPOINTS", endpoints)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    for region in ("us-east-1", "us-west-2", OPT_IN_REGION):
        client = AwsConnection("us-west-2").client("sts", Place(region=region))
        assert client.meta.endpoint_url == f"https://sts.{region}.amazonaws.com"


async def test_credentials_that_a_region_does_not_take_are_told_with_their_cause(installation: Installation) -> None:
    installation.connection.own.held = None
    connection = installation.connection
    await installation.service(SOUTH)
    client = connection.client("ecs", Place(ACCOUNT, OPT_IN_REGION))

    def refuse(**_: object) -> None:
        raise ClientError(
            {"Error": {"Code": "UnrecognizedClientException", "Message": "The security token is invalid."}},
            "DescribeServices",
        )

    client.meta.events.register("before-send", refuse)
    with pytest.raises(NoCredentials, match="eu-south-1 takes no credentials of account 123456789012") as refused:
        await installation.service(SOUTH)
    assert "the region is not enabled there" in str(refused.value)


async def test_who_changes_a_service_waits_for_no_reader(installation: Installation) -> None:
    over = threading.Event()
    begun = threading.Barrier(MOST_THREADS + 1, timeout=30)

    def wait(**_: object) -> None:
        begun.wait()
        over.wait(30)

    await installation.service(HERE)
    readers = installation.connection.client("ecs", Place(ACCOUNT, REGION))
    readers.meta.events.register("before-send", wait)
    reading_ = [asyncio.create_task(installation.service(HERE)) for _ in range(MOST_THREADS * 2)]
    try:
        await asyncio.to_thread(begun.wait)
        readers.meta.events.unregister("before-send", wait)
        async with asyncio.timeout(10):
            changer = installation.at(HERE, "recovery").apart()
            await changer.call("ecs", "describe_services", cluster=HERE.cluster, services=[HERE.service])
        assert not any(task.done() for task in reading_)
    finally:
        over.set()
    await asyncio.gather(*reading_)


async def test_there_are_as_many_connections_as_threads(
    installation: Installation, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, "urllib3.connectionpool"):
        await asyncio.gather(*(installation.service(HERE) for _ in range(MOST_THREADS * 3)))
    assert not [record for record in caplog.records if "pool is full" in record.getMessage()]


async def test_sts_is_asked_for_whoever_waits_even_if_the_first_has_lost_its_lease(installation: Installation) -> None:
    acting.set(Actor("rollback/1/1", until=0))
    credentials = sessions_of(installation.connection)
    assert await asyncio.to_thread(credentials.get_frozen_credentials)
