"""What is known of a service from ECS and its load balancers: by which dimensions its metrics are read, and how many
tasks it wants.
"""

from pydantic import Field

from contracts.base import Contract
from services.monitor.domain.rollout import START_SECONDS, Gap, Rollout, gap_of_rollout, gap_of_waking
from services.monitor.domain.routes import ROUTES_HOLD, Sharing, still_shared


class CountedGroup(Contract):
    """A target group whose requests its load balancer counts, by their names as dimensions."""

    load_balancer: str
    target_group: str
    shared: bool = False
    """Whether others use the load balancer as well, so that its own errors are not this service's alone."""

    @property
    def name(self) -> str:
        """Return the name by which people know the target group."""
        return name_of(self.target_group)


def name_of(dimension: str) -> str:
    """Return the name in ``targetgroup/<name>/<id>`` or ``app/<name>/<id>``."""
    return dimension.split("/")[1]


class WatchedService(Contract):
    """The CloudWatch dimensions of a target, and how many tasks it has and should have."""

    cluster: str
    service: str
    load_balancer: str | None = None
    """``app/<name>/<id>``, as in the dimension; None: the service has no load balancer that counts its requests."""
    target_group: str | None = None
    """``targetgroup/<name>/<id>``."""
    others: tuple[CountedGroup, ...] | None = None
    """Further target groups through which users reach it; None: nobody has looked, as in a state of the previous
    version."""
    shared: dict[str, Sharing] = Field(default_factory=dict)
    """Load balancer, as in the dimension → why its own errors are not this service's alone; no entry: they are."""
    routed_at: float | None = None
    """When listeners and rules were read last; None: just now, or never in a state of the previous version."""
    uncounted: tuple[str, ...] = ()
    """Its target groups whose requests no load balancer counts, ``targetgroup/<name>/<id>``."""
    wanted: int
    """The desired count."""
    running: int
    """The number of tasks that ran at the time of the look, as ECS reports it."""
    created_at: float
    """Product time, epoch seconds."""
    rollout: Rollout | None = None
    """The newest deployment; None where ECS lists none, and in a state of the previous version."""
    alarms_of_ecs: frozenset[str] = frozenset()
    """The alarms that its deployment configuration names, and that ECS watches while it deploys."""
    gap: Gap | None = None
    """The last time for which missing tasks are a start and no outage."""

    def following(self, known: "WatchedService | None", now: float) -> "WatchedService":
        """Return what ECS shows at ``now``, with what earlier looks (``known``) have seen."""
        rollout = self.rollout.following(known.rollout if known else None, now) if self.rollout else None
        gap = known.gap if known else None
        if known is not None and known.wanted == 0 and self.wanted:
            gap = gap_of_waking(now, self.start_seconds)
        elif rollout is not None and self.wanted:
            gap = gap_of_rollout(gap, rollout, now) or gap
        shared = still_shared(self.shared, known.shared if known else {}, now)
        routed_at = now if self.routed_at is None else self.routed_at
        return self.model_copy(update={"rollout": rollout, "gap": gap, "shared": shared, "routed_at": routed_at})

    def routes_at(self, now: float) -> "WatchedService":
        """Return the service with what is known of its listeners and rules while that holds, else without it."""
        old = self.routed_at is None or now - self.routed_at >= ROUTES_HOLD
        return self.without_routes() if old else self

    def without_routes(self) -> "WatchedService":
        """Return the service as if nobody knew when its listeners and rules were read: a look reads them anew."""
        return self.model_copy(update={"routed_at": None})

    @property
    def start_seconds(self) -> float:
        """How long the start of a task may take."""
        return self.rollout.start_seconds if self.rollout else START_SECONDS

    @property
    def counted(self) -> str:
        """``2 of 3 wanted tasks run, 1 of them of older deployments``, as ECS counts them."""
        older = self.rollout.older if self.rollout else 0
        which = f", {older} of them of older deployments" if older else ""
        return f"{self.running} of {self.wanted} wanted task{'' if self.wanted == 1 else 's'} run{which}"

    @property
    def balanced(self) -> bool:
        return self.load_balancer is not None and self.target_group is not None

    @property
    def groups(self) -> tuple[CountedGroup, ...]:
        """The target groups whose requests are counted, the first one before the others."""
        if self.load_balancer is None or self.target_group is None:
            return ()
        first = CountedGroup(load_balancer=self.load_balancer, target_group=self.target_group)
        every = (first, *(self.others or ()))
        return tuple(group.model_copy(update={"shared": group.load_balancer in self.shared}) for group in every)

    def behind(self, group: CountedGroup) -> "WatchedService":
        """Return the service as if users reached it through this target group alone."""
        only = {"load_balancer": group.load_balancer, "target_group": group.target_group, "others": ()}
        return self.model_copy(update=only)
