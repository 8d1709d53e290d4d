"""A count that is set back while an emergency scaling stands: raised again once, or people are called."""

import copy
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from contracts.policy import Recovery as RecoverySection
from contracts.policy import ServicePolicy
from contracts.recovery import ManualTrigger
from contracts.scaling import Counts, ScalingDecided, ScalingFinished
from services._aws.errors import AwsError
from services._chassis.transition import Transition
from services.recovery.decisions.raise_again import RAISE_AGAIN
from services.recovery.decisions.scale import begin_scaling
from services.recovery.decisions.unscale import begin_restoring
from services.recovery.domain.moves.acted import acted_key
from services.recovery.domain.moves.trail import Trail, TrailCall
from services.recovery.domain.protection import Protection, key_of
from services.recovery.domain.scaling.scale_plan import Autoscaler
from services.recovery.domain.scaling.scaling import EmergencyScaling, ScalingPlan
from services.recovery.domain.scaling.set_back import raised_again
from services.recovery.jobs.look_moves import LookMovesJob
from services.recovery.trace import Trace
from tests.kit import FakeRunning
from tests.services.recovery.harness import TARGET, Crash, Recovery
from tests.services.recovery.movers import FakeMovers

TERRAFORM = "APN/1.0 HashiCorp/1.0 Terraform/1.9.5"
PERSON, ROLE = "arn:aws:iam::123456789012:user/anna", "arn:aws:sts::123456789012:assumed-role/deployer/x"
LOST = AwsError("ECS did not answer UpdateService: ReadTimeoutError", temporary=True, sent_before=True)
DENIED = AwsError("ECS refused UpdateService: AccessDeniedException", code="AccessDeniedException")


class Lent:
    """A service of which 3 tasks were wanted, and 6 are lent for an hour; looks are a minute apart."""

    def __init__(self, reapply: str = "once", scaler: Autoscaler | None = None) -> None:
        self.recovery = Recovery()
        self.ecs, self.clock, self.store = self.recovery.ecs, self.recovery.clock, self.recovery.store
        self.recovery.scaler.target = scaler
        section = RecoverySection(scaling_reapply=reapply, scaling_above_maximum=True)
        self.recovery.policies.reload(ServicePolicy(target=TARGET, recovery=section))
        self.movers = FakeMovers(bounds=(scaler.low, scaler.high) if scaler else None)
        self.trace = Trace(self.ecs, self.movers, self.store, self.clock)

    async def begun(self) -> "Lent":
        now = self.recovery.now
        scaling = EmergencyScaling(
            scaling_id="scaling:1",
            trigger=ManualTrigger(actor="ada"),
            target_count=6,
            asked_at=now,
            until=now + timedelta(hours=1),
        )
        begun = Transition(key_of(TARGET), lambda state: begin_scaling(Protection.from_bytes(state), TARGET, scaling))
        await self.store.apply(begun, cause="")
        await self.recovery.work()
        assert self.ecs.desired == 6
        await self.look()
        await self.look()
        return self

    async def look(self, after: float = 60.0) -> None:
        """Let time pass, look who has moved it, and do what follows."""
        self.clock.time += after
        snapshots: Any = self
        job = LookMovesJob(self.trace, self.ecs, snapshots, self.store, self.clock, self.recovery.policies)
        await job(FakeRunning(b"", "look", "look-moves", 1, 1, b""))

    async def looked(self, after: float = 60.0) -> None:
        await self.look(after)
        await self.recovery.work(only=RAISE_AGAIN)

    async def targets(self) -> list[Any]:
        return [TARGET]

    def set_back(self, count: int, agent: str = TERRAFORM, principal: str = ROLE, **more: Any) -> None:
        """Have somebody set the count, and CloudTrail tell it."""
        self.ecs.desired = count
        made = TrailCall(f"e-{self.clock.time}", self.clock.time + 30, "UpdateService", TARGET.cluster, TARGET.service,
                         principal, agent, desired=count, **more)  # fmt: skip
        self.movers.told = Trail((made, *self.movers.told.calls))

    @property
    def raised(self) -> int:
        """How often the count was set to what is lent."""
        return sum(what.get("desiredCount") == 6 for verb, what in self.ecs.changing if verb != "limit")

    @property
    def decided(self) -> list[tuple[str, str]]:
        """What was decided after the scaling had begun, the oldest first."""
        found: list[tuple[str, str]] = [
            (event.decision, event.reason) for event in reversed(self.recovery.published(ScalingDecided))
        ]
        return found[1:]

    async def over(self) -> ScalingFinished:
        for _ in range(4):
            self.clock.time += 3600
            await self.recovery.fire()
            await self.recovery.work()
        [finished] = self.recovery.published(ScalingFinished)
        return finished


SCALERS = [None, Autoscaler(2, 9), Autoscaler(2, 9, schedule=("night",)), Autoscaler(2, 9, policies=False)]


@pytest.mark.parametrize("scaler", SCALERS)
async def test_what_a_tool_sets_back_is_raised_again_once_and_then_people_are_called(scaler: Autoscaler | None) -> None:
    lent = await Lent(scaler=scaler).begun()
    before = lent.raised
    lent.set_back(4)
    await lent.looked()
    assert (lent.ecs.desired, lent.raised, lent.decided) == (6, before + 1, [("acted", "set-back")])
    again = lent.recovery.published(ScalingDecided)[0]
    assert again.sentence.startswith("Raises the desired count of scaling:1 again to 6, once: Terraform as ")
    await lent.looked(180)
    lent.set_back(4)
    for _ in range(3):
        await lent.looked()
    assert (lent.ecs.desired, lent.raised) == (4, before + 1)
    assert lent.decided == [("acted", "set-back"), ("people-called", "set-back-again")]


async def test_what_was_there_before_comes_back_at_its_end() -> None:
    lent = await Lent().begun()
    lent.set_back(4)
    await lent.looked()
    finished = await lent.over()
    assert (lent.ecs.desired, finished.result) == (3, "restored")


async def test_by_default_nothing_is_raised_again() -> None:
    assert RecoverySection().scaling_reapply == "never"
    lent = await Lent("never").begun()
    lent.set_back(4)
    await lent.looked()
    assert (lent.ecs.desired, lent.decided) == (4, [])


@pytest.mark.parametrize(
    ("agent", "principal", "more", "decision"),
    [
        pytest.param("aws-cli/2", PERSON, {"user": True}, "declined", id="a person"),
        pytest.param("Mozilla/5.0", ROLE, {"in_console": True}, "declined", id="in the console"),
        pytest.param("aws-cli/2", ROLE, {}, "people-called", id="a role that may be a person's"),
        pytest.param("app surefoot/recovery/unscale/x/1", ROLE, {}, "people-called", id="another Surefoot"),
    ],
)
async def test_whoever_may_know_why_is_not_contradicted(
    agent: str, principal: str, more: dict[str, Any], decision: str
) -> None:
    lent = await Lent().begun()
    lent.set_back(4, agent, principal, **more)
    for _ in range(3):
        await lent.looked()
    assert (lent.ecs.desired, lent.decided) == (4, [(decision, "set-back")])


async def test_while_nobody_is_known_it_waits_and_then_people_are_called() -> None:
    lent = await Lent().begun()
    lent.ecs.desired = 4
    for _ in range(10):
        await lent.looked()
    assert (lent.ecs.desired, lent.decided) == (4, [])
    for _ in range(20):
        await lent.looked()
    assert (lent.ecs.desired, lent.decided) == (4, [("people-called", "set-back")])


async def test_who_it_was_may_be_known_late() -> None:
    lent = await Lent().begun()
    told = lent.movers.told
    lent.set_back(4)
    late, lent.movers.told = lent.movers.told, told
    for _ in range(10):
        await lent.looked()
    assert lent.ecs.desired == 4
    lent.movers.told = late
    await lent.looked()
    assert (lent.ecs.desired, lent.decided) == (6, [("acted", "set-back")])


async def test_where_cloudtrail_may_not_be_read_people_are_called_at_once() -> None:
    lent = await Lent().begun()
    lent.movers.told = Trail(unread="not allowed", denied=True)
    lent.ecs.desired = 4
    await lent.looked()
    assert (lent.ecs.desired, lent.decided) == (4, [("people-called", "set-back")])


async def test_a_service_that_was_set_to_zero_was_switched_off() -> None:
    lent = await Lent().begun()
    lent.set_back(0)
    for _ in range(3):
        await lent.looked()
    assert (lent.ecs.desired, lent.decided) == (0, [])


async def test_what_is_lower_than_the_maximum_of_now_is_for_people() -> None:
    lent = await Lent(scaler=Autoscaler(2, 9)).begun()
    assert lent.recovery.scaler.target is not None
    lent.recovery.scaler.target = replace(lent.recovery.scaler.target, low=2, high=4)
    lent.set_back(4)
    await lent.looked()
    assert (lent.ecs.desired, lent.decided) == (4, [("acted", "set-back"), ("people-called", "set-back")])


async def test_whoever_changes_the_service_goes_first() -> None:
    lent = await Lent().begun()
    await lent.recovery.arm("run-1", minutes=10)
    lent.set_back(4)
    await lent.looked()
    assert (lent.ecs.desired, lent.decided) == (4, [])
    lent.clock.time += 900
    await lent.looked()
    assert (lent.ecs.desired, lent.decided) == (6, [("acted", "set-back")])


@pytest.mark.parametrize(
    ("live", "high", "found"),
    [
        (4, None, 6),
        (4, 9, 6),
        (6, None, None),
        (7, None, None),
        (5, None, "5 tasks are wanted meanwhile"),
        (3, None, "3 tasks are wanted meanwhile"),
        (4, 5, "the autoscaler's maximum is 5 by now, and 6 were lent"),
    ],
)
def test_only_what_is_still_as_it_fell_is_raised(live: int, high: int | None, found: int | str | None) -> None:
    plan = ScalingPlan(before=Counts(desired=3), raised=Counts(desired=6), autoscaled=False, sentence="6 are lent.")
    assert raised_again(plan, 4, live, None if high is None else Autoscaler(2, high)) == found


async def test_never_once_its_end_has_begun() -> None:
    lent = await Lent().begun()
    lent.set_back(4)
    await lent.look()
    now = lent.recovery.now
    [job] = [held for held in lent.store.jobs.values() if held.job.kind == RAISE_AGAIN]
    await lent.store.apply(
        Transition(key_of(TARGET), lambda state: begin_restoring(Protection.from_bytes(state), TARGET, now)), cause=""
    )
    assert job.cancelled, "its call may be under way"
    await lent.recovery.work()
    assert (lent.ecs.desired, lent.raised) == (4, 1)


@pytest.mark.parametrize("die_at", range(1, 3))
async def test_whoever_dies_it_is_raised_once(die_at: int) -> None:
    lent = await Lent().begun()
    lent.set_back(4)
    await lent.look()
    await lent.recovery.work(die_at=die_at, only=RAISE_AGAIN)
    assert (lent.ecs.desired, lent.raised) == (6, 2)


@pytest.mark.parametrize("call", ["service", "update", "apply"])
@pytest.mark.parametrize("after", [False, True])
async def test_a_death_before_or_after_each_call_changes_nothing(call: str, after: bool) -> None:
    lent = await Lent().begun()
    lent.set_back(4)
    await lent.look()
    owner: Any = lent.store if call == "apply" else lent.ecs
    real, deaths = getattr(owner, call), [Crash()]

    async def dying(*args: Any, **named: Any) -> Any:
        if deaths and not after:
            raise deaths.pop()
        answer = await real(*args, **named)
        if deaths:
            raise deaths.pop()
        return answer

    setattr(owner, call, dying)
    await lent.recovery.work(only=RAISE_AGAIN)
    assert (lent.ecs.desired, lent.raised <= 3, deaths) == (6, True, [])
    scaling = lent.recovery.protection.scaling
    assert scaling is not None
    assert scaling.again is not None
    assert (scaling.again.done, scaling.count_set) == (True, True)


@pytest.mark.parametrize(("error", "decided"), [(LOST, [("acted", "set-back")]), (DENIED, None)])
async def test_what_aws_does_not_let_it_do_is_tried_for_two_minutes(error: AwsError, decided: Any) -> None:
    lent = await Lent().begun()
    lent.set_back(4)
    lent.ecs.refusing = {"update": error}
    await lent.look()
    if error is LOST:
        lent.clock.while_asleep.append(lent.ecs.refusing.clear)
    await lent.recovery.work(only=RAISE_AGAIN)
    called = [("acted", "set-back"), ("people-called", "set-back")]
    assert lent.decided == (decided or called)
    lent.ecs.refusing = {}
    await lent.looked(300)
    assert lent.ecs.desired == (6 if error is LOST else 4)


async def test_a_redis_that_was_restored_raises_nothing_a_second_time() -> None:
    lent = await Lent().begun()
    names = ("states", "timers", "jobs", "records", "seen")
    kept = {name: copy.deepcopy(getattr(lent.store, name)) for name in names}
    lent.set_back(4)
    await lent.looked()
    assert lent.raised == 2
    events = [emission.event for emission in lent.store.emitted if isinstance(emission.event, ScalingDecided)]
    for name, value in kept.items():
        setattr(lent.store, name, value)
    for number, event in enumerate(events):
        await lent.recovery.send(event, f"again-{number}", again=True)
    await lent.looked(180)
    lent.set_back(4)
    for _ in range(3):
        await lent.looked()
    assert (lent.ecs.desired, lent.raised) == (4, 2)
    assert lent.decided[-1] == ("people-called", "set-back-again")


async def test_its_call_is_known_to_be_ours() -> None:
    lent = await Lent().begun()
    lent.set_back(4)
    await lent.looked()
    scaling = lent.recovery.protection.scaling
    assert scaling is not None
    assert scaling.again is not None
    record = await lent.store.record(acted_key(scaling.again.job))
    assert record == b"the emergency scaling scaling:1, raised again"
