"""Drills of a rollback: when one may begin, what ends it, what it measures, and that nothing of it is left behind."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import pytest

from contracts.base import Event, Target
from contracts.drills import DrillFinished, DrillStarted
from contracts.health import HealthScored
from contracts.policy import Recovery as RecoverySection
from contracts.policy import ServicePolicy
from contracts.policy_drills import Drills
from contracts.recovery import ManualTrigger
from contracts.rollout_pace import RolloutPace
from services._aws.errors import AwsError
from services._chassis.jobs import FailedJob
from services._chassis.transition import Decision, Transition
from services.recovery.decisions.drill import begin_drill
from services.recovery.domain.drill.drill import Drill, PastDrill
from services.recovery.domain.drill.drill_plan import due, moves, within
from services.recovery.domain.outside import alert as alerts
from services.recovery.domain.protection import Protection, key_of
from services.recovery.jobs.due_drills import DueDrillsJob
from tests.services.recovery.deaths import Deaths, die
from tests.services.recovery.harness import BAD, GOOD, OTHER, REPOSITORY, ROLL_SECONDS, START, TARGET, Recovery

HERE = "CourtCaseCluster/BackendService"
BODY = {"plan": "rollback", "actor": "ada", "reason": "the yearly drill"}
DENIED = AwsError("ECS refused UpdateService: AccessDeniedException", code="AccessDeniedException")
LOST = AwsError("ECS did not answer UpdateService: ReadTimeoutError", temporary=True, sent_before=True)
STOPS_FIRST = {"minimumHealthyPercent": 0, "maximumPercent": 100, "strategy": "ROLLING"}


def policy(**drills: Any) -> ServicePolicy:
    return ServicePolicy(
        target=TARGET, recovery=RecoverySection(rollback_window=60), drills=Drills(**{"enabled": True, **drills})
    )


@pytest.fixture
async def recovery() -> Recovery:
    made = Recovery()
    made.policies.reload(policy())
    await scored(made, 95)
    return made


async def scored(recovery: Recovery, low: float, id_: str = "score") -> None:
    event = HealthScored(target=TARGET, low=low, high=100, rating="excellent", levels=())
    await recovery.send(event, f"{id_}:{recovery.clock.time}", at=recovery.now)


async def ask(web: httpx2.AsyncClient, **changes: Any) -> httpx2.Response:
    return await web.post(f"/drill/{HERE}", json=BODY | changes)


async def drilled(recovery: Recovery, web: httpx2.AsyncClient, **changes: Any) -> dict[str, Any]:
    """Try the plan to its end; return the operation."""
    answer = await ask(web, **changes)
    assert answer.status_code == 202, answer.text
    await recovery.work()
    operation: dict[str, Any] = (await web.get(f"http://here{answer.json()['url']}")).json()
    nothing_is_left(recovery)
    return operation


def nothing_is_left(recovery: Recovery) -> None:
    """No drill, timer or job is left, and of a drill as such nothing but what it has measured."""
    state = recovery.protection
    assert (state.drill, state.scaling, state.rollback, state.past, state.settled) == (None, None, None, (), ())
    assert not [timer for timer in recovery.store.timers if timer.startswith("drill")]
    assert recovery.ecs.live.endswith("backend:1"), "the version is the same"


async def begun(recovery: Recovery, web: httpx2.AsyncClient, **changes: Any) -> None:
    """Let a drill come to where AWS has taken its call, and the new tasks do not serve yet."""
    assert (await ask(web, **changes)).status_code == 202
    await work_until(
        recovery, lambda: recovery.protection.drill is None or bool(recovery.protection.drill.deployment_id)
    )


def drill_of(recovery: Recovery) -> Drill:
    assert recovery.protection.drill is not None
    return recovery.protection.drill


async def work_until(recovery: Recovery, reached: Callable[[], bool]) -> None:
    """Let the job of the drill work until something is reached, and die there."""

    def die_there() -> None:
        if reached():
            die()

    held = next(held for held in recovery.store.jobs.values() if held.job.kind == "drill")
    recovery.clock.while_asleep = [die_there]
    await recovery.attempt(held)
    recovery.clock.while_asleep = []


async def test_what_is_live_is_deployed_once_more_and_timed_until_every_task_serves(
    recovery: Recovery, web: httpx2.AsyncClient
) -> None:
    await recovery.snapshot("run-0", "after-change")
    recovery.ecs.drain_seconds = 300
    operation = await drilled(recovery, web)
    assert recovery.ecs.changing == [("update", {"forceNewDeployment": True})]
    assert (operation["state"], operation["result"], operation["rpo_seconds"]) == ("finished", "measured", 0)
    assert ROLL_SECONDS <= operation["rto_seconds"] <= ROLL_SECONDS + 10, "without the draining of old tasks"
    assert operation["sentence"].startswith(f"It took {operation['rto_seconds']:.0f} s until every task served, within")
    [started], [finished] = recovery.published(DrillStarted), recovery.published(DrillFinished)
    assert (
        started.sentence == "Deploys backend:1 once more, without a change, and measures until all 3 new tasks serve."
    )
    assert (finished.result, finished.finding, finished.deployment_id) == ("measured", "", "ecs-svc/2")
    assert (finished.finished_at - finished.began_at).total_seconds() >= 330, "it stands until all is over"
    shown = (await web.get(f"/drill/{HERE}")).json()
    assert (shown["drill"], shown["past"][0]["rto_seconds"]) == (None, operation["rto_seconds"])


async def test_configuration_that_is_newer_than_the_snapshot_would_be_lost(
    recovery: Recovery, web: httpx2.AsyncClient
) -> None:
    await recovery.snapshot("run-0", "after-change")
    recovery.ecs.settings["healthCheckGracePeriodSeconds"] = 77
    recovery.clock.time += 1000
    operation = await drilled(recovery, web)
    assert operation["rpo_seconds"] == pytest.approx(1000, abs=10)
    assert "configuration of the last 17 minutes would be lost" in operation["sentence"]


async def test_without_a_good_snapshot_what_would_be_lost_is_not_known(
    recovery: Recovery, web: httpx2.AsyncClient
) -> None:
    operation = await drilled(recovery, web)
    assert operation["rpo_seconds"] is None
    assert "is not known" in operation["sentence"]


def young(recovery: Recovery) -> None:
    recovery.ecs.deploy_elsewhere(recovery.ecs.live)
    recovery.clock.time += 1200


def tagged(recovery: Recovery, names: str | None) -> None:
    recovery.ecs.definitions[0]["containerDefinitions"][0]["image"] = f"{REPOSITORY}:1.0"
    recovery.registry.tags = {} if names is None else {f"{REPOSITORY}:1.0": names}


def fires(recovery: Recovery) -> None:
    noted = alerts.note(recovery.protection, recovery.alert(), recovery.now)
    recovery.store.write(Transition(key_of(TARGET), lambda _: Decision(noted.to_bytes())))


def strategy(recovery: Recovery, **values: Any) -> None:
    recovery.ecs.settings["deploymentConfiguration"] = values
    recovery.ecs.measured = RolloutPace(
        tasks=3,
        minimum_percent=values.get("minimumHealthyPercent", 100),
        maximum_percent=values.get("maximumPercent", 200),
    )


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda it: it.policies.reload(policy(enabled=False)), "drills.enabled of the policy is false"),
        (lambda it: it.policies.reload(policy(hours="20-22")), "drills begin on mon, tue, wed, thu within 20-22 UTC"),
        (lambda it: it.policies.reload(policy(days=["sat"])), "drills begin on sat within 09-16 UTC"),
        (lambda it: it.policies.reload(policy(minimum_health_score=96)), "its health score may be 95, below 96"),
        (lambda it: setattr(it.clock, "time", it.clock.time + 1300), "override health_known with a reason"),
        (fires, "critical alerts fire: error_rate"),
        (young, "it was deployed 20 minutes ago, and is young for 1 hour"),
        (lambda it: setattr(it.ecs, "desired", 0), "the service wants no task"),
        (lambda it: it.ecs.deploy_elsewhere(it.ecs.live), "a deployment is under way on the service"),
        (lambda it: strategy(it, strategy="CANARY"), "its deployment strategy is CANARY"),
        (lambda it: strategy(it, **STOPS_FIRST), "stop tasks before others serve"),
        (lambda it: strategy(it, minimumHealthyPercent=50, strategy="ROLLING"), "override keeps_serving"),
        (lambda it: tagged(it, "sha256:" + "f" * 64), "names another image by now than the one that runs"),
        (lambda it: tagged(it, None), "it is not known whether it still names the image that runs"),
    ],
)
async def test_what_speaks_against_it_is_said_and_nothing_is_changed(
    recovery: Recovery, web: httpx2.AsyncClient, change: Callable[[Recovery], None], says: str
) -> None:
    change(recovery)
    for dry_run in (True, False):
        answer = await ask(web, dry_run=dry_run)
        assert (answer.status_code, says in answer.text) == (409, True), answer.text
    assert (recovery.ecs.changing, recovery.protection.drill) == ([], None)


async def test_a_tag_that_names_what_runs_is_no_obstacle(recovery: Recovery, web: httpx2.AsyncClient) -> None:
    tagged(recovery, recovery.ecs.running)
    assert (await drilled(recovery, web))["result"] == "measured"
    assert moves("c", GOOD, None, None) == ""


async def test_a_dry_run_says_what_it_would_do(recovery: Recovery, web: httpx2.AsyncClient) -> None:
    answer = await ask(web, dry_run=True)
    assert answer.json()["sentence"].startswith("Deploys backend:1 once more, without a change")
    assert (recovery.ecs.changing, recovery.protection.drill, recovery.store.jobs) == ([], None, {})


async def test_the_same_request_is_one_drill(recovery: Recovery, web: httpx2.AsyncClient) -> None:
    key = {"Idempotency-Key": "one"}
    first = await web.post(f"/drill/{HERE}", json=BODY, headers=key)
    again = await web.post(f"/drill/{HERE}", json=BODY, headers=key)
    other = await web.post(f"/drill/{HERE}", json=BODY | {"reason": "else"}, headers=key)
    assert (first.json()["drill_id"], again.status_code, other.status_code) == (again.json()["drill_id"], 202, 422)
    second = await ask(web)
    assert (second.status_code, "is under way on this service" in second.text) == (409, True)


async def test_an_unknown_check_is_named_with_those_that_there_are(web: httpx2.AsyncClient) -> None:
    answer = await ask(web, overrides=[{"gate": "keeps_servin", "reason": "x"}])
    assert (answer.status_code, "did you mean keeps_serving" in answer.text) == (422, True)


async def run_captures(recovery: Recovery, web: httpx2.AsyncClient) -> None:
    await recovery.snapshot("run-9")


async def run_arms(recovery: Recovery, web: httpx2.AsyncClient) -> None:
    answer = await recovery.arm("run-9")
    assert answer.verdict == "pass"


async def alert_fires(recovery: Recovery, web: httpx2.AsyncClient) -> None:
    await recovery.send(recovery.alert(), "alert")
    assert recovery.protection.firing, "it counts"


async def score_falls(recovery: Recovery, web: httpx2.AsyncClient) -> None:
    recovery.clock.time += 1
    await scored(recovery, 60)


async def person_ends(recovery: Recovery, web: httpx2.AsyncClient) -> None:
    answer = await web.post(f"/drill/{HERE}/end", json={"actor": "bob", "reason": "lunch"})
    assert answer.status_code == 202
    assert (await web.post(f"/drill/{HERE}/end", json={})).status_code == 409


async def person_scales(recovery: Recovery, web: httpx2.AsyncClient) -> None:
    await web.post(f"/emergency-scale/{HERE}", json={"target_count": 5, "actor": "bob"})


async def person_rolls_back(recovery: Recovery, web: httpx2.AsyncClient) -> None:
    [entry] = recovery.protection.snapshots
    answer = await web.post(f"/rollback/{HERE}", json={"snapshot_id": entry.snapshot_id, "actor": "bob"})
    assert answer.status_code == 202, answer.text


async def somebody_deploys(recovery: Recovery, web: httpx2.AsyncClient) -> None:
    recovery.clock.time += 20
    recovery.ecs.deploy_elsewhere(recovery.ecs.add_definition(OTHER))
    await recovery.work()


async def it_takes_too_long(recovery: Recovery, web: httpx2.AsyncClient) -> None:
    assert recovery.protection.drill is not None
    recovery.clock.time = recovery.protection.drill.until.timestamp() + 1
    await recovery.fire()


async def test_what_aws_does_not_let_go_on_is_said_where_its_time_is_over(
    recovery: Recovery, web: httpx2.AsyncClient
) -> None:
    await recovery.snapshot("run-0", "after-change")
    await begun(recovery, web)
    recovery.ecs.refusing["service"] = AwsError("ECS refused DescribeServices: AccessDeniedException")
    recovery.clock.while_asleep.append(die)
    held = next(held for held in recovery.store.jobs.values() if held.job.kind == "drill")
    await recovery.attempt(held)
    await it_takes_too_long(recovery, web)
    [finished] = recovery.published(DrillFinished)
    assert "AWS did not let it go on: ECS refused DescribeServices: AccessDeniedException." in finished.sentence


@pytest.mark.parametrize(
    ("happens", "result", "says"),
    [
        (run_captures, "stopped", "run run-9 goes first"),
        (run_arms, "stopped", "run run-9 goes first"),
        (alert_fires, "stopped", "a critical alert fires (error_rate)"),
        (score_falls, "stopped", "the health score may be 60, below 70"),
        (person_ends, "stopped", "bob has ended it: lunch"),
        (person_scales, "stopped", "bob scales the service"),
        (person_rolls_back, "stopped", "goes first"),
        (somebody_deploys, "stopped", "somebody else has deployed the service meanwhile"),
        (it_takes_too_long, "failed", "It was not over by"),
    ],
)
async def test_who_comes_meanwhile_goes_first(
    recovery: Recovery, web: httpx2.AsyncClient, happens: Any, result: str, says: str
) -> None:
    await recovery.snapshot("run-0", "after-change")
    await begun(recovery, web)
    assert recovery.protection.drill is not None
    await happens(recovery, web)
    assert recovery.protection.drill is None, "at once"
    assert not [timer for timer in recovery.store.timers if timer.startswith("drill")]
    [finished] = recovery.published(DrillFinished)
    assert (finished.result, says in finished.sentence, finished.rto_seconds) == (result, True, None), finished.sentence
    held = next(held for held in recovery.store.jobs.values() if held.job.kind == "drill")
    assert held.cancelled or held.state == "done"
    assert bool(finished.finding) is (result == "failed")
    await recovery.work()
    assert len(recovery.published(DrillFinished)) == 1


async def test_what_ends_it_once_every_task_serves_takes_nothing_from_what_was_measured(
    recovery: Recovery, web: httpx2.AsyncClient
) -> None:
    recovery.ecs.drain_seconds = 600
    await begun(recovery, web)
    await work_until(recovery, lambda: bool(drill_of(recovery).served_at))
    await recovery.snapshot("run-9")
    [finished] = recovery.published(DrillFinished)
    assert (finished.result, finished.rto_seconds is not None) == ("measured", True)


async def test_before_anything_was_done_it_ends_without_a_trace(recovery: Recovery, web: httpx2.AsyncClient) -> None:
    answer = await ask(web)
    await recovery.snapshot("run-9", "before-change")
    operation = (await web.get(f"http://here{answer.json()['url']}")).json()
    assert (operation["state"], operation["result"]) == ("failed", "refused")
    assert (recovery.published(DrillStarted), recovery.protection.past_drills) == ([], ())
    await recovery.work()
    assert recovery.ecs.changing == []


async def test_an_alert_after_it_calls_people_and_says_that_the_version_is_not_new(
    recovery: Recovery, web: httpx2.AsyncClient
) -> None:
    await recovery.snapshot("run-0", "after-change")
    await drilled(recovery, web)
    recovery.clock.time += 300
    seen = {"deployment_id": "ecs-svc/2", "window_from": recovery.now - timedelta(seconds=120)}
    alert = recovery.alert().model_copy(
        update={**seen, "window_until": recovery.now, "attribution": "new-version", "doubt": ""}
    )
    await recovery.send(alert, "alert")
    await recovery.work()
    [decided] = recovery.decided
    assert (decided.decision, decided.reason) == ("people-called", "drill")
    assert "was live before drill:" in decided.sentence


async def test_what_was_accepted_by_name_is_explained_and_nothing_else(
    recovery: Recovery, web: httpx2.AsyncClient
) -> None:
    strategy(recovery, **STOPS_FIRST)
    await begun(recovery, web, overrides=[{"gate": "keeps_serving", "reason": "it has a twin"}])
    recovery.clock.time += 20
    none_serve = recovery.alert(rule="service_unavailable").model_copy(
        update={"window_from": recovery.now - timedelta(seconds=30)}
    )
    await recovery.send(none_serve, "alert-1")
    assert recovery.protection.drill is not None
    [decided] = recovery.decided
    assert (decided.decision, decided.reason) == ("declined", "drill")
    before = recovery.alert(rule="service_unavailable", alert_id="alert-2").model_copy(
        update={"window_from": recovery.now - timedelta(seconds=600)}
    )
    await recovery.send(before, "alert-2")
    assert recovery.protection.drill is None, "it began before the drill"


async def test_an_alert_that_outlasts_what_explains_it_counts(recovery: Recovery, web: httpx2.AsyncClient) -> None:
    strategy(recovery, **STOPS_FIRST)
    await begun(recovery, web, overrides=[{"gate": "keeps_serving", "reason": "it has a twin"}])
    recovery.clock.time += 20
    alert = recovery.alert(rule="service_unavailable").model_copy(
        update={
            "window_from": recovery.now, "window_until": recovery.now, "deployment_id": "ecs-svc/2",
            "attribution": "new-version",
        }
    )  # fmt: skip
    await recovery.send(alert, "alert-1")
    await recovery.work()
    assert recovery.protection.drill is None
    recovery.clock.time += 61
    await recovery.fire()
    await recovery.work()
    assert recovery.decided[-1].decision == "people-called"


async def test_a_plan_that_takes_too_long_is_a_finding_that_is_told_once(
    recovery: Recovery, web: httpx2.AsyncClient
) -> None:
    recovery.ecs.batches, recovery.ecs.measured = 12, RolloutPace(
        tasks=3, minimum_percent=100, maximum_percent=134, start=60, registration=30, draining=330
    )  # fmt: skip
    first = await drilled(recovery, web)
    assert first["rto_seconds"] >= 360
    assert "longer than the 5 minutes of the plan" in first["sentence"]
    assert first["finding"].startswith("The plan rollback takes 6 min ")
    assert "deregistration delay and stopTimeout, 2 times 11 minutes, starting tasks" in first["finding"]
    recovery.clock.time += 7200
    recovery.policies.reload(policy(hours="00-24"))
    await scored(recovery, 95)
    assert (await drilled(recovery, web))["finding"] == "", "nobody is told the same again"


async def test_a_version_that_does_not_start_any_more_is_a_finding(recovery: Recovery, web: httpx2.AsyncClient) -> None:
    await begun(recovery, web)
    recovery.ecs.bad = {GOOD}

    described = recovery.ecs._described

    def failing() -> Any:
        body = described()
        body["deployments"][0]["rolloutState"] = "FAILED"
        return body

    recovery.ecs._described = failing  # type: ignore[method-assign]
    await recovery.work()
    [finished] = recovery.published(DrillFinished)
    assert (finished.result, "does not start any more" in finished.finding) == ("failed", True)


async def test_what_aws_refuses_is_a_finding_since_a_rollback_would_be_refused_as_well(
    recovery: Recovery, web: httpx2.AsyncClient
) -> None:
    recovery.ecs.refusing = {"update": DENIED}
    operation = await drilled(recovery, web)
    assert (operation["state"], operation["result"]) == ("failed", "failed")
    assert "The plan rollback could not be carried out: ECS refused UpdateService" in operation["finding"]


@pytest.mark.parametrize("took_effect", [True, False])
async def test_a_lost_answer_is_not_asked_again(recovery: Recovery, web: httpx2.AsyncClient, took_effect: bool) -> None:
    update, calls = recovery.ecs.update, list[Any]()

    async def lost(target: Target, parameters: dict[str, Any]) -> Any:
        calls.append(parameters)
        if took_effect:
            await update(target, parameters)
        raise LOST

    recovery.ecs.update = lost  # type: ignore[method-assign]
    operation = await drilled(recovery, web)
    assert operation["result"] == ("measured" if took_effect else "failed")
    assert len(calls) == 1


async def test_it_goes_on_wherever_its_process_dies(recovery: Recovery, web: httpx2.AsyncClient) -> None:
    """A death before and after each write and each call of AWS: at most one deployment, one end, and nothing left."""
    for number in range(1, 60):
        for after in (False, True):
            fresh = Recovery()
            fresh.policies.reload(policy())
            await scored(fresh, 95)
            if not await _dies(fresh, number, after=after):
                return
            assert len(fresh.ecs.changing) <= 1
            [finished] = fresh.published(DrillFinished)
            assert finished.result in {"measured", "failed"}
            assert finished.result == "measured" or not fresh.ecs.changing
            nothing_is_left(fresh)


async def _dies(recovery: Recovery, number: int, *, after: bool) -> bool:
    """Let the job die at one of its calls; return whether it came to that."""
    drill = Drill(
        drill_id="drill:1", plan="rollback", trigger=ManualTrigger(actor="ada"), asked_at=recovery.now,
        until=recovery.now + timedelta(minutes=10), minimum_health_score=70,
    )  # fmt: skip
    recovery.store.write(
        Transition(key_of(TARGET), lambda state: begin_drill(Protection.from_bytes(state), TARGET, drill))
    )
    deaths = Deaths()
    deaths.at(number, after=after)
    deaths.count(recovery.store, "read", "apply")
    deaths.count(recovery.ecs, "service", "update")
    await recovery.work()
    if deaths.left > 0:
        return False
    await recovery.work()
    return True


async def test_a_job_that_fails_for_good_ends_it(recovery: Recovery, web: httpx2.AsyncClient) -> None:
    await begun(recovery, web)
    held = next(held for held in recovery.store.jobs.values() if held.job.kind == "drill")
    recovery.store.write(recovery.handlers.failures["drill"](FailedJob(held.job.id, held.job.payload, "has failed")))
    [finished] = recovery.published(DrillFinished)
    assert finished.sentence == "The drill has failed."


async def test_a_restored_redis_knows_what_was_measured_and_that_it_is_over(
    recovery: Recovery, web: httpx2.AsyncClient
) -> None:
    await begun(recovery, web)
    before = dict(recovery.store.states)
    await recovery.work()
    [finished] = recovery.published(DrillFinished)
    recovery.store.states = before
    assert recovery.protection.drill is not None
    await recovery.send(finished, "not-again")
    assert recovery.protection.drill is not None, "only what is read again after a restoration counts"
    for id_ in ("again-1", "again-2"):
        await recovery.send(finished, id_, again=True)
    assert recovery.protection.drill is None
    [past] = recovery.protection.past_drills
    assert (past.rto_seconds, past.deployment_id) == (finished.rto_seconds, finished.deployment_id)


@pytest.mark.parametrize(("plan", "over"), [("rollback", False), ("rollback", True), ("scaling", False)])
@pytest.mark.parametrize("known", ["not at all", "as asked for"])
async def test_a_drill_that_a_restored_redis_does_not_know_ends_once_and_is_not_tried_again(
    recovery: Recovery, web: httpx2.AsyncClient, plan: str, known: str, *, over: bool
) -> None:
    before = Protection.from_bytes(recovery.store.states[key_of(TARGET)]).to_bytes()
    assert (await ask(web, plan=plan)).status_code == 202
    if known == "as asked for":
        before = recovery.store.states[key_of(TARGET)]
    await work_until(recovery, lambda: bool(recovery.published(DrillStarted)))
    if over:
        await recovery.work()
    events = [emission.event for emission in recovery.store.emitted]
    changing = len(recovery.ecs.changing)
    recovery.store.states[key_of(TARGET)] = before
    recovery.store.jobs = {id_: held for id_, held in recovery.store.jobs.items() if known != "not at all" and not over}
    recovery.store.timers.clear()
    for number, event in enumerate(events):
        if isinstance(event, Event) and type(event) in recovery.handlers.messages:
            await recovery.send(event, f"again-{number}", again=True)
    await recovery.fire()
    await recovery.work()
    [finished] = recovery.published(DrillFinished)
    assert (finished.result == "stopped") is not over
    assert over or "restored" in finished.sentence
    recovery.clock.time += 3600
    await recovery.fire()
    await recovery.work()
    assert (recovery.protection.drill, recovery.protection.scaling) == (None, None)
    deployed = [what for _, what in recovery.ecs.changing[changing:] if "forceNewDeployment" in what]
    assert deployed == [], "it is not tried once more"


@pytest.mark.parametrize(
    ("hours", "days", "at", "inside"),
    [
        ("09-16", ("mon",), "2026-01-12T09:00", True),
        ("09-16", ("mon",), "2026-01-12T15:59", True),
        ("09-16", ("mon",), "2026-01-12T16:00", False),
        ("09-16", ("mon",), "2026-01-13T10:00", False),
        ("22-04", ("mon",), "2026-01-12T23:00", True),
        ("22-04", ("mon",), "2026-01-13T03:59", True),
        ("22-04", ("mon",), "2026-01-12T03:00", False),
        ("00-24", ("sun",), "2026-01-18T23:59", True),
    ],
)
def test_hours_over_midnight_belong_to_the_day_on_which_they_begin(
    hours: str, days: tuple[Any, ...], at: str, inside: bool
) -> None:
    assert within(Drills(hours=hours, days=days), datetime.fromisoformat(at).replace(tzinfo=UTC)) is inside


def test_the_sandboxs_clock_is_a_monday_within_the_usual_hours() -> None:
    assert within(Drills(), START)
    assert BAD != GOOD


async def round_of(recovery: Recovery, number: int = 1) -> None:
    """Have recovery look which drills are due, and let those that begin come to their end."""
    job = DueDrillsJob(recovery.snapshots, recovery.store, recovery.clock, recovery.policies)
    running = recovery.work_on("due-drills", b"")
    running.id = f"round-{number}"
    recovery.store.write(await job(running))
    await recovery.work()


async def test_what_the_policy_wants_from_time_to_time_begins_by_itself_within_its_hours(recovery: Recovery) -> None:
    await recovery.snapshot("run-0", "after-change")
    await round_of(recovery)
    assert recovery.ecs.changing == [], "the policy does not ask for it"
    recovery.policies.reload(policy(every_days=7, hours="20-22"))
    await round_of(recovery, 2)
    assert recovery.ecs.changing == [], "not at this time"
    recovery.policies.reload(policy(every_days=7, hours="00-24", days=["mon"]))
    await round_of(recovery, 3)
    assert len(recovery.ecs.changing) == 1
    [past] = recovery.protection.past_drills
    assert (past.actor, past.result) == ("recovery", "measured")
    recovery.clock.time += 2 * 3600
    await scored(recovery, 95)
    await round_of(recovery, 4)
    assert len(recovery.ecs.changing) == 1, "it is not due yet"
    recovery.clock.time += 7 * 86400
    await round_of(recovery, 5)
    assert len(recovery.ecs.changing) == 1, "nobody knows its health"
    await scored(recovery, 95)
    await round_of(recovery, 6)
    assert len(recovery.ecs.changing) == 2


def test_plans_take_turns_and_one_that_was_never_tried_comes_first() -> None:
    drills = Drills(every_days=7, plans=("rollback", "scaling"))
    past = PastDrill(
        drill_id="drill:1", plan="rollback", result="stopped", began_at=START, finished_at=START, sentence="x"
    )
    both = due((), drills, START)
    assert (both and both.plan, due((), Drills(), START)) == ("rollback", None)
    second = due((past,), drills, START)
    assert second is not None
    assert second.plan == "scaling"
    tried = past.model_copy(update={"plan": "scaling"})
    assert due((past, tried), drills, START + timedelta(days=6)) is None
    assert due((past, tried), drills, START + timedelta(days=7)) is not None
