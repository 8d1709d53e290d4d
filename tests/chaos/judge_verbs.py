"""Checks how people have acted on the runs of a campaign: one approval counts once, nothing holds a rollback. Pure."""

from collections import Counter
from collections.abc import Collection, Sequence

from contracts.recovery import ChangeApplied, RollBack
from contracts.run_verbs import RunHeld, Verb, VerbAnswered
from tests.chaos.judge import OLDER_COPY
from tests.chaos.observer import Seen
from tests.chaos.report import Report
from tests.chaos.requests import Asked
from tests.chaos.verbs import exercised, never


def judge_verbs(report: Report, asked: Sequence[Asked], seen: Seen) -> None:
    """Add the figures and faults of pauses and approvals to a report.

    A Redis that was restored from an older copy waits for an approval once more, and has forgotten a rollback's
    beginning until it has read of it.
    """
    answers = [answer for answer in seen.of(VerbAnswered) if answer.accepted]
    given = Counter(answer.run_id for answer in answers if answer.verb is Verb.APPROVE)
    report.approvals = sum(given.values())
    report.pauses = sum(answer.verb is Verb.PAUSE for answer in answers)
    if report.harm.get(OLDER_COPY):
        return
    plans = {(held.run_id, held.plan) for held in seen.of(RunHeld) if held.plan}
    shown = Counter(run_id for run_id, _ in plans)
    twice = [run_id for run_id, count in given.items() if count > shown[run_id]]
    report.faults += [f"an approval of the run {run_id} counted more than once" for run_id in twice]
    report.faults += _unapproved(asked, seen, given.keys())
    report.faults += _held_back(seen)


def _unapproved(asked: Sequence[Asked], seen: Seen, approved: Collection[str]) -> list[str]:
    wanting = {request.run_id for request in asked if request.wants_approval}
    changed = {event.run_id for event in seen.of(ChangeApplied)} & wanting
    rejected = {answer.run_id for answer in seen.of(VerbAnswered) if answer.accepted and answer.verb is Verb.REJECT}
    return [
        *(f"the run {run_id} has changed its service, and nobody has approved it" for run_id in changed - {*approved}),
        *(f"the run {run_id} has changed its service, and somebody has rejected it" for run_id in changed & rejected),
    ]


def _held_back(seen: Seen) -> list[str]:
    """Return a sentence for each run that was held after its rollback had been asked for."""
    envelopes = list(seen.events.values())
    began = {envelope.meta.run_id: envelope.meta.time for envelope in envelopes if isinstance(envelope.event, RollBack)}
    held = [envelope for envelope in envelopes if isinstance(envelope.event, RunHeld)]
    late = {
        envelope.meta.run_id
        for envelope in held
        if envelope.meta.run_id in began and envelope.meta.time > began[envelope.meta.run_id]
    }
    return [f"the run {run_id} was held although its rollback was asked for" for run_id in late]


def judge_exercised(report: Report, asked: Sequence[Asked], seen: Seen) -> None:
    """Add to a report how often each verb was done; what was never done has proven nothing."""
    report.verbs = exercised(asked, seen)
    report.faults += [f"nothing was done by this verb: {verb}" for verb in never(report.verbs)]
