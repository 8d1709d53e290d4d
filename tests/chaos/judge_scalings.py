"""Checks the emergency scalings of a campaign: each is restored exactly once, and leaves nothing behind. Pure."""

from collections import Counter

from contracts.scaling import ScalingFinished, ScalingStarted
from tests.chaos.judge import Report
from tests.chaos.observer import Seen
from tests.chaos.scalings import Standing


def judge_scalings(report: Report, seen: Seen, before: Standing, after: Standing) -> None:
    """Add the figures and faults of scalings to a report. ``before`` and ``after``: what stood at AWS."""
    begun = {event.scaling_id for event in seen.of(ScalingStarted)}
    ends = [event for event in seen.of(ScalingFinished) if event.scaling_id in begun]
    count = Counter(event.scaling_id for event in ends)
    count.update(
        second.event.scaling_id
        for first, second in seen.contradictions
        if isinstance(first.event, ScalingFinished)
        and isinstance(second.event, ScalingFinished)
        and first.event.result != second.event.result
    )
    report.scalings, report.scalings_restored = len(begun), len(count)
    report.faults += [f"{scaling} was never restored" for scaling in sorted(begun - count.keys())]
    report.faults += [f"{scaling} was restored {times} times" for scaling, times in count.items() if times > 1]
    report.faults += [
        f"{event.scaling_id} ended {event.result}: {event.sentence}" for event in ends if event.result == "failed"
    ]
    if after != before:
        report.faults.append(f"scalings have left {after} behind, and {before} was there")
