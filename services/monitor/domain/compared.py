"""The gates that compare the new version with the one before it, minute by minute, as a run's policy says.

A gate fails where a metric is worse by more than chance explains and by enough to matter, and so still at the newest
minutes. What is as bad as it was in the same minutes after the last good deployments is how this service starts: a
finding, which fails nothing. What would matter and is not proven is watched until the deadline: a few requests more
may prove it. What was known too seldom before the change cannot be compared, and the gate does not apply. Without a
point since the change it is inconclusive.
"""

from collections.abc import Sequence
from datetime import UTC, datetime

from contracts.gates import Gate, Verdict
from contracts.policy import Worsening
from services.monitor.domain.comparison.compare import Comparison, compare, may_be_worse
from services.monitor.domain.comparison.metrics import METRICS, Compared, Sides, as_busy
from services.monitor.domain.comparison.span import GoodStart, Span
from services.monitor.domain.comparison.spending import until_next_look
from services.monitor.domain.metrics import Readings

SUFFIX = "_compared"


def compared_gates(
    readings: Readings, policy: Worsening, span: Span, *, rest_is_done: bool, starts: Sequence[GoodStart] = ()
) -> tuple[Gate, ...]:
    """Return a gate for each metric that the policy compares.

    ``rest_is_done`` says that all other evidence is there, so that the answer is given now unless a point is missing.
    ``starts`` are those of the last good deployments; such as had another load are left out.
    """
    if not policy.enabled:
        return ()
    alike = tuple(start for start in starts if as_busy(readings, span, start))
    sides = Sides(readings, span, alike)
    found = [compared for metric in METRICS if (compared := metric(sides, policy)) is not None]
    if readings.service.wanted == 0:
        return tuple(Gate.does_not_apply(compared.gate, "the service wants no task") for compared in found)
    applying = [compared for compared in found if compared.applies]
    shown = [compared for compared in applying if compared.evidence.after]
    unproven = {compared.gate for compared in shown if may_be_worse(compared.evidence, compared.matters)}
    known = len(shown) == len(applying) and not unproven
    last = span.now >= span.until or (rest_is_done and known)
    return tuple(
        _gate_of(compared, policy, span, alike, last=last, waits=not last and compared.gate in unproven)
        for compared in found
    )


def is_comparison(gate: Gate) -> bool:
    """Return whether the gate is one of ``compared_gates``."""
    return gate.name.endswith(SUFFIX)


def _gate_of(
    found: Compared, policy: Worsening, span: Span, starts: Sequence[GoodStart], *, last: bool, waits: bool
) -> Gate:
    """Return the gate of one metric; ``waits`` says that what is not proven yet may be proven at a later look."""
    if not found.applies:
        metric = found.gate.removesuffix(SUFFIX).replace("_", " ")
        known = f"{found.evidence.before} of the {found.covers} minutes before the change show it"
        return Gate.does_not_apply(found.gate, f"there is no usual {metric} to compare with: {known}")
    if not found.evidence.after:
        return _gate(found, Verdict.INCONCLUSIVE, None, 0, "there is no point since the change", needs=1)
    result = compare(found.evidence, found.matters, span.planned, policy.alpha, last=last)
    return _gate_of_result(found, result, span, starts, waits=waits)


def _gate_of_result(
    found: Compared, result: Comparison, span: Span, starts: Sequence[GoodStart], *, waits: bool
) -> Gate:
    worse = max(found.worsening(result.level), 0.0) if result.proven else 0.0
    sentence = f"{_sentence(found, result)}{_of_starts(found, result, starts)}"

    def gate(verdict: Verdict, detail: str, needs: int = 0) -> Gate:
        return _gate(found, verdict, worse, result.minutes, detail, needs)

    match result.finding:
        case "no worse" if waits:
            wait = until_next_look(found.evidence.after)
            return gate(Verdict.INCONCLUSIVE, f"it would matter and is not proven yet: {sentence}", wait)
        case "no worse":
            return gate(Verdict.PASS, sentence)
        case "as then":
            as_then = gate(Verdict.PASS, f"found: it is how this service starts: {sentence}")
            return as_then.model_copy(update={"found": _short(found, result)})
        case "too few" if span.now < span.until:
            return gate(Verdict.INCONCLUSIVE, sentence, needs=1)
        case "too few" | "worse":
            return gate(Verdict.FAIL, sentence)


def _sentence(found: Compared, result: Comparison) -> str:
    """Return the arithmetic in a sentence."""
    unit = found.unit
    levels = f"{result.level:.4g}{unit} in {result.minutes} min since the change, {found.evidence.usual:.4g}{unit} in "
    levels += f"{found.evidence.before} min before"
    if found.load != 1:
        levels += f", {found.expected:.4g}{unit} expected with the load of each task"
    proof = "proves" if result.proven else "does not prove"
    return f"{levels}; p = {result.chance:.2g}, which {proof} a worsening (at most {result.alpha:.2g} at this look)"


def _short(found: Compared, result: Comparison) -> str:
    """Return a finding without its arithmetic."""
    then = "" if result.start is None else f"{result.start.level:.4g}{found.unit}"
    return (
        f"{result.level:.4g}{found.unit} in {result.minutes} min since the change, "
        f"{found.evidence.usual:.4g}{found.unit} before, and {then} in the same minutes after the last good deployments"
    )


def _of_starts(found: Compared, result: Comparison, starts: Sequence[GoodStart]) -> str:
    """Return the arithmetic of the good starts, where something has become worse."""
    start = result.start
    if start is None:
        return ""
    days = ", ".join(f"{datetime.fromtimestamp(each.began_at, UTC):%Y-%m-%d %H:%M}" for each in starts)
    then = f"; {start.level:.4g}{found.unit} in the same minutes ({start.minutes} with a value) after the last good "
    then += f"deployments ({days} UTC)"
    if start.finding == "too few":
        return f"{then}, which are too few to tell"
    proof = "proves that it is worse than then, too" if start.finding == "worse" else "does not prove a worse start"
    return f"{then}; p = {start.chance:.2g}, which {proof}"


def _gate(found: Compared, verdict: Verdict, value: float | None, samples: int, detail: str, needs: int = 0) -> Gate:
    return Gate(
        name=found.gate,
        verdict=verdict,
        value=value,
        comparison="<",
        threshold=found.least,
        unit=found.unit,
        samples=samples,
        needs=needs,
        detail=detail,
    )
