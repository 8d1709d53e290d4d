"""Changes of a service that two looks see are told with their mover, and a fall of the count is told at once."""

from dataclasses import replace
from math import inf
from typing import Any

import pytest

from contracts.moves import ServiceMoved
from contracts.recovery import ManualTrigger
from services._aws.errors import AwsError
from services._chassis.clock import moment
from services._chassis.transition import Decision, Timer, Transition
from services.recovery.decisions.scale import begin_scaling, moves_timer
from services.recovery.domain.moves.facts import Activity, Deployed
from services.recovery.domain.moves.remembered import Moves, moves_key
from services.recovery.domain.moves.trail import Trail, TrailCall
from services.recovery.domain.protection import Protection, key_of
from services.recovery.domain.scaling.scaling import EmergencyScaling
from services.recovery.jobs.look_moves import EVERY_SECONDS, LookMovesJob, moves_rounds
from services.recovery.trace import Trace
from tests.kit import FakeRunning
from tests.services.recovery.harness import ARN, OTHER, TARGET, Recovery
from tests.services.recovery.movers import FakeMovers

USER = "arn:aws:iam::123456789012:user/anna"


class Looking:
    """Recovery's look at one service, whose moves a test makes."""

    def __init__(self) -> None:
        self.recovery = Recovery()
        self.movers = FakeMovers(bounds=(2, 9))
        self.clock, self.ecs, self.store = self.recovery.clock, self.recovery.ecs, self.recovery.store
        trace = Trace(self.ecs, self.movers, self.store, self.clock)
        self.job = LookMovesJob(trace, self.ecs, self, self.store, self.clock, self.recovery.policies)  # type: ignore[arg-type]

    async def targets(self) -> list[Any]:
        return [TARGET]

    async def look(self, after: float = EVERY_SECONDS) -> list[ServiceMoved]:
        """Let time pass, look, and return what is told of it."""
        self.clock.time += after
        before = len(self.store.emitted)
        await self.job(FakeRunning(b"", "look", "look-moves", 1, 1, b""))
        events = [emission.event for emission in self.store.emitted[before:]]
        return [event for event in events if isinstance(event, ServiceMoved)]

    def called(self, desired: int, at: float) -> None:
        """Have CloudTrail tell a call by a person."""
        made = TrailCall("e-1", at, "UpdateService", TARGET.cluster, TARGET.service, USER, "aws-cli/2", user=True)
        self.movers.told = Trail((replace(made, desired=desired),))

    async def lent(self) -> None:
        now = moment(self.clock.now())
        scaling = EmergencyScaling(
            scaling_id="scaling:1",
            trigger=ManualTrigger(actor="ada"),
            asked_at=now,
            until=moment(now.timestamp() + 3600),
        )

        def begin(state: bytes | None) -> Decision:
            return begin_scaling(Protection.from_bytes(state), TARGET, scaling)

        await self.store.apply(Transition(key_of(TARGET), begin), cause="")


@pytest.fixture
def looking() -> Looking:
    return Looking()


async def test_a_service_that_nobody_moves_costs_two_reads_and_is_told_nothing_of(looking: Looking) -> None:
    assert await looking.look() == []
    assert await looking.look() == []
    assert looking.movers.asked == ["limits", "limits"]


async def test_a_fall_of_the_count_is_told_with_who_it_was_and_is_over_with_as_many_tasks_again(
    looking: Looking,
) -> None:
    await looking.look()
    looking.ecs.desired = 2
    [fall] = await looking.look()
    assert (fall.what, fall.before, fall.after, fall.lowered, fall.by, fall.sure) == (
        "count", "3", "2", True, "unknown", "not-known-yet",
    )  # fmt: skip
    looking.called(2, fall.moved_at.timestamp() - 60)
    [known] = await looking.look()
    assert (known.move_id, known.by, known.lowered, known.over) == (fall.move_id, "person", True, False)
    assert await looking.look() == []
    looking.ecs.desired = 1
    [further] = await looking.look()
    assert (further.before, further.after, further.lowered) == ("2", "1", True)
    looking.ecs.desired = 2
    told = await looking.look()
    assert [event.over for event in told] == [False], "not as many as before the first fall"
    looking.ecs.desired = 3
    told = await looking.look()
    assert [(event.lowered, event.over) for event in told] == [(False, False), (True, True)]


async def test_what_an_autoscaler_or_its_schedule_lowers_is_told_by_nobody(looking: Looking) -> None:
    await looking.look()
    looking.ecs.desired = 2
    at = looking.clock.now() + 100
    looking.movers.scaled = [Activity("a-1", at, "Setting desired count to 2.", "monitor alarm … triggered policy cpu")]
    assert await looking.look() == []
    looking.ecs.desired = 1
    at = looking.clock.now() + 100
    looking.movers.scaled = [
        Activity("a-2", at, "Setting desired count to 1.", "scheduled action name night was triggered")
    ]
    assert await looking.look() == []


async def test_where_the_activities_cannot_be_read_a_fall_may_be_the_autoscalers_unless_there_is_none(
    looking: Looking,
) -> None:
    await looking.look()
    looking.movers.failing = {"activities": AwsError("Application Auto Scaling did not answer", code="Throttling")}
    looking.ecs.desired = 2
    [fall] = await looking.look()
    assert not fall.lowered
    other = Looking()
    other.movers.bounds = None
    other.movers.failing = looking.movers.failing
    await other.look()
    other.ecs.desired = 2
    [fall] = await other.look()
    assert fall.lowered


async def test_a_read_of_before_is_no_move(looking: Looking) -> None:
    await looking.look()
    service, old = looking.ecs.service, await looking.ecs.service(TARGET)
    assert old is not None
    answers = [{**old, "desiredCount": 2}]

    async def stale(target: Any) -> Any:
        return answers.pop() if answers else await service(target)

    looking.ecs.service = stale  # type: ignore[method-assign]
    assert await looking.look() == []
    assert await looking.look() == []


async def test_ecs_that_does_not_answer_is_asked_the_next_time(looking: Looking) -> None:
    await looking.look()
    looking.ecs.desired = 2

    async def away(target: Any) -> Any:
        raise AwsError("ECS did not answer DescribeServices", code="Throttling", temporary=True)

    service, looking.ecs.service = looking.ecs.service, away  # type: ignore[method-assign]
    assert await looking.look() == []
    looking.ecs.service = service  # type: ignore[method-assign]
    assert [event.lowered for event in await looking.look()] == [True]


async def test_while_an_emergency_scaling_stands_it_is_looked_every_minute_and_told_as_its_enemy(
    looking: Looking,
) -> None:
    await looking.look()
    await looking.lent()
    timer = next(timer for timer in looking.store.timers.values() if timer.kind == "moves")
    assert timer.due - looking.clock.now() == 60
    looking.ecs.desired = 2
    looking.clock.time += 60
    begun = await looking.recovery.handlers.scaling.moves(timer)
    assert begun is not None
    await looking.store.apply(begun, cause="timer")
    assert "look-moves" in {held.job.kind for held in looking.store.jobs.values()}
    [fall] = await looking.look(0)
    assert (fall.lowered, fall.scaling_id) == (True, "scaling:1")


async def test_when_no_scaling_stands_any_more_the_timer_ends(looking: Looking) -> None:
    timer = moves_timer(TARGET, moment(looking.clock.now()))
    begun = await looking.recovery.handlers.scaling.moves(timer)
    assert begun.decide(Protection().to_bytes()) == Decision()
    empty = await looking.recovery.handlers.scaling.moves(Timer("moves:?", "moves", 0, b"{}"))
    assert empty.decide(None) == Decision()


async def test_a_version_is_told_with_the_digests_that_are_live(looking: Looking) -> None:
    await looking.look()
    looking.ecs.deploy_elsewhere(looking.ecs.add_definition(OTHER))
    [moved] = await looking.look()
    assert (moved.what, moved.before, moved.after, moved.lowered) == ("version", "backend:1", "backend:2", False)
    assert moved.version is not None
    assert moved.version.images == {"backend": OTHER.partition("@")[2]}
    known = await looking.store.read(moves_key(TARGET), Moves)
    assert [change.after for change in known.changes] == ["backend:2"]


async def test_rounds_begin_one_job_whichever_replica_comes_first(looking: Looking) -> None:
    rounds = moves_rounds(looking.store, looking.clock)
    await rounds.once()
    await rounds.once()
    assert [held.job.kind for held in looking.store.jobs.values()] == ["look-moves"]


async def test_a_version_that_came_and_went_between_two_looks_is_told_with_ecs_that_went_back(looking: Looking) -> None:
    await looking.look()
    bad = looking.ecs.add_definition(OTHER)
    begun = looking.clock.now() + 60
    looking.ecs.deploy_elsewhere(bad)
    looking.ecs.fall_back(f"{ARN}:1", "ROLLBACK_SUCCESSFUL")
    looking.movers.deployments = [
        Deployed(begun, bad, source=f"{ARN}:1", arn="deployment/2", back_at=begun + 90, back_to=f"{ARN}:1",
                 why_back="circuit breaker")
    ]  # fmt: skip
    there, back = await looking.look()
    assert (there.before, there.after, there.by) == ("backend:1", "backend:2", "unknown")
    assert (back.before, back.after, back.by) == ("backend:2", "backend:1", "ecs")
    assert await looking.look() == []


async def test_where_cloudtrail_cannot_be_read_it_is_asked_again_for_a_day_at_most(looking: Looking) -> None:
    await looking.look()
    looking.movers.told = Trail(since=inf, unread="CloudTrail did not answer LookupEvents: ThrottlingException")
    looking.ecs.desired = 2
    await looking.look()
    before = looking.movers.asked.count("trail")
    await looking.look(3600)
    assert looking.movers.asked.count("trail") == before + 1
    await looking.look(90_000)
    assert looking.movers.asked.count("trail") == before + 1


async def test_what_an_earlier_look_has_known_is_shown_when_cloudtrail_is_denied_later(looking: Looking) -> None:
    await looking.look()
    looking.ecs.desired = 2
    [fall] = await looking.look()
    looking.called(2, fall.moved_at.timestamp() - 60)
    await looking.look()
    looking.movers.told = Trail(since=inf, unread="not allowed", denied=True)
    found = await looking.job.trace.traced(TARGET, looking.clock.now() - 3600)
    assert found is not None
    assert [(move.mover.by, move.what) for move in found.moves] == [("person", "count")]
    assert found.sources["CloudTrail"] == "not allowed"


async def test_the_stack_of_a_service_is_a_second_mover_and_says_so(looking: Looking) -> None:
    looking.ecs.settings["tags"] = [{"key": "aws:cloudformation:stack-name", "value": "web"}]
    looking.movers.stack_status = "UPDATE_ROLLBACK_IN_PROGRESS"
    found = await looking.job.trace.traced(TARGET, looking.clock.now() - 3600)
    assert found is not None
    assert "CloudFormation takes the stack web back" in found.stack
    looking.movers.failing = {"stack": AwsError("no", code="AccessDenied")}
    found = await looking.job.trace.traced(TARGET, looking.clock.now() - 3600)
    assert found is not None
    assert "whose state is not known" in found.stack
    assert found.sources["CloudFormation"].startswith("not allowed")
