"""Each run is judged by the policy with which it began; everything else by the policy in force."""

from datetime import timedelta
from itertools import pairwise
from typing import cast

import pytest

from contracts.base import Target
from contracts.deployment import Cause, DeploymentFinished, Outcome
from contracts.gates import Verdict
from contracts.monitor import CriticalAlert, EvaluateRules, SetUpMonitoring, WarningAlert, WatchClosely
from contracts.policy import Monitoring, ServicePolicy
from contracts.policy_parts import MonitoringPolicy
from contracts.policy_rules import BUILT_IN_RULES, RuleMetric, RulePolicy
from services._chassis.aws import Aws
from services._chassis.aws_connection import AwsConnection
from services._chassis.clock import moment
from services._chassis.commands import becomes_job
from services._chassis.service import Platform
from services._chassis.store import IndexedStore
from services.monitor.app import create_app
from services.monitor.domain.alerts import GONE, AlertState
from services.monitor.domain.pending import PendingEvaluation
from services.monitor.domain.watch import Watch, watch_key
from services.monitor.jobs.set_up import SET_UP
from services.monitor.jobs.watch_closely import WATCH
from services.monitor.settings import Settings
from tests.kit import FakePolicies
from tests.services.monitor.harness import START, TARGET, World

MINUTE = 60.0
OTHER = TARGET.model_copy(update={"service": "web"})
RUN, LATER = "a" * 64, "b" * 64
QUEUE = RulePolicy(
    name="cpu_saturated", metric=RuleMetric.CPU, comparison=">", threshold=95, minutes=2, severity="critical"
)


def rules(**thresholds: float) -> tuple[RulePolicy, ...]:
    """Return the built-in rules with other thresholds."""
    return tuple(
        rule.model_copy(update={"threshold": thresholds.get(rule.name, rule.threshold)}) for rule in BUILT_IN_RULES
    )


def without(*names: str) -> tuple[RulePolicy, ...]:
    return tuple(rule for rule in BUILT_IN_RULES if rule.name not in names)


def policy(
    *,
    rules: tuple[RulePolicy, ...] = BUILT_IN_RULES,
    monitoring: Monitoring = Monitoring(),  # noqa: B008  frozen
    digest: str = LATER,
    target: Target = TARGET,
) -> ServicePolicy:
    return ServicePolicy(target=target, digest=digest, monitoring=monitoring, rules=rules)


def part(**more: object) -> MonitoringPolicy:
    return policy(**{"digest": RUN, **more}).part(MonitoringPolicy)  # type: ignore[arg-type]  # passed on


@pytest.fixture
def world() -> World:
    return World()


async def watch_closely(
    world: World, held: MonitoringPolicy | None, *, seconds: float = 1800, target: Target = TARGET, run: str = "run-1"
) -> None:
    until = moment(world.clock.time + seconds)
    command = WatchClosely(target=target, run_id=run, until=until, policy=held)
    await world.send(becomes_job(WATCH), command, f"watch-{target.service}-{run}")


async def evaluate(
    world: World, held: MonitoringPolicy | None, *, target: Target = TARGET, run: str = "run-1", not_before: float = 0
) -> None:
    now = moment(world.clock.time)
    command = EvaluateRules(
        target=target,
        run_id=run,
        since=now,
        not_before=now + timedelta(seconds=not_before) if not_before else None,
        deadline=now + timedelta(minutes=15),
        policy=held,
    )
    await world.send(world.handlers.evaluate_rules, command, f"evaluate-{target.service}-{run}")


async def set_up(world: World, held: MonitoringPolicy | None = None, target: Target = TARGET) -> None:
    command = SetUpMonitoring(target=target, run_id="run-0", policy=held)
    await world.send(becomes_job(SET_UP), command, f"set-up-{target.service}")


async def over(world: World, target: Target = TARGET) -> None:
    event = DeploymentFinished(target=target, run_id="run-1", outcome=Outcome.SUCCEEDED, reason="", seconds=60)
    await world.send(world.handlers.run_over, event, "over")


async def watch(world: World, target: Target = TARGET) -> Watch:
    return Watch.from_bytes(await world.load(watch_key(target)), target=target)


def alerts(world: World) -> list[CriticalAlert | WarningAlert]:
    return [event for event in world.published if isinstance(event, CriticalAlert | WarningAlert)]


# -- a run -------------------------------------------------------------------------------------------------------------


async def test_a_run_is_judged_by_its_own_policy_though_another_one_is_in_force(world: World) -> None:
    world.policies.reload(policy(rules=rules(response_time=1)))
    world.metrics.change(response_time=3.0)
    lenient = part(rules=rules(response_time=30))
    await watch_closely(world, lenient)
    await evaluate(world, lenient)
    await world.until(3 * MINUTE)
    answer = world.answers[-1]
    assert (answer.step, answer.verdict) == ("evaluate-rules", Verdict.PASS)
    assert {gate.name: gate.threshold for gate in answer.gates}["response_time_p95"] == 30
    assert "response_time" not in {alert.rule for alert in alerts(world)}


async def test_everything_that_is_told_of_a_run_names_its_policy(world: World) -> None:
    world.policies.reload(policy())
    world.metrics.change(response_time=3.0)
    strict = part(rules=rules(response_time=1))
    await watch_closely(world, strict)
    await evaluate(world, strict)
    await world.until(3 * MINUTE)
    assert [answer.policy_digest for answer in world.answers] == [RUN, RUN]
    assert world.answers[-1].verdict is Verdict.FAIL
    (raised,) = (alert for alert in alerts(world) if alert.rule == "response_time")
    assert (raised.threshold, raised.policy_digest) == (1, RUN)


async def test_replicas_that_reload_at_different_moments_judge_a_run_alike(world: World) -> None:
    """Every second look is made by a process in which another policy is in force already."""
    reloaded = FakePolicies()
    reloaded.reload(policy(rules=rules(response_time=1), monitoring=Monitoring(metrics_namespace="Other")))
    world.metrics.change(response_time=3.0)
    held = part(monitoring=Monitoring(metrics_namespace="Mine", close_interval_seconds=20))
    await watch_closely(world, held)
    before, after = world.work, world.replica(reloaded)
    for look in range(1, 12):
        world.work = after if look % 2 else before
        await world.until(20.0 * look)
    assert set(world.metrics.namespaces) == {"Mine"}
    assert world.metrics.looks == [START + 20.0 * look for look in range(12)]
    assert "response_time" not in {alert.rule for alert in alerts(world)}


async def test_after_the_run_the_policy_in_force_holds_again(world: World) -> None:
    await set_up(world)
    world.policies.reload(policy(monitoring=Monitoring(metrics_namespace="Now", interval_seconds=120)))
    await watch_closely(world, part(monitoring=Monitoring(metrics_namespace="Run", close_interval_seconds=30)))
    await world.until(60)
    assert set(world.metrics.namespaces[1:]) == {"Run"}
    await over(world)
    looks = len(world.metrics.looks)
    await world.until(600)
    assert set(world.metrics.namespaces[looks:]) == {"Now"}
    later = world.metrics.looks[looks:]
    assert [after - before for before, after in pairwise(later)] == [120.0] * (len(later) - 1)
    assert (await watch(world)).policies == {}


async def test_a_command_of_the_previous_version_is_judged_by_what_is_in_force_when_it_comes(world: World) -> None:
    world.policies.reload(policy(rules=rules(response_time=30)))
    world.metrics.change(response_time=6.0)
    await watch_closely(world, None)
    await evaluate(world, None)
    world.policies.reload(policy(rules=rules(response_time=1), digest="c" * 64))
    await world.until(3 * MINUTE)
    assert [(answer.verdict, answer.policy_digest) for answer in world.answers] == [(Verdict.PASS, LATER)] * 2


async def test_an_evaluation_of_the_previous_version_for_a_service_that_is_refused_is_answered_at_once(
    world: World,
) -> None:
    world.policies.refused = frozenset({TARGET})
    await evaluate(world, None)
    (answer,) = world.answers
    assert (answer.verdict, answer.cause, answer.summary) == (
        Verdict.INCONCLUSIVE, Cause.REFUSED, f"the policy does not list {TARGET}.",
    )  # fmt: skip


async def test_what_waits_by_no_policy_of_its_own_is_answered_once_the_service_is_refused(world: World) -> None:
    waiting = PendingEvaluation(command_id="old", run_id="run-1", since=START, deadline=START + 900)
    old = Watch(target=TARGET, closely={"run-1": START + 900}, pending=(waiting,))
    await world.keep(watch_key(TARGET), old.to_bytes())
    world.policies.refused = frozenset({TARGET})
    await world.handlers.policy_changed(frozenset({TARGET}))
    await world.until(60)
    assert [(answer.command_id, answer.verdict, answer.cause) for answer in world.answers] == [
        ("old", Verdict.INCONCLUSIVE, Cause.REFUSED)
    ]
    assert (await watch(world)).pending == ()


async def test_a_state_of_the_previous_version_is_judged_by_what_is_in_force(world: World) -> None:
    waiting = PendingEvaluation(command_id="old", run_id="run-1", since=START, deadline=START + 900)
    old = Watch(target=TARGET, closely={"run-1": START + 900}, pending=(waiting,))
    await world.keep(watch_key(TARGET), old.to_bytes())
    world.policies.reload(policy(rules=rules(response_time=0.3)))
    world.metrics.change(response_time=0.5)
    await world.handlers.policy_changed(frozenset({TARGET}))
    await world.until(3 * MINUTE)
    assert [(answer.command_id, answer.verdict, answer.policy_digest) for answer in world.answers] == [
        ("old", Verdict.FAIL, LATER)
    ]


async def test_a_target_that_a_newer_version_watches_keeps_no_other_from_the_new_policy(world: World) -> None:
    newer = [TARGET.model_copy(update={"service": f"newer-{number}"}) for number in range(4)]
    for target in newer:
        await world.keep(watch_key(target), b'{"schema_version":99}')
    await set_up(world)
    before = len(world.alarms.put_names)
    world.policies.reload(policy(rules=rules(cpu=70)))
    await world.handlers.policy_changed(frozenset({TARGET, *newer}))
    await world.until(0)
    assert len(world.alarms.put_names) > before


async def test_a_run_that_begins_while_metrics_are_read_is_judged_by_the_next_look(world: World) -> None:
    """The metrics were read by another policy's namespace, and its thresholds are not those of the run."""
    world.policies.reload(policy(rules=rules(cpu=1)))
    await set_up(world)
    read = world.metrics.read

    async def read_while_commanded(*arguments: object) -> object:
        world.metrics.read = read  # type: ignore[method-assign]  # once
        await watch_closely(world, part())
        return await read(*arguments)  # type: ignore[arg-type]  # as it was called

    world.metrics.read = read_while_commanded  # type: ignore[assignment, method-assign]  # the fake's own
    await world.until(10 * MINUTE)
    assert [alert.policy_digest for alert in alerts(world) if alert.policy_digest != RUN] == []


# -- baking ------------------------------------------------------------------------------------------------------------


async def test_no_rule_is_called_kept_before_the_shortest_baking_is_over(world: World) -> None:
    await evaluate(world, part(), not_before=10 * MINUTE)
    await world.until(10 * MINUTE - 1)
    assert world.answers == []
    await world.until(10 * MINUTE + 15)
    assert [answer.verdict for answer in world.answers] == [Verdict.PASS]


async def test_what_is_asked_anew_is_judged_from_when_the_new_version_took_over(world: World) -> None:
    now = moment(world.clock.time)
    took_over, deadline = now - timedelta(minutes=6), now - timedelta(minutes=1)
    again = EvaluateRules(
        target=TARGET, run_id="run-1", since=took_over, took_over=took_over, deadline=deadline, policy=part()
    )
    await world.send(world.handlers.evaluate_rules, again, "again")
    assert [waiting.asked_at for waiting in (await watch(world)).pending] == [took_over.timestamp()]


async def test_a_rule_that_is_broken_while_it_bakes_is_told_at_once(world: World) -> None:
    await evaluate(world, part(), not_before=10 * MINUTE)
    world.metrics.change(response_time=9.0)
    await world.until(2 * MINUTE)
    assert [answer.verdict for answer in world.answers] == [Verdict.FAIL]


# -- the database ------------------------------------------------------------------------------------------------------


async def test_a_database_in_trouble_excuses_the_runs_of_its_own_service_alone(world: World) -> None:
    world.metrics.change(target_5xx=40.0)
    world.databases.failed.add("court")
    await evaluate(world, part(monitoring=Monitoring(database="court")))
    await evaluate(world, part(monitoring=Monitoring(database="shop")), target=OTHER)
    await world.until(16 * MINUTE)
    causes = {answer.target: (answer.verdict, answer.cause) for answer in world.answers}
    assert causes == {TARGET: (Verdict.INCONCLUSIVE, Cause.DEPENDENCY), OTHER: (Verdict.FAIL, Cause.GATE)}
    excused = {alert.target for alert in alerts(world) if alert.excused}
    assert excused == {TARGET}


async def test_without_a_database_in_the_policy_none_is_asked_about(world: World) -> None:
    world.metrics.change(target_5xx=40.0)
    await evaluate(world, part())
    await world.until(3 * MINUTE)
    assert world.databases.asked == []


# -- rules that come and go --------------------------------------------------------------------------------------------


async def test_an_alert_of_a_rule_that_is_switched_off_is_resolved_and_its_alarm_is_deleted(world: World) -> None:
    await set_up(world)
    world.metrics.change(response_time=9.0)
    await world.until(3 * MINUTE)
    assert ("response_time", "raised") in world.alerts
    world.policies.reload(policy(rules=without("response_time")))
    world.clock.time += 1
    await world.handlers.policy_changed(frozenset({TARGET}))
    await world.until(3 * MINUTE + 1)
    (resolved,) = (alert for alert in alerts(world) if alert.state == "resolved")
    assert isinstance(resolved, CriticalAlert)
    assert (resolved.rule, resolved.value, resolved.threshold, resolved.policy_digest) == (
        "response_time", None, 5, LATER,
    )  # fmt: skip
    assert resolved.detail.endswith(f"({GONE})")
    (raised,) = (alert for alert in alerts(world) if alert.rule == "response_time" and alert.state == "raised")
    assert resolved.alert_id == raised.alert_id
    assert set(world.alarms.made) == {f"surefoot-Main/api-{rule.name}" for rule in without("response_time")}


async def test_an_alert_of_ones_own_rule_is_resolved_with_what_that_rule_was(world: World) -> None:
    world.policies.reload(policy(rules=(*BUILT_IN_RULES, QUEUE)))
    await set_up(world)
    world.metrics.change(cpu=99.0)
    await world.until(3 * MINUTE)
    world.policies.reload(policy())
    await world.until(4 * MINUTE)
    (resolved,) = (alert for alert in alerts(world) if alert.state == "resolved")
    assert isinstance(resolved, CriticalAlert)
    assert (resolved.rule, resolved.threshold, resolved.unit) == ("cpu_saturated", 95, "%")


async def test_an_alert_of_the_previous_version_is_resolved_when_its_rule_is_gone(world: World) -> None:
    old = Watch(target=TARGET, set_up=True, alerts={"response_time": AlertState(began_at=START - 600)})
    await world.keep(watch_key(TARGET), old.to_bytes())
    world.policies.reload(policy(rules=without("response_time")))
    await world.handlers.policy_changed(frozenset({TARGET}))
    await world.until(60)
    assert world.alerts == [("response_time", "resolved")]


async def test_a_rule_that_is_a_warning_now_ends_its_critical_alert(world: World) -> None:
    await set_up(world)
    world.metrics.change(response_time=9.0)
    await world.until(3 * MINUTE)
    softer = tuple(
        rule.model_copy(update={"severity": "warning"}) if rule.name == "response_time" else rule
        for rule in BUILT_IN_RULES
    )
    world.policies.reload(policy(rules=softer))
    await world.until(4 * MINUTE)
    published = [(type(alert), alert.state) for alert in alerts(world) if alert.rule == "response_time"]
    assert published == [(CriticalAlert, "raised"), (CriticalAlert, "resolved"), (WarningAlert, "raised")]


async def test_a_rule_of_ones_own_has_its_gate_and_its_alarm(world: World) -> None:
    held = part(rules=(*BUILT_IN_RULES, QUEUE))
    world.metrics.change(cpu=99.0)
    await evaluate(world, held)
    await world.until(3 * MINUTE)
    (answer,) = world.answers
    assert {gate.name: gate.verdict for gate in answer.gates}["cpu_saturated"] is Verdict.FAIL
    await set_up(world, held)
    assert "surefoot-Main/api-cpu_saturated" in world.alarms.made


# -- a policy that changes ---------------------------------------------------------------------------------------------


def calls(world: World) -> tuple[int, int]:
    return len(world.alarms.put_names), len(world.dashboards.puts)


async def test_a_change_rewrites_the_alarms_of_its_own_service_alone(world: World) -> None:
    for target in (TARGET, OTHER):
        await set_up(world, target=target)
    assert calls(world) == (16, 2)
    world.policies.reload(policy(rules=rules(cpu=70)))
    world.policies.reload(policy(target=OTHER))
    await world.handlers.policy_changed(frozenset({TARGET}))
    await world.until(0)
    assert calls(world) == (24, 3), "the other one has another digest, and says the same"
    rule, _ = world.alarms.made["surefoot-Main/api-cpu"]
    assert rule.threshold == 70
    await world.until(10 * MINUTE)
    assert calls(world) == (24, 3), "once is enough"


async def test_a_service_that_nobody_set_up_gets_no_alarms_by_a_change(world: World) -> None:
    world.policies.reload(policy(rules=rules(cpu=70)))
    await world.handlers.policy_changed(frozenset({TARGET}))
    await world.until(10 * MINUTE)
    assert calls(world) == (0, 0)
    assert world.metrics.looks == []


async def test_alarms_stay_as_they_are_while_a_run_is_watched(world: World) -> None:
    await set_up(world)
    await watch_closely(world, part(), seconds=300)
    world.policies.reload(policy(rules=rules(cpu=70)))
    await world.handlers.policy_changed(frozenset({TARGET}))
    await world.until(240)
    assert calls(world) == (8, 1)
    await over(world)
    await world.until(400)
    assert calls(world) == (16, 2)


async def test_what_a_run_has_set_up_by_an_older_policy_is_mended_after_it(world: World) -> None:
    world.policies.reload(policy(rules=rules(cpu=70)))
    await set_up(world, part())
    assert world.alarms.made["surefoot-Main/api-cpu"][0].threshold == 80
    await world.until(0)
    assert world.alarms.made["surefoot-Main/api-cpu"][0].threshold == 70


async def test_a_service_on_which_nobody_may_act_is_left_alone_until_somebody_may_again(world: World) -> None:
    await set_up(world)
    await world.until(0)
    looks = len(world.metrics.looks)
    world.policies.refused = frozenset({TARGET})
    await world.until(10 * MINUTE)
    assert len(world.metrics.looks) == looks
    world.policies.refused = frozenset()
    await world.until(12 * MINUTE)
    assert len(world.metrics.looks) > looks


async def test_the_monitor_listens_to_its_policy(world: World) -> None:
    platform = Platform(
        cast("IndexedStore", world), world.clock, Aws(cast("AwsConnection", None), "monitor"), policies=world.policies
    )
    create_app(Settings(), platform)
    (listener,) = world.policies.listeners
    old = Watch(target=TARGET, set_up=True)
    await world.keep(watch_key(TARGET), old.to_bytes())
    await listener(frozenset({TARGET, OTHER}))
    assert set(world.timers) == {f"collect:{TARGET}"}
