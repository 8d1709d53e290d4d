"""Tells people where going back outside a run has not mended what it was to mend."""

from datetime import datetime, timedelta

from contracts.recovery import AlertTrigger
from services._chassis.transition import Decision, Timer
from services.recovery.decisions.record import on_record
from services.recovery.domain.outside.answer import Answer, Why
from services.recovery.domain.outside.decision_record import About, decision_on, record_once
from services.recovery.domain.protection import Protection, RollingBack
from services.recovery.domain.work import HelpedWork, RollbackWork

MINUTES = 15
HELPED = timedelta(minutes=MINUTES)
"""After so long an alert is over that going back has mended: a window, two good minutes, and metrics that are late."""


def look_whether_it_helped(
    work: RollbackWork, rollback: RollingBack, result: str, brought: str, now: datetime
) -> tuple[Timer, ...]:
    """Return the timer of the question, for a version that an alert outside a run has brought back; else none.

    ``brought``: the deployment that has done so.
    """
    trigger = rollback.triggered_by
    if rollback.run_id is not None or not isinstance(trigger, AlertTrigger) or result != "restored":
        return ()
    about = (rollback.deployment_id, brought)
    asks = HelpedWork(target=work.target, rollback_id=rollback.rollback_id, trigger=trigger, deployments=about)
    return (Timer(f"helped:{rollback.rollback_id}", "helped", (now + HELPED).timestamp(), asks.to_bytes()),)


def whether_it_helped(protection: Protection, work: HelpedWork, now: datetime) -> Decision:
    """Call people where a critical alert of the same rule fires; do nothing where none does."""
    firing = protection.firing.values()
    if not any(alert.rule == work.trigger.rule and alert.deployment_id in work.deployments for alert in firing):
        return Decision()
    rule = work.trigger.rule
    sentence = f"Going back has not helped: {rule} is broken {MINUTES} minutes later, too. Look for another cause."
    answer = Answer("people-called", Why.NOT_MENDED, sentence)
    about = About(rollback_id=work.rollback_id)
    event = decision_on(work.target, answer, work.trigger, now, about)
    known, record = record_once(protection, event, work.rollback_id)
    return on_record(Decision(known.to_bytes()), record)
