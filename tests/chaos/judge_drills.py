"""Checks the drills of a campaign: each ends exactly once. What they leave behind is judged by itself. Pure."""

from contracts.drills import DrillFinished, DrillStarted
from tests.chaos.ends import ends_of
from tests.chaos.observer import Seen
from tests.chaos.report import Report


def judge_drills(report: Report, seen: Seen, *, harmless: bool = False) -> None:
    """Add the figures and faults of drills to a report. Where no harm is done, a plan can be carried out."""
    begun = {event.drill_id for event in seen.of(DrillStarted)}
    count = ends_of(seen, DrillFinished, "drill_id", begun)
    ends = seen.of(DrillFinished)
    report.drills, report.drills_ended = len(begun), len(count)
    report.drills_measured = sum(event.result == "measured" for event in ends)
    report.faults += [f"{drill} never ended" for drill in sorted(begun - count.keys())]
    report.faults += [f"{drill} ended {times} times" for drill, times in count.items() if times > 1]
    report.faults += [f"{event.drill_id} ended, and never began" for event in ends if event.drill_id not in begun]
    report.faults += [
        f"{event.drill_id} failed: {event.sentence}" for event in ends if harmless and event.result == "failed"
    ]
