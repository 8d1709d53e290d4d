"""Settings of CreateService and UpdateService: completed with defaults, or refused in ECS's words."""

from collections.abc import Mapping
from typing import Any

from sandbox.aws.ecs.definitions import Definition
from sandbox.aws.ecs.deployments import FARGATE_PROVIDERS, ROLLED_OUT
from sandbox.aws.ecs.neighbours import Neighbours
from sandbox.aws.errors import AwsFault

Settings = dict[str, Any]

PLATFORM_VERSION = "1.4.0"
KEPT = (
    "placementConstraints", "placementStrategy", "schedulingStrategy", "deploymentController",
    "enableECSManagedTags", "propagateTags", "enableExecuteCommand", "availabilityZoneRebalancing",
)  # fmt: skip
"""Settings that belong to no deployment; all but ``propagateTags`` have no effect here."""

DEFAULTS: Settings = {
    "loadBalancers": [],
    "serviceRegistries": [],
    "placementConstraints": [],
    "placementStrategy": [],
    "schedulingStrategy": "REPLICA",
    "deploymentController": {"type": "ECS"},
    "propagateTags": "NONE",
    "enableECSManagedTags": False,
    "enableExecuteCommand": False,
}
CONFIGURATION: Settings = {
    "deploymentCircuitBreaker": {"enable": False, "rollback": False},
    "maximumPercent": 200,
    "minimumHealthyPercent": 100,
    "strategy": "ROLLING",
    "bakeTimeInMinutes": 0,
}
"""The default deployment configuration."""
DAEMON_CONFIGURATION: Settings = {**CONFIGURATION, "maximumPercent": 100, "minimumHealthyPercent": 0}
"""The default of DAEMON services (ECS API reference, DeploymentConfiguration)."""


def settings(old: Mapping[str, Any], request: Mapping[str, Any], definition: Definition, near: Neighbours) -> Settings:
    """Return ``old`` with the changes of the request. Raise ``AwsFault`` where ECS refuses."""
    check_capacity(request)
    new = {**old, **{name: request[name] for name in (*ROLLED_OUT, *KEPT) if name in request}}
    if request.get("role"):
        new["roleArn"] = request["role"]
    if new.get("capacityProviderStrategy"):
        new.pop("launchType", None)
    else:
        back = "FARGATE" if new.pop("capacityProviderStrategy", None) == [] and _for_fargate(definition) else "EC2"
        new["launchType"] = new.get("launchType") or back
    if new["schedulingStrategy"] == "DAEMON":
        _check_daemon(new, request)
    if new["deploymentController"]["type"] == "EXTERNAL":
        raise AwsFault("UnsupportedFeatureException", "The simulated ECS has no EXTERNAL deployment controller.")
    check_launch(new, definition)
    if on_fargate(new) and new.get("platformVersion", "LATEST") in {"", "LATEST"}:
        new["platformVersion"] = PLATFORM_VERSION
    check_network(definition, new.get("networkConfiguration"), near)
    for balancer in new["loadBalancers"]:
        _check_balancer(balancer, definition, near)
    return new


def _check_daemon(new: Mapping[str, Any], request: Mapping[str, Any]) -> None:
    """Refuse what goes with no DAEMON service."""
    refused = "The daemon scheduling strategy does not support"
    if "desiredCount" in request:
        raise _invalid(f"{refused} a desired count for services. Remove the desired count value and try again.")
    if on_fargate(new):
        raise _invalid(f"{refused} the Fargate launch type.")
    if new.get("placementStrategy"):
        raise _invalid(f"{refused} placement strategies.")


def on_fargate(wanted: Mapping[str, Any]) -> bool:
    """Return whether the service's tasks run on Fargate; all capacity providers here do."""
    return wanted.get("launchType") == "FARGATE" or bool(wanted.get("capacityProviderStrategy"))


def rolled_out(wanted: Mapping[str, Any]) -> Settings:
    """Return those settings that tasks get from their deployment."""
    return {name: wanted[name] for name in ROLLED_OUT if name in wanted}


def starts_deployment(old: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
    """Return whether a change of settings starts a deployment. Raise ``AwsFault`` where it has to be forced."""
    changed = {name for name in ROLLED_OUT if old.get(name) != new.get(name)}
    if changed & {"capacityProviderStrategy", "launchType"}:
        raise _invalid(
            "When switching from launch type to capacity provider strategy on an existing service, or making a change "
            "to a capacity provider strategy on a service that is already using one, you must force a new deployment."
        )
    return bool(changed)


def configuration(old: Mapping[str, Any], change: Mapping[str, Any] | None, *, daemon: bool = False) -> Settings:
    """Return the deployment configuration with the request's changes. Raise ``AwsFault`` where ECS refuses."""
    new = {**old, **(change or {})}
    if daemon and int(new["maximumPercent"]) > DAEMON_CONFIGURATION["maximumPercent"]:
        raise _invalid("The daemon scheduling strategy does not support values above 100 for maximumPercent.")
    if int(new["maximumPercent"]) <= 100 and int(new["minimumHealthyPercent"]) >= 100:
        raise _invalid(
            "Both maximumPercent and minimumHealthyPercent cannot be 100 as this will block deployments.",
        )
    if new.get("alarms", {}).get("enable") and not new["alarms"].get("alarmNames"):
        raise _invalid("Alarm names cannot be empty when alarms are enabled.")
    return new


def check_deployment(controller: str, strategy: str, request: Mapping[str, Any]) -> None:
    """Refuse to begin a deployment that is CodeDeploy's, or of a strategy that is only kept here."""
    if controller == "CODE_DEPLOY":
        what = "Unable to update network parameters"
        if request.get("forceNewDeployment"):
            what = "Cannot force a new deployment"
        elif request.get("taskDefinition"):
            what = "Unable to update task definition"
        raise _invalid(
            f"{what} on services with a CODE_DEPLOY deployment controller. "
            "Use AWS CodeDeploy to trigger a new deployment."
        )
    if strategy != "ROLLING":
        raise AwsFault(
            "UnsupportedFeatureException",
            f"The simulated ECS keeps {strategy} services, and deploys none of them anew.",
        )


def check_network(definition: Definition, network: Mapping[str, Any] | None, near: Neighbours) -> None:
    if definition.network_mode == "awsvpc" and not network:
        raise _invalid("Network Configuration must be provided when networkMode 'awsvpc' is specified.")
    for subnet in (network or {}).get("awsvpcConfiguration", {}).get("subnets", ()):
        if near.free_addresses(subnet) is None:
            raise _invalid(
                f"Error retrieving subnet information for [{subnet}]: The subnet ID '{subnet}' does not exist "
                "(ErrorCode: InvalidSubnetID.NotFound)"
            )


def check_capacity(request: Mapping[str, Any]) -> None:
    """Check launch type and capacity providers, for RunTask as for services. Raise ``AwsFault``."""
    strategy = request.get("capacityProviderStrategy") or []
    if request.get("launchType") and strategy:
        raise _invalid(
            "Specifying both a launch type and capacity provider strategy is not supported. Remove one and try again."
        )
    unknown = {entry["capacityProvider"] for entry in strategy}.difference(FARGATE_PROVIDERS)
    if unknown:
        raise _invalid(f"The specified capacity provider '{min(unknown)}' was not found. Specify a valid name.")
    if len(strategy) > 1 and not any(entry.get("weight") for entry in strategy):
        raise _invalid("At least one capacity provider of the strategy must have a weight greater than zero.")


def propagated(by: str, tags: list[dict[str, str]], definition: Definition) -> list[dict[str, str]]:
    """Return the tags of a task by ``propagateTags`` (SERVICE, TASK_DEFINITION, NONE); ``tags`` are its service's."""
    return {"SERVICE": tags, "TASK_DEFINITION": definition.tags}.get(by, [])


def check_launch(wanted: Mapping[str, Any], definition: Definition) -> None:
    if on_fargate(wanted) and not _for_fargate(definition):
        raise _invalid("Task definition does not support launch_type FARGATE.")


def _for_fargate(definition: Definition) -> bool:
    return "FARGATE" in definition.body.get("requiresCompatibilities", ())


def _check_balancer(balancer: Mapping[str, Any], definition: Definition, near: Neighbours) -> None:
    name, port = balancer.get("containerName"), balancer.get("containerPort")
    container = next((candidate for candidate in definition.containers if candidate["name"] == name), None)
    if container is None:
        raise _invalid(f"The container {name} does not exist in the task definition.")
    if port not in {port_mapping.get("containerPort") for port_mapping in container["portMappings"]}:
        raise _invalid(f"The container {name} did not have a container port {port} defined.")
    group = balancer.get("targetGroupArn")
    if group and near.load_balancer_of(group) is None:
        raise _invalid(f"The target group with targetGroupArn {group} does not have an associated load balancer.")


def _invalid(why: str) -> AwsFault:
    return AwsFault("InvalidParameterException", why)
