"""Whether there is a way back: proven, proven missing, or not known."""

import pytest

from contracts.gates import Verdict
from services.validator.domain.facts import Absent, Unknown
from services.validator.domain.way_back import Need, WayBack, way_back_gate

THERE, GONE = Need(True, "the role web is there"), Need(False, "there is no image app:1 any more")
UNKNOWN = Need(None, "the role web is not known (denied)")


@pytest.mark.parametrize("unknown_blocks", [False, True])
def test_what_is_all_there_passes(unknown_blocks: bool) -> None:
    gate = way_back_gate(WayBack("api:2", (THERE, THERE)), unknown_blocks=unknown_blocks)
    assert (gate.verdict, gate.samples, gate.not_applicable) == (Verdict.PASS, 2, None)


@pytest.mark.parametrize("unknown_blocks", [False, True])
@pytest.mark.parametrize("needs", [(GONE,), (THERE, GONE, UNKNOWN)])
def test_what_is_proven_missing_always_blocks(needs: tuple[Need, ...], unknown_blocks: bool) -> None:
    gate = way_back_gate(WayBack("api:2", needs), unknown_blocks=unknown_blocks)
    assert (gate.verdict, gate.detail) == (
        Verdict.FAIL,
        "you cannot go back to api:2, because there is no image app:1 any more",
    )


@pytest.mark.parametrize(
    "found", [Unknown("ECS did not answer"), WayBack("api:2", (UNKNOWN,)), WayBack("api:2", (THERE, UNKNOWN))]
)
def test_what_cannot_be_checked_warns_unless_the_policy_blocks(found: WayBack | Unknown) -> None:
    warned = way_back_gate(found, unknown_blocks=False)
    assert warned.verdict is Verdict.PASS
    assert "not" in warned.detail
    assert way_back_gate(found, unknown_blocks=True).verdict is Verdict.INCONCLUSIVE


def test_of_which_nothing_could_be_checked_proves_nothing() -> None:
    assert way_back_gate(WayBack("api:2", (UNKNOWN,)), unknown_blocks=False).not_applicable is not None
    assert way_back_gate(WayBack("api:2", (THERE, UNKNOWN)), unknown_blocks=False).not_applicable is None


@pytest.mark.parametrize("unknown_blocks", [False, True])
def test_a_service_that_was_never_completed_has_no_way_back_and_is_allowed(unknown_blocks: bool) -> None:
    gate = way_back_gate(Absent("no deployment was ever completed"), unknown_blocks=unknown_blocks)
    assert (gate.verdict, gate.not_applicable) == (
        Verdict.PASS,
        "there is no way back: no deployment was ever completed",
    )
