"""The calls on tasks."""

from sandbox.aws.ecs import service_settings, task_answers
from sandbox.aws.ecs.answers import Answer
from sandbox.aws.ecs.definitions import Definition
from sandbox.aws.ecs.deployments import provider
from sandbox.aws.ecs.region import Ecs
from sandbox.aws.ecs.start_failures import NO_CAPACITY
from sandbox.aws.ecs.tasks import Task
from sandbox.aws.errors import AwsFault
from sandbox.aws.pages import page

MOST_TASKS = 10
"""How many tasks one RunTask may start."""


def list_tasks(ecs: Ecs, request: Answer, now: float) -> Answer:
    """Tasks by service, family, starter and desired status (RUNNING by default)."""
    del now
    cluster = ecs.cluster(request)
    desired = request.get("desiredStatus", "RUNNING")
    name = str(request.get("serviceName", "")).rsplit("/", 1)[-1]
    if name and (cluster.name, name) not in ecs.services:
        raise AwsFault("ServiceNotFoundException", "Service not found.")
    arns = [
        task.arn
        for task in (*ecs.live.values(), *ecs.ended.values())
        if f"/{cluster.name}/" in task.arn
        and task.desired_status == desired
        and (not name or task.group == f"service:{name}")
        and task.started_by == request.get("startedBy", task.started_by)
        and task.definition.family == request.get("family", task.definition.family)
        and request.get("launchType", "FARGATE") == "FARGATE"
        and "containerInstance" not in request
    ]
    shown, token = page(arns, request)
    return {"taskArns": shown, **token}


def describe_tasks(ecs: Ecs, request: Answer, now: float) -> Answer:
    del now
    cluster = ecs.cluster(request)
    names = request.get("tasks") or []
    if not 1 <= len(names) <= 100:
        raise AwsFault("InvalidParameterException", "Tasks must contain 1 to 100 entries.")
    with_tags = "TAGS" in request.get("include", ())
    found, failures = [], []
    for name in names:
        arn = name if name.startswith("arn:") else f"{ecs.prefix}:task/{cluster.name}/{name}"
        task = ecs.live.get(arn) or ecs.ended.get(arn)
        if task is None:
            failures.append({"arn": arn, "reason": "MISSING"})
        else:
            found.append(task_answers.task(task, with_tags=with_tags))
    return {"tasks": found, "failures": failures}


def run_task(ecs: Ecs, request: Answer, now: float) -> Answer:
    cluster = ecs.cluster(request)
    definition = ecs.definitions.usable(request["taskDefinition"])
    network = request.get("networkConfiguration")
    service_settings.check_network(definition, network, ecs.neighbours)
    _check_overrides(request, definition)
    service_settings.check_capacity(request)
    service_settings.check_launch(request, definition)
    strategy = request.get("capacityProviderStrategy") or []
    if not service_settings.on_fargate(request):
        raise AwsFault("InvalidParameterException", "No Container Instances were found in your cluster.")
    if not ecs.capacity:
        return {"tasks": [], "failures": [{"reason": NO_CAPACITY}]}
    token = request.get("clientToken", "")
    repeated = ecs.client_tokens.get(token) if token else None
    if repeated is None:
        tags = request.get("tags") or service_settings.propagated(request.get("propagateTags", ""), [], definition)
        repeated = [
            ecs.add_task(
                cluster.name, definition, now,
                group=request.get("group") or f"family:{definition.family}",
                started_by=request.get("startedBy", ""),
                network=network or {}, overrides=request.get("overrides"),
                tags=tags,
                capacity=capacity,
            ).arn
            for capacity in _capacities(strategy, int(request.get("count") or 1))
        ]  # fmt: skip
        if token:
            ecs.client_tokens[token] = repeated
    tasks = [ecs.live.get(arn) or ecs.ended.get(arn) for arn in repeated]
    return {"tasks": [task_answers.task(task) for task in tasks if task is not None], "failures": []}


def _check_overrides(request: Answer, definition: Definition) -> None:
    if not 1 <= int(request.get("count") or 1) <= MOST_TASKS:
        raise AwsFault("InvalidParameterException", f"Count must be between 1 and {MOST_TASKS}.")
    known = {container["name"] for container in definition.containers}
    for override in request.get("overrides", {}).get("containerOverrides", ()):
        if override.get("name") not in known:
            why = f"Override for container named {override.get('name')} is not a container in the TaskDefinition."
            raise AwsFault("InvalidParameterException", why)


def _capacities(strategy: list[Answer], count: int) -> list[str]:
    """Return the capacity provider of each of ``count`` tasks; empty texts where there is a launch type instead."""
    placed: list[str] = []
    for _ in range(count):
        placed.append(provider(strategy, placed) if strategy else "")
    return placed


def stop_task(ecs: Ecs, request: Answer, now: float) -> Answer:
    cluster = ecs.cluster(request)
    task = _find(ecs, cluster.name, str(request["task"]))
    ecs.stop_task(task, now, "UserInitiated", request.get("reason") or "Task stopped by user")
    return {"task": task_answers.task(task)}


def _find(ecs: Ecs, cluster: str, name: str) -> Task:
    arn = name if name.startswith("arn:") else f"{ecs.prefix}:task/{cluster}/{name}"
    task = ecs.live.get(arn) or ecs.ended.get(arn)
    if task is None:
        raise AwsFault("InvalidParameterException", "The referenced task was not found.")
    return task
