"""Each version that was taken back is held, and a hold stops no other version: what is otherwise is told."""

from dataclasses import replace
from typing import Literal

import pytest

from contracts.base import Event
from contracts.deployment import Outcome
from contracts.policy_holds import Holds
from contracts.recovery import KnownVersion
from contracts.run_verbs import HoldBegan, ReleaseAnswered
from services.orchestrator.domain.version_hold import VersionHold
from tests.chaos.judge import Images
from tests.chaos.judge_holds import judge_holds
from tests.chaos.report import Report
from tests.chaos.test_judge import APPLIED, ASKED, ENDED, RUN, finished, seen

VERSION = KnownVersion(images={"backend": "sha256:1"})
TAKEN_BACK = ENDED.model_copy(update={"taken_back": VERSION})
SENTENCE = VersionHold.of(TAKEN_BACK, VERSION, 0.0).sentence(ASKED.target, Holds())
HELD = HoldBegan(target=ASKED.target, hold_id=TAKEN_BACK.rollback_id, version=VERSION, sentence=SENTENCE)
STOPPED = finished(Outcome.BLOCKED).model_copy(update={"reason": f"Nothing was changed. {SENTENCE}"})


@pytest.mark.parametrize(
    ("events", "image", "fault"),
    [
        ((TAKEN_BACK, HELD), "sha256:1", ""),
        ((TAKEN_BACK,), "sha256:1", "is not held"),
        ((TAKEN_BACK.model_copy(update={"result": "superseded"}),), "sha256:1", ""),
        ((TAKEN_BACK.model_copy(update={"untouched": True}),), "sha256:1", ""),
        ((ENDED,), "sha256:1", ""),
        ((TAKEN_BACK, HELD, STOPPED), "sha256:1", ""),
        ((TAKEN_BACK, HELD, STOPPED), "sha256:2", "of another version"),
        ((TAKEN_BACK, HELD, finished(Outcome.BLOCKED)), "sha256:2", ""),
        ((TAKEN_BACK, HELD, STOPPED.model_copy(update={"outcome": Outcome.ROLLED_BACK})), "sha256:2", ""),
    ],
)
def test_what_was_taken_back_is_held_and_nothing_else(events: tuple[Event, ...], image: str, fault: str) -> None:
    report = Report(1)
    judge_holds(report, [ASKED], seen(*events), Images(of_run={RUN: image}))
    assert [fault in found for found in report.faults] == ([True] if fault else []), report.faults
    assert report.holds == int(HELD in events)


RELEASED = ReleaseAnswered(
    target=ASKED.target, accepted=True, released=(HELD.hold_id,), actor="ann", sentence="It has ended."
)


@pytest.mark.parametrize(
    ("how", "events", "touched", "fault"),
    [
        ("held", (TAKEN_BACK, HELD, STOPPED), False, ""),
        ("held", (TAKEN_BACK, HELD, APPLIED), False, "its version was held"),
        ("held", (TAKEN_BACK, HELD, APPLIED), True, ""),
        ("released", (TAKEN_BACK, HELD, RELEASED, APPLIED), False, ""),
        ("released", (TAKEN_BACK, HELD, RELEASED, STOPPED), False, "by a hold that was released"),
        ("released", (RELEASED, STOPPED.model_copy(update={"outcome": Outcome.ROLLED_BACK})), False, ""),
        ("", (TAKEN_BACK, HELD, RELEASED, RELEASED), False, "counted 2 times"),
    ],
)
def test_what_is_held_does_not_pass_until_it_is_released_once(
    how: Literal["", "held", "released"], events: tuple[Event, ...], fault: str, *, touched: bool
) -> None:
    report, services = Report(1), {ASKED.target.service} if touched else set()
    request = replace(ASKED, repeats=how)
    judge_holds(report, [request], seen(*events), Images(of_run={RUN: "sha256:1"}), services)
    assert [fault in found for found in report.faults] == ([True] if fault else []), report.faults
    assert report.releases == int(RELEASED in events)


def test_a_run_that_gave_way_to_a_newer_one_holds_nothing() -> None:
    report = Report(1)
    judge_holds(report, [replace(ASKED, superseded=True)], seen(TAKEN_BACK), Images())
    assert report.held
