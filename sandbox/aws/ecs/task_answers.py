"""What a task and its containers look like on the wire."""

from sandbox.aws.ecs.answers import Answer, without_nulls
from sandbox.aws.ecs.service_settings import PLATFORM_VERSION
from sandbox.aws.ecs.task_lifecycle import FAILED_TO_START
from sandbox.aws.ecs.tasks import Task

_ARCHITECTURES = {"linux/amd64": "x86_64", "linux/arm64": "arm64"}


def task(record: Task, *, with_tags: bool = False) -> Answer:
    cluster_name = record.arn.split("/")[1]
    return without_nulls(
        taskArn=record.arn,
        clusterArn=f"{record.arn.split(':task/')[0]}:cluster/{cluster_name}",
        taskDefinitionArn=record.definition.arn,
        group=record.group,
        startedBy=record.started_by,
        launchType="EC2" if record.instance else "FARGATE",
        containerInstanceArn=record.instance,
        capacityProviderName=record.provider,
        platformVersion="" if record.instance else PLATFORM_VERSION,
        platformFamily="" if record.instance else "Linux",
        cpu=record.definition.body.get("cpu", "256"),
        memory=record.definition.body.get("memory", "512"),
        lastStatus=record.status,
        desiredStatus=record.desired_status,
        healthStatus=record.health,
        connectivity="CONNECTED" if record.started else None,
        connectivityAt=record.pull_started,
        createdAt=record.created,
        pullStartedAt=record.pull_started,
        pullStoppedAt=record.pull_stopped,
        startedAt=record.started,
        stoppingAt=record.stopping,
        executionStoppedAt=record.stopping if record.exit_codes else None,
        stoppedAt=record.stopped,
        stopCode=record.stop_code,
        stoppedReason=record.stopped_reason,
        version=1,
        attachments=[_interface(record)],
        attributes=[{"name": "ecs.cpu-architecture", "value": _ARCHITECTURES[record.definition.platform]}],
        overrides={"containerOverrides": [], "inferenceAcceleratorOverrides": [], **record.overrides},
        containers=[_container(record, each) for each in record.definition.containers],
        tags=record.tags if with_tags else [],
        ephemeralStorage={"sizeInGiB": 20},
    )


def _interface(record: Task) -> Answer:
    details = [
        {"name": "subnetId", "value": record.subnet},
        {"name": "networkInterfaceId", "value": f"eni-{record.id[:17]}"},
        {"name": "macAddress", "value": "02:" + ":".join(record.id[i : i + 2] for i in range(0, 10, 2))},
        {"name": "privateDnsName", "value": f"ip-{record.address.replace('.', '-')}.us-west-2.compute.internal"},
        {"name": "privateIPv4Address", "value": record.address},
    ]
    attached = "DELETED" if record.status == "STOPPED" else "ATTACHED"
    return {"id": record.id, "type": "ElasticNetworkInterface", "status": attached, "details": details}


def _container(owner: Task, body: Answer) -> Answer:
    _, image, manifest = next(resolved for resolved in owner.images if resolved[0] == body["name"])
    main, ended = body["name"] == owner.main, owner.ended or owner.main
    state = owner.status if owner.status in {"RUNNING", "STOPPED"} else "PENDING"
    if owner.status in {"DEACTIVATING", "STOPPING"}:
        state = "RUNNING"
    elif owner.status == "DEPROVISIONING":
        state = "STOPPED"
    pulled = owner.pull_stopped is not None and manifest is not None and owner.stop_code != FAILED_TO_START
    return without_nulls(
        containerArn=f"{owner.arn.replace(':task/', ':container/')}/{body['name']}",
        taskArn=owner.arn,
        name=body["name"],
        image=image,
        imageDigest=manifest.digest if pulled and manifest else None,
        runtimeId=f"{owner.id}-{sum(map(ord, body['name']))}" if owner.started else None,
        lastStatus=state,
        exitCode=owner.exit_codes.get(body["name"]) if state == "STOPPED" else None,
        reason=owner.container_reason if body["name"] == ended else None,
        healthStatus=owner.health if main else "UNKNOWN",
        networkBindings=[],
        networkInterfaces=[{"attachmentId": owner.id, "privateIpv4Address": owner.address}],
        cpu=str(body.get("cpu", 0)),
        memory=str(body["memory"]) if "memory" in body else None,
    )
