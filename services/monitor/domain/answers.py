"""What the monitor answers to its commands."""

from contracts.deployment import Cause
from contracts.gates import Gate, Verdict, worst
from contracts.monitor import CheckAlarms, DependencyFault, EvaluateRules, SetUpMonitoring, WatchClosely
from contracts.results import MonitoringOutput, StepFinished
from services.monitor.domain.judge import PendingEvaluation
from services.monitor.domain.watch import Watch

Command = CheckAlarms | WatchClosely | EvaluateRules | SetUpMonitoring


def answer(
    command: Command, command_id: str, step: str, gates: tuple[Gate, ...], output: MonitoringOutput | None = None
) -> StepFinished:
    verdict = worst(gate.verdict for gate in gates)
    return StepFinished(
        target=command.target,
        run_id=command.run_id,
        command_id=command_id,
        step=step,
        verdict=verdict,
        gates=gates,
        cause=None if verdict is Verdict.PASS else Cause.GATE,
        summary=summary(gates),
        output=output,
    )


def no_answer(command: Command, command_id: str, step: str, why: str, *, found: bool) -> StepFinished:
    """AWS could not be asked (inconclusive), or there is no such service (fail)."""
    return StepFinished(
        target=command.target,
        run_id=command.run_id,
        command_id=command_id,
        step=step,
        verdict=Verdict.INCONCLUSIVE if found else Verdict.FAIL,
        cause=Cause.ERROR if found else Cause.USAGE,
        summary=why,
    )


def evaluated(
    watch: Watch, pending: PendingEvaluation, gates: tuple[Gate, ...], fault: DependencyFault | None = None
) -> StepFinished:
    """Answer an ``evaluate-rules``. Inconclusive: its deadline came first, or a dependency has a ``fault``."""
    verdict = worst(gate.verdict for gate in gates)
    silence = Cause.DEPENDENCY if fault else Cause.TIMEOUT
    causes = {Verdict.PASS: None, Verdict.FAIL: Cause.GATE, Verdict.INCONCLUSIVE: silence}
    return StepFinished(
        target=watch.target,
        run_id=pending.run_id,
        command_id=pending.command_id,
        step="evaluate-rules",
        verdict=verdict,
        gates=gates,
        cause=causes[verdict],
        summary=summary(gates),
    )


def summary(gates: tuple[Gate, ...]) -> str:
    """One sentence: the gates that did not pass, or what passed."""
    bad = [gate for gate in gates if gate.verdict is not Verdict.PASS]
    if not bad:
        return "; ".join(f"{gate.name}: {gate.detail or gate.arithmetic}" for gate in gates)
    return "; ".join(map(_said, bad))


def _said(gate: Gate) -> str:
    return ", ".join(filter(None, (f"{gate.name} {gate.verdict}: {gate.arithmetic}", gate.detail)))
