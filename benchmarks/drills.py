"""Tries recovery plans on the sandbox's service, seed after seed, and shows how long they take: product seconds.

``python -m benchmarks.drills --seeds 50``; exit 1 where the 95th percentile is longer than the plan promises.
"""

import argparse
import sys
from collections.abc import Sequence

from benchmarks.rounds import quantile
from contracts.base import Target
from contracts.deployment import Outcome
from contracts.drills import DrillFinished, DrillPlan
from contracts.envelope import from_message
from contracts.health import HealthScored
from contracts.topics import RECOVERY_EVENTS, Party
from sandbox.aws.accounts import ACCOUNT, REGION
from sandbox.scenarios.model import Expected, Scenario
from sandbox.scenarios.world import World
from services._chassis.telemetry import configure_logs
from services._policy.files import File, Files
from services.recovery.domain.drill.drill import PROMISED
from surefoot.rehearsal.rehearse import SETTINGS, policies_of
from surefoot.rehearsal.stage import Stage, staged
from surefoot.rehearsal.system import InProcessSystem

PLANS: tuple[DrillPlan, ...] = ("rollback", "scaling")
LONGEST = 3600.0
LOOK_SECONDS = 1.0
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


def play(plan: DrillPlan, seed: int) -> DrillFinished:
    """Try a plan once. Raise ``RuntimeError`` where it is refused or never ends."""
    policies = policies_of(Files((File("policy.yaml", POLICY),)))
    with staged(SCENARIO, seed) as stage:
        system = InProcessSystem(
            stage.clock, stage.connection, stage.transport, SETTINGS, policies, parties=(Party.RECOVERY,)
        )
        return stage.run(_play(stage, system, plan))


async def _play(stage: Stage, system: InProcessSystem, plan: DrillPlan) -> DrillFinished:
    async with stage.under_way() as begun, system:
        score = HealthScored(target=TARGET, low=95, high=100, rating="excellent", levels=())
        await system.publish(score, "score", f"surefoot/{Party.HEALTH}")
        await stage.clock.sleep(LOOK_SECONDS)
        if why := await system.drill(TARGET, plan, {}):
            raise RuntimeError(why)
        while stage.clock.now() - begun < LONGEST:
            await stage.clock.sleep(LOOK_SECONDS)
            for message in system.bus.topics.get(RECOVERY_EVENTS.name, ()):
                event = from_message(message.headers, message.value).event
                if isinstance(event, DrillFinished):
                    return event
    raise RuntimeError(f"the drill of {plan} has not ended within {LONGEST / 60:.0f} minutes")


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
        ended = [play(plan, seed) for seed in range(given.seeds)]
        seconds = [drill.rto_seconds for drill in ended if drill.rto_seconds is not None]
        print(line_of(plan, seconds), flush=True)
        late |= len(seconds) < len(ended) or quantile(seconds, 0.95) > PROMISED[plan]
    return int(late)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
