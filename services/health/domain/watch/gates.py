"""The gates of a watched deployment: what has to hold before it counts as healthy."""

from math import ceil

from contracts.gates import Gate
from services.health.domain.checks import fewest_healthy
from services.health.domain.observed import Deployment, NotObserved, Service, TargetHealth
from services.health.domain.watch.memory import Expected, Memory, Observed, completed, lost, runs


def failure_limit(desired: int) -> int:
    """Return how many failed tasks fail a deployment: half of the desired count, 3 at least and 200 at most.

    ECS's own circuit breaker: developer guide, "How the Amazon ECS deployment circuit breaker detects failures".
    """
    return min(max(ceil(0.5 * desired), 3), 200)


def gates(observed: Observed, expected: Expected, memory: Memory, now: float) -> tuple[Gate, ...]:
    """Return the deployment's gates, each with what was observed."""
    service = observed.service
    if service is None:
        return (Gate.true("our_deployment_live", None, detail="the service is gone"),)
    ours = service.deployment(memory.deployment_id)
    rolled_out, how = _rolled_out(observed, service, memory)
    always = (
        Gate.true("rollout_completed", rolled_out, detail=how),
        Gate.true("our_deployment_live", _live(service, expected, memory, now), detail=describe_primary(service)),
        Gate.measured("tasks_running", ours.running if ours else None, "==", service.desired),
        Gate.measured("failed_tasks", memory.blamed, "<", failure_limit(service.desired), detail=memory.last_failure),
    )
    if observed.targets is None:
        return always
    if memory.deployment_id is None:
        unbegun = Gate.measured(
            "targets_healthy", None, ">=", service.desired, samples=0, detail="no deployment has begun"
        )
        return (*always, unbegun)
    if isinstance(observed.targets, NotObserved):
        unseen = Gate.measured("targets_healthy", None, ">=", service.desired, samples=0, detail=observed.targets.why)
        return (*always, unseen)
    healthy, registered = healthy_targets(observed.targets, service, memory), len(observed.targets)
    return (
        *always,
        Gate.measured("targets_healthy", healthy, ">=", service.desired, samples=max(1, registered)),
    )


def _rolled_out(observed: Observed, service: Service, memory: Memory) -> tuple[bool | None, str]:
    """Return whether the rollout is over as far as users feel it, and a phrase about that.

    ECS calls it complete when the last old task has stopped. Behind a load balancer a task drains before that, for up
    to an hour (``deregistration_delay``): it is DEACTIVATING then, is not counted as running, and gets no new request.
    """
    ours = service.deployment(memory.deployment_id)
    if ours is None:
        return None, "not listed"
    targets = observed.targets if isinstance(observed.targets, tuple) else ()
    draining = sum(target.state == "draining" for target in targets)
    if ours.rollout_state == "IN_PROGRESS" and draining and _serves_alone(ours, targets, service):
        return True, f"tasks of before that still drain, without new requests: {draining}"
    return completed(ours, service), ours.reason


def _serves_alone(ours: Deployment, targets: tuple[TargetHealth, ...], service: Service) -> bool:
    """Return whether our deployment has as many healthy tasks as are wanted, and no other deployment has any."""
    full = ours.running == service.desired <= fewest_healthy(targets, service.target_groups)
    return full and service.others(ours.id) == 0


def healthy_targets(targets: tuple[TargetHealth, ...], service: Service, memory: Memory) -> int:
    """Return how many of the healthy targets belong to our deployment at least.

    Any running task of another deployment may be one of them.
    """
    return max(0, fewest_healthy(targets, service.target_groups) - service.others(memory.deployment_id))


def _live(service: Service, expected: Expected, memory: Memory, now: float) -> bool | None:
    primary = service.primary
    if memory.deployment_id is None:
        return None
    if primary is not None and primary.id == memory.deployment_id:
        return runs(primary, expected)
    return False if lost(memory, service, now) else None


def describe_primary(service: Service) -> str:
    """Return the primary deployment and what it runs, as a phrase."""
    primary = service.primary
    return f"{primary.id} runs {primary.task_definition.rsplit('/', 1)[-1]}" if primary else "no deployment"
