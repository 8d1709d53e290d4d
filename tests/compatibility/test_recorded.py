"""What the version before wrote is read, and nothing that it knew is lost."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from contracts.base import Target
from contracts.envelope import from_message
from contracts.health import WatchDeployment
from contracts.optimizer import RecommendationMade
from contracts.state import NewerState, State
from contracts.validator import ValidateDeployment
from services.diagnostics.domain.known_issues import KnownIssues
from services.health.domain.continuous import Checking
from services.health.domain.waiting import Waiting
from services.monitor.domain.operation import SetUp
from services.monitor.domain.watch import Watch
from services.optimizer.domain.size import Baseline
from services.orchestrator.domain.course import Course
from services.orchestrator.domain.view import RunView
from services.recovery.domain import work
from services.recovery.domain.protection import Protection
from services.recovery.domain.snapshots.snapshot import Snapshot
from services.validator.domain.operation import Validation

RECORDED = Path(__file__).parents[1] / "data" / "recorded"


def read(name: str) -> Any:
    return json.loads((RECORDED / name).read_text())


TARGET = Target.parse("123456789012/us-west-2/CourtCaseCluster/BackendService")
READERS: Mapping[tuple[str, str, str], Callable[[bytes], BaseModel]] = {
    ("orchestrator", "state", "course"): Course.from_bytes,
    ("orchestrator", "record", "run"): RunView.model_validate_json,
    ("recovery", "state", "protection"): Protection.from_bytes,
    ("recovery", "record", "operation"): work.RecoveryOperation.model_validate_json,
    ("recovery", "job", "capture-snapshot"): work.CaptureWork.from_bytes,
    ("recovery", "job", "rollback"): work.RollbackWork.from_bytes,
    ("monitor", "state", "watch"): lambda data: Watch.from_bytes(data, target=TARGET),
    ("monitor", "record", "operation"): SetUp.model_validate_json,
    ("monitor", "job", "set-up-on-request"): SetUp.model_validate_json,
    ("health", "state", "watch"): Waiting.from_bytes,
    ("health", "state", "checks"): Checking.from_bytes,
    ("health", "job", "watch"): WatchDeployment.model_validate_json,
    ("health", "job", "check"): lambda data: Target.parse(data.decode()),
    ("diagnostics", "state", "issues"): KnownIssues.from_bytes,
    ("optimizer", "record", "baseline"): Baseline.model_validate_json,
    ("optimizer", "record", "recommendation"): RecommendationMade.model_validate_json,
    ("validator", "record", "operation"): Validation.model_validate_json,
    ("validator", "job", "validate-on-request"): Validation.model_validate_json,
    ("validator", "job", "validate-deployment"): ValidateDeployment.model_validate_json,
}
"""By service, kind and the first word of the key: what reads it."""


def lost(before: Any, after: Any, path: str = "") -> list[str]:
    """Name what stands in ``before`` and not in ``after``; what was added is no loss."""
    if isinstance(before, dict) and isinstance(after, dict):
        return [
            fault
            for key, value in before.items()
            for fault in (lost(value, after[key], f"{path}.{key}") if key in after else [f"{path}.{key} is gone"])
        ]
    if isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        return [
            fault
            for at, (old, new) in enumerate(zip(before, after, strict=True))
            for fault in lost(old, new, f"{path}[{at}]")
        ]
    return [] if before == after else [f"{path} was {before!r} and is {after!r}"]


@pytest.mark.parametrize(
    "kept", read("redis.json"), ids=lambda kept: f"{kept['service']}-{kept['kind']}-{kept['what']}-{kept['scenario']}"
)
def test_what_the_version_before_kept_is_read_and_written_whole(kept: dict[str, str]) -> None:
    reader = READERS[kept["service"], kept["kind"], kept["what"]]
    model = reader(kept["data"].encode())
    if not isinstance(model, Target):
        data = json.loads(kept["data"])
        if isinstance(model, State) and (version := data.pop("version", None)):
            data["schema_version"] = version  # its name in some states before there was one form
        assert lost(data, model.model_dump(mode="json")) == []


@pytest.mark.parametrize(
    "kept", read("redis.json"), ids=lambda kept: f"{kept['service']}-{kept['kind']}-{kept['what']}-{kept['scenario']}"
)
def test_no_state_is_read_that_could_not_be_written_back_whole(kept: dict[str, str]) -> None:
    """What a newer version might have written: the same with one more field, or with a higher version."""
    reader = READERS[kept["service"], kept["kind"], kept["what"]]
    state = reader(kept["data"].encode())
    if not isinstance(state, State):
        assert kept["kind"] != "state", "all state has the one form"
        return
    today = json.loads(state.to_bytes())
    for newer in ({"of_the_next_version": None}, {"schema_version": state.schema_version + 1}):
        with pytest.raises(NewerState):
            reader(json.dumps(today | newer).encode())


@pytest.mark.parametrize("event", read("events.json"), ids=lambda event: dict(event["headers"])["ce_type"])
def test_what_the_version_before_published_is_read_whole(event: dict[str, Any]) -> None:
    envelope = from_message([(name, value.encode()) for name, value in event["headers"]], event["raw"].encode())
    assert lost(json.loads(event["raw"]), envelope.event.model_dump(mode="json")) == []


@pytest.mark.parametrize("scenario", sorted(read("snapshots.json")))
def test_a_snapshot_of_the_version_before_is_read_whole(scenario: str) -> None:
    stored = read("snapshots.json")[scenario]
    assert lost(json.loads(stored), Snapshot.model_validate_json(stored).model_dump(mode="json")) == []


def test_every_kind_of_what_was_recorded_has_a_reader() -> None:
    assert {(kept["service"], kept["kind"], kept["what"]) for kept in read("redis.json")} == set(READERS)
