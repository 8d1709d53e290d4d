"""A set-up that was asked for over the API, as its readers see it."""

from typing import Literal, Self

from contracts.base import Contract, Target
from contracts.gates import Gate, Verdict, worst
from contracts.results import MonitoringOutput

Part = Literal["dashboard", "alarms"]


def record_of(operation_id: str) -> str:
    """The name under which an operation is kept."""
    return f"operation/{operation_id}"


class Operation(Contract):
    operation_id: str
    target: Target
    parts: tuple[Part, ...]
    state: Literal["running", "finished"] = "running"
    verdict: Verdict | None = None
    summary: str = ""
    gates: tuple[Gate, ...] = ()
    output: MonitoringOutput | None = None

    def finished(self, gates: tuple[Gate, ...], summary: str, output: MonitoringOutput) -> Self:
        return self._ended(worst(gate.verdict for gate in gates), summary, gates, output)

    def failed(self, why: str) -> Self:
        return self._ended(Verdict.INCONCLUSIVE, why, (), None)

    def _ended(self, verdict: Verdict, summary: str, gates: tuple[Gate, ...], output: MonitoringOutput | None) -> Self:
        return self.model_copy(
            update={"state": "finished", "verdict": verdict, "summary": summary, "gates": gates, "output": output}
        )
