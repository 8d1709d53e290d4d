"""A hold of a run: why there is one, until when, and what stands ready meanwhile."""

from math import inf

from contracts.access import Role
from contracts.base import Contract, Time
from contracts.deployment import CheckUp, Observe, Phase
from contracts.persons import person_of
from contracts.policy_holds import Approval
from contracts.prose import Plain, Prose
from contracts.run_verbs import ApprovalGate, RunHeld
from services.orchestrator.domain.effects import Publish, RunTurn, progress
from services.orchestrator.domain.hold import Hold
from services.orchestrator.domain.limits import ARM_MARGIN, GRACE, MINUTE, moment
from services.orchestrator.domain.opening import arm_until, watch_closely
from services.orchestrator.domain.plan import plan_of
from services.orchestrator.domain.run import Run
from services.orchestrator.domain.steps import send

HOLD = "hold"
"""The step under which a run publishes what it is held for."""
_WHERE = {ApprovalGate.BEFORE_CHANGE: "before the change", ApprovalGate.BEFORE_SUCCESS: "before it succeeds"}


class Wanted(Contract):
    """The approvals that a run waits for."""

    gate: ApprovalGate
    plan: str
    """The digest of what is shown, to which each approval is bound."""
    shown: Prose
    """What is to be approved, as a sentence."""
    needed: int
    given: tuple[Plain, ...] = ()
    """Who has approved."""
    approvers: tuple[str, ...] = ()
    """The only ones whose approval counts; empty: every caller with the role."""
    role: Role
    """What it takes over HTTP."""
    until: Time


def approval_of(run: Run, gate: ApprovalGate | None) -> Approval:
    """Return what the run's policy wants at a gate; without one, no approval."""
    if gate is None or run.policy.service is None:
        return Approval()
    before = gate is ApprovalGate.BEFORE_CHANGE
    return run.policy.service.approval_before_change if before else run.policy.service.approval_before_success


def before_the_change(run: Run) -> bool:
    """Whether the phase that has passed is the last one before the run's own change."""
    observes = isinstance(run.request.change, Observe | CheckUp)
    return run.phase is Phase.PRE_DEPLOYMENT_VALIDATION and not observes


def is_wanted(run: Run) -> bool:
    """Whether the next phase must not begin now that a phase has passed.

    What somebody else deploys is never left without an arm, and what has passed its checks before Redis was restored
    may be live.
    """
    if run.phase is Phase.PRE_DEPLOYMENT_VALIDATION and (run.observes or run.request.past_checks):
        return False
    return run.pause is not None or lacking(run.replace(hold=_begun(run, 0))) > 0


def lacking(run: Run) -> int:
    """Return how many approvals a held run still waits for."""
    if run.hold is None or run.hold.gate is None:
        return 0
    return max(0, approval_of(run, run.hold.gate).needed - len(given(run)))


def given(run: Run) -> tuple[str, ...]:
    """Return who has approved what a held run waits with, each person once."""
    if run.hold is None:
        return ()
    persons = {
        person_of(approved.actor): approved.actor for approved in run.approvals if approved.plan == run.hold.plan
    }
    return tuple(persons.values())


def held_until(run: Run) -> float:
    """Return when the hold ends by itself: the pause or the time for approvals is over, or what protects the change.

    A change that is live is never held for longer than recovery stands ready for it and for all that follows.
    """
    if run.hold is None:
        return inf
    ends = [] if run.pause is None else [min(run.pause.until, _protected_until(run))]
    if lacking(run):
        ends.append(approve_until(run))
    return min(ends, default=run.hold.since)


def approve_until(run: Run) -> float:
    """Return until when approvals are waited for."""
    until = run.hold.approve_until if run.hold is not None else 0
    return min(until, run.armed_until) if _is_armed(run) else until


def is_unprotected(run: Run, now: float) -> bool:
    """Whether recovery has not said that it stands ready for as long as the change may be held."""
    return now >= _protected_until(run)


def why_held(run: Run) -> str:
    """Return why the next phase does not begin, or will not, and until when; ``""`` for nothing."""
    parts = []
    if run.pause is not None:
        reason = f" ({run.pause.reason.rstrip('.')})" if run.pause.reason else ""
        ends = min(run.pause.until, _protected_until(run))
        parts.append(f"paused by {run.pause.actor}{reason} until {moment(ends):%H:%M} UTC")
    if run.hold is not None and run.hold.gate is not None and (missing := lacking(run)):
        needed, where = approval_of(run, run.hold.gate).needed, _WHERE[run.hold.gate]
        plural = "" if needed == 1 else "s"
        until = f"{moment(approve_until(run)):%H:%M} UTC"
        parts.append(f"waits for {missing} of {needed} approval{plural} {where} until {until}")
    text = " and ".join(parts)
    return f"{text[:1].upper()}{text[1:]}"


def hold(run: Run, now: float) -> RunTurn:
    """Begin no further phase, and have recovery and monitor stand ready for longer."""
    run = yield from stand_ready(run.replace(hold=_begun(run, now)), now)
    return (yield from publish_hold(run, now))


def publish_hold(run: Run, now: float) -> RunTurn:
    """Publish what the run is held for: for a person, and for programs that ask persons."""
    run = yield from progress(run, HOLD, f"{why_held(run)}.", now)
    wanted = wanted_of(run)
    event = RunHeld(
        target=run.target,
        run_id=run.run_id,
        phase=run.phase,
        until=moment(held_until(run)),
        sentence=f"{why_held(run)}.",
        paused_by=run.pause.actor if run.pause else "",
        gate=wanted.gate if wanted else None,
        plan=wanted.plan if wanted else "",
        shown=wanted.shown if wanted else "",
        needed=wanted.needed if wanted else 0,
        given=wanted.given if wanted else (),
    )
    yield Publish(event, run.id_of(f"held:{run.told}"))
    return run


def wanted_of(run: Run) -> Wanted | None:
    """Return the approvals that a run waits for; None where it waits for none."""
    if run.hold is None or run.hold.gate is None or not lacking(run):
        return None
    gate, policy = run.hold.gate, approval_of(run, run.hold.gate)
    return Wanted(
        gate=gate,
        plan=run.hold.plan,
        shown=plan_of(run, gate).sentence,
        needed=policy.needed,
        given=given(run),
        approvers=policy.approvers,
        role=Role(policy.role),
        until=moment(approve_until(run)),
    )


def stand_ready(run: Run, now: float) -> RunTurn:
    """Have the arm and the close watch outlast the hold, and all that may follow it, by as much as without a hold."""
    if run.hold is None or not _is_armed(run):
        return run
    longest = max(run.pause.until if run.pause else now, run.hold.approve_until if lacking(run) else now)
    until = longest + _left(run)
    return (yield from send(run, arm_until(run, until + ARM_MARGIN), watch_closely(run, until)))


def _begun(run: Run, now: float) -> Hold:
    gate = _gate(run)
    wanted = approval_of(run, gate)
    if gate is None or not wanted.needed:
        return Hold(since=now)
    return Hold(since=now, gate=gate, plan=plan_of(run, gate).digest, approve_until=now + wanted.minutes * MINUTE)


def _gate(run: Run) -> ApprovalGate | None:
    """Return the gate to which the run has come. A check-up changes nothing, and so has none."""
    if run.checks_up:
        return None
    if before_the_change(run):
        return ApprovalGate.BEFORE_CHANGE
    return ApprovalGate.BEFORE_SUCCESS if run.phase is Phase.BAKING else None


def _is_armed(run: Run) -> bool:
    return run.arm_was_sent and not run.checks_up


def _left(run: Run) -> float:
    """Return how long the run may still take after the hold."""
    return max(0.0, run.deadline - run.hold.since) if run.hold else 0.0


def _protected_until(run: Run) -> float:
    """Return until when the change may be held, by what recovery has confirmed; it has a while to answer."""
    if run.hold is None or not _is_armed(run):
        return inf
    return max(run.armed_until - ARM_MARGIN - _left(run), run.hold.since + GRACE)
