"""Evidence → checks. What does not apply to a service is left out; what could not be seen is unknown."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from contracts.limits import LEAST_REQUESTS
from contracts.policy import Health
from services.health.domain.observed import Answer, Evidence, Measurements, NotObserved, Service, TargetHealth
from services.health.domain.readiness import mentions, reported

Level = Literal["basic", "performance", "business"]


class Finding(StrEnum):
    GOOD = "good"
    BAD = "bad"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Check:
    """One question about the service, answered."""

    name: str
    level: Level
    finding: Finding
    detail: str
    weight: float = 1
    """Its share of its level."""
    critical: bool = False
    """While it is bad, users cannot be served."""


def checks(evidence: Evidence, limits: Health) -> tuple[Check, ...]:
    """Return every check that applies; ``limits`` say what still counts as good."""
    return (*_basic(evidence), *_performance(evidence, limits), *_business(evidence))


def _found(good: bool | None) -> Finding:
    return Finding.UNKNOWN if good is None else Finding.GOOD if good else Finding.BAD


def _basic(evidence: Evidence) -> tuple[Check, ...]:
    service = evidence.service
    if service is None:
        return (Check("service", "basic", Finding.BAD, "ECS knows no such active service", critical=True),)
    if isinstance(service, NotObserved):
        return (
            Check("tasks", "basic", Finding.UNKNOWN, service.why, weight=3),
            Check("aws", "basic", Finding.UNKNOWN, service.why),
        )
    return (
        _tasks(service),
        Check("aws", "basic", Finding.GOOD, "AWS answers"),
        *_targets(evidence.targets, service),
        *_startup(evidence.health),
        *_dependencies(evidence.ready),
    )


def _tasks(service: Service) -> Check:
    detail = f"{service.running} of {service.desired} tasks running"
    if service.desired == 0:
        return Check("tasks", "basic", Finding.UNKNOWN, "no task is meant to run, so nothing can be judged", weight=3)
    return Check(
        "tasks",
        "basic",
        _found(service.running >= service.desired),
        detail,
        weight=3,
        critical=service.running == 0,
    )


def _targets(targets: tuple[TargetHealth, ...] | NotObserved | None, service: Service) -> tuple[Check, ...]:
    desired = service.desired
    if targets is None or desired == 0:
        return ()
    if isinstance(targets, NotObserved):
        return (Check("targets", "basic", Finding.UNKNOWN, targets.why, weight=3),)
    healthy = fewest_healthy(targets, service.target_groups)
    reasons = sorted({found.reason for found in targets if found.state == "unhealthy" and found.reason})
    detail = f"{healthy} of {desired} targets healthy" + (f" ({', '.join(reasons)})" if reasons else "")
    return (Check("targets", "basic", _found(healthy >= desired), detail, weight=3, critical=healthy == 0),)


def fewest_healthy(targets: tuple[TargetHealth, ...], groups: tuple[str, ...]) -> int:
    """Return the number of healthy targets in that target group of the service which has the fewest."""
    healthy = [target.group for target in targets if target.state == "healthy"]
    return min(map(healthy.count, groups), default=0)


def _startup(health: Answer | NotObserved | None) -> tuple[Check, ...]:
    match health:
        case None:
            return ()
        case NotObserved(why=why):
            finding, detail = Finding.UNKNOWN, why
        case Answer(status=None):
            finding, detail = Finding.BAD, "the application does not answer"
        case Answer(status=404):
            finding, detail = Finding.UNKNOWN, "the application has no such endpoint"
        case Answer(status=status):
            finding, detail = _found(200 <= (status or 0) < 300), f"the application answers {status}"
    return (Check("startup", "basic", finding, detail, weight=2, critical=True),)


def _dependencies(ready: Answer | NotObserved | None) -> tuple[Check, ...]:
    if ready is None:
        return ()
    found = (dependency("database", ready, weight=2, critical=True), dependency("redis", ready))
    return tuple(check for check in found if check is not None)


def dependency(name: str, ready: Answer | NotObserved, *, weight: float = 1, critical: bool = False) -> Check | None:
    """Check a dependency by what the application reports; None when its report does not mention this one."""
    good: bool | None = None
    if isinstance(ready, NotObserved):
        detail = ready.why
    elif ready.status is None:
        detail = "the application does not answer"
    elif not isinstance(ready.document, dict):
        detail = f"the application answers {ready.status} and tells nothing of it"
    elif not mentions(ready.document, name):
        return None
    else:
        good = reported(ready.document, name)
        words = {True: "well", False: "failing", None: "in words that are unknown here"}
        detail = f"the application reports its {name} {words[good]}"
    return Check(name, "basic", _found(good), detail, weight=weight, critical=critical)


def _performance(evidence: Evidence, limits: Health) -> tuple[Check, ...]:
    if isinstance(evidence.service, Service) and evidence.service.desired == 0:
        return ()
    if evidence.service is None:
        return ()
    seen = evidence.measurements
    numbers = Measurements(0) if isinstance(seen, NotObserved) else seen
    why = seen.why if isinstance(seen, NotObserved) else f"no point in {seen.minutes} minutes"
    resources = (
        _at_most("cpu", numbers.cpu, limits.cpu_percent, "%", why),
        _at_most("memory", numbers.memory, limits.memory_percent, "%", why),
    )
    if not evidence.balanced or _nobody_asks(evidence, numbers):
        return resources
    requests = numbers.requests + numbers.balancer_5xx
    few = None if requests >= LEAST_REQUESTS else f"{requests:g} requests are too few to tell"
    why = why if isinstance(seen, NotObserved) else few or why
    return (
        *resources,
        _at_most(
            "response_time", None if few else numbers.p95_seconds, limits.response_time_seconds, " s", why, weight=2
        ),
        _at_most("error_rate", None if few else numbers.error_rate, limits.error_rate_percent, " %", why, weight=2),
        _throughput(numbers, why),
    )


def _nobody_asks(evidence: Evidence, numbers: Measurements) -> bool:
    """Whether neither users nor we can have had an answer, while CloudWatch does measure: answers do not apply then."""
    asked_by_us = evidence.health is not None or evidence.ready is not None or bool(evidence.endpoints)
    measured = numbers.cpu is not None or numbers.memory is not None
    return measured and not asked_by_us and not numbers.requests and not numbers.balancer_5xx


def _at_most(name: str, value: float | None, limit: float, unit: str, why: str, *, weight: float = 1) -> Check:
    good = None if value is None else value <= limit
    detail = why if value is None else f"{value:.3g}{unit}, at most {limit:g}{unit}"
    return Check(name, "performance", _found(good), detail, weight=weight)


def _throughput(numbers: Measurements, why: str) -> Check:
    """Judge whether users' requests reach a task at all; without requests that is unknown."""
    if numbers.requests:
        detail = f"{numbers.requests / numbers.minutes:.3g} requests a minute reach the tasks"
        return Check("throughput", "performance", Finding.GOOD, detail)
    if numbers.balancer_5xx:
        detail = f"{numbers.balancer_5xx:g} requests came, none reached a task"
        return Check("throughput", "performance", Finding.BAD, detail)
    return Check("throughput", "performance", Finding.UNKNOWN, why)


def _business(evidence: Evidence) -> tuple[Check, ...]:
    return tuple(_endpoint(path, answer) for path, answer in evidence.endpoints.items())


def _endpoint(path: str, answer: Answer | NotObserved) -> Check:
    name = f"endpoint {path}"
    match answer:
        case NotObserved(why=why):
            return Check(name, "business", Finding.UNKNOWN, why)
        case Answer(status=None):
            return Check(name, "business", Finding.BAD, "no answer")
        case Answer(status=status):
            return Check(name, "business", _found((status or 0) < 500), f"answers {status}")
