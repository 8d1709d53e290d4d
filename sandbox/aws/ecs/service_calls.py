"""The calls on services and their deployments."""

from sandbox.aws.ecs import answers, discovery, scheduler, service_settings
from sandbox.aws.ecs.answers import Answer
from sandbox.aws.ecs.deployments import Revision, ServiceDeployment
from sandbox.aws.ecs.region import Ecs
from sandbox.aws.ecs.services import Service
from sandbox.aws.errors import AwsFault
from sandbox.aws.pages import page


def create_service(ecs: Ecs, request: Answer, now: float) -> Answer:
    cluster = ecs.cluster(request)
    name = request.get("serviceName")
    if not name:
        raise AwsFault("InvalidParameterException", "Service name cannot be empty.")
    known = ecs.services.get((cluster.name, name))
    if known is not None and known.status != "INACTIVE":
        raise AwsFault("InvalidParameterException", "Creation of service was not idempotent.")
    definition = ecs.definitions.usable(request.get("taskDefinition") or "")
    settings = service_settings.settings(service_settings.DEFAULTS, request, definition, ecs.neighbours)
    settings = _with_namespace(settings, cluster.namespace)
    arn = f"{ecs.prefix}:service/{cluster.name}/{name}"
    discovery.settle(ecs.cloud_map, arn, settings, definition, now)
    revision = ecs.new_revision(arn, definition, service_settings.rolled_out(settings), now)
    daemon = settings["schedulingStrategy"] == "DAEMON"
    usual = service_settings.DAEMON_CONFIGURATION if daemon else service_settings.CONFIGURATION
    desired = cluster.instances if daemon else int(request.get("desiredCount", 0))
    service = Service(
        arn, cluster.name, name, now, desired, revision,
        service_settings.configuration(usual, request.get("deploymentConfiguration"), daemon=daemon),
        grace=float(request.get("healthCheckGracePeriodSeconds") or 0),
        settings=settings,
        tags=list(request.get("tags", ())),
    )  # fmt: skip
    ecs.services[cluster.name, name] = service
    _begin(ecs, service, revision, now)
    return {"service": answers.service(service, ecs)}


def _with_namespace(settings: service_settings.Settings, default: str) -> service_settings.Settings:
    """Return the settings with the namespace of the cluster where Service Connect names none.

    ECS API reference, ClusterServiceConnectDefaultsRequest.
    """
    connect = settings.get("serviceConnectConfiguration") or {}
    if not connect.get("enabled") or connect.get("namespace") or not default:
        return settings
    return {**settings, "serviceConnectConfiguration": {**connect, "namespace": default}}


def _begin(ecs: Ecs, service: Service, revision: Revision, now: float) -> None:
    scheduler.begin(service, revision, now, ecs)
    ecs.begun.append(f"{service.primary.id} {revision.definition.arn.rpartition('/')[2]}")


def update_service(ecs: Ecs, request: Answer, now: float) -> Answer:
    """Start a deployment when what runs would change, or on ``forceNewDeployment``; else change settings."""
    service = ecs.service(request)
    old = service.revision.definition
    definition = ecs.definitions.usable(request["taskDefinition"]) if request.get("taskDefinition") else old
    configuration = service_settings.configuration(
        service.configuration, request.get("deploymentConfiguration"), daemon=service.is_daemon
    )
    settings = service_settings.settings(service.settings, request, definition, ecs.neighbours)
    deploys = bool(
        request.get("forceNewDeployment")
        or service_settings.starts_deployment(service.settings, settings)
        or definition.arn != old.arn
    )
    if deploys:
        service_settings.check_deployment(settings["deploymentController"]["type"], configuration["strategy"], request)
        settings = _with_namespace(settings, ecs.clusters[service.cluster].namespace)
        discovery.settle(ecs.cloud_map, service.arn, settings, definition, now)
    service.configuration, service.settings = configuration, settings
    if "desiredCount" in request:
        service.desired = int(request["desiredCount"])
    if request.get("healthCheckGracePeriodSeconds") is not None:
        service.grace = float(request["healthCheckGracePeriodSeconds"])
    service.changed = True
    if deploys:
        _begin(ecs, service, ecs.new_revision(service.arn, definition, service_settings.rolled_out(settings), now), now)
    return {"service": answers.service(service, ecs)}


def delete_service(ecs: Ecs, request: Answer, now: float) -> Answer:
    service = ecs.service(request)
    if service.desired > 0 and not request.get("force"):
        raise AwsFault("InvalidParameterException", "The service cannot be stopped while it is scaled above 0.")
    service.status, service.desired, service.changed = "DRAINING", 0, True
    if service.current.unfinished:
        service.current.finish(now, "STOPPED", "Service was deleted.")
    return {"service": answers.service(service, ecs)}


def describe_services(ecs: Ecs, request: Answer, now: float) -> Answer:
    del now
    cluster = ecs.cluster(request)
    names = request.get("services") or []
    if not 1 <= len(names) <= 10:
        raise AwsFault("InvalidParameterException", "Services must contain 1 to 10 entries.")
    with_tags = "TAGS" in request.get("include", ())
    found, failures = [], []
    for name in names:
        service = ecs.services.get((cluster.name, name.rsplit("/", 1)[-1]))
        if service is None:
            arn = name if name.startswith("arn:") else f"{ecs.prefix}:service/{cluster.name}/{name}"
            failures.append({"arn": arn, "reason": "MISSING"})
        else:
            found.append(answers.service(service, ecs, with_tags=with_tags))
    return {"services": found, "failures": failures}


def list_services(ecs: Ecs, request: Answer, now: float) -> Answer:
    del now
    cluster = ecs.cluster(request)
    active = [
        service.arn
        for service in ecs.services.values()
        if service.cluster == cluster.name and service.status == "ACTIVE"
    ]
    arns, token = page(active, request)
    return {"serviceArns": arns, **token}


def list_services_by_namespace(ecs: Ecs, request: Answer, now: float) -> Answer:
    """List the services whose Service Connect uses a namespace, in every cluster."""
    del now
    namespace = discovery.namespace_of(ecs.cloud_map, request)
    found = []
    for service in ecs.services.values():
        connect = service.settings.get("serviceConnectConfiguration") or {}
        uses = service.status == "ACTIVE" and connect.get("enabled")
        if uses and connect.get("namespace") in {namespace.name, namespace.arn}:
            found.append(service.arn)
    arns, token = page(found, {"maxResults": 10, **request})
    return {"serviceArns": arns, **token}


def list_service_deployments(ecs: Ecs, request: Answer, now: float) -> Answer:
    """Newest first, at most those that ``status`` and ``createdAt`` let through."""
    del now
    service = ecs.service(request)
    statuses = set(request.get("status") or ())
    between = request.get("createdAt", {})
    records = [
        record
        for record in reversed(service.history)
        if (not statuses or record.status in statuses)
        and between.get("after", record.created) <= record.created <= between.get("before", record.created)
    ]
    shown, token = page(records, request)
    arn = _cluster_arn(ecs, service)
    return {
        "serviceDeployments": [answers.service_deployment_brief(record, service, arn) for record in shown],
        **token,
    }


def describe_service_deployments(ecs: Ecs, request: Answer, now: float) -> Answer:
    del now
    found, failures = [], []
    for arn in request["serviceDeploymentArns"]:
        known = _deployment(ecs, arn)
        if known is None:
            failures.append({"arn": arn, "reason": "MISSING"})
            continue
        service, record = known
        tasks = ecs.tasks_of(service)
        found.append(answers.service_deployment(record, service, tasks, _cluster_arn(ecs, service)))
    return {"serviceDeployments": found, "failures": failures}


def describe_service_revisions(ecs: Ecs, request: Answer, now: float) -> Answer:
    del now
    known: dict[str, tuple[Revision, Service]] = {}
    for service in ecs.services.values():
        for record in service.history:
            for revision in (record.target, record.source):
                if revision is not None:
                    known[revision.arn] = revision, service
    asked = request["serviceRevisionArns"]
    return {
        "serviceRevisions": [
            answers.revision(*known[arn], _cluster_arn(ecs, known[arn][1])) for arn in asked if arn in known
        ],
        "failures": [{"arn": arn, "reason": "MISSING"} for arn in asked if arn not in known],
    }


def stop_service_deployment(ecs: Ecs, request: Answer, now: float) -> Answer:
    arn = request["serviceDeploymentArn"]
    known = _deployment(ecs, arn)
    if known is None:
        raise AwsFault("ServiceDeploymentNotFoundException", "Service deployment not found.")
    service, record = known
    if not record.unfinished or record.rollback is not None:
        raise AwsFault(
            "ConflictException",
            f"The service deployment is in the {record.status} state and cannot be stopped.",
        )
    if request.get("stopType", "ROLLBACK") == "ROLLBACK":
        if service.last_completed is None:
            raise AwsFault("ClientException", "There is no completed service deployment to roll back to.")
        scheduler.fail(
            service, now, "ECS deployment stopped: rollback requested.",
            "Service deployment rolled back because of a user request.", ecs, rollback=True,
        )  # fmt: skip
    else:
        scheduler.fail(
            service, now, "ECS deployment stopped: abort requested.",
            "Service deployment stopped because of a user request.", ecs, rollback=False,
        )  # fmt: skip
    return {"serviceDeploymentArn": arn}


def continue_service_deployment(ecs: Ecs, request: Answer, now: float) -> Answer:
    """Refuse the call: only lifecycle hooks pause a deployment, and their strategies are not simulated."""
    del now
    if _deployment(ecs, request["serviceDeploymentArn"]) is None:
        raise AwsFault("ServiceDeploymentNotFoundException", "Service deployment not found.")
    hook = request["hookId"]
    raise AwsFault("InvalidParameterException", f"No lifecycle hook {hook} of the service deployment awaits an action.")


def _deployment(ecs: Ecs, arn: str) -> tuple[Service, ServiceDeployment] | None:
    for service in ecs.services.values():
        for record in service.history:
            if record.arn == arn:
                return service, record
    return None


def _cluster_arn(ecs: Ecs, service: Service) -> str:
    return ecs.clusters[service.cluster].arn
