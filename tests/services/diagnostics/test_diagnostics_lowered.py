"""A fall of the desired count that recovery tells is an issue with its actor, until it is over."""

from datetime import UTC, datetime
from typing import Any

from contracts.diagnostics import IssueFound, IssueGone
from contracts.envelope import Meta
from contracts.moves import ServiceMoved
from services._chassis.store import RedisStore
from services._chassis.transition import Decision
from services.diagnostics import handlers
from services.diagnostics.decisions import record_issues
from tests.kit import FakeClock, events, memory_store
from tests.services.diagnostics.harness import NOW, TARGET

AT = datetime(2026, 1, 12, tzinfo=UTC)
KIND = "desired_count_lowered"


async def moved(store: RedisStore, id_: str, **what: Any) -> Decision | None:
    usual: dict[str, Any] = {
        "move_id": "m-1", "what": "count", "before": "5", "after": "2", "by": "tool", "sure": "certain",
        "sentence": "Terraform as arn has changed its desired count from 5 to 2.", "moved_at": AT, "lowered": True,
        "evidence": ("CloudTrail event e-1",),
    }  # fmt: skip
    meta = Meta(id=id_, source="surefoot/recovery", time=AT)
    transition = await handlers.moved(ServiceMoved(target=TARGET, **usual | what), meta)
    return None if transition is None else (await store.apply(transition, cause=id_)).decision


async def test_it_is_an_issue_with_its_actor_until_it_is_over() -> None:
    store = memory_store("diagnostics", FakeClock(NOW))
    decision = await moved(store, "1")
    assert decision is not None
    [found] = events(decision)
    assert isinstance(found, IssueFound)
    assert (found.issue.kind, found.issue.severity) == (KIND, "warning")
    assert found.issue.evidence[0].startswith("Terraform as arn")
    assert "surefoot moved" in found.issue.steps[0]
    look = record_issues(TARGET, (), NOW, complete=True, cause="look")
    assert events((await store.apply(look, cause="look")).decision) == [], "no look ends it"
    over = await moved(store, "2", over=True)
    assert over is not None
    [gone] = events(over)
    assert isinstance(gone, IssueGone)


async def test_while_an_emergency_scaling_stands_it_is_critical_and_other_moves_are_no_issue() -> None:
    store = memory_store("diagnostics", FakeClock(NOW))
    decision = await moved(store, "1", scaling_id="scaling:1")
    assert decision is not None
    [found] = events(decision)
    assert found.issue.severity == "critical"
    assert "the emergency scaling scaling:1 stands" in found.issue.evidence
    assert await moved(store, "2", lowered=False) is None
    assert await moved(store, "3", what="version", lowered=False) is None


async def test_a_tool_that_still_names_what_was_taken_back_is_an_issue_of_its_own() -> None:
    store = memory_store("diagnostics", FakeClock(NOW))
    named = {"what": "version", "lowered": False, "still_named": "Terraform has deployed backend:2 and still names it."}
    decision = await moved(store, "1", **named)
    assert decision is not None
    [found] = events(decision)
    assert isinstance(found, IssueFound)
    assert (found.issue.kind, found.issue.severity) == ("taken_back_still_named", "warning")
    assert found.issue.evidence[0] == named["still_named"]
    look = record_issues(TARGET, (), NOW, complete=True, cause="look")
    assert events((await store.apply(look, cause="look")).decision) == [], "no look ends it"
    over = await moved(store, "2", over=True, **named)
    assert over is not None
    assert [type(event) for event in events(over)] == [IssueGone]
