"""The newest deployment of a service, and the time without tasks that nobody has to be called for.

All times are epoch seconds; those of ECS are by its own clock, which is that of CloudWatch's minutes as well.
"""

from contracts.base import Contract

START_SECONDS = 300.0
"""How long a start takes where nothing more exact is known."""
DRAINING = 180.0
"""A task that AWS takes back has two minutes' notice, and takes no requests for so long before it stops."""


class Rollout(Contract):
    """What ECS calls the PRIMARY deployment, as the looks have seen it."""

    id: str
    began_at: float
    """When ECS began it."""
    task_definition: str = ""
    """Its task definition's ARN; empty in an older state."""
    running: int = 0
    """Its tasks that run."""
    failed: int = 0
    """Its tasks that have failed."""
    replaces: tuple[str, ...] = ()
    """Ids of the deployments that were live when it began; empty where no look has seen any."""
    older: int = 0
    """The tasks of older deployments that run."""
    under_way: bool = False
    least: int = 1
    """The fewest tasks that the deployment configuration keeps running meanwhile."""
    start_seconds: float = START_SECONDS
    """How long a start may take; measured only where ``least`` is 0."""
    serving_since: float | None = None
    """When its first task was seen to run, and so may have taken requests; None: not yet."""
    settled_at: float | None = None
    """When it was first seen not to be under way any more; None: not yet."""

    def following(self, known: "Rollout | None", now: float) -> "Rollout":
        """Return what ECS shows at ``now``, with what earlier looks at the same deployment (``known``) have seen.

        What a deployment has done when it is first seen it may have done since it began.
        """
        earlier = known if known is not None and known.id == self.id else None
        since = self.began_at if earlier is None else now
        serving = since if self.running or self.failed else None
        settled = None if self.under_way else since
        if earlier is not None:
            serving = serving if earlier.serving_since is None else earlier.serving_since
            settled = settled if earlier.settled_at is None else earlier.settled_at
        replaces = tuple(dict.fromkeys((*(earlier.replaces if earlier else ()), *self.replaces)))
        return self.model_copy(update={"serving_since": serving, "settled_at": settled, "replaces": replaces})


class Gap(Contract):
    """A time in which a service without tasks is being started, and is not down."""

    begins: float
    ends: float
    why: str
    """A clause for people."""
    deployment_id: str = ""
    """The deployment whose configuration asks for it; empty for another reason."""

    def covers_any(self, window: tuple[float, ...], length: float) -> bool:
        """Return whether a part of any period lies in the gap; a period has its begin in ``window``."""
        return any(self.begins - length < begin < self.ends for begin in window)


def gap_of_rollout(known: Gap | None, rollout: Rollout, now: float) -> Gap | None:
    """Return the gap that stopping before starting makes; None where the configuration keeps a task running.

    It lasts until a start should have taken place after the last old task was gone: old tasks drain first. It ends with
    the deployment.
    """
    ours = known if known is not None and known.deployment_id == rollout.id else None
    if not rollout.under_way:
        return ours.model_copy(update={"ends": min(ours.ends, now)}) if ours else None
    if rollout.least > 0:
        return None
    ends = now + rollout.start_seconds if rollout.older or ours is None else ours.ends
    why = (
        f"the deployment configuration lets old tasks stop before new ones start, which may take "
        f"{rollout.start_seconds:.0f} s"
    )
    return Gap(begins=rollout.began_at, ends=ends, why=why, deployment_id=rollout.id)


def gap_of_waking(now: float, start_seconds: float) -> Gap:
    """Return the gap of a service that wanted no task until now."""
    return Gap(begins=0.0, ends=now + start_seconds, why=f"tasks are wanted again, and may take {start_seconds:.0f} s")


def gap_of_interruption(stopped_at: tuple[float, ...], wanted: int, start_seconds: float) -> Gap | None:
    """Return the gap after AWS has taken all ``wanted`` tasks back; ``stopped_at`` are the moments at which it did."""
    newest = sorted(stopped_at)[-wanted:] if wanted else []
    if not newest or len(newest) < wanted:
        return None
    why = f"AWS took {len(newest)} of {wanted} tasks back, and a start may take {start_seconds:.0f} s"
    return Gap(begins=newest[0] - DRAINING, ends=newest[-1] + start_seconds, why=why)
