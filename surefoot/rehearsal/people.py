"""Persons who act on the run of a rehearsal, at their times: they pause, resume, approve, reject or abort it."""

import asyncio
from collections.abc import Sequence

from contracts.base import Event, Target
from contracts.deployment import AbortRequested
from contracts.run_verbs import ApprovalDecided, PauseRequested, ResumeRequested
from sandbox.scenarios.people import Act
from surefoot.rehearsal.system import InProcessSystem

UNSEEN = "0" * 32
"""The plan of whoever decides though nothing is shown."""


async def act(system: InProcessSystem, target: Target, run_id: str, acts: Sequence[Act], source: str) -> None:
    """Do each act at its time, in product seconds from now, when the run is asked for."""
    begun = asyncio.get_running_loop().time()
    for number, planned in enumerate(sorted(acts, key=lambda planned: planned.at)):
        await asyncio.sleep(max(0.0, begun + planned.at - asyncio.get_running_loop().time()))
        shown = (await system.run(run_id)).get("approval") or {}
        event = _event(planned, target, run_id, shown.get("plan", UNSEEN))
        await system.publish(event, f"person-{number}", source)


def _event(planned: Act, target: Target, run_id: str, plan: str) -> Event:
    """Return what a person asks for; who decides, decides on what is shown at that time."""
    match planned.does:
        case "pause":
            return PauseRequested(
                target=target, run_id=run_id, actor=planned.actor, reason=planned.reason, minutes=planned.minutes
            )
        case "resume":
            return ResumeRequested(target=target, run_id=run_id, actor=planned.actor, reason=planned.reason)
        case "abort":
            return AbortRequested(target=target, run_id=run_id, actor=planned.actor, reason=planned.reason)
        case decision:
            return ApprovalDecided(
                target=target, run_id=run_id, plan=plan, decision=decision, actor=planned.actor, reason=planned.reason
            )
