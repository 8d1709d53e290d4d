"""The service scheduler: what a service's deployments do next, given its tasks at one moment.

The rolling update of the ECS developer guide: start what is missing within ``maximumPercent``, stop what
is old while ``minimumHealthyPercent`` stays healthy, replace what is unhealthy, complete or fail.
"""

from random import Random
from typing import Protocol

from sandbox.aws.ecs import task_lifecycle
from sandbox.aws.ecs.deployments import (
    ROLLED_OUT,
    Deployment,
    Revision,
    ServiceDeployment,
    breaker_threshold,
    retry_delay,
)
from sandbox.aws.ecs.neighbours import Neighbours
from sandbox.aws.ecs.services import Service, of_deployment
from sandbox.aws.ecs.start_failures import NO_CAPACITY
from sandbox.aws.ecs.tasks import Task

NO_INSTANCES = (
    "was unable to place a task because no container instance met all of its requirements. Reason: No Container "
    "Instances were found in your cluster. For more information, see the Troubleshooting section of the Amazon ECS "
    "Developer Guide."
)
UNPLACED = (
    f"was unable to place a task. Reason: {NO_CAPACITY} For more information, see the Troubleshooting section of the "
    "Amazon ECS Developer Guide."
)


class Cluster(Protocol):
    """The surroundings of a service, as the scheduler uses them."""

    random: Random
    neighbours: Neighbours

    def tasks_of(self, service: Service) -> list[Task]:
        """Every task of the service that isn't STOPPED yet."""
        ...

    def has_room(self, service: Service) -> bool:
        """Return whether there is room for another task: on Fargate, or a container instance."""
        ...

    def start_task(self, service: Service, deployment: Deployment, now: float) -> Task: ...

    def new_id(self) -> str:
        """The digits of a deployment's id."""
        ...


def begin(service: Service, revision: Revision, now: float, cluster: Cluster) -> ServiceDeployment:
    """Start a roll-out of ``revision``; an unfinished one is superseded."""
    source = service.deployments[0].revision if service.deployments else None
    if service.history and service.current.unfinished:
        service.current.finish(now, "STOPPED", "Service deployment was superseded by a newer service deployment.")
    deployment = _replace_primary(service, revision, now, cluster)
    arn = service.arn.replace(":service/", ":service-deployment/") + "/" + cluster.new_id()
    record = ServiceDeployment(arn, now, source, revision, [deployment.id], dict(service.configuration), updated=now)
    if service.configuration["deploymentCircuitBreaker"]["enable"]:
        record.breaker = "MONITORING"
    alarms = service.configuration.get("alarms", {})
    if alarms.get("enable") and not cluster.neighbours.alarms_firing(alarms.get("alarmNames", ())):
        record.alarms = "MONITORING"  # ECS watches none for this deployment when one fires at its start
    service.history.append(record)
    del service.history[:-100]
    return record


def task_ended(service: Service, task: Task, now: float, random: Random) -> None:
    """Note a task that stopped by itself, or that was stopped because it was unhealthy."""
    service.changed = True
    primary = service.primary
    if task.started_by != primary.id or primary.rollout_state != "IN_PROGRESS" or task.proven:
        return
    primary.failed_tasks += 1
    primary.updated = now
    service.current.failures = primary.failed_tasks
    if task.stop_code == task_lifecycle.FAILED_TO_START and now >= primary.next_start:
        primary.throttled += 1
        primary.next_start = now + retry_delay(primary.throttled)
        if primary.throttled == 3:
            service.add_event(
                now,
                "is unable to consistently start tasks successfully. "
                "For more information, see the Troubleshooting section.",
                random,
            )


def reconcile(service: Service, now: float, cluster: Cluster) -> None:
    """Do everything for the service that can be done at ``now``."""
    service.changed = False
    if service.status != "ACTIVE":
        _drain(service, now, cluster)
        return
    _stop_unhealthy(service, now, cluster)
    _judge(service, now, cluster)
    _stop_surplus(service, now, cluster)
    _start_missing(service, now, cluster)
    _forget_drained(service, cluster)
    _complete(service, now, cluster)


def fail(service: Service, now: float, why: str, reason: str, cluster: Cluster, *, rollback: bool) -> None:
    """End the roll-out as failed. ``why`` stands in the event, ``reason`` in the record."""
    failed, record = service.primary, service.current
    failed.moved(now, "FAILED", why)
    service.add_event(now, f"(deployment {failed.id}) deployment failed: {why.rsplit(': ', 1)[-1]}", cluster.random)
    service.changed = True
    target = service.last_completed
    if record.rollback is not None:
        record.finish(now, "ROLLBACK_FAILED", reason)
    elif not rollback:
        record.finish(now, "STOPPED", reason)
    elif target is None:
        record.finish(now, "ROLLBACK_FAILED", "There is no completed service deployment to roll back to.")
    else:
        record.status, record.reason, record.updated = "ROLLBACK_IN_PROGRESS", reason, now
        record.rollback = (reason, now, target)
        deployment = _replace_primary(service, target, now, cluster)
        prefix = why.split(":", 1)[0] if ":" in why else "ECS deployment"
        deployment.reason = f"{prefix}: rolling back to deploymentId {deployment.id}."
        record.deployments.append(deployment.id)
        service.add_event(now, f"rolling back to deployment {deployment.id}.", cluster.random)


def _replace_primary(service: Service, revision: Revision, now: float, cluster: Cluster) -> Deployment:
    for old in service.deployments:
        old.status, old.updated = "ACTIVE", now
    deployment = Deployment(f"ecs-svc/{cluster.new_id()}", revision, now, now)
    deployment.reason = f"ECS deployment {deployment.id} in progress."
    service.deployments.insert(0, deployment)
    service.revision, service.steady, service.changed = revision, False, True
    kept = {name: value for name, value in service.settings.items() if name not in ROLLED_OUT}
    service.settings = kept | revision.settings
    return deployment


def _stop_unhealthy(service: Service, now: float, cluster: Cluster) -> None:
    for task in cluster.tasks_of(service):
        if not task.unhealthy or now < task.replaceable(service.grace):
            continue
        reason = "Task failed container health checks"
        for target in task.targets:
            reason = f"Task failed ELB health checks in (target-group {target.group})"
            why = target.reason[1] if target.reason else "Health checks failed"
            service.add_event(
                now,
                f"(port {target.port}) is unhealthy in (target-group {target.group}) due to (reason {why})",
                cluster.random,
            )
        task_lifecycle.stop(task, now, "ServiceSchedulerInitiated", reason, cluster.neighbours)
        task_ended(service, task, now, cluster.random)
        _add_stopped_event(service, [task], now, cluster)


def _judge(service: Service, now: float, cluster: Cluster) -> None:
    """Trip the circuit breaker or the alarms of a roll-out under way."""
    primary, record = service.primary, service.current
    if primary.rollout_state != "IN_PROGRESS":
        return
    breaker = service.configuration["deploymentCircuitBreaker"]
    works = any(task.proven for task in of_deployment(cluster.tasks_of(service), primary))
    if works and breaker.get("resetOnHealthyTask", True):
        primary.failed_tasks = primary.throttled = record.failures = 0
    if breaker["enable"] and primary.failed_tasks >= breaker_threshold(service.desired, breaker):
        record.breaker = "TRIGGERED"
        fail(
            service,
            now,
            "ECS deployment circuit breaker: tasks failed to start.",
            "Service deployment rolled back because the circuit breaker threshold was exceeded."
            if breaker["rollback"]
            else "Service deployment stopped because the circuit breaker threshold was exceeded.",
            cluster,
            rollback=breaker["rollback"],
        )
        return
    alarms = service.configuration.get("alarms", {})
    firing = cluster.neighbours.alarms_firing(alarms.get("alarmNames", ())) if record.alarms == "MONITORING" else []
    if firing:
        record.alarms, record.triggered_alarms = "TRIGGERED", tuple(firing)
        fail(
            service,
            now,
            "ECS deployment failed: alarm detected.",
            "Service deployment rolled back because of an alarm.",
            cluster,
            rollback=bool(alarms.get("rollback")),
        )


def _stop_surplus(service: Service, now: float, cluster: Cluster) -> None:
    """Stop what the deployment replaces, and what is above the desired count."""
    primary = service.primary
    living = [task for task in cluster.tasks_of(service) if task.alive]
    new = of_deployment(living, primary)
    old = [task for task in living if task.started_by != primary.id]
    surplus = sorted(new, key=lambda task: (task.healthy, task.created))[: max(0, len(new) - service.desired)]
    healthy_new = sum(task.healthy for task in new)
    healthy = healthy_new + sum(task.healthy for task in old)
    full = len(living) >= service.maximum and len(new) < service.desired
    victims: list[Task] = []
    if primary.rollout_state != "FAILED":
        for task in sorted(old, key=lambda task: (task.healthy, task.created)):
            replaced = full or healthy_new + len(old) - len(victims) > service.desired
            if not task.healthy or (replaced and healthy > service.minimum):
                victims.append(task)
                healthy -= task.healthy
    reason = f"Scaling activity initiated by deployment {primary.id}"
    draining = [task for task in (*surplus, *victims) if task.healthy]
    for task in (*surplus, *victims):
        task_lifecycle.stop(task, now, "ServiceSchedulerInitiated", reason, cluster.neighbours)
    if draining:
        service.add_event(now, f"has begun draining connections on {len(draining)} tasks.", cluster.random)
        for group, _ in draining[0].target_groups:
            service.add_event(now, f"deregistered {len(draining)} targets in (target-group {group})", cluster.random)
    _add_stopped_event(service, [*surplus, *victims], now, cluster)


def _start_missing(service: Service, now: float, cluster: Cluster) -> None:
    primary = service.primary
    if primary.rollout_state == "FAILED" or now < primary.next_start:
        return
    living = [task for task in cluster.tasks_of(service) if task.alive]
    missing = service.desired - len(of_deployment(living, primary))
    room = max(service.maximum, service.desired if len(service.deployments) == 1 else 0) - len(living)
    if min(missing, room) > 0 and not cluster.has_room(service):
        primary.throttled += 1
        primary.next_start = now + retry_delay(primary.throttled)
        service.add_event(now, NO_INSTANCES if primary.revision.on_instances else UNPLACED, cluster.random)
        return
    started = [cluster.start_task(service, primary, now) for _ in range(min(missing, room))]
    if started:
        service.steady = False
        names = " ".join(f"(task {task.id})" for task in started)
        service.add_event(now, f"has started {len(started)} tasks: {names}.", cluster.random)


def _forget_drained(service: Service, cluster: Cluster) -> None:
    owners = {task.started_by for task in cluster.tasks_of(service)}
    service.deployments = [
        deployment for deployment in service.deployments if deployment is service.primary or deployment.id in owners
    ]


def _complete(service: Service, now: float, cluster: Cluster) -> None:
    primary = service.primary
    living = [task for task in cluster.tasks_of(service) if task.alive]
    healthy = sum(task.healthy for task in of_deployment(living, primary))
    done = healthy >= service.desired and len(living) == service.desired and len(service.deployments) == 1
    if done and primary.rollout_state == "IN_PROGRESS" and _has_baked(service, now, cluster):
        primary.moved(now, "COMPLETED", f"ECS deployment {primary.id} completed.")
        record = service.current
        record.finish(now, "SUCCESSFUL" if record.rollback is None else "ROLLBACK_SUCCESSFUL")
        service.add_event(now, f"(deployment {primary.id}) deployment completed.", cluster.random)
    if done and not service.steady:
        service.add_event(now, "has reached a steady state.", cluster.random)
    service.steady = done


def _has_baked(service: Service, now: float, cluster: Cluster) -> bool:
    """Return whether the alarms of a roll-out have been watched for long enough since all its tasks are healthy.

    ECS developer guide, "How CloudWatch alarms detect Amazon ECS deployment failures": the bake time follows from the
    configuration of the alarms. The guide names no formula; here it is how far the one that looks back furthest looks.
    """
    record = service.current
    if record.alarms != "MONITORING" or record.rollback is not None:
        return True
    if record.bakes_until is None:
        record.bakes_until = now + cluster.neighbours.alarm_seconds(service.configuration["alarms"]["alarmNames"])
    return now >= record.bakes_until


def _drain(service: Service, now: float, cluster: Cluster) -> None:
    """Stop the tasks of a deleted service; without tasks it becomes INACTIVE."""
    remaining = cluster.tasks_of(service)
    for task in remaining:
        task_lifecycle.stop(task, now, "ServiceSchedulerInitiated", "Service was deleted", cluster.neighbours)
    if not remaining:
        service.status, service.deployments = "INACTIVE", service.deployments[:1]


def _add_stopped_event(service: Service, stopped: list[Task], now: float, cluster: Cluster) -> None:
    if stopped:
        names = " ".join(f"(task {task.id})" for task in stopped)
        service.add_event(now, f"has stopped {len(stopped)} running tasks: {names}.", cluster.random)
