"""A run whose place a newer one took has ended before the newer one begins: what is otherwise is told."""

from dataclasses import replace
from typing import Any

import pytest

from contracts.base import Event, caused_id
from contracts.deployment import Cause, DeploymentStarted, ImageChange, Outcome
from tests.chaos.judge_superseded import judge_superseded
from tests.chaos.report import Report
from tests.chaos.requests import Asked, requests, target
from tests.chaos.test_judge import ASKED, CHANGED, RESTORED, RUN, call, finished, seen

NEWER = Asked(1, target(1), "healthy", "healthy-1-1", None, supersedes_after=1.0)
NEWER_JOB = caused_id(NEWER.run_id, "deployment_monitoring:apply-change:1")
NEWER_STARTED = DeploymentStarted(
    target=ASKED.target, run_id=NEWER.run_id, actor="chaos", change=ImageChange(reference="backend:newer")
)
GAVE_WAY = finished(Outcome.ROLLED_BACK).model_copy(update={"cause": Cause.SUPERSEDED})


@pytest.mark.parametrize(
    ("events", "calls", "newer", "fault"),
    [
        ((GAVE_WAY, NEWER_STARTED), (CHANGED, RESTORED, call(3, NEWER_JOB)), NEWER, ""),
        ((NEWER_STARTED, GAVE_WAY), (), NEWER, "began before"),
        (
            (GAVE_WAY, NEWER_STARTED),
            (CHANGED, call(2, NEWER_JOB), call(3, f"rollback:{RUN}", "rollback")),
            NEWER,
            "deployed",
        ),
        ((GAVE_WAY, NEWER_STARTED), (), replace(NEWER, supersedes_after=None), "nobody had asked"),
    ],
)
def test_a_newer_run_takes_the_place_of_one_that_has_ended(
    events: tuple[Event, ...], calls: tuple[dict[str, Any], ...], newer: Asked, fault: str
) -> None:
    report = Report(1)
    judge_superseded(report, [ASKED, newer], seen(*events), calls)
    assert report.superseded == 1
    assert report.held is not bool(fault)
    assert fault in " ".join(report.faults)


def test_some_runs_of_a_campaign_take_the_place_of_the_one_before_them() -> None:
    asked = requests(seed=4, runs=40, targets=8)
    newer = [request for request in asked if request.supersedes_after is not None]
    assert newer
    assert all(asked[request.number - 8].superseded for request in newer)
    assert all(request.event.on_conflict == "supersede" for request in newer)
