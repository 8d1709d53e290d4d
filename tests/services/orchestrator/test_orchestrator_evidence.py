"""What becomes of a run when no check of its new version applies to the service."""

import pytest

from contracts.deployment import Cause, CheckUp, Outcome, Phase
from contracts.gates import Gate
from contracts.policy import Gates
from contracts.results import RolloutOutput
from services.orchestrator.domain.judge import success_of
from services.orchestrator.domain.policy import Policy
from services.orchestrator.domain.run_parts import Stage
from tests.services.orchestrator.harness import SERVICE_POLICY, World, asked

IDLE = Gate.does_not_apply("tasks_running", "the service wants no task")
WORKER = Gate.does_not_apply("success_rate", "no load balancer stands before the service")
PROVEN = Gate.measured("tasks_running", 3, "==", 3)


def deployed(world: World, watched: Gate, wanted: int) -> World:
    """Return the world after a deployment in which ``watched`` is the only gate that may apply."""
    world.request()
    world.through(Phase.PRE_DEPLOYMENT_VALIDATION)
    for step in ("arm", "watch-closely", "apply-change"):
        world.answer(step)
    world.answer("watch-deployment", gates=(watched,), output=RolloutOutput(wanted=wanted))
    world.answer("validate-deployment", gates=(WORKER,))
    world.answer("capture-snapshot")
    world.through(Phase.MONITORING_SETUP)
    world.through(Phase.OPTIMIZATION_ANALYSIS)
    world.answer("evaluate-rules", gates=(WORKER,))
    world.answer("disarm")
    return world


def policy(without_evidence: str) -> Policy:
    gates = Gates.model_validate({"without_evidence": without_evidence})
    return Policy.of(SERVICE_POLICY.model_copy(update={"gates": gates}), progress_every=300)


def test_one_gate_that_applies_is_evidence() -> None:
    end = deployed(World(), PROVEN, wanted=3).end
    assert (end.outcome, end.reason) == (Outcome.SUCCEEDED, "Every check passed and every rule held.")


def test_a_success_tells_what_was_found_and_excused() -> None:
    slow = PROVEN.model_copy(update={"name": "critical_tests", "found": "GET /docs gave 500, as before the change."})
    end = deployed(World(), slow, wanted=3).end
    assert end.outcome is Outcome.SUCCEEDED
    told = "critical_tests: GET /docs gave 500, as before the change."
    assert end.reason == f"Nothing speaks against this version, and what was found is not held against it: {told}"


def test_of_many_findings_the_first_are_told() -> None:
    gates = tuple(PROVEN.model_copy(update={"name": f"gate_{number}", "found": "x"}) for number in range(5))
    stage = Stage(phase=Phase.BAKING, started_at=0, deadline=1, gates=gates)
    assert success_of((stage,)).endswith("gate_0: x; gate_1: x; gate_2: x; and 2 more in its gates")


@pytest.mark.parametrize(
    ("without_evidence", "wanted", "outcome", "cause"),
    [
        ("accept-idle", 0, Outcome.SUCCEEDED, None),
        ("accept-idle", 3, Outcome.FAILED, Cause.NO_EVIDENCE),
        ("accept", 3, Outcome.SUCCEEDED, None),
        ("fail", 0, Outcome.FAILED, Cause.NO_EVIDENCE),
    ],
)
def test_without_any_the_policy_decides_and_nothing_is_rolled_back(
    without_evidence: str, wanted: int, outcome: Outcome, cause: Cause | None
) -> None:
    world = deployed(World(policy(without_evidence)), IDLE, wanted)
    assert (world.end.outcome, world.end.cause, world.end.rollback) == (outcome, cause, None)
    assert (
        "Nothing was proven: the service wants no task; no load balancer stands before the service." in world.end.reason
    )


def test_a_check_up_says_so_too() -> None:
    world = World()
    world.request(event=asked(CheckUp()))
    world.through(Phase.PRE_DEPLOYMENT_VALIDATION)
    world.answer("watch-closely")
    world.answer("watch-deployment", gates=(IDLE,), output=RolloutOutput(wanted=0))
    world.answer("validate-deployment", gates=(WORKER,))
    world.answer("capture-snapshot")
    world.through(Phase.MONITORING_SETUP)
    world.through(Phase.OPTIMIZATION_ANALYSIS)
    world.answer("evaluate-rules", gates=(WORKER,))
    assert world.end.outcome is Outcome.SUCCEEDED
    assert "nothing was proven" in world.end.reason
