"""From answers to gates, and from gates to sentences."""

from collections.abc import Iterable

from contracts.catalogue import entry_of
from contracts.deployment import Cause, Override
from contracts.gates import Gate, Verdict, worst
from contracts.health import WatchDeployment
from contracts.monitor import EvaluateRules
from contracts.overrides import INDISPENSABLE, OVERRIDABLE
from contracts.recovery import CHANGE_ACCEPTED, ApplyChange
from contracts.results import ChangeOutput
from contracts.validator import ValidateDeployment
from services.orchestrator.domain.run_parts import Stage, Step

APPLY_CHANGE = entry_of(ApplyChange).name
ROLLBACK_STEPS = frozenset(entry_of(step).name for step in (WatchDeployment, ValidateDeployment, EvaluateRules))
"""The steps whose failure is evidence against the new version. A snapshot that could not be stored is none."""

NO_OVERRIDE = " No override stands in for that."
"""The end of the reason of a run that is blocked by what is no gate."""
MOST_FINDINGS = 3
"""How many findings a sentence tells."""

_HOLDS = {Verdict.PASS: True, Verdict.FAIL: False, Verdict.INCONCLUSIVE: None}


def gates_of(step: Step) -> tuple[Gate, ...]:
    """Return the gates of an answer, and one for the answer itself where they don't tell all of its verdict."""
    name = step.name.replace("-", "_")
    if step.answer is None:
        detail = f"No answer to {step.name} came in time."
        return (Gate.true(f"{name}_answered", None, samples=0, detail=detail),)
    answer = step.answer
    shown = worst(gate.verdict for gate in answer.gates)
    if answer.gates and worst((shown, answer.verdict)) is shown:
        return answer.gates
    return (*answer.gates, Gate.true(name, _HOLDS[answer.verdict], detail=answer.summary))


def gates_of_stage(stage: Stage, *, over: bool) -> tuple[Gate, ...]:
    """Return the gates of what was answered, and when the phase is over those of what was not, too."""
    return tuple(gate for step in stage.steps if over or step.answer for gate in gates_of(step))


def overridden(gates: Iterable[Gate], overrides: Iterable[Override], actor: str) -> tuple[Gate, ...]:
    """Write on each gate that does not pass who overrode it by its name, and why."""
    reasons = {override.gate: override.reason for override in overrides}
    return tuple(
        gate.model_copy(update={"overridden_by": f"{actor}: {reasons[gate.name]}"})
        if gate.name in reasons and gate.verdict is not Verdict.PASS
        else gate
        for gate in gates
    )


def how_to_override(gates: Iterable[Gate]) -> str:
    """Return a sentence, after a space, that names the options by which all gates that block would pass, or says what
    no option stands in for.
    """
    blocking = dict.fromkeys(gate.name for gate in gates if gate.counts_as is not Verdict.PASS)
    needed = dict.fromkeys(INDISPENSABLE.get(gate, f"{gate} passes") for gate in blocking if gate not in OVERRIDABLE)
    if needed:
        return f" No override lets it pass: nothing is deployed unless {'; '.join(needed)}."
    return f" To deploy nonetheless: {' '.join(f'--override {gate}=REASON' for gate in blocking)}." if blocking else ""


def requires_rollback(step: Step, *, over: bool, forgotten: bool) -> bool:
    """Whether the step calls for a rollback. ``over``: no answer will be waited for any more.

    A change that did not certainly succeed may have happened, so its rollback is the safe course: recovery looks,
    and finds nothing to undo if it did not. One that recovery refused was not begun, unless Redis was restored from a
    copy of before the change (``forgotten``): then an earlier attempt may have made it, and what AWS shows decides. A
    fault of a dependency is no fault of the deployment.
    """
    if step.answer is None:
        return over and step.name == APPLY_CHANGE
    if step.answer.cause is Cause.DEPENDENCY:
        return False
    if step.name == APPLY_CHANGE:
        refused = step.answer.cause is Cause.REFUSED and not forgotten
        return not refused and not (step.passed and isinstance(step.answer.output, ChangeOutput))
    return step.name in ROLLBACK_STEPS and step.answer.verdict is Verdict.FAIL


def proven(steps: Iterable[Step]) -> bool:
    """Whether anything speaks for the new version: a step that judges it passed, on a gate that applies."""
    judged = (step.answer for step in steps if step.name in ROLLBACK_STEPS and step.passed)
    return any(
        not answer.gates or any(gate.not_applicable is None for gate in answer.gates) for answer in judged if answer
    )


def why_not_proven(steps: Iterable[Step]) -> str:
    """Return why no gate applied, each reason once."""
    gates = (gate for step in steps if step.name in ROLLBACK_STEPS and step.answer for gate in step.answer.gates)
    return "; ".join(dict.fromkeys(gate.not_applicable for gate in gates if gate.not_applicable))


def success_of(stages: Iterable[Stage]) -> str:
    """Return a sentence, without a full stop: every check passed, or what was found all the same."""
    found = [(gate.name, gate.found) for stage in stages for gate in stage.gates if gate.found]
    if not found:
        return "every check passed and every rule held"
    texts = "; ".join(f"{name}: {text.rstrip('.')}" for name, text in dict.fromkeys(found[:MOST_FINDINGS]))
    more = f"; and {len(found) - MOST_FINDINGS} more in its gates" if len(found) > MOST_FINDINGS else ""
    return f"nothing speaks against this version, and what was found is not held against it: {texts}{more}"


def changed_nothing(step: Step) -> bool:
    """Whether the step was to change the service, and has certainly changed nothing."""
    gates = step.answer.gates if step.answer is not None else ()
    return any(gate.name == CHANGE_ACCEPTED and gate.verdict is Verdict.FAIL for gate in gates)


def superseded(step: Step) -> bool:
    """Whether the step saw that somebody else moved the service."""
    return step.answer is not None and step.answer.cause is Cause.SUPERSEDED


def sentence(gates: Iterable[Gate]) -> str:
    """Return what the gates that don't pass have to say; what several say alike is said once."""
    names: dict[str, list[str]] = {}
    for gate in gates:
        if gate.counts_as is not Verdict.PASS:
            names.setdefault(_text(gate), []).append(gate.name)
    return "; ".join(f"{', '.join(alike)}: {text}" for text, alike in names.items())


def _text(gate: Gate) -> str:
    plain = gate.value is None or (gate.comparison, gate.threshold) == ("==", 1)
    parts = (gate.detail,) if plain and gate.detail else (gate.arithmetic, gate.detail)
    return ", ".join(filter(None, parts)).rstrip(".")


def warning_of(stages: Iterable[Stage]) -> str:
    """Return a sentence, after a space, that names the phases which did not pass and need not have; ``""`` for none."""
    names = [stage.phase.replace("_", " ") for stage in stages if stage.verdict is not Verdict.PASS]
    return f" Without harm to it: {', '.join(names)} did not pass." if names else ""
