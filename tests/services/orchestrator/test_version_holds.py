"""Holds of versions after rollbacks: what is held, whom it stops, and how it ends."""

from typing import Any

import pytest

from contracts.base import Target
from contracts.deployment import Cause, Observe, Outcome, Phase, Rollback
from contracts.policy_holds import Approval, Holds
from contracts.recovery import KnownVersion, RollbackFinished
from contracts.results import PreflightOutput
from contracts.run_verbs import HoldBegan, ReleaseAnswered, Verb
from services.orchestrator.domain.policy import Policy
from services.orchestrator.domain.releases import ReleaseAsked
from services.orchestrator.domain.run_parts import RollingBack
from services.orchestrator.domain.version_hold import MOST_HELD
from tests.services.orchestrator.harness import RESOLVED, SERVICE_POLICY, TARGET, World, asked
from tests.services.orchestrator.test_orchestrator_holds import answer_checks, ask, plan

BAD = RESOLVED["web"].partition("@")[2]
GOOD = "sha256:" + "1" * 64
TAKEN = KnownVersion(task_definition="web:2", images={"web": BAD})
USUAL = Holds()
BACK = KnownVersion(task_definition="web:1", images={"web": GOOD})


def world_of(holds: Holds = USUAL, **sections: Any) -> World:
    return World(Policy.of(SERVICE_POLICY.model_copy(update={"holds": holds, **sections}), progress_every=300))


def went_back(
    number: int = 1,
    *,
    run_id: str | None = None,
    taken: KnownVersion | None = TAKEN,
    back: KnownVersion | None = BACK,
    result: Any = "restored",
    actor: str = "",
    untouched: bool = False,
) -> RollbackFinished:
    rollback = Rollback(trigger="error_rate", by="surefoot", snapshot_id="s", seconds=42, actor=actor)
    return RollbackFinished(
        target=TARGET,
        run_id=run_id,
        rollback_id=f"rollback:{number}",
        result=result,
        rollback=rollback,
        detail="It is back.",
        taken_back=taken,
        brought_back=back,
        untouched=untouched,
    )


def goes_back(world: World, number: int = 1, **told: Any) -> None:
    """Let recovery tell that it went back."""
    world.happens(went_back(number, **told))


def deploys(world: World, id_: str = "9", output: PreflightOutput | None = None, *, by_ci: bool = True) -> str:
    """Ask for a run and answer its checks."""
    run_id = world.request(id_, by_ci=by_ci)
    answer_checks(world, output)
    return run_id


def release(world: World, hold_id: str = "", refusal: str = "") -> ReleaseAnswered:
    number = len(world.told(ReleaseAnswered))
    world.happens(ReleaseAsked(f"release-{number}", TARGET, "key:ann", "it is fixed", hold_id, refusal))
    return world.told(ReleaseAnswered)[-1]


def test_what_was_rolled_back_is_not_deployed_again_by_ci_until_it_is_released() -> None:
    world = world_of()
    goes_back(world)
    deploys(world)
    assert (world.end.outcome, world.end.cause) == (Outcome.BLOCKED, Cause.REFUSED)
    assert "Surefoot went back" in world.end.reason
    assert "surefoot release shop web" in world.end.reason
    assert world.gates()["not_held"].verdict == "fail"
    assert "arm" not in world.names()
    answer = release(world)
    assert (answer.accepted, answer.released) == (True, ("rollback:1",))
    deploys(world, "10")
    assert world.names()[-1] == "arm"
    assert world.to_the_end().outcome is Outcome.SUCCEEDED


def test_the_end_of_a_run_that_was_rolled_back_names_its_hold() -> None:
    world = world_of()
    run_id = deploys(world)
    goes_back(world, run_id=run_id)
    assert world.end.outcome is Outcome.ROLLED_BACK
    assert "`surefoot release shop web` ends that" in world.end.reason
    (began,) = world.told(HoldBegan)
    assert (began.hold_id, began.version) == ("rollback:1", TAKEN)


@pytest.mark.parametrize(
    ("holds", "by_ci", "output", "stopped"),
    [
        (Holds(), True, None, True),
        (Holds(), False, None, False),
        (Holds(actors="all"), False, None, True),
        (Holds(versions="none"), True, None, False),
        (Holds(), True, PreflightOutput(images={"web": f"shop/web@{GOOD}"}), False),
        (Holds(versions="all"), True, PreflightOutput(images={"web": f"shop/web@{GOOD}"}), True),
        (Holds(), True, PreflightOutput(task_definition="web:3", digests={"web": BAD, "proxy": GOOD}), True),
        (Holds(), True, PreflightOutput(task_definition="web:2", digests={"web": GOOD}), False),
        (Holds(), True, PreflightOutput(task_definition="web:2"), False),
    ],
    ids=["ci", "a person", "everybody", "no holds", "another", "every version", "another revision", "moved", "unknown"],
)
def test_whom_and_what_a_hold_stops(holds: Holds, by_ci: bool, output: PreflightOutput | None, stopped: bool) -> None:
    world = world_of(holds)
    goes_back(world)
    deploys(world, output=output, by_ci=by_ci)
    assert (world.active is None) is stopped


def test_where_no_image_differs_the_task_definition_is_held() -> None:
    world = world_of()
    goes_back(world, taken=KnownVersion(task_definition="web:2"))
    deploys(world, output=PreflightOutput(task_definition="web:1", digests={"web": GOOD}))
    assert world.to_the_end().outcome is Outcome.SUCCEEDED
    deploys(world, "10", PreflightOutput(task_definition="web:2", digests={"web": GOOD}))
    assert world.end.outcome is Outcome.BLOCKED


def test_a_version_of_several_containers_is_all_of_its_images() -> None:
    both = KnownVersion(task_definition="web:2", images={"web": BAD, "proxy": BAD})
    for digests, stopped in (({"web": BAD, "proxy": GOOD}, False), ({"web": BAD}, True), ({"proxy": BAD}, True)):
        world = world_of()
        goes_back(world, taken=both)
        deploys(world, output=PreflightOutput(task_definition="web:3", digests=digests))
        assert (world.active is None) is stopped, digests


def test_a_hold_ends_by_itself_where_the_policy_says_so() -> None:
    world = world_of(Holds(minutes=30))
    goes_back(world)
    world.now += 29 * 60
    deploys(world)
    assert world.end.outcome is Outcome.BLOCKED
    world.now += 2 * 60
    deploys(world, "10")
    assert world.to_the_end().outcome is Outcome.SUCCEEDED
    assert release(world).sentence == "Nothing is held on this service."


def test_a_rollback_that_did_not_end_well_holds_and_one_that_was_superseded_does_not() -> None:
    world = world_of()
    goes_back(world, 1, result="superseded")
    assert not world.course.version_holds
    goes_back(world, 2, result="failed", back=None)
    assert [hold.id for hold in world.course.version_holds] == ["rollback:2"]


def test_who_goes_back_to_what_is_held_releases_it() -> None:
    world = world_of()
    goes_back(world, 1)
    goes_back(world, 2, taken=BACK, back=TAKEN, actor="ann")
    (hold,) = world.course.version_holds
    assert (hold.id, hold.version, hold.actor) == ("rollback:2", BACK, "ann")
    assert "Since ann went back" in hold.sentence(TARGET, Holds())


def test_the_same_version_is_held_once_and_many_within_a_bound() -> None:
    world = world_of()
    for number in range(3):
        goes_back(world, number)
    assert [hold.id for hold in world.course.version_holds] == ["rollback:2"]
    for number in range(MOST_HELD + 5):
        goes_back(world, 10 + number, taken=KnownVersion(images={"web": f"sha256:{number:064x}"}))
    assert len(world.course.version_holds) == MOST_HELD


def test_holds_are_released_by_name_and_each_answer_is_true() -> None:
    world = world_of()
    assert not release(world).accepted
    goes_back(world, 1)
    goes_back(world, 2, taken=KnownVersion(images={"web": "sha256:" + "3" * 64}))
    assert "rollback:1, rollback:2" in release(world, "rollback:9").sentence
    assert release(world, refusal="You may not.").sentence == "You may not."
    assert release(world, "rollback:1").released == ("rollback:1",)
    assert [hold.id for hold in world.course.version_holds] == ["rollback:2"]


def test_what_waits_for_an_approval_ends_when_its_version_is_held() -> None:
    """A rollback by hand passes a pending approval, and what it takes back does not follow behind it."""
    world = world_of(approval_before_change=Approval(needed=1))
    run_id = deploys(world)
    assert world.view(run_id).approval is not None
    goes_back(world, actor="ann")
    assert (world.end.run_id, world.end.outcome, world.end.cause) == (run_id, Outcome.BLOCKED, Cause.REFUSED)


def test_nobody_is_asked_to_approve_what_is_held() -> None:
    world = world_of(approval_before_change=Approval(needed=1))
    goes_back(world)
    deploys(world)
    assert world.end.cause is Cause.REFUSED


def test_another_rollback_does_not_disturb_a_run_that_waits() -> None:
    world = world_of(approval_before_change=Approval(needed=1))
    run_id = deploys(world)
    goes_back(world, taken=KnownVersion(images={"web": GOOD}), back=None)
    assert ask(world, Verb.APPROVE, run_id, plan=plan(world)).accepted
    assert world.names()[-1] == "arm"


def test_who_observes_is_not_stopped_since_the_change_is_live_already() -> None:
    world = world_of(Holds(versions="all", actors="all"))
    goes_back(world)
    world.request("9", asked(Observe()))
    answer_checks(world, PreflightOutput())
    assert world.names()[-1] == "arm"


def test_a_run_that_waited_behind_the_one_that_was_rolled_back_is_stopped() -> None:
    world = world_of()
    run_id = deploys(world, "1")
    world.request("2")
    goes_back(world, run_id=run_id)
    answer_checks(world)
    assert [end.outcome for end in world.told(type(world.end))] == [Outcome.ROLLED_BACK, Outcome.BLOCKED]


def test_a_restored_redis_hears_of_releases_before_it_hears_of_rollbacks() -> None:
    told = world_of()
    goes_back(told)
    answer = release(told)
    restored = world_of()
    restored.happens(answer)
    goes_back(restored)
    assert restored.course.version_holds == ()


def test_a_course_with_a_hold_is_kept() -> None:
    world = world_of()
    goes_back(world)
    assert not world.course.is_idle
    release(world)
    assert world.course.is_idle


def test_an_event_of_the_previous_version_holds_nothing() -> None:
    world = world_of()
    goes_back(world, taken=None, back=None)
    assert world.course.version_holds == ()


def test_a_hold_says_of_which_service_it_is() -> None:
    world = world_of(Holds(minutes=60, versions="all", actors="all"))
    goes_back(world)
    (hold,) = world.course.version_holds
    other = Target(account="123456789012", region="eu-central-1", cluster="shop", service="api")
    sentence = hold.sentence(other, Holds(minutes=60, versions="all", actors="all"))
    assert "all deployments of every version are held: `surefoot release shop api` ends that." in sentence
    assert sentence.endswith("UTC.")


def test_what_gave_way_or_was_never_live_is_not_held() -> None:
    world = world_of()
    run_id = deploys(world)
    world.through(Phase.DEPLOYMENT_MONITORING)
    world.request("10", asked(on_conflict="supersede"))
    assert isinstance(world.run.ending, RollingBack)
    goes_back(world, run_id=run_id)
    assert world.ends(run_id)[0].cause is Cause.SUPERSEDED
    goes_back(world, 2, untouched=True)
    assert not world.course.version_holds
    assert world.run.run_id != run_id
