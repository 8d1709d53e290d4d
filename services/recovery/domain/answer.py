"""Answers to commands."""

from dataclasses import dataclass

from contracts.base import Target
from contracts.deployment import Cause
from contracts.gates import Gate, Verdict
from contracts.results import Output, StepFinished
from services.recovery.domain.arm import Refusal
from services.recovery.domain.protection import PastRollback


@dataclass(frozen=True, slots=True)
class Question:
    """A command that waits for its answer."""

    target: Target
    run_id: str
    command_id: str
    step: str

    def passed(self, summary: str, *gates: Gate, output: Output | None = None) -> StepFinished:
        return self._answer(Verdict.PASS, summary, gates, None, output)

    def failed(self, summary: str, cause: Cause, *gates: Gate) -> StepFinished:
        return self._answer(Verdict.FAIL, summary, gates, cause, None)

    def refused(self, refusal: Refusal) -> StepFinished:
        return self.failed(refusal.summary, refusal.cause, refusal.gate)

    def rolled_back(self, past: PastRollback) -> StepFinished:
        """Passed only if the snapshot's version is live and healthy."""
        gate = Gate.true("rolled_back", holds=past.result == "restored", detail=past.detail)
        summary = f"By {past.rollback.by}, after {past.rollback.seconds:.0f} s: {past.detail}"
        if past.result == "restored":
            return self.passed(summary, gate)
        return self.failed(summary, Cause.SUPERSEDED if past.result == "superseded" else Cause.ERROR, gate)

    def _answer(
        self,
        verdict: Verdict,
        summary: str,
        gates: tuple[Gate, ...],
        cause: Cause | None,
        output: Output | None,
    ) -> StepFinished:
        return StepFinished(
            target=self.target,
            run_id=self.run_id,
            command_id=self.command_id,
            step=self.step,
            verdict=verdict,
            gates=gates,
            cause=cause,
            summary=summary,
            output=output,
        )
