"""Whether a service could be made in another place is looked at all the time, and told when that is lost."""

from collections.abc import Iterator
from typing import Any

import pytest

from contracts.policy import ServicePolicy
from contracts.policy_elsewhere import Elsewhere as ElsewherePolicy
from contracts.recovery import ReadinessChanged
from sandbox.aws.accounts import REGION
from sandbox.aws.server import SimulatedAws
from sandbox.aws.server.seed import BACKUP_BUCKET
from sandbox.aws.workloads import COURT, COURT_SOUTH
from services._aws.errors import AwsError
from services._chassis.aws_connection import AwsConnection
from services._chassis.clock import moment
from services._chassis.signatures import UNSIGNED
from services.recovery.adapters.bucket import Bucket
from services.recovery.adapters.infrastructure import AwsInfrastructure
from services.recovery.adapters.snapshots import SignedSnapshots
from services.recovery.decisions.watch import Watched, watched_key
from services.recovery.domain.readiness import Need
from services.recovery.domain.recreation.elsewhere import judge
from services.recovery.domain.recreation.move import Move
from services.recovery.domain.recreation.recreate_plan import Unread
from services.recovery.recreate import Recreate
from surefoot.snapshots import made_there, ways_back
from tests.services.recovery import test_recovery_on_simulated_aws as on_aws
from tests.services.recovery.harness import TARGET, Recovery
from tests.services.recovery.recreations import daemon, planned, snapshot, there, worker
from tests.services.recovery.test_recovery_on_simulated_aws import Account
from tests.services.recovery.web import client_of

STANDBY = TARGET.model_copy(update={"cluster": "Standby"})
MOVE = Move(TARGET, STANDBY)
GONE = Need("the certificate arn:x", False, "is EXPIRED")
DENIED = Need("the KMS key arn:y", None, "AccessDenied")
PATH = f"/readiness/{TARGET.cluster}/{TARGET.service}/elsewhere"


class Standby:
    """Recovery of a service that has one snapshot, and whose policy names another cluster."""

    def __init__(self, **elsewhere: Any) -> None:
        self.recovery = Recovery()
        self.named(**({"cluster": "Standby"} | elsewhere))

    def named(self, **elsewhere: Any) -> None:
        policy = ServicePolicy(target=TARGET, elsewhere=ElsewherePolicy(**elsewhere))
        self.recovery.policies.reload(policy)

    async def watched(self, rounds: int) -> list[ReadinessChanged]:
        """Look so many hours, and return what is told of the other place, the oldest first."""
        before = len(self.recovery.published(ReadinessChanged))
        await self.recovery.watch(rounds)
        return list(reversed(self.recovery.published(ReadinessChanged)))[before:]

    async def seen(self) -> Watched:
        return await self.recovery.store.read(watched_key(TARGET), Watched)


@pytest.fixture
async def standby() -> Standby:
    found = Standby()
    await found.recovery.snapshots.put(snapshot())
    return found


@pytest.mark.parametrize("taken", [snapshot(), daemon(), worker()])
def test_it_could_be_made_where_all_that_it_needs_is_there(taken: Any) -> None:
    found = judge(MOVE, "s-1", planned(taken), "")
    assert (found.can, found.because, found.lost) == (True, (), ())
    assert found.sentence == "It could be made as Standby/BackendService in us-west-2, from the snapshot s-1."
    assert "The account's quotas there" in found.beware[-1]


def test_what_is_gone_is_no_and_what_is_not_known_is_neither() -> None:
    gone = judge(MOVE, "s-1", planned(snapshot(), needs=[GONE, DENIED]), "")
    assert gone.can is False
    [reason] = gone.because
    assert reason.startswith("The certificate arn:x is EXPIRED: ")
    [lost] = gone.lost
    assert lost.startswith("It could not be made as Standby/BackendService in us-west-2: The certificate arn:x is")
    denied = judge(MOVE, "s-1", planned(snapshot(), needs=[DENIED]), "")
    assert (denied.can, denied.lost) == (None, ())
    assert denied.because == ("Whether the KMS key arn:y is there is not known: AccessDenied.",)
    unread = there(snapshot()) | {"service:BackendService": None, "alarm:busy": Unread("Throttling")}
    assert judge(MOVE, "s-1", planned(snapshot(), unread), "").can is None


def test_where_surefoot_may_not_act_it_could_not_be_made() -> None:
    found = judge(MOVE, "s-1", planned(snapshot()), "The policy has no such service.")
    assert (found.can, found.because) == (False, ("The policy has no such service.",))


async def test_what_is_lost_is_told_once_each_day_and_when_it_could_be_made_again(standby: Standby) -> None:
    assert await standby.watched(8) == []
    assert (await standby.seen()).elsewhere_seen is not None
    told = standby.recovery.infrastructure
    told.missing = (GONE,)
    [lost] = await standby.watched(7)
    assert (lost.ready, lost.lost, len(lost.elsewhere)) == (True, (), 1)
    told.missing = (DENIED,)
    assert await standby.watched(5) == [], "what is not known is neither lost nor regained"
    told.missing = (GONE,)
    assert len(await standby.watched(24)) == 1
    told.missing = ()
    [again] = await standby.watched(2)
    assert (again.ready, again.elsewhere) == (True, ())


async def test_its_own_place_may_be_lost_meanwhile(standby: Standby) -> None:
    standby.recovery.ecs.refusing["service"] = AwsError("ECS did not answer DescribeServices", temporary=True)
    standby.recovery.infrastructure.missing = (GONE,)
    [lost] = await standby.watched(1)
    assert lost.elsewhere


async def test_it_is_looked_at_four_times_a_day_and_each_hour_while_it_could_not_be_made(standby: Standby) -> None:
    looks = 0
    infrastructure = standby.recovery.infrastructure
    needs = infrastructure.needs

    async def counted(*args: Any) -> tuple[Need, ...]:
        nonlocal looks
        looks += 1
        return await needs(*args)

    infrastructure.needs = counted  # type: ignore[method-assign,assignment]
    await standby.watched(24)
    assert looks == 4
    infrastructure.missing = (GONE,)
    await standby.watched(12)
    assert looks == 4 + 12


async def test_another_place_is_looked_at_at_once_and_none_is_over(standby: Standby) -> None:
    standby.recovery.infrastructure.missing = (GONE,)
    [lost] = await standby.watched(1)
    assert "Standby/BackendService" in lost.elsewhere[0]
    standby.named(cluster="Third")
    [other] = await standby.watched(1)
    assert "Third/BackendService" in other.elsewhere[0]
    standby.named(cluster=None)
    [over] = await standby.watched(1)
    assert over.elsewhere == ()
    assert (await standby.seen()).elsewhere_seen is None
    assert await standby.watched(3) == []


async def test_without_a_snapshot_it_could_not_be_made() -> None:
    bare = Standby().recovery
    found = await bare.recreate.elsewhere(MOVE, moment(bare.clock.now()))
    assert (found.can, "There is no snapshot of" in found.lost[0]) == (False, True)


async def test_over_http_it_is_looked_at_now_with_the_policys_names_or_others(standby: Standby) -> None:
    async with client_of(standby.recovery) as web:
        found = (await web.post(PATH)).json()
        assert (found["can_be_made"], found["there"]) == (True, str(STANDBY))
        named = {"cluster": "Third", "names": ["subnet-1=subnet-7", "subnet-99=subnet-8"]}
        other = (await web.post(PATH, json=named)).json()
        assert other["can_be_made"] is False
        assert any("names no subnet-99" in reason for reason in other["because"])
        assert (await web.post(PATH, json={"names": ["subnet-1"]})).status_code == 422
        standby.named(cluster=None)
        none = await web.post(PATH)
        assert (none.status_code, "names another region" in none.json()["detail"]) == (422, True)
    assert made_there(other).splitlines()[1].startswith("  ")


async def test_nothing_is_asked_of_the_service_that_runs(standby: Standby) -> None:
    """It still wants its tasks, which stands in nobody's way before its place is lost."""
    standby.recovery.infrastructure.elsewhere = 6
    async with client_of(standby.recovery) as web:
        assert (await web.post(PATH)).json()["can_be_made"] is True


async def test_what_was_seen_last_stands_beside_the_ways_back(standby: Standby) -> None:
    standby.recovery.infrastructure.missing = (GONE,)
    await standby.watched(1)
    async with client_of(standby.recovery) as web:
        shown = (await web.get(f"/readiness/{TARGET.cluster}/{TARGET.service}")).json()
    assert shown["elsewhere"]["can"] is False
    assert "  elsewhere, as seen at " in ways_back(shown)


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> Iterator[Account]:
    with SimulatedAws(clock=lambda: 1_768_228_200.0, workloads=(COURT, COURT_SOUTH)) as aws:
        monkeypatch.setenv("AWS_ENDPOINT_URL", aws.endpoint)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
        connection = AwsConnection(REGION)
        yield Account(aws, connection)
        connection.close()


@pytest.mark.slow
async def test_on_aws_the_answer_exists_while_the_service_runs_where_it_is(account: Account) -> None:
    await account.armed()
    snapshots = SignedSnapshots(Bucket(account.calls, BACKUP_BUCKET), UNSIGNED)
    recreate = Recreate(AwsInfrastructure(account.calls), snapshots, account.store)
    now, here = moment(account.clock.now()), on_aws.TARGET
    second = Move(here, here.model_copy(update={"cluster": "Standby"}))
    missing = await recreate.elsewhere(second, now)
    assert missing.can is False
    assert any("The cluster Standby is not there" in reason for reason in missing.because)
    account.console.create_cluster(clusterName="Standby")
    there = await recreate.elsewhere(second, now)
    assert (there.can, there.because) == (True, ()), "the service still runs, and that is in nobody's way"
    south = await recreate.elsewhere(Move(here, here.model_copy(update={"region": COURT_SOUTH.place.region})), now)
    assert south.can is False
    named = " ".join(south.because)
    for what in ("names vpc-", "names subnet-", "secret:court-case/jwt", ".dkr.ecr."):
        assert what in named, what
