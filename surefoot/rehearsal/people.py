"""Persons and pipelines of a rehearsal: they act on its run, ask for newer ones, and release what is held."""

import asyncio
from collections.abc import Sequence

from contracts.base import Event, Target
from contracts.deployment import AbortRequested, DeployRequested, ImageChange, run_id_of
from contracts.run_verbs import ApprovalDecided, PauseRequested, ReleaseRequested, ResumeRequested
from sandbox.scenarios.people import Act, PlannedDrill, PlannedRecreation
from services.recovery.api.recreation import RecreateRequest
from surefoot.rehearsal.system import InProcessSystem

UNSEEN = "0" * 32
"""The plan of whoever decides though nothing is shown."""


async def act(
    system: InProcessSystem, target: Target, run_id: str, acts: Sequence[Act], source: str, repository: str
) -> None:
    """Do each act at its time, in product seconds from now, when the first run is asked for."""
    begun, runs = asyncio.get_running_loop().time(), [run_id, *newer_runs(target, acts, source)]
    for id_, planned in _in_time(acts):
        await asyncio.sleep(max(0.0, begun + planned.at - asyncio.get_running_loop().time()))
        if planned.does == "roll_back":
            await system.roll_back(target, planned.actor, planned.reason)
            continue
        about = runs[planned.run - 1]
        shown = (await system.run(about)).get("approval") or {}
        event = _event(planned, target, about, shown.get("plan", UNSEEN), repository)
        await system.publish(event, id_, source)


def newer_runs(target: Target, acts: Sequence[Act], source: str) -> list[str]:
    """Return the ids of the runs that are asked for after the first one, in the order of time."""
    return [run_id_of(target, source, id_) for id_, planned in _in_time(acts) if planned.begins_a_run]


def _in_time(acts: Sequence[Act]) -> list[tuple[str, Act]]:
    """Return the acts in the order of time, each with the id of its message."""
    ordered = sorted(acts, key=lambda planned: planned.at)
    return [(f"person-{number}", planned) for number, planned in enumerate(ordered)]


async def try_plans(system: InProcessSystem, target: Target, drills: Sequence[PlannedDrill]) -> list[str]:
    """Ask for each drill at its time, in product seconds from now; return why those were refused that were."""
    begun, refused = asyncio.get_running_loop().time(), []
    for planned in sorted(drills, key=lambda planned: planned.at):
        await asyncio.sleep(max(0.0, begun + planned.at - asyncio.get_running_loop().time()))
        if why := await system.drill(target, planned.plan, planned.overrides):
            refused.append(f"{planned.plan}: {why}")
    return refused


async def make_again(system: InProcessSystem, target: Target, planned: PlannedRecreation | None) -> str:
    """Ask for the service to be made again, and approve that; return why it is refused, empty where it is not."""
    if planned is None:
        return ""
    await asyncio.sleep(planned.at)
    return await system.recreate(target, RecreateRequest(actor=planned.actor), planned.approved_by)


def _event(planned: Act, target: Target, run_id: str, plan: str, repository: str) -> Event:
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
        case "supersede" | "deploy":
            return DeployRequested(
                target=target,
                change=ImageChange(reference=f"{repository}:{planned.image}"),
                actor=planned.actor,
                reason=planned.reason,
                on_conflict="supersede" if planned.does == "supersede" else "queue",
            )
        case "release":
            return ReleaseRequested(target=target, actor=planned.actor, reason=planned.reason)
        case decision:
            return ApprovalDecided(
                target=target, run_id=run_id, plan=plan, decision=decision, actor=planned.actor, reason=planned.reason
            )
