"""Which Fargate size a service needs, and how sure that is.

The rule is CloudFix's: the highest hourly p99 of the busiest task, plus 20 % head-room, in the smallest size that
holds it. With a day of data the advice is sure, as for AWS Compute Optimizer; with less it is a guess, and with less
than three hours there is none.
"""

from dataclasses import dataclass
from math import ceil
from typing import Literal

from contracts.base import Contract
from contracts.gates import Gate
from contracts.optimizer import FargateSize
from contracts.prose import Prose
from services.optimizer.domain.fargate import smallest
from services.optimizer.domain.series import (
    DAY,
    HOUR,
    Series,
    busiest_hour,
    coverage,
    growth_a_day,
    percentile,
    span,
)

HEAD_ROOM = 1.2
LEAST = 3 * HOUR
"""Seconds of data; with less there is no advice."""
WHOLE_DAY = DAY - 600
"""Seconds of a day without its newest ten minutes, whose points come late."""
COMPLETE = 0.8
"""The share of a day's periods that must have a point before the day counts as whole."""

Kind = Literal["right-size", "scale-up", "scale-down", "keep"]
Resource = Literal["cpu", "memory"]


@dataclass(frozen=True, slots=True)
class Usage:
    """Utilisation of the busiest task in each period, per cent of what a task has."""

    cpu: Series
    memory: Series
    period: float
    """Seconds."""

    @property
    def samples(self) -> int:
        return min(len(self.cpu), len(self.memory))

    def since(self, moment: float) -> "Usage":
        """Leave out what was measured before ``moment``."""
        cpu = {at: value for at, value in self.cpu.items() if at >= moment}
        memory = {at: value for at, value in self.memory.items() if at >= moment}
        return Usage(cpu, memory, self.period)


class Baseline(Contract):
    """How busy the service usually is."""

    cpu_p95: float
    memory_p95: float
    """Both are per cent of what the busiest task has."""
    size: FargateSize
    samples: int


class Advice(Contract):
    """A size, and why."""

    kind: Kind
    current: FargateSize
    recommended: FargateSize
    confidence: float
    """0 to 100: from 90 strong, from 70 good, from 50 tentative."""
    reason: Prose


def enough(usage: Usage) -> Gate:
    """Judge whether there is enough data for advice."""
    hours, least = usage.samples * usage.period / HOUR, LEAST / HOUR
    missing = max(0.0, least - hours)
    return Gate.measured(
        "resource_analysis",
        round(hours, 2),
        ">=",
        least,
        unit=" h",
        samples=usage.samples,
        minimum=ceil(LEAST / usage.period),
        detail=f"{missing:.1f} more hours of metrics are needed" if missing else f"{hours:.1f} hours of metrics",
    )


def baseline(usage: Usage, size: FargateSize) -> Baseline:
    return Baseline(
        cpu_p95=round(percentile(list(usage.cpu.values()), 95), 2),
        memory_p95=round(percentile(list(usage.memory.values()), 95), 2),
        size=size,
        samples=usage.samples,
    )


def confidence(usage: Usage) -> float:
    """Return 95 for a whole day of data that is nearly complete, and 50 to 89 for less."""
    seconds = min(span(usage.cpu, usage.period), span(usage.memory, usage.period))
    complete = min(coverage(usage.cpu, usage.period), coverage(usage.memory, usage.period))
    if seconds >= WHOLE_DAY and complete >= COMPLETE:
        return 95.0
    return round(50 + 39 * min(1.0, seconds / DAY) * min(1.0, complete / COMPLETE), 1)


def advise(usage: Usage, current: FargateSize, tracked: frozenset[Resource]) -> Advice:
    """Choose a size by a usage that has passed ``enough``.

    ``tracked`` are the resources whose utilisation automatic scaling holds at a target by adding tasks. Another size
    would work against it, so there is no advice on them.
    """
    cpu, memory = busiest_hour(usage.cpu), busiest_hour(usage.memory)
    reasons = [f"busiest hour: CPU {cpu:.0f} %, memory {memory:.0f} % (p99 of the busiest task), plus 20 %"]
    # memory has to suffice in the worst minute as well: a task that runs out of it is killed
    needs = {
        "cpu": current.cpu * cpu / 100 * HEAD_ROOM,
        "memory": current.memory * max(memory * HEAD_ROOM, *usage.memory.values()) / 100,
    }
    if growth := growth_a_day(usage.memory):
        needs["memory"] = max(needs["memory"], current.memory)
        reasons.append(f"memory grows by {growth:.1f} points a day, which looks like a leak: it is not made smaller")
    if "cpu" in tracked:
        needs["cpu"] = current.cpu
        reasons.append("automatic scaling tracks CPU: no advice on CPU")
    if "memory" in tracked:
        needs["memory"] = current.memory
        reasons.append("automatic scaling tracks memory: no advice on memory")
    size = smallest(needs["cpu"], needs["memory"])
    if size is None:
        reasons.append("no larger Fargate size exists: run more tasks")
    recommended = size or current
    return Advice(
        kind=_kind(current, recommended),
        current=current,
        recommended=recommended,
        confidence=confidence(usage),
        reason="; ".join(reasons),
    )


def _kind(current: FargateSize, recommended: FargateSize) -> Kind:
    cpu, memory = recommended.cpu - current.cpu, recommended.memory - current.memory
    if cpu == memory == 0:
        return "keep"
    if cpu <= 0 and memory <= 0:
        return "scale-down"
    return "scale-up" if cpu >= 0 and memory >= 0 else "right-size"
