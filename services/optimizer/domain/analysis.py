"""A whole analysis: gates, baseline, advice, and what the advice saves."""

from datetime import datetime

from contracts.base import Contract, Target
from contracts.gates import Gate, Verdict
from contracts.optimizer import FargateSize, RecommendationMade
from contracts.prose import Prose
from services.optimizer.domain.price import AS_OF, Architecture, monthly_saving
from services.optimizer.domain.size import Advice, Baseline, Resource, Usage, advise, baseline, enough


class Deployed(Contract):
    """What runs, as far as it decides about size and price."""

    size: FargateSize
    tasks: int
    """The desired count."""
    architecture: Architecture
    on_demand: bool
    """Whether the prices of the table apply: they are for Linux on Fargate; Spot and Windows have others."""
    tracked: frozenset[Resource] = frozenset()
    """The resources whose utilisation automatic scaling holds at a target."""
    sized_at: float | None = None
    """The moment (epoch seconds) from which all tasks have this size for sure; None: during the whole look-back."""


class Analysis(Contract):
    """``baseline`` and ``advice`` are None while there is too little data."""

    deployed: Deployed
    gates: tuple[Gate, ...]
    baseline: Baseline | None = None
    advice: Advice | None = None
    monthly_saving_usd: float | None = None
    summary: Prose


def analyze(deployed: Deployed, measured: Usage, region: str) -> Analysis:
    """Judge the utilisation of what runs now; what was measured at another size proves nothing about this one."""
    usage = measured if deployed.sized_at is None else measured.since(deployed.sized_at)
    gate = enough(usage)
    if gate.verdict is not Verdict.PASS:
        unknown = Gate.true("performance_baseline", None, samples=usage.samples, detail=gate.detail)
        changed = (
            ""
            if deployed.sized_at is None
            else " (only the present deployment counts, since the size may have changed)"
        )
        return Analysis(deployed=deployed, gates=(gate, unknown), summary=f"too early to say: {gate.detail}{changed}")
    usual = baseline(usage, deployed.size)
    detail = f"p95: CPU {usual.cpu_p95:g} %, memory {usual.memory_p95:g} %"
    advice = advise(usage, deployed.size, deployed.tracked)
    saving = (
        monthly_saving(deployed.size, advice.recommended, deployed.tasks, region, deployed.architecture)
        if deployed.on_demand
        else None
    )
    return Analysis(
        deployed=deployed,
        gates=(gate, Gate.true("performance_baseline", True, samples=usage.samples, detail=detail)),
        baseline=usual,
        advice=advice,
        monthly_saving_usd=saving,
        summary=_summary(advice, saving),
    )


def recommendation(
    analysis: Analysis, advice: Advice, target: Target, id_: str, run_id: str | None, measured_until: datetime
) -> RecommendationMade:
    return RecommendationMade(
        target=target,
        run_id=run_id,
        recommendation_id=id_,
        kind=advice.kind,
        current=advice.current,
        recommended=advice.recommended,
        monthly_saving_usd=analysis.monthly_saving_usd,
        confidence=advice.confidence,
        reason=f"{analysis.summary}. {advice.reason}",
        measured_until=measured_until,
    )


def _summary(advice: Advice, saving: float | None) -> str:
    sure = f"confidence {advice.confidence:g} %"
    if advice.kind == "keep":
        return f"{_text(advice.current)} is right ({sure})"
    if saving is None:
        money = "what it saves is not known: the price table lacks this region or way of running"
    else:
        what = "saves" if saving >= 0 else "costs"
        money = f"{what} {abs(saving):.2f} $ a month at on-demand prices of {AS_OF:%B %Y}"
    return f"{advice.kind}: {_text(advice.current)} to {_text(advice.recommended)}, {money} ({sure})"


def _text(size: FargateSize) -> str:
    return f"{size.cpu / 1024:g} vCPU with {size.memory / 1024:g} GB"
