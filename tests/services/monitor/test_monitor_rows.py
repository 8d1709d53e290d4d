"""A rule is one row: its gate, its alarm, its line on the dashboard and its alerts follow from it."""

from typing import Any

import pytest

from contracts.gates import Gate, Verdict
from contracts.monitor import CriticalRule
from contracts.policy import Monitoring
from contracts.policy_rules import BUILT_IN_RULES, RuleMetric, RulePolicy
from services.monitor.adapters.alarm_definitions import definitions
from services.monitor.adapters.drawing import Drawing
from services.monitor.domain import rules as module
from services.monitor.domain.alerts import AlertState, step
from services.monitor.domain.judge import judge
from services.monitor.domain.measures import MEASURES, Graph
from services.monitor.domain.metrics import MINUTE, Readings
from services.monitor.domain.pending import PendingEvaluation
from services.monitor.domain.rules import Rule, evaluate, rules_of
from services.monitor.domain.watched_service import WatchedService
from tests.services.monitor.harness import ALONE, BALANCED, GOOD_MINUTE, RULES, START, TARGET, readings

BUSY = RulePolicy(
    name="cpu_saturated", metric=RuleMetric.CPU, comparison=">", threshold=95.5, minutes=3, severity="critical"
)
WATCHED = {
    RuleMetric.HEALTHY_TASKS: {"HealthyHostCount"},
    RuleMetric.ERROR_RATE: {"RequestCount", "HTTPCode_Target_5XX_Count", "HTTPCode_ELB_5XX_Count"},
    RuleMetric.RESPONSE_TIME: {"RequestCount", "TargetResponseTime"},
    RuleMetric.DATABASE_ERRORS: {"DatabaseConnectionErrors"},
    RuleMetric.CPU: {"CPUUtilization"},
    RuleMetric.MEMORY: {"MemoryUtilization"},
}


def on(metric: RuleMetric, severity: str = "critical") -> RulePolicy:
    return RulePolicy.model_validate(
        {"name": "mine", "metric": metric, "comparison": ">", "threshold": 3, "minutes": 2, "severity": severity}
    )


def alarm(rule: Rule, of: WatchedService = BALANCED) -> dict[str, Any]:
    (found,) = definitions(of, rule, "Application", None)
    return found


def watched(alarm: dict[str, Any]) -> set[str]:
    stats = [query["MetricStat"]["Metric"] for query in alarm.get("Metrics", ()) if "MetricStat" in query]
    return {metric["MetricName"] for metric in (stats or [alarm])}


def lines(rules: tuple[Rule, ...], of: WatchedService = BALANCED) -> dict[str, list[dict[str, Any]]]:
    drawing = Drawing(of, Monitoring(), "us-west-2", 300)
    graphs = [widget["properties"] for widget in drawing.widgets(rules)]
    return {graph["title"]: graph.get("annotations", {}).get("horizontal", []) for graph in graphs}


def gates(rules: tuple[Rule, ...], seen: Readings, minutes: int) -> dict[str, Gate]:
    pending = PendingEvaluation(command_id="c", run_id="r", since=START, deadline=START + 900)
    found = judge(pending, rules, seen, START + minutes * MINUTE, database_published=True)
    assert found is not None
    return {gate.name: gate for gate in found}


def test_one_row_more_is_a_gate_an_alarm_a_line_and_an_alert() -> None:
    rules = rules_of((*BUILT_IN_RULES, BUSY))
    (added,) = (rule for rule in rules if rule.name == "cpu_saturated")
    # a gate
    good = gates(rules, readings(*[GOOD_MINUTE] * 3), 3)
    assert set(good) == {*gates(RULES, readings(*[GOOD_MINUTE] * 3), 3), "cpu_saturated"}
    assert good["cpu_saturated"].arithmetic == "40% <= 95.5% (3 samples)"
    bad = gates(rules, readings(*[{**GOOD_MINUTE, "cpu": 99.0}] * 3), 3)
    assert (bad["cpu_saturated"].verdict, bad["cpu_saturated"].value) == (Verdict.FAIL, 99.0)
    # an alarm
    made = alarm(added)
    assert (made["AlarmName"], watched(made)) == ("surefoot-Main/api-cpu_saturated", {"CPUUtilization"})
    assert (made["Threshold"], made["EvaluationPeriods"], made["ComparisonOperator"]) == (
        95.5, 3, "GreaterThanThreshold",
    )  # fmt: skip
    # a line on the dashboard
    assert {"label": "CPU critical", "value": 95.5} in lines(rules)[Graph.RESOURCES]
    # an alert
    state = evaluate(added, readings(*[{**GOOD_MINUTE, "cpu": 99.0}] * 3), START + 3 * MINUTE)
    _, alert = step(AlertState(), added, state, TARGET, START + 3 * MINUTE)
    assert alert is not None
    assert (alert.rule, alert.state, alert.threshold) == ("cpu_saturated", "raised", 95.5)


def test_a_gate_shows_the_point_that_is_nearest_to_breaking_its_rule() -> None:
    rules = rules_of((BUSY,))
    seen = readings({**GOOD_MINUTE, "cpu": 90.0}, {**GOOD_MINUTE, "cpu": 50.0})
    assert gates(rules, seen, 2)["cpu_saturated"].value == 90.0


@pytest.mark.parametrize("metric", RuleMetric)
def test_an_alarm_watches_what_its_rule_is_about(metric: RuleMetric) -> None:
    (rule,) = rules_of((on(metric),))
    assert watched(alarm(rule)) == WATCHED[metric]


def test_without_a_load_balancer_tasks_are_counted_by_their_samples() -> None:
    (rule,) = rules_of((on(RuleMetric.HEALTHY_TASKS),))
    assert (alarm(rule, ALONE)["MetricName"], alarm(rule, ALONE)["Statistic"]) == ("CPUUtilization", "SampleCount")


@pytest.mark.parametrize("metric", RuleMetric)
@pytest.mark.parametrize("severity", ["critical", "warning"])
def test_a_threshold_is_drawn_where_its_metric_is(metric: RuleMetric, severity: str) -> None:
    (rule,) = rules_of((on(metric, severity),))
    drawn = [(title, line["value"]) for title, of in lines((rule,)).items() for line in of]
    mark = MEASURES[metric].mark
    assert drawn == ([(mark.graph, 3)] if mark else [])


@pytest.mark.parametrize("severity", ["critical", "warning"])
def test_only_a_critical_rule_decides_about_a_deployment(severity: str) -> None:
    rules = (*RULES, *rules_of((on(RuleMetric.CPU, severity),)))
    assert ("mine" in gates(rules, readings(*[GOOD_MINUTE] * 2), 2)) == (severity == "critical")


def test_without_any_critical_rule_nothing_is_proven_and_that_is_said() -> None:
    (gate,) = gates(rules_of((on(RuleMetric.CPU, "warning"),)), readings(), 0).values()
    assert (gate.verdict, gate.detail) == (Verdict.INCONCLUSIVE, "no critical rule is switched on")


def test_every_metric_of_a_policy_has_its_row_and_every_graph_is_shown() -> None:
    assert set(MEASURES) == set(RuleMetric)
    assert list(lines(RULES)) == list(Graph)


def test_a_rule_on_a_metric_without_a_row_is_refused_and_makes_no_alarm(monkeypatch: pytest.MonkeyPatch) -> None:
    known = {metric: row for metric, row in MEASURES.items() if metric is not RuleMetric.MEMORY}
    monkeypatch.setattr(module, "MEASURES", known)
    with pytest.raises(ValueError, match="the rule mine is about memory; known are healthy_tasks"):
        rules_of((on(RuleMetric.MEMORY),))


def test_a_rule_that_compares_for_equality_is_refused() -> None:
    with pytest.raises(ValueError, match="the rule mine compares with =="):
        rules_of((on(RuleMetric.CPU).model_copy(update={"comparison": "=="}),))


@pytest.mark.parametrize(
    ("name", "error"),
    [("cpu", "several rules are named cpu"), ("healthy_tasks", "several gates are named healthy_tasks")],
)
def test_no_two_rules_and_no_two_gates_have_one_name(name: str, error: str) -> None:
    with pytest.raises(ValueError, match=error):
        rules_of((*BUILT_IN_RULES, on(RuleMetric.CPU).model_copy(update={"name": name})))


def test_recovery_and_the_scenarios_know_the_critical_rules_by_their_names() -> None:
    assert set(CriticalRule) == {rule.name for rule in RULES if rule.severity == "critical"}


def test_a_rule_is_published_under_the_gate_that_it_ever_had() -> None:
    assert [rule.gate for rule in RULES if rule.gates_deployment] == [
        "healthy_tasks", "error_rate", "response_time_p95", "database_connections",
    ]  # fmt: skip


def test_a_dashboard_shows_no_text_of_anybody_else() -> None:
    """A widget of text would be markdown; names of namespaces and databases are looked up, not shown as markup."""
    hostile = "[click](https://evil.example)\u202e<img src=x>"
    monitoring = Monitoring.model_construct(metrics_namespace=hostile, database=hostile)
    for widget in Drawing(BALANCED, monitoring, "us-west-2", 300).widgets(rules_of(BUILT_IN_RULES)):
        shown = widget["properties"]
        marks = shown.get("annotations", {}).get("horizontal", [])
        labels = [line[-1].get("label", "") for line in shown["metrics"] if isinstance(line[-1], dict)]
        assert widget["type"] == "metric"
        assert hostile not in [shown["title"], *(mark["label"] for mark in marks), *labels]
