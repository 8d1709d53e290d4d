"""Checks what was made again in a campaign: each part once, until it serves. Pure."""

from collections import Counter
from collections.abc import Iterable
from typing import Any

from contracts.recreation import RecreationFinished, RecreationStarted
from tests.chaos.ends import ends_of
from tests.chaos.judge import OLDER_COPY
from tests.chaos.observer import Seen
from tests.chaos.report import Report

MAKING = "surefoot/recovery/recreate/"
ONCE = frozenset({"CreateService", "CreateListener", "CreateRule", "CreateSecurityGroup", "RegisterTaskDefinition"})
"""The calls that make a second thing where they are made twice. A target group's repetition is the same group."""


def judge_recreations(report: Report, seen: Seen, calls: Iterable[dict[str, Any]]) -> None:
    """Add the figures and faults of recreations to a report.

    One that a restored Redis has forgotten ends as failed, and whoever asks again may find that nothing is missing.
    Whether the service is there in the end is judged by what AWS has (``judge_left``).
    """
    begun = {event.recreation_id for event in seen.of(RecreationStarted)}
    ends = [event for event in seen.of(RecreationFinished) if event.recreation_id in begun]
    count = ends_of(seen, RecreationFinished, "recreation_id", begun)
    made = [
        (call["operation"], call["resource"])
        for call in calls
        if MAKING in call["user_agent"] and call["status"] == 200
    ]
    report.recreations = sum(event.result == "recreated" for event in ends)
    report.parts_made = len(set(made))
    report.faults += [f"{recreation} never ended" for recreation in sorted(begun - count.keys())]
    report.faults += [f"{recreation} ended {times} times" for recreation, times in count.items() if times > 1]
    if begun and not report.recreations and not report.harm.get(OLDER_COPY):
        report.faults.append(f"nothing serves again: {'; '.join(event.sentence for event in ends)}")
    report.faults += [
        f"AWS was asked {times} times for {operation} {resource}"
        for (operation, resource), times in Counter(made).items()
        if operation in ONCE and times > 1
    ]
