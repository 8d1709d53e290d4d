"""Our own record of what we have changed at a service, from the state of its target."""

from collections.abc import Iterator, Sequence
from datetime import datetime

from contracts.scaling import Counts
from services.recovery.domain.moves.facts import OurAct, Ours
from services.recovery.domain.protection import Protection

SLACK = 120.0
"""Seconds by which AWS's clock and ours may differ, and a call may be late."""


def ours_of(protection: Protection, now: datetime) -> Ours:
    """Return what the state of a target knows of our own changes."""
    jobs = dict(_jobs(protection))
    return Ours(jobs, dict(_deployments(protection, jobs)), tuple(_acts(protection, now)))


def _jobs(protection: Protection) -> Iterator[tuple[str, str]]:
    arm, rollback = protection.arm, protection.rollback
    if arm is not None and arm.change is not None:
        yield arm.change.job, f"the run {arm.run_id}"
    for each in (*((rollback,) if rollback else ()), *protection.past):
        yield each.rollback_id, f"the rollback {each.rollback_id}"
    if protection.scaling is not None:
        yield protection.scaling.scaling_id, f"the emergency scaling {protection.scaling.scaling_id}"
    for scaling in protection.past_scalings:
        yield scaling.scaling_id, f"the emergency scaling {scaling.scaling_id}"
    if protection.drill is not None:
        yield protection.drill.drill_id, f"the drill {protection.drill.drill_id}"
    for drill in protection.past_drills:
        yield drill.drill_id, f"the drill {drill.drill_id}"
    for made in (*((protection.recreation,) if protection.recreation else ()), *protection.past_recreations):
        yield made.recreation_id, f"the recreation {made.recreation_id}"


def _deployments(protection: Protection, jobs: dict[str, str]) -> Iterator[tuple[str, str]]:
    arm, last = protection.arm, protection.deployed
    if arm is not None and arm.change is not None and arm.change.deployment_id:
        yield arm.change.deployment_id, f"the run {arm.run_id}"
    if last is not None and last.deployment_id:
        yield last.deployment_id, f"the run {last.run_id}"
    for settled in protection.settled:
        if settled.why == "brought-back" and settled.deployment_id:
            yield settled.deployment_id, jobs.get(settled.by, f"the rollback {settled.by}")
    for drill in (*((protection.drill,) if protection.drill else ()), *protection.past_drills):
        if drill.deployment_id:
            yield drill.deployment_id, f"the drill {drill.drill_id}"


def _acts(protection: Protection, now: datetime) -> Iterator[OurAct]:
    standing = protection.scaling
    if standing is not None and standing.plan is not None:
        who = f"the emergency scaling {standing.scaling_id}"
        # what was there before comes back at its end alone: until then it is somebody else who sets it
        counts = (standing.plan.raised, standing.plan.before)[: 2 if standing.phase == "restoring" else 1]
        yield from _set(who, counts, standing.asked_at.timestamp(), now.timestamp())
    for past in protection.past_scalings:
        if past.plan is not None:
            # how long it stood is not kept: none may stand for more than a day
            until = past.began_at.timestamp() + 86_400
            counts = (past.plan.raised, past.plan.before)
            yield from _set(f"the emergency scaling {past.scaling_id}", counts, past.began_at.timestamp(), until)
    change = protection.arm.change if protection.arm is not None else None
    if protection.arm is not None and change is not None:
        ended = change.ended_at.timestamp() if change.ended_at is not None else now.timestamp()
        yield OurAct(f"the run {protection.arm.run_id}", change.begun_at.timestamp() - SLACK, ended + SLACK)
    drill = protection.drill
    if drill is not None:
        yield OurAct(f"the drill {drill.drill_id}", drill.asked_at.timestamp() - SLACK, now.timestamp() + SLACK)
    rollback = protection.rollback
    if rollback is not None:
        begun = rollback.started_at.timestamp() - SLACK
        yield OurAct(f"the rollback {rollback.rollback_id}", begun, now.timestamp() + SLACK)


def _set(who: str, set_: Sequence[Counts], since: float, until: float) -> Iterator[OurAct]:
    for counts in set_:
        yield OurAct(who, since - SLACK, until + SLACK, counts.desired, counts.low, counts.high)
