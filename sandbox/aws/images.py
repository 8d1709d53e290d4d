"""What an image does when it runs. A behaviour belongs to the image's digest, so a rollback really heals."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Behaviour:
    """How a container of one image lives, in product seconds and per cent of what its task was given."""

    name: str
    teaches: str
    latency: float = 0.08
    """Median response time, seconds; spread lognormally around it."""
    error_rate: float = 0.001
    """Share of requests that are answered with a 500."""
    cpu: float = 35.0
    memory: float = 45.0
    memory_growth: float = 0.0
    """Per cent a minute; the kernel kills the container at 100 (exit code 137)."""
    start_seconds: float = 10.0
    """From RUNNING to the first good answer."""
    crash_after: float | None = None
    """Seconds of RUNNING after which the container exits by itself."""
    exit_code: int = 1
    log: str = "Uvicorn running on http://0.0.0.0:8000"
    architecture: str = "amd64"
    passes_health_check: bool = True
    """What the load balancer's health check sees once the container has started."""
    database: bool = True
    """Whether its database can be reached."""


BEHAVIOURS: tuple[Behaviour, ...] = (
    Behaviour("healthy", "a deployment that goes well"),
    Behaviour(
        "crash-loop",
        "a container that exits soon after its start, again and again",
        start_seconds=30.0,
        crash_after=8.0,
        log="ModuleNotFoundError: No module named 'app.settings'",
    ),
    Behaviour(
        "wrong-architecture",
        "an image built for arm64, which Fargate on x86_64 cannot run",
        architecture="arm64",
        log="exec /usr/local/bin/python: exec format error",
    ),
    Behaviour(
        "unhealthy",
        "a container that runs, and fails its health check",
        passes_health_check=False,
        error_rate=0.3,
        log="GET /health 503 Service Unavailable",
    ),
    Behaviour(
        "slow",
        "ECS calls the deployment completed, users call it broken: it answers in 6 seconds",
        latency=6.0,
        cpu=88.0,
        memory=50.0,
    ),
    Behaviour(
        "memory-leak",
        "a container that grows until the kernel kills it",
        memory_growth=9.0,
        exit_code=137,
        log="WARNING cache grew to 1200000 entries",
    ),
    Behaviour(
        "database-failure",
        "a container that cannot reach its database",
        latency=0.3,
        error_rate=0.45,
        cpu=20.0,
        memory=40.0,
        database=False,
        log='no pg_hba.conf entry for host "10.0.1.7", user "app", database "court", no encryption',
    ),
)
