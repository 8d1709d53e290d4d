"""Checks the emergency scalings of a campaign: each is restored exactly once. Pure."""

from contracts.scaling import ScalingFinished, ScalingStarted
from tests.chaos.ends import ends_of
from tests.chaos.observer import Seen
from tests.chaos.report import Report


def judge_scalings(report: Report, seen: Seen) -> None:
    """Add the figures and faults of scalings to a report."""
    begun = {event.scaling_id for event in seen.of(ScalingStarted)}
    count = ends_of(seen, ScalingFinished, "scaling_id", begun)
    report.scalings, report.scalings_restored = len(begun), len(count)
    report.faults += [f"{scaling} was never restored" for scaling in sorted(begun - count.keys())]
    report.faults += [f"{scaling} was restored {times} times" for scaling, times in count.items() if times > 1]
    report.faults += [
        f"{event.scaling_id} ended {event.result}: {event.sentence}"
        for event in seen.of(ScalingFinished)
        if event.scaling_id in begun and event.result == "failed"
    ]
