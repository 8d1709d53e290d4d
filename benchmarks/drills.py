"""Tries recovery plans on the sandbox's service, seed after seed, and shows how long they take: product seconds.

``python -m benchmarks.drills --seeds 50``; exit 1 where the 95th percentile is longer than the plan promises.
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from fastapi import Response

from benchmarks.recreations import recreated
from benchmarks.rounds import quantile
from contracts.base import Target
from contracts.deployment import Outcome
from contracts.drills import DrillPlan
from contracts.health import HealthScored
from contracts.recovery import CaptureSnapshot
from contracts.topics import Party
from sandbox.aws.accounts import ACCOUNT, REGION
from sandbox.scenarios.model import Expected, Scenario
from sandbox.scenarios.world import World
from services._chassis.http import Problem
from services._chassis.operations import find_operation
from services._chassis.telemetry import configure_logs
from services._policy.files import File, Files
from services.recovery.api.drill import DrillAccepted, DrillRequest
from services.recovery.domain.drill.drill import PROMISED
from surefoot.rehearsal.rehearse import SETTINGS, policies_of
from surefoot.rehearsal.stage import Stage, staged
from surefoot.rehearsal.system import InProcessSystem

PLANS: tuple[DrillPlan, ...] = ("rollback", "scaling", "recreate")
LONGEST = 3600.0
LOOK_SECONDS = 1.0
BACK_SECONDS = 900.0
"""In which what a scaling has set comes back, where AWS lets it."""
POLICY = b"version: 1\ndefaults: {drills: {enabled: true, hours: 00-24, days: [mon]}}\n"
SCENARIO = Scenario(
    name="drill", teaches="A drill.", world=World(history_days=0), expect=Expected(outcome=Outcome.SUCCEEDED)
)
TARGET = Target(
    account=ACCOUNT,
    region=REGION,
    cluster=SCENARIO.world.service.cluster,
    service=SCENARIO.world.service.service_name,
)


@dataclass(frozen=True, slots=True)
class Tried:
    """How a drill ended."""

    result: str
    """As ``DrillOperation`` has it; empty where it has not ended in time."""
    sentence: str
    seconds: float | None = None
    """From the trigger until every task served."""


def nothing(_: Stage) -> None:
    """Do nothing."""


def tried(plan: DrillPlan, seed: int, scenario: Scenario = SCENARIO, look: Callable[[Stage], None] = nothing) -> Tried:
    """Try a plan once; ``look`` is called at the end, once what the drill has set has had the time to come back."""
    policies = policies_of(Files((File("policy.yaml", POLICY),)))
    with staged(scenario, seed) as stage:
        system = InProcessSystem(
            stage.clock, stage.connection, stage.transport, SETTINGS, policies, parties=(Party.RECOVERY,)
        )
        return stage.run(_try(stage, system, plan, look))


async def _try(stage: Stage, system: InProcessSystem, plan: DrillPlan, look: Callable[[Stage], None]) -> Tried:
    async with stage.under_way() as begun, system:
        await _prepare(stage, system)
        drills, end = system.recovery.drill, Tried("", "")
        try:
            accepted = await drills.begin(TARGET, DrillRequest(plan=plan, actor="benchmark"), None, Response())
        except Problem as problem:
            return Tried("refused", problem.detail)
        if not isinstance(accepted, DrillAccepted):
            raise TypeError("it was asked for in earnest")
        while not end.result and stage.clock.now() - begun < LONGEST:
            await stage.clock.sleep(LOOK_SECONDS)
            found = await find_operation(drills.asked.store, accepted.drill_id)
            shown = found.model_dump() if found is not None else {}
            if shown.get("state") != "running":
                end = Tried(str(shown.get("result") or ""), str(shown.get("sentence")), shown.get("rto_seconds"))
        await stage.clock.sleep(BACK_SECONDS if plan == "scaling" else 0)
        look(stage)
        return end


async def _prepare(stage: Stage, system: InProcessSystem) -> None:
    """Let recovery know a score, and have a snapshot."""
    score = HealthScored(target=TARGET, low=95, high=100, rating="excellent", levels=())
    await system.publish(score, "score", f"surefoot/{Party.HEALTH}")
    asked = CaptureSnapshot(target=TARGET, run_id="run", purpose="after-change")
    await system.publish(asked, "capture", f"surefoot/{Party.ORCHESTRATOR}")
    await stage.clock.sleep(LOOK_SECONDS * 5)


def seconds_of(plan: DrillPlan, seed: int) -> float | None:
    """Return how long a plan takes; None where it was not carried out.

    Everything of a service is deleted before it is made again.
    """
    if plan == "recreate":
        ended = recreated(SCENARIO, seed)
        return ended.seconds if ended.finished is not None and ended.finished.result == "recreated" else None
    return tried(plan, seed).seconds


def line_of(plan: DrillPlan, seconds: Sequence[float]) -> str:
    """Return a row of the table: how long the plan takes, and what it promises."""
    shown = " | ".join(f"{quantile(seconds, share):.0f} s" for share in (0.5, 0.95, 1.0))
    return f"| {plan} | {len(seconds)} | {shown} | {PROMISED[plan]:.0f} s |"


def main(arguments: Sequence[str]) -> int:
    """Print the table; return 1 where a plan takes longer than it promises."""
    options = argparse.ArgumentParser(prog="benchmarks.drills")
    options.add_argument("--seeds", type=int, default=50)
    given = options.parse_args(arguments)
    configure_logs("error", "drills")
    print("| plan | seeds | median | p95 | longest | promised |\n|---|---|---|---|---|---|")
    late = False
    for plan in PLANS:
        seconds = [took for seed in range(given.seeds) if (took := seconds_of(plan, seed)) is not None]
        print(line_of(plan, seconds), flush=True)
        late |= len(seconds) < given.seeds or quantile(seconds, 0.95) > PROMISED[plan]
    return int(late)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
