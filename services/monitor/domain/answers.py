"""What the monitor answers to its commands."""

from contracts.deployment import Cause
from contracts.gates import Gate, Verdict
from contracts.monitor import DependencyFault


def cause_of_silence(fault: DependencyFault | None) -> Cause:
    """Return why an evaluation is inconclusive: a dependency has a ``fault``, or the deadline came before evidence."""
    return Cause.DEPENDENCY if fault else Cause.TIMEOUT


def summary(gates: tuple[Gate, ...]) -> str:
    """Return one sentence about the gates that did not pass, or about all if all passed."""
    bad = [gate for gate in gates if gate.verdict is not Verdict.PASS]
    if not bad:
        return "; ".join(f"{gate.name}: {gate.detail or gate.arithmetic}" for gate in gates)
    return "; ".join(map(_describe, bad))


def _describe(gate: Gate) -> str:
    return ", ".join(filter(None, (f"{gate.name} {gate.verdict}: {gate.arithmetic}", gate.detail)))
