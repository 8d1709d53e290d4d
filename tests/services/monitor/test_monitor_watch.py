"""The monitor's course over time: looks, alerts, answers, and when it stops looking."""

from datetime import timedelta

import pytest

from contracts.base import caused_id
from contracts.deployment import Cause, DeploymentFinished, Outcome
from contracts.envelope import Meta
from contracts.gates import Verdict
from contracts.monitor import CheckAlarms, CriticalAlert, EvaluateRules, SetUpMonitoring, WarningAlert, WatchClosely
from contracts.policy import Monitoring, ServicePolicy
from contracts.policy_parts import MonitoringPolicy
from contracts.recovery import RollbackStarted
from contracts.results import MonitoringOutput, ProbesOutput
from services._aws.errors import AwsError
from services._chassis.clock import moment
from services._chassis.commands import becomes_job
from services._chassis.transition import Transition, decided
from services.monitor.decisions import COLLECT
from services.monitor.domain.alarms import Alarm
from services.monitor.domain.service_alarms import ServiceAlarm
from services.monitor.domain.watch import Watch, watch_key
from services.monitor.domain.watched_service import CountedGroup
from services.monitor.handlers import LOST
from services.monitor.jobs import check_alarms, set_up
from services.monitor.jobs.watch_closely import WATCH
from services.monitor.ports import NotFound
from tests.services.monitor.harness import BALANCED, GOOD_MINUTE, START, TARGET, World

MINUTE = 60.0
SET_UP = SetUpMonitoring(target=TARGET, run_id="run-1")
CHECK = CheckAlarms(target=TARGET, run_id="run-1")


@pytest.fixture
def world() -> World:
    return World()


async def watch_closely(world: World, seconds: float = 1800, run_id: str = "run-1") -> None:
    command = WatchClosely(target=TARGET, run_id=run_id, until=moment(world.clock.time + seconds))
    await world.send(becomes_job(WATCH), command, f"watch-{run_id}")


async def evaluate(world: World, seconds: float = 900, probes: ProbesOutput | None = None) -> None:
    now = moment(world.clock.time)
    command = EvaluateRules(
        target=TARGET, run_id="run-1", since=now, deadline=now + timedelta(seconds=seconds), probes=probes
    )
    await world.send(world.handlers.evaluate_rules, command, "evaluate-1")


async def watch(world: World) -> Watch:
    return Watch.from_bytes(await world.load(watch_key(TARGET)), target=TARGET)


async def test_watching_closely_is_answered_and_looks_every_15_seconds(world: World) -> None:
    await watch_closely(world)
    (answer,) = world.answers
    assert (answer.verdict, answer.step, answer.command_id) == (Verdict.PASS, "watch-closely", "watch-run-1")
    assert answer.gates[0].name == "rules_watching"
    assert "app/front/1" in answer.gates[0].detail
    await world.until(60)
    assert world.metrics.looks == [START, START + 15, START + 30, START + 45, START + 60]
    assert world.ids[0] == caused_id("watch-run-1", "finished")


async def test_it_ends_with_the_run(world: World) -> None:
    await watch_closely(world)
    await world.until(60)
    finished = DeploymentFinished(target=TARGET, run_id="run-1", outcome=Outcome.SUCCEEDED, reason="", seconds=60)
    await world.send(world.handlers.run_over, finished)
    await world.until(3600)
    assert len(world.metrics.looks) == 5, "nobody wants to know any more"
    assert not world.timers


async def test_it_ends_at_its_time_even_if_nobody_says_so(world: World) -> None:
    await watch_closely(world, seconds=60)
    await world.until(3600)
    assert max(world.metrics.looks) <= START + 75


FINISHED = DeploymentFinished(target=TARGET, run_id="run-1", outcome=Outcome.ABORTED, reason="", seconds=60)
ROLLBACK = RollbackStarted(target=TARGET, run_id="run-1", rollback_id="rb", trigger="alert", snapshot_id="s")


@pytest.mark.parametrize("over", [FINISHED, ROLLBACK], ids=["finished", "rolling-back"])
async def test_nothing_is_read_for_a_run_that_is_over(world: World, over: DeploymentFinished | RollbackStarted) -> None:
    world.metrics.failure = AwsError("CloudWatch did not answer GetMetricData: Throttling")  # no evidence
    await watch_closely(world, seconds=3600)
    await evaluate(world, seconds=3600)
    await world.until(60)
    looks = len(world.metrics.looks)
    assert looks == 5
    await world.send(world.handlers.run_over, over, "over")
    answer = world.answers[-1]
    assert (answer.command_id, answer.step) == ("evaluate-1", "evaluate-rules")
    assert (answer.verdict, answer.cause) == (Verdict.INCONCLUSIVE, Cause.REFUSED)
    await world.until(2 * 3600)
    assert len(world.metrics.looks) - looks == 0
    assert len(world.answers) == 2, "each command has one answer"
    assert not world.timers


async def test_a_run_is_over_once_and_then_again_without_another_answer(world: World) -> None:
    world.metrics.failure = AwsError("silence")
    await evaluate(world)
    await world.send(world.handlers.run_over, ROLLBACK, "rollback")
    await world.send(world.handlers.run_over, FINISHED, "finished")
    assert len(world.answers) == 1


async def test_what_is_asked_for_after_the_end_of_its_run_is_answered_at_once(world: World) -> None:
    await world.send(world.handlers.run_over, FINISHED, "over")
    await watch_closely(world)
    await evaluate(world)
    assert [(answer.step, answer.verdict, answer.cause) for answer in world.answers] == [
        ("watch-closely", Verdict.INCONCLUSIVE, Cause.REFUSED),
        ("evaluate-rules", Verdict.INCONCLUSIVE, Cause.REFUSED),
    ]
    await world.until(3600)
    assert world.metrics.looks == []


async def test_the_end_of_another_run_ends_nothing(world: World) -> None:
    await evaluate(world)
    await world.send(world.handlers.run_over, FINISHED.model_copy(update={"run_id": "run-0"}), "over")
    await world.until(2 * MINUTE)
    assert [answer.verdict for answer in world.answers] == [Verdict.PASS]


async def test_a_rollback_by_hand_belongs_to_no_run(world: World) -> None:
    by_hand = ROLLBACK.model_copy(update={"run_id": None})
    assert await world.handlers.run_over(by_hand, Meta(id="1", source="recovery", time=moment(START))) is None


async def test_an_alert_that_stands_is_watched_though_the_run_is_over(world: World) -> None:
    await watch_closely(world)
    world.metrics.change(response_time=9.0)
    await world.until(3 * MINUTE)
    await world.send(world.handlers.run_over, ROLLBACK, "over")
    world.metrics.change(response_time=0.1)
    await world.until(30 * MINUTE)
    assert ("response_time", "resolved") in world.alerts


async def test_a_bad_deployment_raises_one_critical_alert_that_is_resolved_when_it_is_over(world: World) -> None:
    await watch_closely(world)
    await world.until(5 * MINUTE)
    world.metrics.change(target_5xx=40.0)
    await world.until(8 * MINUTE)
    assert world.alerts == [("error_rate", "raised")]
    (raised,) = (event for event in world.published if isinstance(event, CriticalAlert))
    assert (raised.value, raised.threshold, raised.comparison, raised.samples) == (40.0, 10, ">", 200)
    assert raised.began_at == moment(START + 7 * MINUTE), "two whole minutes are bad"
    world.metrics.change(target_5xx=None)
    await world.until(15 * MINUTE)
    assert [alert for alert in world.alerts if alert[0] == "error_rate"] == [
        ("error_rate", "raised"),
        ("error_rate", "resolved"),
    ]
    assert raised.window_from == moment(START + 5 * MINUTE)
    assert raised.window_until == moment(START + 7 * MINUTE)
    assert world.ids.count(caused_id(raised.alert_id, f"raised:{raised.window_from.isoformat()}")) == 1


async def test_a_warning_comes_after_five_minutes(world: World) -> None:
    await watch_closely(world)
    world.metrics.change(cpu=90.0)
    await world.until(4 * MINUTE + 59)
    assert world.alerts == []
    await world.until(5 * MINUTE)
    assert world.alerts == [("cpu", "raised")]


async def test_an_alert_that_stands_is_watched_until_it_is_over(world: World) -> None:
    await watch_closely(world, seconds=5 * MINUTE)
    world.metrics.change(response_time=9.0)
    await world.until(30 * MINUTE)
    assert ("response_time", "raised") in world.alerts
    world.metrics.change(response_time=0.1)
    await world.until(60 * MINUTE)
    assert ("response_time", "resolved") in world.alerts
    assert not world.timers, "then nobody wants to know any more"


async def test_an_evaluation_is_answered_as_soon_as_the_evidence_is_there(world: World) -> None:
    await evaluate(world)
    await world.until(2 * MINUTE - 1)
    assert world.answers == []
    await world.until(2 * MINUTE)
    (answer,) = world.answers
    assert (answer.verdict, answer.step, answer.cause) == (Verdict.PASS, "evaluate-rules", None)
    assert [gate.name for gate in answer.gates] == [
        "healthy_tasks",
        "error_rate",
        "response_time_p95",
        "database_connections",
        "tasks_stay_up",
        "error_rate_compared",
        "response_time_compared",
        "cpu_compared",
        "memory_compared",
        "throughput_compared",
    ]
    assert world.ids == [caused_id("evaluate-1", "finished")]
    assert (await watch(world)).pending == ()
    await world.until(3600)
    assert not world.timers, "the deadline is cancelled, and nobody waits any more"


async def test_a_version_that_is_worse_than_the_one_before_fails_the_evaluation(world: World) -> None:
    """What the last hour was like is read with the rest; the limits are kept all the time."""
    for minute in range(1, 61):
        world.metrics.past[START - minute * MINUTE] = {**GOOD_MINUTE, "target_5xx": float(minute % 2)}
    world.metrics.change(target_5xx=7.0)
    await evaluate(world)
    await world.until(2 * MINUTE)
    (answer,) = world.answers
    assert (answer.verdict, answer.cause) == (Verdict.FAIL, Cause.GATE)
    assert [gate.name for gate in answer.gates if gate.verdict is Verdict.FAIL] == ["error_rate_compared"]
    assert world.alerts == [], "an alert is about the limits"


async def test_the_answer_leaves_with_the_look_that_found_it_under_the_commands_own_id(world: World) -> None:
    await evaluate(world)
    await world.until(2 * MINUTE)
    assert "evaluate-1" not in world.left.jobs


async def test_a_broken_rule_fails_the_evaluation_and_raises_the_alert(world: World) -> None:
    world.metrics.change(response_time=6.0)
    await evaluate(world)
    await world.until(2 * MINUTE)
    (answer,) = world.answers
    assert (answer.verdict, answer.cause) == (Verdict.FAIL, Cause.GATE)
    assert "response_time_p95 fail: 6 s, must be <= 5 s" in answer.summary
    assert ("response_time", "raised") in world.alerts


WITH_DATABASE = ServicePolicy(target=TARGET, monitoring=Monitoring(database="court"))


async def test_while_the_database_itself_is_in_trouble_no_deployment_is_blamed(world: World) -> None:
    world.policies.reload(WITH_DATABASE)
    world.metrics.change(target_5xx=40.0)
    world.databases.failed.add("court")
    await evaluate(world)
    await world.until(14 * MINUTE)
    assert not world.answers, "the database may come back"
    (raised,) = (event for event in world.published if isinstance(event, CriticalAlert))
    assert raised.dependency == "the database court is failed"
    assert raised.detail.endswith("; the database court is failed")
    await world.until(16 * MINUTE)
    (answer,) = world.answers
    assert (answer.verdict, answer.cause) == (Verdict.INCONCLUSIVE, Cause.DEPENDENCY)
    assert "error_rate inconclusive: 40%, must be <= 10% (200 samples), the database court is failed" in answer.summary


async def test_a_database_that_comes_back_excuses_only_what_was_bad_until_then(world: World) -> None:
    world.policies.reload(WITH_DATABASE)
    world.metrics.change(target_5xx=40.0)
    world.databases.failed.add("court")
    await evaluate(world)
    await world.until(5 * MINUTE)
    world.databases.failed.clear()
    await world.until(7 * MINUTE)
    assert not world.answers, "these minutes are still the database's"
    await world.until(9 * MINUTE)
    assert [answer.cause for answer in world.answers] == [Cause.GATE]
    raised = [event for event in world.published if isinstance(event, CriticalAlert)]
    assert [event.dependency for event in raised] == ["the database court is failed", ""], "now it is held against it"
    assert len({event.alert_id for event in raised}) == 1


async def test_what_a_database_broke_while_it_was_away_is_not_held_against_a_version_that_is_well(world: World) -> None:
    """Though its metrics come when the database is back."""
    world.policies.reload(WITH_DATABASE)
    world.databases.failed.add("court")
    world.metrics.change(target_5xx=40.0, database_errors=30.0)
    await evaluate(world)
    await world.until(3 * MINUTE)
    world.databases.failed.clear()
    world.metrics.change(target_5xx=None, database_errors=0.0)
    await world.until(3 * MINUTE + 30)
    assert not world.answers, "the newest window is the database's"
    await world.until(6 * MINUTE)
    assert [answer.verdict for answer in world.answers] == [Verdict.PASS]
    assert all(
        event.excused for event in world.published if isinstance(event, CriticalAlert) and event.state == "raised"
    )


async def test_a_database_of_which_nothing_is_known_excuses_nothing(world: World) -> None:
    world.policies.reload(WITH_DATABASE)
    world.metrics.change(target_5xx=40.0)
    world.databases.failure = AwsError("RDS refused DescribeDBInstances (AccessDenied)")
    await evaluate(world)
    await world.until(3 * MINUTE)
    assert [answer.cause for answer in world.answers] == [Cause.GATE]
    assert not any(event.dependency for event in world.published if isinstance(event, CriticalAlert))


async def test_a_silent_cloudwatch_is_inconclusive_at_the_deadline(world: World) -> None:
    world.metrics.failure = AwsError("CloudWatch did not answer GetMetricData: Throttling")
    await evaluate(world, seconds=300)
    await world.until(299)
    assert world.answers == []
    assert len(world.metrics.looks) > 10, "it goes on asking"
    await world.until(301)
    (answer,) = world.answers
    assert (answer.verdict, answer.cause) == (Verdict.INCONCLUSIVE, Cause.TIMEOUT)
    assert world.alerts == []


async def test_no_traffic_is_judged_by_the_validators_requests(world: World) -> None:
    world.metrics.change(requests=None, response_time=None)
    await evaluate(world, probes=ProbesOutput(requests=14, failures=0, p95_seconds=0.4))
    await world.until(2 * MINUTE)
    (answer,) = world.answers
    assert answer.verdict is Verdict.PASS
    assert "14 requests of the validator's" in answer.summary


async def test_an_evaluation_that_comes_while_metrics_are_read_waits_for_the_next_look(world: World) -> None:
    """That look has not asked whether the application publishes its errors, so it cannot judge."""
    del world.metrics.minute["database_errors"]
    await watch_closely(world)
    await world.until(10 * MINUTE)
    command = EvaluateRules(target=TARGET, run_id="run-1", since=moment(START), deadline=moment(START + 3600))
    read = world.metrics.read

    async def read_while_commanded(*arguments: object) -> object:
        world.metrics.read = read  # type: ignore[method-assign]  # once
        await world.send(world.handlers.evaluate_rules, command, "evaluate-late")
        return await read(*arguments)  # type: ignore[arg-type]  # as it was called

    world.metrics.read = read_while_commanded  # type: ignore[assignment, method-assign]  # the fake's own
    await world.until(10 * MINUTE + 60)
    assert [answer.step for answer in world.answers] == ["watch-closely"], "it has published before: no verdict yet"
    assert [waiting.command_id for waiting in (await watch(world)).pending] == ["evaluate-late"]


async def test_a_service_that_is_gone_is_not_looked_at_for_ever(world: World) -> None:
    await world.send(becomes_job(set_up.SET_UP), SET_UP)
    world.services.failure = NotFound("there is no active service api in the cluster Main")
    await world.until(3600)
    assert not world.timers


async def test_the_alerts_of_a_service_that_is_gone_are_resolved(world: World) -> None:
    await world.send(becomes_job(set_up.SET_UP), SET_UP)
    world.metrics.change(response_time=9.0)
    await world.until(300)
    raised = {alert.alert_id for alert in raised_and_resolved(world, "raised")}
    assert raised
    world.services.failure = NotFound("there is no active service api in the cluster Main")
    await world.until(3600)
    over = raised_and_resolved(world, "resolved")
    assert {alert.alert_id for alert in over} == raised
    assert all(alert.detail.endswith("(the service is gone)") and alert.value is None for alert in over)
    assert len(over) == len(raised), "once is enough"


def raised_and_resolved(world: World, state: str) -> list[CriticalAlert | WarningAlert]:
    found = [event for event in world.published if isinstance(event, CriticalAlert | WarningAlert)]
    return [alert for alert in found if alert.state == state]


async def test_a_target_that_cannot_be_looked_up_is_answered(world: World) -> None:
    world.services.failure = AwsError("ECS did not answer DescribeServices: AccessDeniedException")
    await watch_closely(world)
    world.services.failure = NotFound("there is no cluster Main")
    await watch_closely(world, run_id="run-2")
    first, second = world.answers
    assert (first.verdict, first.cause) == (Verdict.INCONCLUSIVE, Cause.ERROR)
    assert (second.verdict, second.cause, second.summary) == (Verdict.FAIL, Cause.USAGE, "there is no cluster Main")


async def test_set_up_creates_reads_back_and_watches_from_then_on(world: World) -> None:
    await world.send(becomes_job(set_up.SET_UP), SET_UP)
    (answer,) = world.answers
    assert answer.verdict is Verdict.PASS
    assert [gate.name for gate in answer.gates] == ["dashboard_created", "alarms_active"]
    assert isinstance(answer.output, MonitoringOutput)
    assert answer.output.dashboard == "surefoot-Main-_-api"
    assert len(answer.output.alarms) == 8
    await world.until(3600)
    assert world.metrics.looks[:3] == [START, START + 60, START + 120]
    assert len(world.metrics.looks) == 61


async def test_set_up_fails_when_an_alarm_is_not_there_afterwards(world: World) -> None:
    world.alarms.disarmed = {"surefoot-Main/api-error_rate"}
    await world.send(becomes_job(set_up.SET_UP), SET_UP)
    (answer,) = world.answers
    assert answer.verdict is Verdict.FAIL
    assert "alarms_active fail: 7, must be >= 8" in answer.summary


async def test_the_set_up_tells_which_target_groups_its_alarms_count(world: World) -> None:
    others = tuple(
        CountedGroup(load_balancer="app/front/1", target_group=f"targetgroup/{name}/3") for name in ("admin", "inside")
    )
    world.services.found = BALANCED.model_copy(update={"others": others, "uncounted": ("targetgroup/plain/4",)})
    world.alarms.further = {"error_rate"}
    await world.send(becomes_job(set_up.SET_UP), SET_UP)
    (gate,) = (gate for gate in world.answers[0].gates if gate.name == "alarms_active")
    assert gate.detail == (
        "surefoot-Main/api-*; they count the target groups api, admin, inside together; not all have room in one "
        "alarm, so that there are error_rate/2 as well; no application load balancer sends requests to plain, which "
        "they do not count"
    )
    assert gate.value == 9
    assert world.answers[0].verdict is Verdict.PASS


async def test_an_alarm_over_any_of_the_target_groups_concerns_the_service(world: World) -> None:
    inside = CountedGroup(load_balancer="app/inside/4", target_group="targetgroup/inside/5")
    world.services.found = BALANCED.model_copy(update={"others": (inside,)})
    for name, value in (("TargetGroup", inside.target_group), ("LoadBalancer", inside.load_balancer)):
        world.alarms.there = (Alarm(name, firing=True, armed=True, dimensions=frozenset({(name, value)})),)
        await world.send(becomes_job(check_alarms.CHECK), CHECK, f"check-{name}")
        assert world.answers[-1].gates[0].detail == f"firing: {name}"


async def test_existing_alarms_have_to_be_armed_and_quiet(world: World) -> None:
    ours = frozenset({("ClusterName", "Main"), ("ServiceName", "api")})
    world.alarms.there = (
        Alarm("cpu", firing=False, armed=True, dimensions=ours),
        Alarm("scale-in", firing=True, armed=True, scales=True, dimensions=ours),
        Alarm(
            "others", firing=True, armed=True, dimensions=frozenset({("ClusterName", "Main"), ("ServiceName", "web")})
        ),
    )
    await world.send(becomes_job(check_alarms.CHECK), CHECK, "check-1")
    world.alarms.there += (
        Alarm("5xx", firing=True, armed=True, dimensions=frozenset({("LoadBalancer", "app/front/1")})),
        Alarm("slow", firing=False, armed=False, dimensions=frozenset({("TargetGroup", "targetgroup/api/2")})),
    )
    await world.send(becomes_job(check_alarms.CHECK), CHECK, "check-2")
    quiet, loud = world.answers
    assert quiet.verdict is Verdict.PASS
    assert quiet.gates[0].detail == "1 armed and quiet"
    assert loud.verdict is Verdict.FAIL
    assert loud.gates[0].value == 2
    assert loud.gates[0].detail == "firing: 5xx; actions disabled: slow"


async def test_an_alarm_that_the_service_names_counts_whatever_it_measures(world: World) -> None:
    world.services.named = frozenset({"composite"})
    world.alarms.there = (Alarm("composite", firing=True, armed=False),)
    await world.send(becomes_job(check_alarms.CHECK), CHECK)
    assert world.answers[0].verdict is Verdict.FAIL


async def test_no_alarm_at_all_passes_and_is_said(world: World) -> None:
    await world.send(becomes_job(check_alarms.CHECK), CHECK)
    (answer,) = world.answers
    assert answer.verdict is Verdict.PASS
    assert "no alarm stands over this service yet" in answer.summary


async def test_that_nobody_may_list_alarms_stops_nothing_and_is_said(world: World) -> None:
    world.alarms.failure = AwsError("CloudWatch did not answer: AccessDenied")
    await world.send(becomes_job(check_alarms.CHECK), CHECK)
    (answer,) = world.answers
    assert answer.verdict is Verdict.PASS
    assert answer.gates[0].not_applicable == "the alarms could not be read: CloudWatch did not answer: AccessDenied"


async def test_a_cloudwatch_that_does_not_answer_for_a_while_is_asked_again(world: World) -> None:
    world.alarms.failure = AwsError("CloudWatch did not answer: Throttling", temporary=True)
    await world.send(becomes_job(check_alarms.CHECK), CHECK)
    (answer,) = world.answers
    assert (answer.verdict, answer.cause) == (Verdict.INCONCLUSIVE, Cause.ERROR)


async def test_what_mutes_an_alarm_that_fires_is_said_and_it_blocks_nothing(world: World) -> None:
    world.services.named = frozenset({"errors"})
    world.alarms.there = (Alarm("errors", firing=True, armed=True),)
    world.alarms.of_service = (ServiceAlarm(name="errors", state="ALARM", muted="muted by night"),)
    await world.send(becomes_job(check_alarms.CHECK), CHECK)
    assert world.answers[0].verdict is Verdict.PASS
    assert world.answers[0].gates[0].detail == "errors is ALARM, and muted by night"


async def test_an_alarm_that_the_policy_names_counts_before_the_change(world: World) -> None:
    policy = ServicePolicy(target=TARGET, monitoring=Monitoring(alarms=("queue",))).part(MonitoringPolicy)
    world.alarms.there = (Alarm("queue", firing=True, armed=True),)
    world.alarms.of_service = (ServiceAlarm(name="queue", state="ALARM"),)
    await world.send(becomes_job(check_alarms.CHECK), CHECK.model_copy(update={"policy": policy}))
    assert world.answers[0].gates[0].detail == "firing: queue"


async def test_the_alarms_of_the_service_are_read_once_a_minute_while_it_is_deployed(world: World) -> None:
    world.services.found = world.services.found.model_copy(update={"alarms_of_ecs": frozenset({"errors"})})
    world.alarms.of_service = (ServiceAlarm(name="errors", state="OK"),)
    await watch_closely(world, seconds=5 * MINUTE)
    await world.until(5 * MINUTE)
    assert world.alarms.reads == 5
    await world.until(15 * MINUTE)
    assert world.alarms.reads <= 6, "and not while nobody deploys"


async def test_they_are_a_gate_of_the_evaluation(world: World) -> None:
    world.services.found = world.services.found.model_copy(update={"alarms_of_ecs": frozenset({"errors"})})
    world.alarms.of_service = (ServiceAlarm(name="errors", state="OK"),)
    await evaluate(world)
    await world.until(10 * MINUTE)
    gates = {gate.name: gate for gate in world.answers[0].gates}
    assert gates["service_alarms_quiet"].detail == "1 alarm of the service is quiet"


async def test_where_they_cannot_be_read_the_evaluation_says_so_and_goes_on(world: World) -> None:
    world.services.found = world.services.found.model_copy(update={"alarms_of_ecs": frozenset({"errors"})})
    world.alarms.failure = AwsError("CloudWatch did not answer DescribeAlarms: AccessDenied")
    await evaluate(world)
    await world.until(10 * MINUTE)
    gates = {gate.name: gate for gate in world.answers[0].gates}
    assert world.answers[0].verdict is Verdict.PASS
    assert "AccessDenied" in (gates["service_alarms_quiet"].not_applicable or "")


async def test_alarms_that_are_refused_are_told_and_cost_nothing_else(world: World) -> None:
    world.alarms.failure = AwsError("CloudWatch refused PutMetricAlarm: AccessDenied", code="AccessDenied")
    await world.send(becomes_job(set_up.SET_UP), SET_UP)
    (answer,) = world.answers
    assert answer.verdict is Verdict.INCONCLUSIVE
    assert [(gate.name, gate.verdict) for gate in answer.gates] == [
        ("dashboard_created", Verdict.PASS),
        ("alarms_active", Verdict.INCONCLUSIVE),
    ]
    assert "0 were put; CloudWatch refused PutMetricAlarm: AccessDenied" in answer.summary
    await world.until(600)
    assert world.metrics.looks, "the target is watched all the same"


async def test_one_rule_whose_alarm_is_refused_does_not_cost_the_others(world: World) -> None:
    world.alarms.refused = {"error_rate": AwsError("CloudWatch refused PutMetricAlarm: ValidationError")}
    await world.send(becomes_job(set_up.SET_UP), SET_UP)
    (answer,) = world.answers
    assert answer.verdict is Verdict.INCONCLUSIVE
    assert "7 were put; CloudWatch refused PutMetricAlarm: ValidationError" in answer.summary
    assert len(world.alarms.made) == 7


async def test_a_dashboard_that_is_refused_does_not_cost_the_alarms(world: World) -> None:
    world.dashboards.failure = AwsError("CloudWatch refused PutDashboard: AccessDenied", code="AccessDenied")
    await world.send(becomes_job(set_up.SET_UP), SET_UP)
    (answer,) = world.answers
    assert answer.verdict is Verdict.INCONCLUSIVE
    assert [(gate.name, gate.verdict) for gate in answer.gates] == [
        ("dashboard_created", Verdict.INCONCLUSIVE),
        ("alarms_active", Verdict.PASS),
    ]
    assert "CloudWatch refused PutDashboard: AccessDenied" in answer.summary
    assert len(world.alarms.made) == 8


async def test_a_look_whose_job_was_lost_is_begun_anew(world: World) -> None:
    await watch_closely(world)
    collect = world.work[COLLECT]

    async def lost(_: object) -> Transition:
        world.work[COLLECT] = collect
        return decided()

    world.work[COLLECT] = lost
    await world.until(300)
    assert world.metrics.looks[0] == START + LOST
