"""Turns the facts about a request into gates: can what is asked for be applied?"""

from dataclasses import dataclass, replace

from contracts.base import Target
from contracts.deployment import Cause, ImageChange
from contracts.gates import Gate, Verdict, worst
from contracts.image_reference import Reference
from contracts.results import PreflightOutput
from contracts.rollout_pace import RolloutPace
from contracts.validator import Baseline
from services.validator.domain.facts import Absent, Image, LiveService, TaskDefinition, Unknown

_USAGE = frozenset({
    "target_exists", "reference_valid", "image_unambiguous", "task_definition_exists", "task_definition_active",
    "fits_service", "change_permitted",
})  # fmt: skip
"""Gates whose failure means that the request itself is wrong (exit code 2)."""


@dataclass(frozen=True, slots=True)
class Findings:
    """The gates and the facts behind them."""

    gates: tuple[Gate, ...]
    facts: tuple[object, ...] = ()
    output: PreflightOutput | None = None
    """Exactly what to apply; None where that is not known."""

    def __add__(self, later: "Findings") -> "Findings":
        """Return both together, with the output of ``later``."""
        return Findings(self.gates + later.gates, self.facts + later.facts, later.output)

    def beside(self, baseline: Baseline | None, pace: RolloutPace | None) -> "Findings":
        """Return the same beside what was seen before the change and decides nothing.

        Without an output nothing will be changed.
        """
        output = self.output and self.output.model_copy(update={"baseline": baseline, "pace": pace})
        return replace(self, output=output)


def target_gate(target: Target, service: LiveService | Absent | Unknown) -> Gate:
    match service:
        case LiveService():
            return Gate.true("target_exists", True, detail=f"{target.cluster}/{target.service} exists")
        case Absent(detail):
            return Gate.true("target_exists", False, detail=detail)
        case Unknown(detail):
            return Gate.true("target_exists", None, samples=0, detail=detail)


def choose_container(change: ImageChange, containers: tuple[str, ...]) -> tuple[str | None, Gate]:
    """Return the container whose image changes, or None, and the gate ``image_unambiguous``."""
    names = ", ".join(containers)
    if change.container is None and len(containers) == 1:
        chosen, detail = containers[0], f"the only container is {names}"
    elif change.container is None:
        chosen, detail = None, f"name the container, as CONTAINER=REF; there are {names}"
    elif change.container in containers:
        chosen, detail = change.container, f"the container is {change.container}"
    else:
        chosen, detail = None, f"there is no container {change.container}; there are {names}"
    return chosen, Gate.true("image_unambiguous", chosen is not None, detail=detail)


def reference_gate(text: str) -> Gate:
    try:
        Reference.parse(text)
    except ValueError as error:
        return Gate.true("reference_valid", False, detail=str(error))
    return Gate.true("reference_valid", True, detail=f"{text} is well formed")


def task_definition_gates(name: str, found: TaskDefinition | Absent | Unknown) -> tuple[Gate, ...]:
    """Return the gate ``task_definition_exists`` and, where it exists, ``task_definition_active``."""
    match found:
        case Absent(detail):
            return (Gate.true("task_definition_exists", False, detail=detail),)
        case Unknown(detail):
            return (Gate.true("task_definition_exists", None, samples=0, detail=detail),)
        case TaskDefinition(arn, active):
            state = "ACTIVE" if active else "INACTIVE: it was deregistered, and ECS starts no task of it"
            return (
                Gate.true("task_definition_exists", True, detail=f"{name} is {arn}"),
                Gate.true("task_definition_active", active, detail=f"{arn} is {state}"),
            )


def containers_unknown(definition: Absent | Unknown) -> Findings:
    """Return the findings where the containers are not known, so that no image can be chosen."""
    gate = Gate.true("image_unambiguous", None, samples=0, detail=definition.detail)
    return Findings((gate,), (definition,))


def cause(findings: Findings) -> Cause | None:
    """Return why it did not pass: an error where something could not be read, unless a gate failed anyway."""
    failed = {gate.name for gate in findings.gates if gate.verdict is Verdict.FAIL}
    if failed:
        return Cause.USAGE if failed & _USAGE else Cause.GATE
    if worst(gate.verdict for gate in findings.gates) is Verdict.PASS:
        return None
    return Cause.ERROR if any(_is_unknown(fact) for fact in findings.facts) else Cause.GATE


def summary(findings: Findings) -> str:
    """Return one sentence: what is in the way, or what may go ahead."""
    unmet = [gate.detail for gate in findings.gates if gate.verdict is not Verdict.PASS]
    if unmet:
        return "; ".join(dict.fromkeys(unmet))
    before = findings.output.baseline if findings.output else None
    return findings.gates[-1].detail + (f"; before the change: {before.summary}" if before else "")


def _is_unknown(fact: object) -> bool:
    return isinstance(fact, Unknown) or (isinstance(fact, Image) and isinstance(fact.platforms, Unknown))
