"""Plays a cell under the virtual clock: once by Surefoot, once by ECS alone."""

from typing import Any

from benchmarks.judge.alarms import alarms_of
from benchmarks.judge.ended import Ended
from benchmarks.judge.matrix import SETTLED_SECONDS, Played
from benchmarks.judge.rule import End
from benchmarks.judge.sight import Sight, service_of
from contracts.deployment import Outcome
from sandbox.scenarios.incident import Incident
from sandbox.scenarios.service import USUAL_CLUSTER, USUAL_SERVICE
from surefoot.rehearsal.rehearse import rehearse
from surefoot.rehearsal.stage import NeverEnds, Stage, staged

LONGEST = 4 * 3600.0
"""Product seconds after which ECS alone is called undecided, as a rehearsal is."""
LOOK_SECONDS = 5.0
ENDS = {Outcome.SUCCEEDED: End.LIVE, Outcome.BLOCKED: End.REFUSED, Outcome.ROLLED_BACK: End.BACK}
STATUSES = {"SUCCESSFUL": End.LIVE, "ROLLBACK_SUCCESSFUL": End.BACK}


def by_surefoot(played: Played, seed: int) -> Ended:
    """Deploy by Surefoot. Raise nothing: a run without an end is undecided, too."""
    scenario, seen = played.scenario, _Seen()

    async def begin(stage: Stage) -> None:
        seen.begin(stage)

    try:
        rehearsal = rehearse(scenario, seed=seed, watch=seen.look, prepare=begin)
    except NeverEnds as error:
        return Ended("never ends", None, reason=str(error))
    finished = rehearsal.finished
    end = ENDS.get(finished.outcome)
    if end is not None and (end is End.LIVE) != seen.live:
        end = None  # AWS runs another version than the outcome says
    return Ended(
        finished.outcome,
        end,
        failed_back=finished.outcome is Outcome.ROLLBACK_FAILED,
        reason=finished.reason,
        seconds=rehearsal.seconds,
        restored=seen.restored,
        desired=seen.desired,
    )


def by_ecs(played: Played, seed: int) -> Ended:
    """Deploy by ECS alone: its circuit breaker, and alarms on errors and response time, both with rollback."""
    with staged(played.scenario, seed) as stage:
        return stage.run(_alone(stage))


async def _alone(stage: Stage) -> Ended:
    seen = _Seen()

    async def begin(stage: Stage) -> None:
        await _configure(stage)
        seen.begin(stage)

    async with stage.under_way(seen.look, begin) as begun:
        stage.aws.happen(Incident(deploys=stage.scenario.name))
        record = service_of(stage.aws).current
        while record.unfinished and stage.clock.now() - begun < LONGEST:
            await stage.clock.sleep(LOOK_SECONDS)
        seconds = stage.clock.now() - begun
        await stage.clock.sleep(SETTLED_SECONDS)
    return Ended(
        record.status,
        STATUSES.get(record.status),
        failed_back=record.status == "ROLLBACK_FAILED",
        reason=record.reason,
        seconds=seconds,
        restored=seen.restored,
        desired=seen.desired,
    )


async def _configure(stage: Stage) -> None:
    """Give the service the configuration that ECS has for it, and let its alarms settle."""
    names = alarms_of(stage)
    configuration: Any = {
        "deploymentCircuitBreaker": {"enable": True, "rollback": True},
        **({"alarms": {"alarmNames": names, "enable": True, "rollback": True}} if names else {}),
    }
    stage.connection.client("ecs").update_service(
        cluster=USUAL_CLUSTER, service=USUAL_SERVICE, deploymentConfiguration=configuration
    )
    await stage.clock.sleep(SETTLED_SECONDS)


class _Seen:
    """What was seen of AWS, from the request on."""

    def __init__(self) -> None:
        self._sight: Sight | None = None
        self.live = False
        self.restored: float | None = None
        self.desired = 0

    def begin(self, stage: Stage) -> None:
        manifest = stage.aws.world.registry.resolve(f"{stage.aws.world.registry.uri}:{stage.scenario.name}")
        assert manifest is not None  # noqa: S101  the stage has pushed it
        self._sight = Sight(manifest.digest)

    def look(self, aws: Any) -> None:
        if self._sight is not None:
            self._sight(aws)
            self.live = self._sight.live(aws)
            self.restored = self._sight.restored_after(aws)
            self.desired = service_of(aws).desired
