"""ECS's answers: what a task, a service, a deployment look like on the wire (JSON 1.1, epoch seconds)."""

from typing import Any

from sandbox.aws.ecs.definitions import Definition
from sandbox.aws.ecs.deployments import Deployment, Revision, ServiceDeployment, breaker_threshold
from sandbox.aws.ecs.region import ClusterRecord, Ecs
from sandbox.aws.ecs.service_settings import PLATFORM_VERSION, on_fargate
from sandbox.aws.ecs.services import Service, of_deployment
from sandbox.aws.ecs.task_lifecycle import FAILED_TO_START
from sandbox.aws.ecs.tasks import Task

Answer = dict[str, Any]

_OF_DEPLOYMENT = ("serviceConnectConfiguration", "volumeConfigurations", "vpcLatticeConfigurations")
"""Settings that are told of a deployment alone."""
_OF_SERVICE = ("loadBalancers", "serviceRegistries")
"""Those that are not told of a deployment."""


def _told(**fields: Any) -> Answer:
    """Only what there is to tell: AWS leaves out what is null."""
    return {name: value for name, value in fields.items() if value is not None and value != ""}


def cluster(record: ClusterRecord, ecs: Ecs) -> Answer:
    tasks = [task for task in ecs.live.values() if f"/{record.name}/" in task.arn]
    running = sum(task.status == "RUNNING" for task in tasks)
    services = [one for (name, _), one in ecs.services.items() if name == record.name]
    return {
        "clusterArn": record.arn,
        "clusterName": record.name,
        "status": "ACTIVE",
        "registeredContainerInstancesCount": 0,
        "runningTasksCount": running,
        "pendingTasksCount": sum(task.status in _PENDING for task in tasks),
        "activeServicesCount": sum(one.status == "ACTIVE" for one in services),
        "settings": record.settings or [{"name": "containerInsights", "value": "disabled"}],
        "capacityProviders": [],
        "defaultCapacityProviderStrategy": [],
    }


def definition(one: Definition) -> Answer:
    return {
        "volumes": [],
        "placementConstraints": [],
        **one.body,
        **_told(
            taskDefinitionArn=one.arn,
            revision=one.revision,
            status=one.status,
            compatibilities=["EC2", "FARGATE"],
            registeredAt=one.registered,
            registeredBy=f"arn:aws:iam::{one.arn.split(':')[4]}:user/operator",
            deregisteredAt=one.deregistered,
        ),
    }


_PENDING = {"PROVISIONING", "PENDING", "ACTIVATING"}


def task(one: Task, *, with_tags: bool = False) -> Answer:
    cluster_name = one.arn.split("/")[1]
    interface = f"eni-{one.id[:17]}"
    details = [
        {"name": "subnetId", "value": one.subnet},
        {"name": "networkInterfaceId", "value": interface},
        {"name": "macAddress", "value": "02:" + ":".join(one.id[i : i + 2] for i in range(0, 10, 2))},
        {"name": "privateDnsName", "value": f"ip-{one.address.replace('.', '-')}.us-west-2.compute.internal"},
        {"name": "privateIPv4Address", "value": one.address},
    ]
    attached = "DELETED" if one.status == "STOPPED" else "ATTACHED"
    return _told(
        taskArn=one.arn,
        clusterArn=f"{one.arn.split(':task/')[0]}:cluster/{cluster_name}",
        taskDefinitionArn=one.definition.arn,
        group=one.group,
        startedBy=one.started_by,
        launchType="FARGATE",
        capacityProviderName=one.provider,
        platformVersion=PLATFORM_VERSION,
        platformFamily="Linux",
        cpu=one.definition.body.get("cpu", "256"),
        memory=one.definition.body.get("memory", "512"),
        lastStatus=one.status,
        desiredStatus=one.desired_status,
        healthStatus=one.health,
        connectivity="CONNECTED" if one.started else None,
        connectivityAt=one.pull_started,
        createdAt=one.created,
        pullStartedAt=one.pull_started,
        pullStoppedAt=one.pull_stopped,
        startedAt=one.started,
        stoppingAt=one.stopping,
        executionStoppedAt=one.stopping if one.exit_code is not None else None,
        stoppedAt=one.stopped,
        stopCode=one.stop_code,
        stoppedReason=one.stopped_reason,
        version=1,
        attachments=[
            {"id": one.id, "type": "ElasticNetworkInterface", "status": attached, "details": details},
        ],
        attributes=[{"name": "ecs.cpu-architecture", "value": "x86_64"}],
        overrides={"containerOverrides": [], "inferenceAcceleratorOverrides": [], **one.overrides},
        containers=[_container(one, each) for each in one.definition.containers],
        tags=one.tags if with_tags else [],
        ephemeralStorage={"sizeInGiB": 20},
    )


def _container(one: Task, body: Answer) -> Answer:
    main = body["name"] == one.definition.container["name"]
    state = one.status if one.status in {"RUNNING", "STOPPED"} else "PENDING"
    if one.status in {"DEACTIVATING", "STOPPING"}:
        state = "RUNNING"
    elif one.status == "DEPROVISIONING":
        state = "STOPPED"
    pulled = one.pull_stopped is not None and one.manifest is not None and one.stop_code != FAILED_TO_START
    return _told(
        containerArn=f"{one.arn.replace(':task/', ':container/')}/{body['name']}",
        taskArn=one.arn,
        name=body["name"],
        image=one.image if main else body["image"],
        imageDigest=one.manifest.digest if pulled and main and one.manifest else None,
        runtimeId=f"{one.id}-{sum(map(ord, body['name']))}" if one.started else None,
        lastStatus=state,
        exitCode=one.exit_code if state == "STOPPED" else None,
        reason=one.container_reason if main else None,
        healthStatus=one.health if main else "UNKNOWN",
        networkBindings=[],
        networkInterfaces=[{"attachmentId": one.id, "privateIpv4Address": one.address}],
        cpu=str(body.get("cpu", 0)),
        memory=str(body["memory"]) if "memory" in body else None,
    )


def service(one: Service, ecs: Ecs, *, with_tags: bool = False) -> Answer:
    tasks = ecs.tasks_of(one)
    running, pending = _counts(tasks)
    return _told(
        serviceArn=one.arn,
        serviceName=one.name,
        clusterArn=f"{ecs.prefix}:cluster/{one.cluster}",
        status=one.status,
        desiredCount=one.desired if one.status == "ACTIVE" else 0,
        runningCount=running,
        pendingCount=pending,
        platformFamily="Linux" if on_fargate(one.settings) else None,
        taskDefinition=one.revision.definition.arn,
        deploymentConfiguration=one.configuration,
        deployments=[_deployment(each, one, tasks) for each in one.deployments] if one.controlled_by_ecs else [],
        taskSets=None if one.controlled_by_ecs else [_task_set(one, tasks)],
        currentServiceDeployment=one.current.arn if one.controlled_by_ecs else None,
        currentServiceRevisions=_revisions(one, tasks) if one.controlled_by_ecs else None,
        events=[{"id": event.id, "createdAt": event.created, "message": event.message} for event in one.events],
        createdAt=one.created,
        healthCheckGracePeriodSeconds=int(one.grace),
        tags=one.tags if with_tags else None,
        **{name: value for name, value in one.settings.items() if name not in _OF_DEPLOYMENT},
    )


def _counts(tasks: list[Task]) -> tuple[int, int]:
    """Running and pending, as ECS counts them."""
    return sum(task.status == "RUNNING" for task in tasks), sum(task.status in _PENDING for task in tasks)


def _deployment(one: Deployment, owner: Service, tasks: list[Task]) -> Answer:
    own = of_deployment(tasks, one)
    running, pending = _counts(own)
    return {
        "id": one.id,
        "status": one.status,
        "taskDefinition": one.revision.definition.arn,
        "desiredCount": owner.desired if one is owner.primary else sum(task.alive for task in own),
        "pendingCount": pending,
        "runningCount": running,
        "failedTasks": one.failed_tasks,
        "createdAt": one.created,
        "updatedAt": one.updated,
        "rolloutState": one.rollout_state,
        "rolloutStateReason": one.reason,
        **{name: value for name, value in one.revision.settings.items() if name not in _OF_SERVICE},
        **({"platformFamily": "Linux"} if on_fargate(one.revision.settings) else {}),
    }


def _task_set(one: Service, tasks: list[Task]) -> Answer:
    """What CodeDeploy has put there: of a service that ECS itself does not deploy."""
    running, pending = _counts(tasks)
    return {
        "id": one.primary.id,
        "taskSetArn": f"{one.arn.replace(':service/', ':task-set/')}/{one.primary.id}",
        "serviceArn": one.arn,
        "status": "PRIMARY",
        "taskDefinition": one.revision.definition.arn,
        "computedDesiredCount": one.desired,
        "pendingCount": pending,
        "runningCount": running,
        "createdAt": one.primary.created,
        "updatedAt": one.primary.updated,
        "scale": {"value": 100.0, "unit": "PERCENT"},
        "stabilityStatus": "STEADY_STATE" if one.steady else "STABILIZING",
        **one.revision.settings,
    }


def _revisions(one: Service, tasks: list[Task]) -> list[Answer]:
    return [revision_summary(each.revision, one, tasks, current=True) for each in one.deployments]


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


def service_deployment(one: ServiceDeployment, owner: Service, tasks: list[Task], cluster_arn: str) -> Answer:
    breaker = {
        "status": one.breaker,
        "failureCount": one.failures,
        "threshold": breaker_threshold(owner.desired, one.configuration["deploymentCircuitBreaker"]),
    }
    alarms = one.configuration.get("alarms")
    rollback = one.rollback and {
        "reason": one.rollback[0],
        "startedAt": one.rollback[1],
        "serviceRevisionArn": one.rollback[2].arn,
    }
    return _told(
        serviceDeploymentArn=one.arn,
        serviceArn=owner.arn,
        clusterArn=cluster_arn,
        createdAt=one.created,
        startedAt=one.created,
        finishedAt=one.finished,
        stoppedAt=one.stopped,
        updatedAt=one.updated,
        sourceServiceRevisions=[revision_summary(one.source, owner, tasks)] if one.source else [],
        targetServiceRevision=revision_summary(one.target, owner, tasks),
        status=one.status,
        statusReason=one.reason,
        lifecycleStage=None if one.finished else "SCALE_UP",
        deploymentConfiguration=one.configuration,
        rollback=rollback,
        deploymentCircuitBreaker=breaker,
        alarms=alarms
        and {
            "status": one.alarms,
            "alarmNames": alarms.get("alarmNames", []),
            "triggeredAlarmNames": list(one.triggered_alarms),
        },
    )


def service_deployment_brief(one: ServiceDeployment, owner: Service, cluster_arn: str) -> Answer:
    return _told(
        serviceDeploymentArn=one.arn,
        serviceArn=owner.arn,
        clusterArn=cluster_arn,
        createdAt=one.created,
        startedAt=one.created,
        finishedAt=one.finished,
        targetServiceRevisionArn=one.target.arn,
        status=one.status,
        statusReason=one.reason,
    )


def revision(one: Revision, owner: Service, cluster_arn: str) -> Answer:
    return {
        "serviceRevisionArn": one.arn,
        "serviceArn": owner.arn,
        "clusterArn": cluster_arn,
        "taskDefinition": one.definition.arn,
        **({"platformFamily": "Linux"} if on_fargate(one.settings) else {}),
        **one.settings,
        "containerImages": [
            _told(containerName=name, image=image, imageDigest=manifest and manifest.digest)
            for name, image, manifest in one.images
        ],
        "guardDutyEnabled": False,
        "createdAt": one.created,
    }
