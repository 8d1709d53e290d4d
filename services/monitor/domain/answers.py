"""What the monitor answers to its commands."""

from contracts.deployment import Cause
from contracts.gates import Gate, Verdict
from contracts.monitor import DependencyFault


def cause_of_silence(fault: DependencyFault | None) -> Cause:
    """Return why an evaluation has no verdict: a dependency has a ``fault``, or its deadline came first."""
    return Cause.DEPENDENCY if fault else Cause.TIMEOUT


def summary(gates: tuple[Gate, ...]) -> str:
    """One sentence: the gates that did not pass, or what passed."""
    bad = [gate for gate in gates if gate.verdict is not Verdict.PASS]
    if not bad:
        return "; ".join(f"{gate.name}: {gate.detail or gate.arithmetic}" for gate in gates)
    return "; ".join(map(_said, bad))


def _said(gate: Gate) -> str:
    return ", ".join(filter(None, (f"{gate.name} {gate.verdict}: {gate.arithmetic}", gate.detail)))
