"""ECS's answers: what a cluster, a service, a deployment look like on the wire (JSON 1.1, epoch seconds)."""

from typing import Any

from sandbox.aws.ecs import discovery
from sandbox.aws.ecs.definitions import Definition
from sandbox.aws.ecs.deployments import (
    FARGATE_PROVIDERS,
    Deployment,
    Revision,
    ServiceDeployment,
    breaker_threshold,
)
from sandbox.aws.ecs.region import ClusterRecord, Ecs
from sandbox.aws.ecs.service_settings import on_fargate
from sandbox.aws.ecs.services import Service, of_deployment
from sandbox.aws.ecs.tasks import Task

Answer = dict[str, Any]

_OF_DEPLOYMENT = ("serviceConnectConfiguration", "volumeConfigurations", "vpcLatticeConfigurations")
"""Settings that ECS shows of a deployment, and not of a service."""
_OF_SERVICE = ("loadBalancers", "serviceRegistries")
"""Settings that ECS shows of a service, and not of a deployment."""
_PENDING = {"PROVISIONING", "PENDING", "ACTIVATING"}


def without_nulls(**fields: Any) -> Answer:
    """Return the fields without nulls, which AWS leaves out."""
    return {name: value for name, value in fields.items() if value is not None and value != ""}


def cluster(record: ClusterRecord, ecs: Ecs) -> Answer:
    tasks = [task for task in ecs.live.values() if f"/{record.name}/" in task.arn]
    running = sum(task.status == "RUNNING" for task in tasks)
    services = [owned for (name, _), owned in ecs.services.items() if name == record.name]
    return {
        "clusterArn": record.arn,
        "clusterName": record.name,
        "status": "ACTIVE",
        "registeredContainerInstancesCount": record.instances,
        "runningTasksCount": running,
        "pendingTasksCount": sum(task.status in _PENDING for task in tasks),
        "activeServicesCount": sum(owned.status == "ACTIVE" for owned in services),
        "settings": record.settings or [{"name": "containerInsights", "value": "disabled"}],
        "capacityProviders": sorted(FARGATE_PROVIDERS),
        "defaultCapacityProviderStrategy": [],
        **({"serviceConnectDefaults": {"namespace": record.namespace}} if record.namespace else {}),
    }


def definition(record: Definition) -> Answer:
    return {
        "volumes": [],
        "placementConstraints": [],
        **record.body,
        **without_nulls(
            taskDefinitionArn=record.arn,
            revision=record.revision,
            status=record.status,
            compatibilities=["EC2", "FARGATE"],
            registeredAt=record.registered,
            registeredBy=f"arn:aws:iam::{record.arn.split(':')[4]}:user/operator",
            deregisteredAt=record.deregistered,
        ),
    }


def service(record: Service, ecs: Ecs, *, with_tags: bool = False) -> Answer:
    tasks = ecs.tasks_of(record)
    running, pending = _counts(tasks)
    return without_nulls(
        serviceArn=record.arn,
        serviceName=record.name,
        clusterArn=f"{ecs.prefix}:cluster/{record.cluster}",
        status=record.status,
        desiredCount=record.desired if record.status == "ACTIVE" else 0,
        runningCount=running,
        pendingCount=pending,
        platformFamily="Linux" if on_fargate(record.settings) else None,
        taskDefinition=record.revision.definition.arn,
        deploymentConfiguration=record.configuration,
        deployments=[_deployment(each, record, tasks, ecs) for each in record.deployments]
        if record.controlled_by_ecs
        else [],
        taskSets=None if record.controlled_by_ecs else [_task_set(record, tasks)],
        currentServiceDeployment=record.current.arn if record.controlled_by_ecs else None,
        currentServiceRevisions=_revisions(record, tasks) if record.controlled_by_ecs else None,
        events=[{"id": event.id, "createdAt": event.created, "message": event.message} for event in record.events],
        createdAt=record.created,
        healthCheckGracePeriodSeconds=int(record.grace),
        tags=record.tags if with_tags else None,
        **{name: value for name, value in record.settings.items() if name not in _OF_DEPLOYMENT},
    )


def _counts(tasks: list[Task]) -> tuple[int, int]:
    """Return the numbers of running and of pending tasks, as ECS counts them."""
    return sum(task.status == "RUNNING" for task in tasks), sum(task.status in _PENDING for task in tasks)


def _deployment(deployment: Deployment, owner: Service, tasks: list[Task], ecs: Ecs) -> Answer:
    own = of_deployment(tasks, deployment)
    running, pending = _counts(own)
    revision = deployment.revision
    connected = discovery.resources(ecs.cloud_map, revision.settings, revision.definition)
    return {
        "id": deployment.id,
        "status": deployment.status,
        "taskDefinition": deployment.revision.definition.arn,
        "desiredCount": owner.desired if deployment is owner.primary else sum(task.alive for task in own),
        "pendingCount": pending,
        "runningCount": running,
        "failedTasks": deployment.failed_tasks,
        "createdAt": deployment.created,
        "updatedAt": deployment.updated,
        "rolloutState": deployment.rollout_state,
        "rolloutStateReason": deployment.reason,
        **{name: value for name, value in deployment.revision.settings.items() if name not in _OF_SERVICE},
        **({"platformFamily": "Linux"} if on_fargate(deployment.revision.settings) else {}),
        **({"serviceConnectResources": connected} if connected else {}),
    }


def _task_set(owner: Service, tasks: list[Task]) -> Answer:
    """Return the task set of a service that CodeDeploy deploys."""
    running, pending = _counts(tasks)
    return {
        "id": owner.primary.id,
        "taskSetArn": f"{owner.arn.replace(':service/', ':task-set/')}/{owner.primary.id}",
        "serviceArn": owner.arn,
        "status": "PRIMARY",
        "taskDefinition": owner.revision.definition.arn,
        "computedDesiredCount": owner.desired,
        "pendingCount": pending,
        "runningCount": running,
        "createdAt": owner.primary.created,
        "updatedAt": owner.primary.updated,
        "scale": {"value": 100.0, "unit": "PERCENT"},
        "stabilityStatus": "STEADY_STATE" if owner.steady else "STABILIZING",
        **owner.revision.settings,
    }


def _revisions(owner: Service, tasks: list[Task]) -> list[Answer]:
    return [revision_summary(each.revision, owner, tasks, current=True) for each in owner.deployments]


def revision_summary(revision: Revision, owner: Service, tasks: list[Task], *, current: bool = False) -> Answer:
    ids = {each.id for each in owner.deployments if each.revision is revision}
    running, pending = _counts([task for task in tasks if task.started_by in ids])
    wanted = owner.desired if revision is owner.revision else 0
    summary = {
        "arn": revision.arn,
        "requestedTaskCount": wanted,
        "runningTaskCount": running,
        "pendingTaskCount": pending,
    }
    return summary if current else {**summary, "requestedProductionTrafficWeight": 100.0 if wanted else 0.0}


def service_deployment(record: ServiceDeployment, owner: Service, tasks: list[Task], cluster_arn: str) -> Answer:
    breaker = {
        "status": record.breaker,
        "failureCount": record.failures,
        "threshold": breaker_threshold(owner.desired, record.configuration["deploymentCircuitBreaker"]),
    }
    alarms = record.configuration.get("alarms")
    rollback = record.rollback and {
        "reason": record.rollback[0],
        "startedAt": record.rollback[1],
        "serviceRevisionArn": record.rollback[2].arn,
    }
    return without_nulls(
        serviceDeploymentArn=record.arn,
        serviceArn=owner.arn,
        clusterArn=cluster_arn,
        createdAt=record.created,
        startedAt=record.created,
        finishedAt=record.finished,
        stoppedAt=record.stopped,
        updatedAt=record.updated,
        sourceServiceRevisions=[revision_summary(record.source, owner, tasks)] if record.source else [],
        targetServiceRevision=revision_summary(record.target, owner, tasks),
        status=record.status,
        statusReason=record.reason,
        lifecycleStage=None if record.finished else "SCALE_UP",
        deploymentConfiguration=record.configuration,
        rollback=rollback,
        deploymentCircuitBreaker=breaker,
        alarms=alarms
        and {
            "status": record.alarms,
            "alarmNames": alarms.get("alarmNames", []),
            "triggeredAlarmNames": list(record.triggered_alarms),
        },
    )


def service_deployment_brief(record: ServiceDeployment, owner: Service, cluster_arn: str) -> Answer:
    return without_nulls(
        serviceDeploymentArn=record.arn,
        serviceArn=owner.arn,
        clusterArn=cluster_arn,
        createdAt=record.created,
        startedAt=record.created,
        finishedAt=record.finished,
        targetServiceRevisionArn=record.target.arn,
        status=record.status,
        statusReason=record.reason,
    )


def revision(record: Revision, owner: Service, cluster_arn: str) -> Answer:
    return {
        "serviceRevisionArn": record.arn,
        "serviceArn": owner.arn,
        "clusterArn": cluster_arn,
        "taskDefinition": record.definition.arn,
        **({"platformFamily": "Linux"} if on_fargate(record.settings) else {}),
        **record.settings,
        "containerImages": [
            without_nulls(containerName=name, image=image, imageDigest=manifest and manifest.digest)
            for name, image, manifest in record.images
        ],
        "guardDutyEnabled": False,
        "createdAt": record.created,
    }
