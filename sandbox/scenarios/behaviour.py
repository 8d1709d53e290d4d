"""The behaviour of an image's containers. It belongs to the image's digest, so that a rollback really helps."""

from typing import Annotated, Literal

from pydantic import Field

from sandbox.scenarios.frozen import Frozen

RUNNING_TAG = "1.0"
"""Tag of the healthy image that the services run at first."""

Seconds = Annotated[float, Field(ge=0, le=86_400)]
Share = Annotated[float, Field(ge=0, le=1)]
PerCent = Annotated[float, Field(ge=0, le=100)]
Revision = Annotated[str, Field(pattern=r"^[0-9a-z_]{1,40}$")]

Status = Annotated[int, Field(ge=200, le=599)]
Path = Annotated[str, Field(pattern=r"^/")]


class Later(Frozen):
    """The behaviour from some moment on; fields that are not set stay as they were."""

    after: Seconds
    """Seconds of RUNNING."""
    latency: Seconds | None = None
    error_rate: Share | None = None
    unanswered_rate: Share | None = None
    cpu: PerCent | None = None
    passes_health_check: bool | None = None


class Migrating(Frozen):
    """What becomes of a one-off command, a migration, in a task of its own with the image."""

    seconds: Seconds = 8
    """How long it runs."""
    exit_code: Annotated[int, Field(ge=0, le=255)] | None = None
    """None: 0 where the image reaches its database, else 1."""
    log: tuple[Annotated[str, Field(max_length=1000)], ...] = ()
    """The lines that it writes before it ends."""
    starts: bool = True
    """Whether ECS finds a place for its task."""
    to: Revision | None = None
    """The revision to which it brings the database, where it ends with exit code 0. None: it has no effect."""


class Behaviour(Frozen):
    """The behaviour of an image's containers, in product seconds and per cent of the task's CPU and memory."""

    name: str = ""
    latency: Seconds = 0.08
    """Median response time, seconds; spread lognormally around it."""
    latency_spread: Annotated[float, Field(ge=0, le=2)] = 0.25
    """Standard deviation of the logarithm of the response time."""
    error_rate: Share = 0.001
    """Share of requests that are answered with a 500."""
    users_error_rate: Share | None = None
    """Share of users' requests that fail, where it is another than that of tests, which do less than users do."""
    unanswered_rate: Share = 0.0
    """Share of requests that it does not answer: it closes the connection, and the load balancer answers 502."""
    cpu: PerCent = 35.0
    memory: PerCent = 45.0
    memory_growth: Annotated[float, Field(ge=0, le=100)] = 0.0
    """Per cent a minute; the kernel kills the container at 100 (exit code 137)."""
    start_seconds: Seconds = 10.0
    """From RUNNING to the first good answer."""
    stop_seconds: Seconds = 3.0
    """From SIGTERM to its end; ECS kills it after the container's ``stopTimeout`` (exit code 137)."""
    crash_after: Seconds | None = None
    """Seconds of RUNNING after which the container exits by itself."""
    exit_code: Annotated[int, Field(ge=0, le=255)] = 1
    log: str = "Uvicorn running on http://0.0.0.0:8000"
    """The line that the container logs when something is wrong with it."""
    architecture: Literal["amd64", "arm64"] = "amd64"
    passes_health_check: bool = True
    """Whether the container, once started, passes the load balancer's health check."""
    speaks: Literal["HTTP", "TCP"] = "HTTP"
    """TCP: it takes connections, and answers nothing that is HTTP."""
    mounted_at: Annotated[str, Field(pattern=r"^(/[^/]+)*$")] = ""
    """The path under which its pages are, ``/orders`` for instance; it answers nothing outside of it."""
    paths: dict[Path, Status] | None = None
    """The paths that it has, each with the status of its answer; it answers 404 for all others. None: its usual ones,
    ``/health``, ``/health/ready`` and ``/api/v1/`` among them."""
    database: bool = True
    """Whether it reaches its database."""
    migration: Migrating = Migrating()
    migrated: bool = True
    """Whether the database has the schema that it wants."""
    revision: Revision = "b2f1"
    """The newest revision that it knows; the database is at this one until a migration brings it to another."""
    at_revision: Revision | None = None
    """The revision at which the database is, as it tells it. None: its own, or the one before where not migrated."""
    without_database: Later = Later(after=0, latency=0.3, error_rate=0.45)
    """The behaviour while the database itself is away."""
    later: Later | None = None

    @property
    def falls_ill(self) -> bool:
        """Whether the container may become unhealthy later, by itself or without its database."""
        changes = (self.later, self.without_database)
        return any(change is not None and change.passes_health_check is not None for change in changes)

    def at(self, running_seconds: float, *, database: bool = True, schema: str = "") -> "Behaviour":
        """Return the behaviour after so many seconds of RUNNING.

        ``database``: whether the database is there. ``schema``: the revision to which a migration has brought it.
        """
        now = self
        if self.later is not None and running_seconds >= self.later.after:
            now = now.changed(self.later)
        if not database and self.database:
            now = now.changed(self.without_database).model_copy(update={"database": False})
        if schema:
            now = now.model_copy(update={"at_revision": schema})
        return now

    def changed(self, later: Later) -> "Behaviour":
        return self.model_copy(update=later.model_dump(exclude={"after"}, exclude_none=True))
