"""Whether one can go back: to each snapshot, by each plan; and that it is told once when a way back is lost."""

import json
from datetime import timedelta
from typing import Any

import pytest

from contracts.recovery import Disarm, ReadinessChanged
from contracts.rollout_pace import RolloutPace
from services._aws.errors import AwsError
from services._chassis.clock import moment
from services.recovery.domain.image_expiry import Deletion
from services.recovery.domain.readiness import Need, Readiness, Room, WayBack, judge, view
from services.recovery.domain.recovery_plans import plans
from services.recovery.domain.scaling.scaling import Measured
from services.recovery.domain.snapshots.snapshot_index import SnapshotEntry
from tests.services.recovery.harness import ARN, OTHER, START, TARGET, Recovery

ROOM = Room(RolloutPace(tasks=4))
ENTRY = SnapshotEntry(snapshot_id="20260112_143000_00000001", task_definition=f"{ARN}:1", taken_at=START, proven=True)
ROLE = Need("the role ecsTaskRole", there=True)
GONE = Need("the image registry/backend@sha256:1", there=False)
UNREAD = Need("the secret jwt", None, "Secrets Manager did not answer DescribeSecret: AccessDeniedException")


def can(*needs: Need, room: Room = ROOM) -> WayBack:
    return judge(ENTRY, needs, room, live=False)


def test_what_is_missing_is_no_and_what_is_not_known_is_neither() -> None:
    assert (can(ROLE).can, can(ROLE).sentence) == (True, "You can go back to it.")
    gone = can(ROLE, GONE, UNREAD)
    assert (gone.can, gone.sentence) == (
        False,
        "You cannot go back to it, because the image registry/backend@sha256:1 is not there any more.",
    )
    unknown = can(ROLE, UNREAD)
    assert unknown.can is None
    assert unknown.sentence.startswith(
        "Not known: the secret jwt could not be looked at (Secrets Manager did not answer"
    )


def subnets(*free: int | None) -> list[Need]:
    return [Need(f"the subnet subnet-{number}", there=True, free=left) for number, left in enumerate(free)]


@pytest.mark.parametrize(
    ("room", "needs", "words"),
    [
        (Room(RolloutPace(tasks=1, minimum_percent=100, maximum_percent=100)), [], "neither start nor stop a task"),
        (ROOM, subnets(0, 0), "no free address"),
        (Room(RolloutPace(tasks=4), no_place="You've reached the limit on the number of vCPUs"), [], "no place for"),
    ],
)
def test_without_room_there_is_no_way_back(room: Room, needs: list[Need], words: str) -> None:
    found = can(*needs, room=room)
    assert (found.can, words in found.sentence) == (False, True)


@pytest.mark.parametrize(
    ("room", "needs"),
    [
        (Room(RolloutPace(tasks=0, minimum_percent=100, maximum_percent=100)), []),  # scaled to nothing
        (Room(RolloutPace(tasks=2, minimum_percent=100, maximum_percent=100), rolling=False), []),  # a DAEMON
        (Room(RolloutPace(tasks=2, minimum_percent=0, maximum_percent=100)), subnets(0)),  # it stops before it starts
        (ROOM, subnets(0, None)),  # one subnet does not tell
        (ROOM, []),  # without awsvpc there is no subnet
    ],
)
def test_room_is_not_denied_where_it_does_not_decide(room: Room, needs: list[Need]) -> None:
    assert can(*needs, room=room).can is True


def test_what_may_surprise_is_told_beside() -> None:
    later, earlier = START + timedelta(hours=1), START - timedelta(hours=1)
    found = can(
        Need("the secret jwt", there=True, changed_at=later.timestamp()),
        Need("the parameter level", there=True, changed_at=earlier.timestamp()),
        *subnets(1, 1),
        room=Room(RolloutPace(tasks=4), spot_alone=True),
    )
    assert found.can is True
    assert [clause.partition(",")[0] for clause in found.beware] == [
        "it would run on FARGATE_SPOT alone",
        "the secret jwt was changed at 2026-01-12 15:30 UTC",
        "its subnets have 2 free addresses",
    ]


@pytest.mark.parametrize(
    ("verdicts", "ready"),
    [((True, True), True), ((True, None), None), ((True, False), False), ((None, False), False), ((), None)],
)
def test_a_service_is_ready_where_each_good_snapshot_is(verdicts: tuple[bool | None, ...], ready: bool | None) -> None:
    ways = tuple(
        WayBack(ENTRY.model_copy(update={"snapshot_id": str(place)}), verdict, ("x",))
        for place, verdict in enumerate(verdicts)
    )
    unproven = WayBack(ENTRY.model_copy(update={"snapshot_id": "other"}), False, ("x",))
    found = Readiness((*ways, unproven), tuple(str(place) for place in range(len(verdicts))))
    assert (found.ready, bool(found.sentence)) == (ready, True)


def test_the_plans_are_those_of_the_requirements_with_what_is_expected_and_measured() -> None:
    shown = [plan.shown for plan in plans(None, ())]
    assert [(plan["plan"], plan["rto_minutes"], plan["rpo_minutes"], plan["approval"]) for plan in shown] == [
        ("rollback", 5, 0, False), ("scaling", 3, 0, False), ("recreate", 60, 15, True),
    ]  # fmt: skip
    assert [plan["carried_out"] for plan in shown] == [True, True, True]
    assert shown[1]["sentence"] == "How long it takes here is not known; none was measured yet."
    assert shown[2]["sentence"].startswith("By hand (`surefoot recreate`)")
    assert shown[0]["sentence"] == "How long it takes here is not known; none was measured yet."
    slow = RolloutPace(tasks=10, minimum_percent=100, maximum_percent=110, draining=300)
    [rollback, scaling, _] = plans(slow, (), scaled=("scaling:1", Measured(seconds=95, tasks=6)))
    assert (scaling.measured_seconds, scaling.measured_by, scaling.estimate_seconds) == (
        95,
        "scaling:1",
        slow.per_batch,
    )
    assert scaling.sentence.endswith("for tasks to start and become healthy; the last one took 95 s.")
    assert rollback.estimate_seconds == slow.expected > 300
    assert "longer than the 5 minutes of the plan" in rollback.sentence
    assert "300 s to drain old tasks" in rollback.sentence


@pytest.fixture
async def recovery() -> Recovery:
    """Recovery with two proven versions, the newer of them live."""
    recovery = Recovery()
    await recovery.snapshot(purpose="after-change")
    await recovery.deployed(image=OTHER)
    recovery.clock.time += 600
    await recovery.snapshot(purpose="after-change", run="run-2")
    await recovery.send(Disarm(target=TARGET, run_id="run-1"), "disarm")
    return recovery


async def test_each_snapshot_is_examined_and_the_good_ones_are_the_proven_two(recovery: Recovery) -> None:
    found = await recovery.assess.readiness(TARGET)
    assert found is not None
    assert found.ready is True
    assert found.sentence.startswith("You can go back to backend:2 (")
    assert "and backend:1 (" in found.sentence
    shown = view(str(TARGET), found, recovery.now)
    assert [(way["version"], way["live"], way["proven"]) for way in shown["snapshots"]][:1] == [
        ("backend:2", True, True)
    ]
    assert sum(way["good"] for way in shown["snapshots"]) == 2
    json.dumps(shown, default=str)


async def test_what_is_gone_is_said_of_its_snapshots_alone(recovery: Recovery) -> None:
    recovery.needs.by_version[f"{ARN}:1"] = (GONE,)
    found = await recovery.assess.readiness(TARGET)
    assert found is not None
    assert found.ready is False
    assert {way.version: way.can for way in found.ways} == {"backend:2": True, "backend:1": False}
    assert found.sentence.startswith("You cannot go back to backend:1 (")
    # the bucket does not answer: that is no "no"
    recovery.needs.by_version.clear()
    get = recovery.shelf.get

    async def fails(*_: Any) -> Any:
        raise AwsError("S3 did not answer GetObject: SlowDown", temporary=True)

    recovery.shelf.get = fails  # type: ignore[assignment,method-assign]  # a fault
    found = await recovery.assess.readiness(TARGET)
    assert found is not None
    assert (found.ready, found.lost) == (None, ())
    recovery.shelf.get = get  # type: ignore[method-assign]  # the end of the fault
    recovery.shelf.objects.clear()
    found = await recovery.assess.readiness(TARGET)
    assert found is not None
    assert "the snapshot is not in the bucket any more" in found.sentence
    recovery.ecs.gone = True
    assert await recovery.assess.readiness(TARGET) is None


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"deploymentController": {"type": "CODE_DEPLOY"}}, "its deployment controller is CODE_DEPLOY"),
        ({"status": "DRAINING", "serviceName": "BackendService"}, "it is being deleted"),
        (
            {"events": [{"createdAt": START + timedelta(minutes=10), "message": "limit on the number of vCPUs"}]},
            "ECS finds no place for tasks",
        ),
    ],
)
async def test_what_no_rollback_of_the_service_can_do_is_said_of_each(
    recovery: Recovery, settings: dict[str, Any], words: str
) -> None:
    recovery.ecs.settings |= settings
    found = await recovery.assess.readiness(TARGET)
    assert found is not None
    assert {way.can for way in found.ways} == {False}
    assert all(words in way.sentence for way in found.ways)


async def rounds(recovery: Recovery, times: int) -> list[ReadinessChanged]:
    await recovery.watch(times)
    return list(reversed(recovery.published(ReadinessChanged)))


async def test_a_way_back_that_is_lost_soon_is_told_once_before_it_is(recovery: Recovery) -> None:
    soon = Deletion("the image x: rule 1 of its repository's lifecycle policy deletes it on 2026-01-15", soon=True)
    recovery.outlook.by_version[f"{ARN}:1"] = (soon, Deletion("the image y: rule 2 deletes it in a year"))
    [told] = await rounds(recovery, 30)
    assert (told.ready, told.lost, len(told.soon)) == (True, (), 1)
    assert told.soon[0].startswith("The way back to backend:1 (")
    assert "is lost soon: the image x: rule 1" in told.soon[0]
    # now it is lost, and no longer only soon
    recovery.needs.by_version[f"{ARN}:1"] = (GONE,)
    *_, lost = await rounds(recovery, 2)
    assert (lost.ready, len(lost.lost), lost.soon) == (False, 1, ())
    recovery.needs.by_version.clear()
    recovery.outlook.by_version.clear()
    *_, again = await rounds(recovery, 2)
    assert (again.ready, again.lost, again.soon) == (True, (), ())


async def test_a_lost_way_back_is_told_once_each_day_and_when_it_is_there_again(recovery: Recovery) -> None:
    assert await rounds(recovery, 3) == []
    recovery.needs.by_version[f"{ARN}:1"] = (GONE,)
    [lost] = await rounds(recovery, 5)
    assert (lost.ready, len(lost.lost)) == (False, 1)
    assert lost.lost[0].startswith("You cannot go back to backend:1 (")
    # what cannot be looked at is neither lost nor regained
    recovery.needs.by_version[f"{ARN}:1"] = (UNREAD,)
    assert await rounds(recovery, 5) == [lost]
    recovery.ecs.refusing["service"] = AwsError("ECS did not answer DescribeServices", temporary=True)
    assert await rounds(recovery, 2) == [lost]
    del recovery.ecs.refusing["service"]
    recovery.needs.by_version[f"{ARN}:1"] = (GONE,)
    assert len(await rounds(recovery, 24)) == 2
    recovery.needs.by_version.clear()
    *_, again = await rounds(recovery, 2)
    assert (again.ready, again.lost, again.checked_at) == (True, (), moment(recovery.clock.time - 3600))
