"""The gates before the change: those that a person may override, by name and on the record, and those without override.

Gates after the change judge what users get; they cannot be overridden either.
"""

from collections.abc import Iterable, Mapping

from contracts.suggest import did_you_mean

OVERRIDABLE: Mapping[str, str] = {
    "health_score": "the service is healthy enough before the change",
    "critical_issues": "diagnostics find no critical issue",
    "existing_alarms_quiet": "none of the service's alarms fires, and each would be acted on",
    "image_exists": "every image is in its registry",
    "architecture": "every image is built for the platform on which its tasks run",
    "task_definition_active": "the task definition was not deregistered",
    "assess_health": "health could give its score",
    "assess_health_answered": "health answered in time",
    "run_diagnostics": "diagnostics could look at the service",
    "run_diagnostics_answered": "diagnostics answered in time",
    "check_alarms": "the alarms could be read",
    "check_alarms_answered": "the monitor answered in time",
    "run_preflight": "the change could be looked up at AWS",
}
"""Name of each gate that may be overridden → the question that it answers."""

INDISPENSABLE: Mapping[str, str] = {
    "target_exists": "ECS knows the service",
    "reference_valid": "the image's reference is well formed",
    "image_unambiguous": "it is known which container's image changes",
    "digest_resolved": "the image is known by its digest",
    "task_definition_exists": "ECS knows the task definition",
    "change_resolved": "it is known exactly what to apply",
    "run_preflight_answered": "the validator answered in time",
    "snapshot_stored": "what runs now is stored, to go back to it",
    "snapshot_at_hand": "what runs now is stored, to go back to it",
    "capture_snapshot": "what runs now could be stored",
    "capture_snapshot_answered": "recovery answered in time",
}
"""Name of each gate that may not be overridden → its question. Without these, nothing can be applied or restored."""


def why_not_override(gates: Iterable[str]) -> str | None:
    """Return a sentence about those of ``gates`` that cannot be overridden; None if all of them can."""
    wrong = [gate for gate in dict.fromkeys(gates) if gate not in OVERRIDABLE]
    if not wrong:
        return None
    return f"{' '.join(map(_why_not, wrong[:5]))} Gates that can be overridden: {', '.join(OVERRIDABLE)}."


def _why_not(gate: str) -> str:
    if gate in INDISPENSABLE:
        return f"The gate {gate} cannot be overridden: nothing is deployed unless {INDISPENSABLE[gate]}."
    return f"There is no gate {gate[:100]!r} before the change{did_you_mean(gate, OVERRIDABLE) or '.'}"
