"""Every gate before the change: a run that it blocks says which override would let it pass, and that one does."""

import pytest

from contracts.catalogue import CATALOGUE
from contracts.deployment import Cause, CheckUp, Outcome, Override, Phase
from contracts.gates import Gate, Verdict
from contracts.migration_asked import MigrationAsked
from contracts.overrides import INDISPENSABLE, OVERRIDABLE
from contracts.results import PreflightOutput
from services.orchestrator.domain.limits import BEFORE_THE_CHANGE
from tests.services.orchestrator.harness import World, asked

GATES = [
    (entry.name, gate)
    for entry in CATALOGUE
    for gate in (
        *getattr(entry.contract, "overridable", {}),
        *getattr(entry.contract, "indispensable", {}),
    )
]
"""The step of each gate, and its name."""
MISSING = {"snapshot_at_hand": "capture-snapshot", "change_resolved": "run-preflight"}
"""The gates about what an answer lacks that passes otherwise."""


def blocked_by(step: str, gate: str, *overrides: str) -> World:
    """Play the checks, of which one gate does not pass; what is resolved is resolved all the same."""
    world = World()
    reasons = tuple(Override(gate=name, reason="so be it") for name in overrides)
    migration = MigrationAsked() if step == "check-migration" else None
    world.request("1", asked(overrides=reasons, migration=migration))
    name = step.replace("-", "_")
    world.answer_others(step)
    output = None if gate in INDISPENSABLE else world.usual_output(step)
    if gate == f"{name}_answered":
        world.passes(BEFORE_THE_CHANGE)
    elif gate == name:
        world.answer(step, Verdict.INCONCLUSIVE, output=output, summary="It could not look.")
    elif MISSING.get(gate) == step:
        empty = PreflightOutput() if step == "run-preflight" else world.usual_output("arm")
        world.answer(step, output=empty)
    else:
        world.answer(step, Verdict.FAIL, output=output, gates=[Gate.true(gate, False, detail="It is not.")])
    return world


def test_there_is_no_gate_of_two_steps() -> None:
    assert len(GATES) == len({gate for _, gate in GATES}) == len(OVERRIDABLE) + len(INDISPENSABLE)


@pytest.mark.parametrize(("step", "gate"), [pair for pair in GATES if pair[1] in OVERRIDABLE])
def test_a_blocked_run_names_the_override_by_which_it_passes(step: str, gate: str) -> None:
    world = blocked_by(step, gate)
    assert world.end.outcome is Outcome.BLOCKED
    assert world.end.reason.endswith(f" To deploy nonetheless: --override {gate}=REASON.")
    assert blocked_by(step, gate, gate).run.phase is Phase.DEPLOYMENT_MONITORING


@pytest.mark.parametrize(("step", "gate"), [pair for pair in GATES if pair[1] in INDISPENSABLE])
def test_what_cannot_be_overridden_says_so_and_why(step: str, gate: str) -> None:
    world = blocked_by(step, gate)
    assert world.end.outcome is Outcome.BLOCKED
    assert " No override lets it pass: nothing is deployed unless " in world.end.reason
    assert INDISPENSABLE[gate] in world.end.reason
    assert "--override" not in world.end.reason


@pytest.mark.parametrize("gate", INDISPENSABLE)
def test_an_override_of_such_a_gate_is_a_usage_error(gate: str) -> None:
    world = World()
    world.request("1", asked(overrides=(Override(gate=gate, reason="so be it"),)))
    assert (world.end.outcome, world.end.cause) == (Outcome.BLOCKED, Cause.USAGE)
    assert INDISPENSABLE[gate] in world.end.reason


def test_an_unknown_gate_is_a_usage_error_that_lists_the_gates() -> None:
    world = World()
    world.request("1", asked(overrides=(Override(gate="helth_score", reason="so be it"),)))
    assert (world.end.outcome, world.end.cause) == (Outcome.BLOCKED, Cause.USAGE)
    assert all(gate in world.end.reason for gate in OVERRIDABLE)
    assert world.sent == []


def test_a_gate_whose_override_would_not_be_enough_is_not_offered() -> None:
    """Preflight could not look, and has resolved nothing: without that there is nothing to apply."""
    world = World()
    world.request()
    world.answer_others("run-preflight")
    world.answer("run-preflight", Verdict.INCONCLUSIVE, summary="ECR does not answer.")
    assert "--override" not in world.end.reason
    assert INDISPENSABLE["change_resolved"] in world.end.reason


def test_several_gates_are_named_together() -> None:
    world = World()
    world.request()
    world.answer_others("assess-health", "check-alarms")
    world.answer("assess-health", Verdict.FAIL, gates=[Gate.measured("health_score", 40, ">=", 70)])
    world.answer("check-alarms", Verdict.INCONCLUSIVE)
    assert world.end.reason.endswith("--override health_score=REASON --override check_alarms=REASON.")


@pytest.mark.parametrize("step", ["arm", "apply-change"])
def test_what_is_blocked_by_no_gate_of_the_checks_says_that_no_override_helps(step: str) -> None:
    world = World()
    world.request()
    world.through(Phase.PRE_DEPLOYMENT_VALIDATION)
    if step == "apply-change":
        world.answer("arm")
    gates = [Gate.true("change_accepted", False, detail="AWS refuses it.")] if step == "apply-change" else []
    world.answer(step, Verdict.FAIL, cause=Cause.REFUSED, gates=gates, summary="AWS refuses it.")
    world.answer("disarm")
    assert world.end.outcome is Outcome.BLOCKED
    assert world.end.reason.endswith("No override stands in for that.")


def test_a_check_up_that_cannot_begin_says_that_no_override_helps() -> None:
    world = World()
    world.request("1", asked(CheckUp()))
    world.answer_others("run-preflight")
    world.answer("run-preflight", Verdict.FAIL, cause=Cause.USAGE, summary="There is no such service.")
    assert world.end.outcome is Outcome.BLOCKED
    assert world.end.reason.endswith("No override stands in for that.")
