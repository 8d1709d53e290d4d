"""The gates before the change: those that a person may override, by name and on the record, and those without override.

Each command before the change names its own (``Event.overridable``, ``Event.indispensable``). Gates after the change
judge what users get; they cannot be overridden either.
"""

from collections.abc import Iterable, Mapping

from contracts.base import Event
from contracts.catalogue import CATALOGUE
from contracts.suggest import did_you_mean

_EVENTS = tuple(entry.contract for entry in CATALOGUE if issubclass(entry.contract, Event))
OVERRIDABLE: Mapping[str, str] = {gate: asks for event in _EVENTS for gate, asks in event.overridable.items()}
"""Name of each gate that may be overridden → the question that it answers."""
INDISPENSABLE: Mapping[str, str] = {gate: asks for event in _EVENTS for gate, asks in event.indispensable.items()}
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
