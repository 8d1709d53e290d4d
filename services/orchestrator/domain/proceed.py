"""What follows when a phase has passed: the next one, a hold, or success; and how a hold ends."""

from contracts.deployment import Cause, Outcome, Phase
from services.orchestrator.domain import endings
from services.orchestrator.domain.effects import RunTurn, progress
from services.orchestrator.domain.holding import (
    HOLD,
    approval_of,
    approve_until,
    before_the_change,
    given,
    hold,
    is_unprotected,
    is_wanted,
    lacking,
)
from services.orchestrator.domain.judge import proven, success_of, warning_of, why_not_proven
from services.orchestrator.domain.limits import CHECKS_HOLD, MINUTE
from services.orchestrator.domain.opening import begin, following
from services.orchestrator.domain.releases import stopped_by, why_stopped
from services.orchestrator.domain.run import Run
from services.orchestrator.domain.version_hold import VersionHold


def proceed(run: Run, now: float) -> RunTurn:
    """Go on behind a phase that has passed, or hold the run there."""
    if run.pause is not None and now >= run.pause.until:
        run = run.replace(pause=None)
    return (yield from hold(run, now) if is_wanted(run) else _go_on(run, now))


def look(run: Run, now: float) -> RunTurn:
    """Look at a held run: does it still wait, is what it waits for there, or is the time for that over?"""
    if run.hold is None:
        return run
    if (held := stopped_by(run, now)) is not None:
        return (yield from stop(run, held, now))
    if lacking(run) and now >= approve_until(run):
        return (yield from _not_approved(run, now))
    if run.pause is not None and now >= run.pause.until:
        if before_the_change(run):
            return (yield from _paused_for_too_long(run, now))
        run = yield from _end_pause(run, f"The pause by {run.pause.actor} is over", now)
    if run.pause is not None and is_unprotected(run, now):
        why = "The pause has ended, since recovery has not confirmed that it stands ready for so long"
        run = yield from _end_pause(run, why, now)
    return run if run.pause is not None or lacking(run) else (yield from _release(run, now))


def stop(run: Run, held: VersionHold, now: float) -> RunTurn:
    """End a run whose version is held after a rollback, before anything is changed."""
    reason = f"Nothing was changed. {why_stopped(run, held)}"
    return (yield from endings.finish(run, Outcome.BLOCKED, Cause.REFUSED, reason, now=now))


def _end_pause(run: Run, why: str, now: float) -> RunTurn:
    run = run.replace(pause=None)
    waits = "; approvals are still waited for" if lacking(run) else ": the run goes on"
    return (yield from progress(run, HOLD, f"{why}{waits}.", now))


def _release(run: Run, now: float) -> RunTurn:
    """Go on; the time of the hold counts towards none of the run's deadlines."""
    held = now - run.hold.since if run.hold else 0.0
    run = run.replace(hold=None, held=run.held + held, deadline=run.deadline + held)
    age = now - (run.stages[-1].finished_at or now)
    if not before_the_change(run) or age < CHECKS_HOLD:
        return (yield from _go_on(run, now))
    minutes = f"{age / MINUTE:.0f} minutes"
    run = yield from progress(run, HOLD, f"The checks are {minutes} old by now, so they are made once more.", now)
    return (yield from begin(run, Phase.PRE_DEPLOYMENT_VALIDATION, now))


def _go_on(run: Run, now: float) -> RunTurn:
    if run.phase is not Phase.BAKING:
        return (yield from begin(run, following(run), now))
    if not proven(run.steps):
        return (yield from _nothing_proven(run, now))
    success = success_of(run.stages)
    reason = f"{success[0].upper()}{success[1:]}.{warning_of(run.stages)}{_approved_by(run)}"
    return (yield from endings.disarm(run, Outcome.SUCCEEDED, None, reason, now))


def _nothing_proven(run: Run, now: float) -> RunTurn:
    """End a run in which no check of the new version applied, as the policy wants it: nothing is rolled back."""
    reason = f"Nothing was proven: {why_not_proven(run.steps)}.{warning_of(run.stages)}"
    if run.accepts_no_evidence:
        return (yield from endings.disarm(run, Outcome.SUCCEEDED, None, f"Deployed. {reason}", now))
    reason = f"{reason} The new version was left live; the policy's gates.without_evidence can accept that."
    return (yield from endings.disarm(run, Outcome.FAILED, Cause.NO_EVIDENCE, reason, now))


def _approved_by(run: Run) -> str:
    actors = dict.fromkeys(approved.actor for approved in run.approvals)
    return f" Approved by {', '.join(actors)}." if actors else ""


def _paused_for_too_long(run: Run, now: float) -> RunTurn:
    """Nobody has resumed a run that has changed nothing: it does not change the service while nobody looks."""
    by = run.pause.actor if run.pause else "nobody"
    reason = f"Nothing was changed: it was paused by {by}, and nobody has resumed it in time."
    return (yield from endings.finish(run, Outcome.ABORTED, Cause.TIMEOUT, reason, now=now))


def _not_approved(run: Run, now: float) -> RunTurn:
    """End a run for want of approvals: nothing is changed for that reason, in either direction."""
    needed = approval_of(run, run.hold.gate if run.hold else None).needed
    by = ", ".join(given(run)) or "nobody"
    missing = f"{needed - lacking(run)} of {needed} approvals came in time (by {by})"
    if before_the_change(run):
        reason = f"Nothing was changed: {missing}."
        return (yield from endings.finish(run, Outcome.BLOCKED, Cause.TIMEOUT, reason, now=now))
    found = success_of(run.stages)
    reason = f"It does not count as succeeded: {missing}. The new version was left live, since {found}."
    return (yield from endings.disarm(run, Outcome.FAILED, Cause.TIMEOUT, reason, now))
