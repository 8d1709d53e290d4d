"""ECS's API: the table of operations, and those on clusters, task definitions and tags."""

from collections.abc import Callable
from typing import Any

from sandbox.aws.ecs import answers, requests, service_calls, task_calls
from sandbox.aws.ecs.answers import Answer
from sandbox.aws.ecs.region import ClusterRecord, Ecs
from sandbox.aws.errors import AwsFault
from sandbox.aws.pages import page

TARGET = "AmazonEC2ContainerServiceV20141113"
"""The prefix of ``X-Amz-Target``."""


def create_cluster(ecs: Ecs, request: Answer, now: float) -> Answer:
    del now
    name = request.get("clusterName") or "default"
    record = ecs.clusters.setdefault(name, ClusterRecord(f"{ecs.prefix}:cluster/{name}", name))
    record.settings = list(request.get("settings", record.settings))
    record.tags = list(request.get("tags", record.tags))
    record.namespace = str((request.get("serviceConnectDefaults") or {}).get("namespace") or record.namespace)
    return {"cluster": answers.cluster(record, ecs)}


def describe_clusters(ecs: Ecs, request: Answer, now: float) -> Answer:
    del now
    found, failures = [], []
    for name in request.get("clusters") or ["default"]:
        record = ecs.clusters.get(name.rsplit("/", 1)[-1])
        if record is not None:
            tags = {"tags": record.tags} if "TAGS" in request.get("include", ()) else {}
            found.append({**answers.cluster(record, ecs), **tags})
        else:
            arn = name if name.startswith("arn:") else f"{ecs.prefix}:cluster/{name}"
            failures.append({"arn": arn, "reason": "MISSING"})
    return {"clusters": found, "failures": failures}


def list_clusters(ecs: Ecs, request: Answer, now: float) -> Answer:
    del now
    arns, token = page([record.arn for record in ecs.clusters.values()], request)
    return {"clusterArns": arns, **token}


def register_task_definition(ecs: Ecs, request: Answer, now: float) -> Answer:
    body = {key: value for key, value in request.items() if key != "tags"}
    registered = ecs.definitions.register(body, request.get("tags", []), now)
    return {"taskDefinition": answers.definition(registered), "tags": registered.tags}


def describe_task_definition(ecs: Ecs, request: Answer, now: float) -> Answer:
    del now
    found = ecs.definitions.find(request["taskDefinition"])
    tags = {"tags": found.tags} if "TAGS" in request.get("include", ()) else {}
    return {"taskDefinition": answers.definition(found), **tags}


def deregister_task_definition(ecs: Ecs, request: Answer, now: float) -> Answer:
    return {"taskDefinition": answers.definition(ecs.definitions.deregister(request["taskDefinition"], now))}


def list_task_definitions(ecs: Ecs, request: Answer, now: float) -> Answer:
    del now
    families = ecs.definitions.families()
    chosen = families.values() if "familyPrefix" not in request else [families.get(request["familyPrefix"], [])]
    arns = [
        definition.arn for each in chosen for definition in each if definition.status == request.get("status", "ACTIVE")
    ]
    shown, token = page(arns if request.get("sort", "ASC") == "ASC" else arns[::-1], request)
    return {"taskDefinitionArns": shown, **token}


def list_task_definition_families(ecs: Ecs, request: Answer, now: float) -> Answer:
    del now
    wanted = request.get("status", "ALL")
    names = [
        family
        for family, revisions in ecs.definitions.families().items()
        if family.startswith(request.get("familyPrefix", ""))
        and (wanted == "ALL" or any(definition.status == "ACTIVE" for definition in revisions) == (wanted == "ACTIVE"))
    ]
    shown, token = page(names, request)
    return {"families": shown, **token}


def list_tags_for_resource(ecs: Ecs, request: Answer, now: float) -> Answer:
    del now
    return {"tags": _tagged(ecs, request["resourceArn"]).tags}


def tag_resource(ecs: Ecs, request: Answer, now: float) -> Answer:
    del now
    resource = _tagged(ecs, request["resourceArn"])
    added = {tag["key"]: tag for tag in request["tags"]}
    resource.tags = [*(tag for tag in resource.tags if tag["key"] not in added), *added.values()]
    return {}


def untag_resource(ecs: Ecs, request: Answer, now: float) -> Answer:
    del now
    resource = _tagged(ecs, request["resourceArn"])
    resource.tags = [tag for tag in resource.tags if tag["key"] not in request["tagKeys"]]
    return {}


def _tagged(ecs: Ecs, arn: str) -> Any:
    resources: tuple[Any, ...] = (
        *ecs.clusters.values(), *ecs.services.values(), *ecs.live.values(), *ecs.ended.values(),
        *(revision for revisions in ecs.definitions.families().values() for revision in revisions),
    )  # fmt: skip
    for resource in resources:
        if resource.arn == arn:
            return resource
    raise AwsFault("InvalidParameterException", "The specified resource was not found.")


_FUNCTIONS: tuple[Callable[[Ecs, Answer, float], Answer], ...] = (
    create_cluster, describe_clusters, list_clusters,
    register_task_definition, describe_task_definition, deregister_task_definition,
    list_task_definitions, list_task_definition_families,
    list_tags_for_resource, tag_resource, untag_resource,
    service_calls.create_service, service_calls.update_service, service_calls.delete_service,
    service_calls.describe_services, service_calls.list_services, service_calls.list_services_by_namespace,
    service_calls.list_service_deployments, service_calls.describe_service_deployments,
    service_calls.describe_service_revisions, service_calls.stop_service_deployment,
    service_calls.continue_service_deployment,
    task_calls.list_tasks, task_calls.describe_tasks, task_calls.run_task, task_calls.stop_task,
)  # fmt: skip

OPERATIONS = {"".join(part.title() for part in operation.__name__.split("_")): operation for operation in _FUNCTIONS}


def call(ecs: Ecs, operation: str, request: dict[str, Any], now: float) -> Answer:
    """Answer one call. Raise ``AwsFault`` for what ECS would refuse and for what isn't simulated."""
    function = OPERATIONS.get(operation)
    if function is None:
        raise AwsFault("UnsupportedFeatureException", f"The simulated ECS has no {operation}.")
    requests.check(operation, request)
    return function(ecs, request, now)
