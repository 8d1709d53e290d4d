"""The newest deployment of a service, and the time without tasks that nobody has to be called for.

All times are epoch seconds; those of ECS are by its own clock, which is that of CloudWatch's minutes as well.
"""

from contracts.base import Contract
from contracts.prose import Prose
from services.monitor.domain.history import LONG, Earlier, Stretch, attempts, in_order, of_version_before

START_SECONDS = 300.0
"""How long a start takes where nothing more exact is known."""
DRAINING = 180.0
"""A task that AWS takes back has two minutes' notice, and takes no requests for so long before it stops."""


class Rollout(Contract):
    """What ECS calls the PRIMARY deployment, as the looks have seen it.

    A deployment of the same version that follows soon, as when somebody forces a new one, continues it: the tasks of
    both are the version's, and the times are those of the first.
    """

    id: str
    began_at: float
    """When ECS began it."""
    newest_at: float = 0.0
    """When ECS began the newest deployment, which may continue it; 0 in an older state."""
    task_definition: str = ""
    """Its task definition's ARN; empty in an older state."""
    running: int = 0
    """Its tasks that run."""
    failed: int = 0
    """Its tasks that have failed."""
    replaces: tuple[str, ...] = ()
    """Ids of the deployments that were live when it began; empty where no look has seen any."""
    continues: tuple[str, ...] = ()
    """Ids of the earlier deployments of the same version that it continues."""
    earlier: tuple[Earlier, ...] = ()
    """The deployments before it, the oldest first, as far as looks have seen them; empty in an older state."""
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
    alone_since: float | None = None
    """When no task of an older deployment was first seen to run; None: not yet."""
    proven: bool = False
    """Whether a run has succeeded with it, or the service began with it."""

    @property
    def ids(self) -> frozenset[str]:
        """Return the ids of its version's deployments."""
        return frozenset((self.id, *self.continues))

    @property
    def ids_before(self) -> frozenset[str]:
        """Return the ids of the deployments of the version before; empty where none is known."""
        if self.earlier:
            return frozenset(deployment.id for deployment in of_version_before(self.earlier))
        return frozenset(self.replaces) - self.ids

    @property
    def attempts(self) -> tuple[Stretch, ...]:
        """Return when failed attempts served before it, whose minutes tell nothing of the version before."""
        return attempts(self.earlier)

    def following(self, known: "Rollout | None", now: float) -> "Rollout":
        """Return what ECS shows at ``now``, with what earlier looks (``known``) have seen.

        What a deployment has done when it is first seen it may have done since it began; but its predecessor's tasks
        may have served until just then.
        """
        same = known if known is not None and (known.id == self.id or known.is_continued_by(self)) else None
        since = self.began_at if same is None else now
        serving = since if self.running or self.failed else None
        settled = None if self.under_way else since
        alone = None if self.older else now
        if same is None:
            earlier = in_order(self._before(known), self.began_at)
            seen = {"serving_since": serving, "settled_at": settled, "alone_since": alone, "earlier": earlier}
            return self.model_copy(update={**seen, "newest_at": self.began_at})
        return self.model_copy(
            update={
                "began_at": same.began_at,
                "newest_at": self.began_at,
                "continues": (*same.continues, *(() if same.id == self.id else (same.id,))),
                "replaces": tuple(dict.fromkeys((*same.replaces, *self.replaces))),
                "earlier": in_order((*self.earlier, *same.earlier), same.began_at),
                "serving_since": serving if same.serving_since is None else same.serving_since,
                "settled_at": settled if same.settled_at is None else same.settled_at,
                "alone_since": alone if same.alone_since is None else same.alone_since,
                "proven": same.proven or self.proven,
            }
        )

    def is_continued_by(self, newer: "Rollout") -> bool:
        """Return whether a newer deployment is of the same version, which has not been proven or long live before."""
        again = bool(self.task_definition) and newer.task_definition == self.task_definition
        return again and not self.proven and newer.began_at - self.began_at < LONG

    def _before(self, known: "Rollout | None") -> tuple[Earlier, ...]:
        """Return the deployments before it: as ECS lists them, then as earlier looks have seen them, who know more."""
        if known is None:
            return self.earlier
        replaced = Earlier(
            id=known.id,
            task_definition=known.task_definition,
            began_at=known.began_at,
            ended_at=self.began_at,
            alone_since=known.alone_since,
            proven=known.proven,
        )
        return (*self.earlier, *known.earlier, replaced)


class Gap(Contract):
    """A time in which a service without tasks is being started, and is not down."""

    begins: float
    ends: float
    why: Prose
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
    """Return the gap after AWS has taken all ``wanted`` tasks back, or somebody has stopped them, at ``stopped_at``."""
    newest = sorted(stopped_at)[-wanted:] if wanted else []
    if not newest or len(newest) < wanted:
        return None
    why = f"AWS or a person stopped {len(newest)} of {wanted} tasks, and a start may take {start_seconds:.0f} s"
    return Gap(begins=newest[0] - DRAINING, ends=newest[-1] + start_seconds, why=why)
