"""The seven services at work in two accounts and two regions at once, under the virtual clock."""

from collections.abc import Iterator

import pytest
from botocore.exceptions import EndpointConnectionError

from contracts.deployment import DeploymentFinished
from contracts.envelope import from_message
from sandbox.aws.accounts import REGION, SECOND_ACCOUNT
from sandbox.aws.workloads import COURT, EVERYWHERE, EXTERNAL_ID, PAYMENTS
from tests.rehearsal.installation import Installation, installed, policy

pytestmark = pytest.mark.slow


@pytest.fixture
def installation() -> Iterator[Installation]:
    with installed() as installation:
        yield installation


def test_each_service_is_deployed_in_its_own_account_and_region(installation: Installation) -> None:
    ended = installation.play(policy(), lambda here: here.deploy(*EVERYWHERE))
    assert {workload.place: finished.outcome for workload, finished in ended.items()} == {
        workload.place: "succeeded" for workload in EVERYWHERE
    }, {finished.reason for finished in ended.values()}
    updates = [call for call in installation.aws.calls.calls(changing=True) if call.operation == "UpdateService"]
    assert sorted((call.account, call.region) for call in updates) == sorted(workload.place for workload in EVERYWHERE)
    assert installation.system.readiness.degraded == []


def test_one_that_cannot_be_entered_is_blocked_with_the_reason_and_the_other_goes_on(
    installation: Installation,
) -> None:
    ended = installation.play(policy().replace(EXTERNAL_ID, "guessed"), lambda here: here.deploy(COURT, PAYMENTS))
    assert ended[COURT].outcome == "succeeded"
    assert ended[PAYMENTS].outcome == "blocked"
    told = " ".join(
        str(from_message(one.headers, one.value).event)
        for topic in installation.system.bus.topics.values()
        for one in topic
    )
    assert f"account {SECOND_ACCOUNT} cannot be entered by" in told
    assert "guessed" not in told
    [sentence] = installation.system.readiness.degraded
    assert sentence.startswith(f"account {SECOND_ACCOUNT}/{REGION}: ")


def test_after_an_hour_and_a_half_a_rollback_does_not_need_sts(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """STS is away while the image degrades, and the credentials hold; those of the beginning held for an hour."""

    def away(*_: object) -> None:
        raise EndpointConnectionError(endpoint_url="https://sts.us-west-2.amazonaws.com")

    async def script(here: Installation) -> tuple[DeploymentFinished, DeploymentFinished]:
        first = await here.deploy(PAYMENTS)
        await here.clock.sleep(1.5 * 3600)
        monkeypatch.setattr(here.connection, "_assume_at", away)
        second = await here.deploy(PAYMENTS, image="slow")
        return first[PAYMENTS], second[PAYMENTS]

    first, second = installation.play(policy(), script)
    assert (first.outcome, second.outcome) == ("succeeded", "rolled_back"), (first.reason, second.reason)
    calls = [call for call in installation.aws.calls.calls() if call.operation == "AssumeRole"]
    given = [call.time for call in calls if call.status == 200]
    assert len(given) >= 3
    assert all(third - first > 3600 for first, third in zip(given, given[2:], strict=False)), "twice an hour at most"
    assert len(calls) == len(given) + 1, "once it was tried without the external id"
