"""Whether ECS can roll anything out by the service's two percentages, and what to set where it cannot."""

from math import ceil, floor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.gates import Verdict
from services.validator.domain.facts import LiveService
from services.validator.domain.room import room_gate


def service(desired: int | None, minimum: float, maximum: float, **more: object) -> LiveService:
    return LiveService("arn", (), desired=desired, minimum_percent=minimum, maximum_percent=maximum, **more)  # type: ignore[arg-type]


def test_one_task_of_at_most_150_per_cent_has_no_room() -> None:
    gate = room_gate(service(1, 100, 150))
    assert (gate.verdict, gate.value, gate.threshold) == (Verdict.FAIL, 0, 1)
    assert "floor(1 x 150 %) = 1 tasks may run, and at least ceil(1 x 100 %) = 1 must" in gate.detail
    assert "maximumPercent to at least 200, or minimumHealthyPercent to at most 0" in gate.detail


@pytest.mark.parametrize(
    ("desired", "minimum", "maximum", "verdict"),
    [
        (1, 100, 200, "pass"),
        (1, 0, 100, "pass"),  # the old task is stopped first
        (1, 50, 100, "fail"),  # ceil(0.5) = 1 must run
        (2, 100, 150, "pass"),
        (3, 100, 133, "fail"),  # floor(3.99) = 3
        (3, 100, 134, "pass"),
        (20, 95, 100, "pass"),
    ],
)
def test_what_the_percentages_leave(desired: int, minimum: float, maximum: float, verdict: str) -> None:
    assert room_gate(service(desired, minimum, maximum)).verdict.value == verdict


@given(st.integers(1, 500), st.integers(0, 100), st.integers(100, 200))
def test_what_it_says_to_set_leaves_room(desired: int, minimum: int, maximum: int) -> None:
    gate = room_gate(service(desired, minimum, maximum))
    can_start = floor(desired * maximum / 100) > desired
    can_stop = ceil(desired * minimum / 100) < desired
    assert (gate.verdict is Verdict.PASS) is (can_start or can_stop)
    more, less = ceil((desired + 1) * 100 / desired), floor((desired - 1) * 100 / desired)
    assert room_gate(service(desired, minimum, more)).verdict is Verdict.PASS
    assert room_gate(service(desired, less, maximum)).verdict is Verdict.PASS


@pytest.mark.parametrize(
    ("live", "word"),
    [
        (service(4, 100, 100, daemon=True), "DAEMON"),
        (service(0, 100, 100), "no task"),
        (service(1, 100, 100, controller="EXTERNAL"), "EXTERNAL"),
        (service(1, 100, 100, controller="CODE_DEPLOY"), "CODE_DEPLOY"),
        (service(1, 100, 100, strategy="BLUE_GREEN"), "BLUE_GREEN"),
        (service(None, 100, 100), "did not say"),
    ],
)
def test_where_the_question_does_not_apply(live: LiveService, word: str) -> None:
    gate = room_gate(live)
    assert (gate.verdict, gate.arithmetic) == (Verdict.PASS, "does not apply")
    assert word in gate.detail
