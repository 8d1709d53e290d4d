"""What the monitor answers to its commands."""

from contracts.deployment import Cause
from contracts.gates import Gate, Verdict
from services.monitor.domain.trouble import Troubles


def cause_of_silence(gates: tuple[Gate, ...], troubles: Troubles) -> Cause:
    """Return why an evaluation is inconclusive: by the database's troubles, or since the deadline came too early."""
    return Cause.DEPENDENCY if troubles.explains(gates) else Cause.TIMEOUT


def summary(gates: tuple[Gate, ...]) -> str:
    """Return one sentence about the gates that did not pass, or about all if all passed."""
    bad = [gate for gate in gates if gate.verdict is not Verdict.PASS]
    if not bad:
        return "; ".join(f"{gate.name}: {gate.detail or gate.arithmetic}" for gate in gates)
    return "; ".join(map(_describe, bad))


def _describe(gate: Gate) -> str:
    return ", ".join(filter(None, (f"{gate.name} {gate.verdict}: {gate.arithmetic}", gate.detail)))
