"""Only what concerns the present is critical."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.gates import Verdict
from contracts.prose import LONGEST_QUOTE, quote
from services.diagnostics.domain.diagnose import diagnose, gate
from services.diagnostics.domain.evidence import NotObserved, Service, StoppedTask
from services.diagnostics.domain.known_issues import KnownIssues, update
from tests.services.diagnostics.harness import (
    GONE,
    NOW,
    OLD,
    PRIMARY,
    SHORT,
    TARGET,
    deployment,
    evidence,
    service,
    stopped,
    target,
)


def severities(**more: Any) -> dict[str, str]:
    return {issue.kind: issue.severity for issue in diagnose(TARGET, evidence(**more), NOW)}


def crashes(of: str = PRIMARY, ago: float = 60, count: int = 2) -> tuple[StoppedTask, ...]:
    return tuple(stopped(number, of=of, ago=ago) for number in range(count))


@pytest.mark.parametrize(
    ("state", "tasks", "severity"),
    [
        (SHORT, crashes(), "critical"),
        (service(running=0), crashes(), "critical"),
        (service(deployment(rollout_state="FAILED")), crashes(), "critical"),
        (SHORT, crashes(count=1), "warning"),  # once is an accident
        (SHORT, crashes(ago=50 * 60), "info"),  # history, although the deployment is the same
        (service(), crashes(), "warning"),  # nobody suffers any more
        (service(deployment(), deployment(OLD, status="ACTIVE")), crashes(OLD), "warning"),
        (SHORT, crashes(GONE), "info"),
        (service(), crashes(GONE, ago=50 * 60), "info"),
    ],
)
def test_stopped_tasks(state: Service, tasks: tuple[StoppedTask, ...], severity: str) -> None:
    assert severities(service=state, stopped=tasks)["crash_loop"] == severity


@pytest.mark.parametrize(
    ("state", "tasks", "severity"),
    [
        (SHORT, (), "critical"),
        (service(running=0, pending=3), (), "critical"),
        (service(running=2, pending=1), (), "warning"),  # its replacement is on the way
        (service(running=2, pending=1), crashes(), "critical"),  # and will crash as the others did
    ],
)
def test_missing_tasks(state: Service, tasks: tuple[StoppedTask, ...], severity: str) -> None:
    assert severities(service=state, stopped=tasks)["below_desired_count"] == severity


@given(
    st.integers(0, 3),
    st.lists(st.tuples(st.sampled_from([PRIMARY, OLD, GONE]), st.integers(0, 3600)), max_size=8),
)
def test_a_service_that_serves_completely_has_nothing_critical(healthy: int, tasks: list[tuple[str, int]]) -> None:
    seen = tuple(stopped(number, of=of, ago=ago) for number, (of, ago) in enumerate(tasks))
    found = severities(service=service(), stopped=seen, targets=(target(),) * (healthy + 1))
    assert "critical" not in found.values()


def judged(**more: Any) -> Any:
    seen = evidence(**more)
    return gate(diagnose(TARGET, seen, NOW), seen)


def test_the_gate_asks_for_no_critical_issue() -> None:
    assert judged().arithmetic == "0 <= 0 (3 samples)"
    assert judged(stopped=crashes()).verdict is Verdict.PASS
    failed = judged(service=SHORT)
    assert (failed.verdict, failed.value) == (Verdict.FAIL, 1)
    assert failed.detail == "below_desired_count: Fewer tasks run than are wanted."
    assert judged(targets=None).samples == 2


def test_evidence_that_is_missing_is_no_comfort() -> None:
    dark = NotObserved("elbv2.describe_target_health: Throttling")
    partial = judged(targets=dark)
    assert (partial.verdict, partial.needs, partial.detail) == (Verdict.INCONCLUSIVE, 1, dark.why)
    assert judged(service=SHORT, targets=dark).verdict is Verdict.FAIL


def test_the_board_tells_what_is_new_what_is_gone_and_what_got_worse() -> None:
    mild = diagnose(TARGET, evidence(stopped=crashes()), NOW)
    bad = diagnose(TARGET, evidence(service=SHORT, stopped=crashes()), NOW)
    first = update(KnownIssues(), mild, NOW, complete=True)
    assert ([issue.kind for issue in first.found], first.gone) == (["crash_loop"], ())
    again = update(first.after, mild, NOW + 60, complete=True)
    assert (again.found, again.gone, again.after.checked_at) == ((), (), NOW + 60)
    worse = update(again.after, bad, NOW + 120, complete=True)
    assert {issue.kind for issue in worse.found} == {"crash_loop", "below_desired_count"}
    over = update(worse.after, (), NOW + 180, complete=True)
    assert {issue.kind for issue in over.gone} == {"crash_loop", "below_desired_count"}
    assert over.after.issues == ()


def test_what_an_incomplete_look_does_not_show_is_not_gone() -> None:
    known = update(KnownIssues(), diagnose(TARGET, evidence(service=SHORT), NOW), NOW, complete=True).after
    blind = update(known, (), NOW + 60, complete=False)
    assert (blind.gone, blind.after.issues) == ((), known.issues)


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("cannot connect to postgresql://app:hunter2@db:5432/court", "postgresql://***@db:5432/court"),
        ("DATABASE_PASSWORD=hunter2 is wrong", "DATABASE_PASSWORD=*** is wrong"),
        ('{"password": "hunter2"}', '{"password": ***}'),
        ("api_key='hunter2', retry", "api_key=***, retry"),
        ("AWS key AKIAIOSFODNN7EXAMPLE", "AWS key ***"),
        ("bearer eyJhbGciOiJIUzI1NiJ9.aHVudGVyMg.c2ln", "bearer ***"),
        ("arn:aws:secretsmanager:us-west-2:1:secret:court/jwt-AbCdEf", "secret:court/jwt-AbCdEf"),
        ("line one\n   line two", "line one line two"),
    ],
)
def test_secrets_are_cut_out_of_what_is_quoted(text: str, kept: str) -> None:
    assert kept in quote(text)
    assert "hunter2" not in quote(text)


@given(st.text(max_size=2000))
def test_a_quote_is_short_and_on_one_line(text: str) -> None:
    assert len(quote(text)) <= LONGEST_QUOTE
    assert "\n" not in quote(text)


def test_evidence_is_redacted() -> None:
    task = stopped(container_reason="postgresql://app:hunter2@db refused")
    (issue,) = diagnose(TARGET, evidence(stopped=(task,)), NOW)
    assert "hunter2" not in issue.model_dump_json()
    assert "postgresql://***@db refused" in issue.model_dump_json()
