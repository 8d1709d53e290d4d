"""A run as people see it: short, under the right phase, and never with a word broken in two."""

import io
from datetime import UTC, datetime
from typing import Any

import pytest
from rich.console import Console

from contracts.base import Target
from contracts.deployment import PhaseProgressed
from contracts.envelope import Envelope, Meta
from surefoot.demo import SCENARIOS, summary
from surefoot.events import as_line
from surefoot.progress import Progress
from surefoot.readable import shortened, wrapped

DIGEST = "sha256:" + "0123456789abcdef" * 4
IMAGE = f"123456789012.dkr.ecr.us-west-2.amazonaws.com/backend@{DIGEST}"
ARN = "arn:aws:ecs:us-west-2:123456789012:task-definition/court-case-backend:3"
PRE, DEPLOYMENT = "pre_deployment_validation", "deployment_monitoring"


def gate(name: str, verdict: str = "pass", **more: Any) -> dict[str, Any]:
    return {
        "name": name,
        "verdict": verdict,
        "value": 1.0,
        "comparison": "==",
        "threshold": 1.0,
        "samples": 1,
        **more,
    }


def phase(name: str, verdict: str | None = None, *gates: dict[str, Any], seconds: float | None = 5) -> dict[str, Any]:
    return {"phase": name, "verdict": verdict, "seconds": seconds, "gates": list(gates)}


def run(*phases: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"phases": list(phases), "status": "running", "progress": "", **more}


def told(*looks: dict[str, Any], verbose: bool = False, width: int | None = None) -> list[str]:
    written = io.StringIO()
    console = Console(file=written, force_terminal=width is not None, width=width or 80, color_system=None)
    progress = Progress(console, verbose=verbose)
    for look in looks:
        progress.show(look)
    return written.getvalue().splitlines()


GATES = [gate(f"gate_{number}") for number in range(10)]


def test_what_passes_is_one_line_and_what_fails_is_shown_in_full() -> None:
    failing = gate("health_score", "fail", value=40.0, comparison=">=", threshold=70.0, detail="too many errors")
    assert told(run(phase(PRE, "fail", *GATES, failing))) == [
        f"  {PRE}",
        "    10 gates pass",
        "    fail health_score: 40, must be >= 70 (1 sample) - too many errors",
        f"  {PRE}: fail after 5 s",
    ]


def test_verbose_shows_every_gate_as_it_is() -> None:
    lines = told(run(phase(PRE, "pass", *GATES, gate("digest", detail=IMAGE))), verbose=True)
    assert lines[1] == "    pass gate_0: 1 == 1 (1 sample)"
    assert lines[11] == f"    pass digest: 1 == 1 (1 sample) - {IMAGE}"
    assert "gates pass" not in "".join(lines)


def test_what_was_told_stands_under_its_phase_however_late_it_is_seen() -> None:
    lines = told(
        run(phase(PRE), progress="Looking.", progress_phase=PRE),
        run(phase(PRE, "pass"), phase(DEPLOYMENT), progress="The snapshot is stored.", progress_phase=PRE),
        run(phase(PRE, "pass"), phase(DEPLOYMENT), progress="1 of 3 tasks run", progress_phase=DEPLOYMENT),
        run(phase(PRE, "pass"), phase(DEPLOYMENT, "fail"), progress="Rolling back: error_rate.", progress_phase=None),
    )
    assert lines == [
        f"  {PRE}",
        "    Looking.",
        "    The snapshot is stored.",
        f"  {PRE}: pass after 5 s",
        f"  {DEPLOYMENT}",
        "    1 of 3 tasks run",
        f"  {DEPLOYMENT}: fail after 5 s",
        "    Rolling back: error_rate.",
    ]


def test_how_long_the_rollout_may_take_is_told_once_under_its_phase() -> None:
    bound = "The rollout may take 15 minutes (1 batch of 3 tasks, 140 s each to start and become healthy)."
    looks = [run(phase(PRE, "pass"), phase(DEPLOYMENT), rollout_bound=bound, progress=told) for told in ("", "Armed.")]
    assert told(*(look | {"progress_phase": DEPLOYMENT} for look in looks))[2:] == [
        f"  {DEPLOYMENT}",
        f"    {bound}",
        "    Armed.",
    ]


def test_an_older_orchestrator_is_shown_too() -> None:
    assert told(run(phase(PRE), progress="Looking.", phase=PRE)) == [f"  {PRE}", "    Looking."]


@pytest.mark.parametrize("width", [60, 100])
def test_no_line_is_broken_within_a_word(width: int) -> None:
    detail = f"{IMAGE} is linux/arm64, not linux/amd64: build it with --platform linux/amd64; {ARN} runs on amd64"
    lines = told(run(phase(PRE, "fail", gate("architecture", "fail", value=0.0, detail=detail))), width=width)
    words = {word for line in lines for word in line.split()}
    assert max(map(len, lines)) <= width
    assert {"…/backend@sha256:0123456789ab…", "task-definition/court-case-backend:3", "--platform"} <= words


def test_a_word_longer_than_the_line_stays_whole() -> None:
    assert wrapped(f"    see {DIGEST} there", 50) == ["    see", f"      {DIGEST}", "      there"]
    assert shortened("nothing to shorten") == "nothing to shorten"


def test_an_event_says_when_where_which_run_and_what() -> None:
    target = Target(account="123456789012", region="us-west-2", cluster="shop", service="web")
    event = PhaseProgressed(
        target=target, run_id="01234567-89ab", phase="baking", step="rules", message="All rules hold."
    )
    line = as_line(Envelope(Meta("1", "surefoot/orchestrator", datetime(2026, 1, 5, 7, 8, 9, tzinfo=UTC)), event))
    assert line.split()[:4] == ["07:08:09", "shop/web", "01234567", "phase-progressed"]
    assert line.endswith("phase=baking, step=rules, message=All rules hold.")


def test_the_demo_ends_with_a_table() -> None:
    back = {"by": "surefoot"}
    runs: list[dict[str, Any]] = [{"outcome": "succeeded", "seconds": 200.4}, {"outcome": "blocked", "seconds": 2.0}]
    runs += [{"outcome": "rolled_back", "seconds": 90.0, "rollback": back}, {}]
    assert summary(runs).splitlines() == [
        "SCENARIO            OUTCOME      SECONDS  ROLLED BACK BY",
        "healthy             succeeded    200      -",
        "wrong-architecture  blocked      2        -",
        "crash-loop          rolled_back  90       surefoot",
        "slow                did not end  -        -",
    ]
    assert len(SCENARIOS) == 4
