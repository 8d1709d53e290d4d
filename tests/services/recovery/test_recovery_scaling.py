"""Emergency scaling by hand: how far it goes, what it leaves alone, and that what it has set comes back once."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import httpx2
import pytest

from contracts.policy import Monitoring, ServicePolicy
from contracts.policy import Recovery as RecoverySection
from contracts.recovery import Disarm, ManualTrigger, RollbackStarted
from contracts.scaling import Counts, ScalingDecided, ScalingFinished, ScalingStarted
from services._aws.errors import AwsError
from services._chassis.clock import moment
from services._chassis.jobs import FailedJob
from services._chassis.transition import Transition
from services.recovery.decisions.scale import begin_scaling
from services.recovery.decisions.unscale import begin_restoring
from services.recovery.domain.protection import Protection, key_of
from services.recovery.domain.scaling.scale_plan import Autoscaler, DatabaseRoom
from services.recovery.domain.scaling.scaling import EmergencyScaling
from tests.services.recovery.deaths import Deaths
from tests.services.recovery.harness import BAD, SETTLE, START, TARGET, Recovery

HERE = "CourtCaseCluster/BackendService"
BODY = {"target_count": 5, "reason": "Emergency scaling due to high load"}
DENIED = AwsError("ECS refused UpdateService: AccessDeniedException", code="AccessDeniedException")
SLOW = AwsError("ECS did not answer UpdateService: ReadTimeoutError", temporary=True, sent_before=True)


def governs(recovery: Recovery, database: str | None = None, **values: Any) -> None:
    recovery.policies.reload(
        ServicePolicy(target=TARGET, recovery=RecoverySection(**values), monitoring=Monitoring(database=database))
    )


async def ask(web: httpx2.AsyncClient, **changes: Any) -> httpx2.Response:
    return await web.post(f"/emergency-scale/{HERE}", json=BODY | changes)


async def scaled(recovery: Recovery, web: httpx2.AsyncClient, **changes: Any) -> dict[str, Any]:
    """Scale, and return the operation."""
    answer = await ask(web, **changes)
    assert answer.status_code == 202, answer.text
    await recovery.work()
    operation: dict[str, Any] = (await web.get(f"http://here{answer.json()['url']}")).json()
    return operation


async def over(recovery: Recovery, minutes: float = 60) -> ScalingFinished:
    """Let the time of the scaling pass; return how it ended."""
    recovery.clock.time = START.timestamp() + minutes * 60
    for _ in range(3):
        await recovery.fire()
        await recovery.work()
        recovery.clock.time += 61
    [finished] = recovery.published(ScalingFinished)
    assert recovery.protection.scaling is None
    assert not [timer for timer in recovery.store.timers if timer.startswith("unscale")]
    return finished


def calls(recovery: Recovery) -> list[Any]:
    return [what if verb == "limit" else what["desiredCount"] for verb, what in recovery.ecs.changing]


async def test_the_body_of_the_requirements_scales_for_an_hour_and_what_was_there_comes_back(
    recovery: Recovery, web: httpx2.AsyncClient
) -> None:
    operation = await scaled(recovery, web, actor="ada")
    assert (operation["state"], operation["result"], operation["target_count"]) == ("finished", "scaled", 5)
    assert operation["sentence"].startswith("Wants 5 tasks in place of 3. It stands until 15:30:00 UTC; 5 of 5 run")
    [started] = recovery.published(ScalingStarted)
    assert (started.before, started.raised) == (Counts(desired=3), Counts(desired=5))
    [decided] = recovery.published(ScalingDecided)
    assert (decided.decision, decided.reason, decided.scaling_id) == ("acted", "person", operation["scaling_id"])
    shown = (await web.get(f"/emergency-scale/{HERE}")).json()
    assert (shown["scaling"]["phase"], shown["scaling"]["trigger"]["actor"]) == ("raised", "ada")
    finished = await over(recovery)
    assert (finished.result, finished.sentence) == ("restored", "3 tasks are wanted again.")
    assert calls(recovery) == [5, 3]
    ended = (await web.get(f"/operations/{operation['scaling_id']}:end")).json()
    assert (ended["state"], ended["result"], ended["kind"]) == ("finished", "restored", "scaling-end")
    past = (await web.get(f"/emergency-scale/{HERE}")).json()
    assert (past["scaling"], past["past"][0]["result"]) == (None, "restored")


async def test_the_autoscalers_minimum_is_raised_first_and_restored_and_its_policies_decide_on_the_count(
    recovery: Recovery, web: httpx2.AsyncClient
) -> None:
    recovery.scaler.target = Autoscaler(low=2, high=6)
    await scaled(recovery, web)
    assert recovery.ecs.changing[0] == ("limit", (5, None)), "the count would be pulled down otherwise"
    recovery.ecs.desired = 6  # by its policies, under load
    finished = await over(recovery)
    assert (recovery.scaler.target, recovery.ecs.desired) == (Autoscaler(low=2, high=6), 6)
    assert finished.result == "restored"
    assert "its policies decide" in finished.sentence


@pytest.mark.parametrize(
    ("scaler", "policy", "asked", "set_", "says"),
    [
        (None, {}, 10, 6, "10 were asked for, and 6 is the most: 2 times the 3 that are wanted now."),
        (None, {"scaling_factor": 4}, 10, 10, "Wants 10"),
        (Autoscaler(1, 4), {}, 10, 4, "10 were asked for, and 4 is the most: the maximum of the service's autoscaler."),
        (Autoscaler(1, 4), {"scaling_above_maximum": True}, 10, 6, "6 is the most: 2 times"),
        (None, {"scaling_factor": 1.5}, 4, 4, "Wants 4"),
    ],
)
async def test_what_is_beyond_the_bounds_is_capped_and_said(
    recovery: Recovery,
    web: httpx2.AsyncClient,
    scaler: Autoscaler | None,
    policy: dict[str, Any],
    asked: int,
    set_: int,
    says: str,
) -> None:
    governs(recovery, **policy)
    recovery.scaler.target = scaler
    answer = await ask(web, target_count=asked)
    assert (answer.json()["target_count"], says in answer.json()["sentence"]) == (set_, True), answer.text
    await recovery.work()
    assert recovery.ecs.desired == set_
    if scaler is not None and set_ > scaler.high:
        assert recovery.scaler.target == replace(scaler, low=set_, high=set_)
    await over(recovery)
    assert recovery.scaler.target == scaler


def zero(recovery: Recovery) -> None:
    recovery.ecs.desired = 0


def daemon(recovery: Recovery) -> None:
    recovery.ecs.settings["schedulingStrategy"] = "DAEMON"


def deleted(recovery: Recovery) -> None:
    recovery.ecs.settings["status"] = "DRAINING"


def at_the_maximum(recovery: Recovery) -> None:
    recovery.scaler.target = Autoscaler(2, 3)


def deployed_to(recovery: Recovery) -> None:
    recovery.ecs.deploy_elsewhere(recovery.ecs.add_definition(BAD))


def without_addresses(recovery: Recovery) -> None:
    recovery.ecs.settings["networkConfiguration"] = {"awsvpcConfiguration": {"subnets": ["subnet-1"]}}
    recovery.scaler.addresses = 1


def without_quota(recovery: Recovery) -> None:
    message = (
        "(service BackendService) was unable to place a task. Reason: You've reached the limit on the number of vCPUs"
    )
    recovery.ecs.settings["events"] = [{"message": message, "createdAt": moment(recovery.clock.now() - 60)}]


def database_is_full(recovery: Recovery) -> None:
    governs(recovery, database="orders", scaling_database_connections=60)


def database_is_busy(recovery: Recovery) -> None:
    governs(recovery, database="orders")
    recovery.scaler.room = DatabaseRoom("orders", connections=30, cpu=97)


def unknown_limits(recovery: Recovery) -> None:
    recovery.scaler.refusing = DENIED


NEVER = [
    (zero, "wants no task"),
    (daemon, "is a DAEMON"),
    (deleted, "is being deleted"),
    (at_the_maximum, "3 tasks are wanted already, and 3 is the most: the maximum of the service's autoscaler"),
]
UNLESS_OVERRIDDEN = [
    (deployed_to, "no_deployment", "a deployment is under way"),
    (without_addresses, "free_addresses", "1 free addresses, and 2 more tasks need one each"),
    (without_quota, "tasks_placed", "quota of Fargate vCPUs is used up"),
    (
        database_is_full,
        "database_headroom",
        "has 30 of 60 connections, 10.0 for each of 3 tasks, and 5 tasks would want 50",
    ),
    (database_is_busy, "database_headroom", "is at 97 %: more tasks would make it worse"),
    (unknown_limits, "limits_known", "the limits of its autoscaler are not known"),
]


@pytest.mark.parametrize(("given", "says"), NEVER)
async def test_what_cannot_be_scaled_is_refused_in_words_and_recorded_once(
    recovery: Recovery, web: httpx2.AsyncClient, given: Callable[[Recovery], None], says: str
) -> None:
    given(recovery)
    for _ in range(2):
        answer = await ask(web)
        assert (answer.status_code, says in answer.json()["detail"]) == (409, True), answer.text
    assert (recovery.ecs.changing, recovery.protection.scaling) == ([], None)
    [decided] = recovery.published(ScalingDecided)
    assert decided.sentence.startswith("Did not scale, because ")
    listed = (await web.get(f"/decisions/{HERE}")).json()["decisions"]
    assert [entry["sentence"] for entry in listed] == [decided.sentence]


@pytest.mark.parametrize(("given", "check", "says"), UNLESS_OVERRIDDEN)
async def test_what_speaks_against_it_is_refused_unless_it_is_overridden_by_name(
    recovery: Recovery, web: httpx2.AsyncClient, given: Callable[[Recovery], None], check: str, says: str
) -> None:
    given(recovery)
    answer = await ask(web)
    assert (answer.status_code, says in answer.json()["detail"]) == (409, True), answer.text
    assert f"override {check} with a reason" in answer.json()["detail"]
    others = [{"gate": name, "reason": "I know"} for name in ("free_addresses", "tasks_placed") if name != check]
    assert (await ask(web, overrides=others)).status_code == 409
    answer = await ask(web, overrides=[{"gate": check, "reason": "the pool is larger than its figures say"}])
    assert answer.status_code == 202, answer.text
    recovery.scaler.refusing = None
    await recovery.work()
    assert recovery.ecs.desired == 5


async def test_a_database_that_refuses_connections_is_not_asked_for_more(
    recovery: Recovery, web: httpx2.AsyncClient
) -> None:
    alert = recovery.alert(rule="database_connections")
    await recovery.send(alert, "alert")
    answer = await ask(web)
    assert (answer.status_code, "the database refuses connections" in answer.json()["detail"]) == (409, True)
    await recovery.send(recovery.alert(rule="database_connections", state="resolved"), "resolved")
    assert (await ask(web)).status_code == 202


async def test_what_cannot_be_seen_warns(recovery: Recovery, web: httpx2.AsyncClient) -> None:
    governs(recovery, database="orders")
    recovery.ecs.settings |= {
        "networkConfiguration": {"awsvpcConfiguration": {"subnets": ["subnet-1"]}},
        "capacityProviderStrategy": [{"capacityProvider": "FARGATE_SPOT"}],
    }
    recovery.scaler.addresses = DENIED
    recovery.scaler.target = Autoscaler(2, 6, schedule=("evening",))
    answer = (await ask(web, dry_run=True)).json()
    assert (answer["dry_run"], answer["target_count"], answer["raised"]["low"]) == (True, 5, 5)
    told = " ".join(answer["warnings"])
    for part in ("whether the subnets have an address", "Spot alone", "scaling_database_connections", "evening"):
        assert part in told
    assert (recovery.ecs.changing, recovery.protection.scaling) == ([], None)


async def test_a_run_or_a_rollback_goes_first(recovery: Recovery, web: httpx2.AsyncClient) -> None:
    await recovery.deployed()
    answer = await ask(web)
    assert (answer.status_code, "run run-1 is armed" in answer.json()["detail"]) == (409, True)
    await recovery.send(recovery.alert(), "alert")
    assert recovery.published(RollbackStarted)
    answer = await ask(web)
    assert (answer.status_code, "rollback:run-1 is under way" in answer.json()["detail"]) == (409, True)


async def test_a_run_does_not_wait_for_a_scaling_and_the_count_waits_for_the_run(
    recovery: Recovery, web: httpx2.AsyncClient
) -> None:
    await scaled(recovery, web, minutes=10)
    recovery.ecs.bad = set()
    armed = await recovery.arm(minutes=30)
    assert armed.verdict == "pass"
    await recovery.change()
    recovery.clock.time = START.timestamp() + 601
    await recovery.fire()
    await recovery.work()
    standing = recovery.protection.scaling
    assert standing is not None
    assert (standing.waits, recovery.ecs.desired) == ("The count waits until run run-1 is over.", 5)
    await recovery.send(Disarm(target=TARGET, run_id="run-1"), "disarm")
    assert (await over(recovery, 12)).result == "restored"
    assert recovery.ecs.desired == 3


async def test_one_scaling_stands_at_a_time_and_the_same_request_is_the_same_one(
    recovery: Recovery, web: httpx2.AsyncClient
) -> None:
    headers = {"Idempotency-Key": "tonight"}
    first = await web.post(f"/emergency-scale/{HERE}", json=BODY, headers=headers)
    again = await web.post(f"/emergency-scale/{HERE}", json=BODY, headers=headers)
    assert first.json()["operation_id"] == again.json()["operation_id"]
    other = await web.post(f"/emergency-scale/{HERE}", json=BODY | {"target_count": 4}, headers=headers)
    assert (other.status_code, other.json()["title"]) == (422, "The Idempotency-Key was used before")
    await recovery.work()
    answer = await ask(web, target_count=6)
    assert (answer.status_code, "stands until 15:30:00 UTC; end it first" in answer.json()["detail"]) == (409, True)
    await over(recovery)
    assert (await web.post(f"/emergency-scale/{HERE}", json=BODY, headers=headers)).status_code == 202
    assert calls(recovery) == [5, 3], "the request of before is over"


async def test_it_is_ended_early_by_a_person(recovery: Recovery, web: httpx2.AsyncClient) -> None:
    recovery.scaler.target = Autoscaler(2, 6)
    await scaled(recovery, web)
    recovery.clock.time += 600
    answer = await web.post(f"/emergency-scale/{HERE}/end", json={"actor": "bob", "reason": "it is quiet"})
    assert answer.status_code == 202
    again = await web.post(f"/emergency-scale/{HERE}/end")
    assert again.json() == answer.json()
    await recovery.work()
    [finished] = recovery.published(ScalingFinished)
    assert (finished.actor, finished.reason, finished.result) == ("bob", "it is quiet", "restored")
    assert recovery.scaler.target == Autoscaler(2, 6)
    assert (await web.get(f"http://here{answer.json()['url']}")).json()["actor"] == "bob"
    assert (await web.post(f"/emergency-scale/{HERE}/end")).status_code == 409
    recovery.clock.time += 7200
    await recovery.fire()
    assert len(recovery.published(ScalingFinished)) == 1


async def test_what_is_ended_before_it_has_begun_sets_nothing(recovery: Recovery, web: httpx2.AsyncClient) -> None:
    asked = await ask(web)
    await web.post(f"/emergency-scale/{HERE}/end")
    await recovery.work()
    assert (recovery.ecs.changing, recovery.ecs.desired) == ([], 3)
    operation = (await web.get(f"http://here{asked.json()['url']}")).json()
    assert (operation["state"], operation["result"]) == ("failed", "failed")


async def test_a_time_that_is_over_in_the_middle_of_its_last_call_is_restored_all_the_same(
    recovery: Recovery, web: httpx2.AsyncClient
) -> None:
    def it_is_over() -> None:
        recovery.ecs.after_update.clear()
        now = recovery.now
        recovery.store.write(
            Transition(key_of(TARGET), lambda state: begin_restoring(Protection.from_bytes(state), TARGET, now))
        )

    await ask(web)
    recovery.ecs.after_update.append(it_is_over)
    await recovery.work()
    [finished] = recovery.published(ScalingFinished)
    assert (finished.result, recovery.ecs.desired, recovery.protection.scaling) == ("restored", 3, None)


async def test_a_call_that_is_tried_until_its_time_is_over_and_lands_late_is_restored(
    recovery: Recovery, web: httpx2.AsyncClient
) -> None:
    def lands() -> None:
        recovery.clock.while_asleep.clear()
        recovery.ecs.desired = 5

    await ask(web)
    [job] = recovery.store.jobs.values()
    await recovery.attempt(job, die_at=1)  # its call is on its way, and tried again as long as nobody has cancelled it
    recovery.clock.time = START.timestamp() + 3600
    await recovery.fire()
    recovery.clock.while_asleep.append(lands)
    await recovery.work()
    [finished] = recovery.published(ScalingFinished)
    assert (finished.result, recovery.ecs.desired) == ("restored", 3)
    assert not recovery.clock.while_asleep
    assert recovery.clock.time >= START.timestamp() + 3600 + SETTLE


def a_person_wants(count: int) -> Callable[[Recovery], None]:
    def act(recovery: Recovery) -> None:
        recovery.ecs.desired = count

    return act


def a_schedule_sets(low: int, high: int) -> Callable[[Recovery], None]:
    def act(recovery: Recovery) -> None:
        assert recovery.scaler.target is not None
        recovery.scaler.target = replace(recovery.scaler.target, low=low, high=high)

    return act


def nothing_scales_it_any_more(recovery: Recovery) -> None:
    recovery.scaler.target = None


def its_policies_go(recovery: Recovery) -> None:
    assert recovery.scaler.target is not None
    recovery.scaler.target = replace(recovery.scaler.target, policies=False)


def nothing_scales_it_and_a_person_wants_4(recovery: Recovery) -> None:
    nothing_scales_it_any_more(recovery)
    recovery.ecs.desired = 4


@pytest.mark.parametrize(
    ("scaler", "happens", "left", "desired", "says"),
    [
        (None, a_person_wants(4), None, 4, "Somebody else wants 4 tasks meanwhile; that was left."),
        (None, a_person_wants(8), None, 8, "Somebody else wants 8 tasks"),
        (None, a_person_wants(3), None, 3, "3 tasks are wanted again."),
        (
            Autoscaler(2, 6),
            a_schedule_sets(4, 8),
            Autoscaler(4, 8),
            5,
            "as it had been set is as before. The autoscaler's policies decide on the count. Somebody else has set the",
        ),
        (Autoscaler(2, 6), a_schedule_sets(5, 8), Autoscaler(2, 8), 5, "as before"),
        (Autoscaler(2, 6), a_schedule_sets(2, 6), Autoscaler(2, 6), 5, "as before"),
        (Autoscaler(2, 6, policies=False), a_person_wants(5), Autoscaler(2, 6, policies=False), 3, "3 tasks"),
        (Autoscaler(2, 6), nothing_scales_it_any_more, None, 3, "no scalable target any more"),
        (Autoscaler(2, 6), nothing_scales_it_and_a_person_wants_4, None, 4, "Somebody else wants 4 tasks"),
        (Autoscaler(2, 6), its_policies_go, Autoscaler(2, 6, policies=False), 3, "3 tasks are wanted again."),
    ],
)
async def test_what_others_have_changed_meanwhile_stays_and_is_said(
    recovery: Recovery,
    web: httpx2.AsyncClient,
    scaler: Autoscaler | None,
    happens: Callable[[Recovery], None],
    left: Autoscaler | None,
    desired: int,
    says: str,
) -> None:
    recovery.scaler.target = scaler
    await scaled(recovery, web)
    happens(recovery)
    finished = await over(recovery)
    assert (recovery.scaler.target, recovery.ecs.desired) == (left, desired)
    assert says in finished.sentence


async def test_a_person_who_goes_down_before_the_count_is_raised_is_left_alone(
    recovery: Recovery, web: httpx2.AsyncClient
) -> None:
    recovery.scaler.target, recovery.scaler.moves_at_once = Autoscaler(1, 6, policies=False), False
    await ask(web)
    recovery.clock.while_asleep.append(lambda: setattr(recovery.ecs, "desired", 2))
    await recovery.work()
    assert (recovery.ecs.desired, calls(recovery)) == (2, [(5, None)])
    recovery.clock.while_asleep.clear()
    recovery.ecs.desired = 5  # the minimum that was set pulls it up after all
    finished = await over(recovery)
    assert (recovery.ecs.desired, recovery.scaler.target) == (3, Autoscaler(1, 6, policies=False))
    assert finished.sentence.endswith("Somebody else wants 2 tasks meanwhile; that was left.")


async def test_a_person_who_changes_the_count_while_it_is_raised_is_left_alone(
    recovery: Recovery, web: httpx2.AsyncClient
) -> None:
    await ask(web)
    recovery.ecs.refusing["update"] = SLOW
    recovery.clock.while_asleep.append(lambda: setattr(recovery.ecs, "desired", 4))
    recovery.clock.while_asleep.append(recovery.ecs.refusing.clear)
    await recovery.work()
    assert (recovery.ecs.desired, calls(recovery)) == (4, [])
    assert (await over(recovery)).sentence.endswith("Somebody else wants 4 tasks meanwhile; that was left.")


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize(
    ("scaler", "moves_at_once", "expected"),
    [
        (None, True, [5, 3]),
        (Autoscaler(2, 6), False, [(5, None), 5, (2, None)]),
        (Autoscaler(2, 6), True, [(5, None), (2, None)]),
        (Autoscaler(2, 6, policies=False), False, [(5, None), 5, (2, None), 3]),
        (Autoscaler(2, 4), False, [(5, 5), 5, (2, 4)]),
    ],
)
async def test_whoever_goes_on_after_a_death_between_two_steps_sets_and_restores_each_value_once(
    scaler: Autoscaler | None, expected: list[Any], *, moves_at_once: bool, after: bool
) -> None:
    nth, died = 0, True
    while died:
        nth += 1
        recovery = Recovery()
        governs(recovery, scaling_above_maximum=True)
        recovery.scaler.target, recovery.scaler.moves_at_once = scaler, moves_at_once
        recovery.store.write(by_hand(recovery))
        deaths = Deaths()
        deaths.at(nth, after=after)
        deaths.count(recovery.store, "read", "apply")
        deaths.count(recovery.ecs, "service", "update")
        deaths.count(recovery.scaler, "autoscaler", "limit")
        await recovery.work()
        assert recovery.ecs.desired == 5
        recovery.clock.time = START.timestamp() + 3600
        await recovery.fire()
        await recovery.work()
        died = deaths.left == 0
        assert (await over(recovery, 70)).result == "restored"
        assert recovery.scaler.target == scaler
        assert changed_once(calls(recovery)) == expected, f"after a death at step {nth}"
    assert nth > 15


def changed_once(done: list[Any]) -> list[Any]:
    """Return the calls without those that repeat the one before, since its end was not known."""
    return [call for call, before in zip(done, [None, *done], strict=False) if call != before]


def by_hand(recovery: Recovery) -> Transition:
    """Begin a scaling to 5 tasks for an hour."""
    scaling = EmergencyScaling(
        scaling_id="scaling:1",
        trigger=ManualTrigger(actor="ada"),
        target_count=5,
        asked_at=recovery.now,
        until=recovery.now + timedelta(hours=1),
    )
    return Transition(key_of(TARGET), lambda state: begin_scaling(Protection.from_bytes(state), TARGET, scaling))


@pytest.mark.parametrize("lost", [1, 2])
async def test_a_lost_answer_is_looked_for_before_it_is_asked_again(
    recovery: Recovery, web: httpx2.AsyncClient, lost: int
) -> None:
    recovery.scaler.target = Autoscaler(2, 6)
    recovery.scaler.lost = [SLOW] * lost
    await scaled(recovery, web)
    assert (recovery.ecs.desired, recovery.scaler.target) == (5, Autoscaler(5, 6))
    before = recovery.clock.time
    finished = await over(recovery)
    assert (finished.result, recovery.scaler.target) == ("restored", Autoscaler(2, 6))
    assert [what for verb, what in recovery.ecs.changing if verb == "limit"] == [(5, None), (2, None)]
    assert recovery.clock.time >= before + SETTLE


async def test_a_refusal_gives_up_and_restores_what_was_set(recovery: Recovery, web: httpx2.AsyncClient) -> None:
    recovery.scaler.target = Autoscaler(2, 6, policies=False)
    recovery.ecs.refusing["update"] = DENIED
    recovery.scaler.moves_at_once = False
    operation = await scaled(recovery, web)
    assert (operation["state"], operation["result"]) == ("failed", "failed")
    assert "AccessDeniedException" in operation["sentence"]
    [finished] = recovery.published(ScalingFinished)
    assert (finished.result, recovery.scaler.target) == ("restored", Autoscaler(2, 6, policies=False))


async def test_a_restoration_that_aws_refuses_is_tried_until_it_is_taken_and_people_are_called_once(
    recovery: Recovery, web: httpx2.AsyncClient
) -> None:
    await scaled(recovery, web)
    recovery.ecs.refusing["update"] = DENIED
    recovery.clock.time = START.timestamp() + 3600
    for _ in range(15):
        await recovery.fire()
        await recovery.work()
        recovery.clock.time += 61
    assert recovery.ecs.desired == 5
    called = [event for event in recovery.published(ScalingDecided) if event.decision == "people-called"]
    assert [event.reason for event in called] == ["not-restored"]
    del recovery.ecs.refusing["update"]
    finished = await over(recovery, 90)
    assert (finished.result, recovery.ecs.desired) == ("restored", 3)


async def test_a_restoration_that_is_refused_for_a_day_ends_failed(recovery: Recovery, web: httpx2.AsyncClient) -> None:
    await scaled(recovery, web)
    recovery.ecs.refusing["update"] = DENIED
    recovery.clock.time = START.timestamp() + 3600
    await recovery.fire()
    await recovery.work()
    finished = await over(recovery, 26 * 60)
    assert (finished.result, "could not be restored" in finished.sentence) == ("failed", True)


async def test_a_redis_of_before_the_scaling_restores_it_all_the_same(
    recovery: Recovery, web: httpx2.AsyncClient
) -> None:
    recovery.scaler.target = Autoscaler(2, 6)
    before = dict(recovery.store.states)
    await scaled(recovery, web)
    [started] = recovery.published(ScalingStarted)
    recovery.store.states, recovery.store.timers, recovery.store.jobs = before, {}, {}
    await recovery.send(started, "read again", again=True)
    await recovery.send(started, "read again, again", again=True)
    finished = await over(recovery)
    assert (finished.result, recovery.scaler.target) == ("restored", Autoscaler(2, 6))
    await recovery.send(started, "read once more", again=True)
    assert recovery.protection.scaling is None, "it is over"


async def test_what_kafka_says_is_over_is_not_restored_again(recovery: Recovery, web: httpx2.AsyncClient) -> None:
    before = dict(recovery.store.states)
    await scaled(recovery, web)
    await over(recovery)
    [started], [finished] = recovery.published(ScalingStarted), recovery.published(ScalingFinished)
    recovery.store.states = before
    for event in (started, finished):
        await recovery.send(event, f"again {type(event).__name__}", again=True)
        await recovery.send(event, f"not again {type(event).__name__}")
    assert recovery.protection.scaling is None
    recovery.clock.time += 7200
    await recovery.fire()
    await recovery.work()
    assert calls(recovery) == [5, 3]


async def test_a_job_that_fails_for_good_restores_what_was_set(recovery: Recovery, web: httpx2.AsyncClient) -> None:
    asked = (await ask(web)).json()
    recovery.ecs.bad = set()
    await recovery.work()
    job = recovery.store.jobs[asked["scaling_id"]].job
    recovery.store.write(recovery.handlers.failures["scale"](FailedJob(job.id, job.payload, "failed 5 times: a bug")))
    await recovery.work()
    [finished] = recovery.published(ScalingFinished)
    assert (finished.result, recovery.ecs.desired) == ("restored", 3)


async def test_a_check_that_there_is_not_is_named(web: httpx2.AsyncClient) -> None:
    answer = await ask(web, overrides=[{"gate": "database", "reason": "x"}])
    assert answer.status_code == 422
    assert "Checks that can be overridden: database_headroom" in answer.json()["detail"]


async def test_a_service_without_a_policy_is_not_scaled_and_a_scaling_of_it_still_ends(
    recovery: Recovery, web: httpx2.AsyncClient
) -> None:
    await scaled(recovery, web)
    recovery.policies.refused = frozenset({TARGET})
    assert (await ask(web)).status_code == 404
    assert (await web.get(f"/emergency-scale/{HERE}")).status_code == 200
    assert (await web.post(f"/emergency-scale/{HERE}/end")).status_code == 202
    await recovery.work()
    assert recovery.ecs.desired == 3


async def test_a_service_that_is_not_there_is_not_found(recovery: Recovery, web: httpx2.AsyncClient) -> None:
    recovery.ecs.gone = True
    assert (await ask(web)).status_code == 404
    assert (await web.get(f"/emergency-scale/{HERE}")).status_code == 404
