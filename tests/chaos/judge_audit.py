"""Checks the audit of a campaign: its chains verify, and each act has exactly one record. Pure."""

from collections import Counter

from contracts.audit_chain import Line, read_record, verify
from contracts.base import caused_id
from contracts.deployment import DeploymentFinished
from contracts.recovery import ChangeApplied, RollbackFinished, RollbackStarted
from tests.chaos.judge import OLDER_COPY
from tests.chaos.observer import Seen
from tests.chaos.report import Report

FORGOTTEN = "forget the inbox and read from the earliest offset"
"""The harm after which what was handled is handled again: the same act may be recorded twice, under its one id."""
ACTS = (ChangeApplied, RollbackStarted, RollbackFinished, DeploymentFinished)


def judge_audit(report: Report, seen: Seen) -> None:
    """Add the figures and faults of the audit to a report.

    After Redis was restored from an older copy chains fork, and acts may have lost or doubled their record together
    with their state.
    """
    restored = bool(report.harm.get(OLDER_COPY))
    lines = (Line(line, f"audit.v1, record {number}") for number, line in enumerate(seen.audit, 1))
    found = verify(lines, lambda *_: "", whole=True)
    report.audit_records = found.records
    report.faults += [f"audit: {fault}" for fault in found.faults if not (restored and "forks" in fault)]
    if restored:
        return
    records = {(record.chain, record.sequence): record.id for record in map(read_record, seen.audit)}
    times = Counter(records.values())
    acts = [envelope for envelope in list(seen.events.values()) if isinstance(envelope.event, ACTS)]
    most = 2 if report.harm.get(FORGOTTEN) else 1
    wrong = [act for act in acts if not 1 <= times[caused_id(act.meta.id, "audit")] <= most]
    report.acts_without_one_record = len(wrong)
    report.faults += [
        f"{act.entry.name} of {act.meta.run_id} has {times[caused_id(act.meta.id, 'audit')]} records" for act in wrong
    ]
