"""Reasons why a task does not start, in ECS's words; each function returns an empty text if there is none.

ECS developer guide, "Amazon ECS stopped tasks error messages".
"""

from sandbox.aws.ecs.neighbours import Neighbours
from sandbox.aws.ecs.tasks import Resolved, Task

NO_CAPACITY = "Capacity is unavailable at this time. Please try again later or in a different availability zone."
_RESOURCES = "ResourceInitializationError: unable to pull secrets or registry auth: "
_INTERFACE = "Unexpected EC2 error while attempting to Create Network Interface with public IP assignment {public} in "
_PULL = "CannotPullContainerError: pull image manifest has been retried 5 time(s): "


def unplaced(task: Task, near: Neighbours) -> str:
    """Return why the task gets no network interface."""
    free = near.free_addresses(task.subnet) if task.subnet else 1
    if free:
        return ""
    public = task.network.get("awsvpcConfiguration", {}).get("assignPublicIp", "DISABLED").lower()
    code = "InvalidSubnetID.NotFound" if free is None else "InsufficientFreeAddressesInSubnet"
    return f"{_INTERFACE.format(public=public)}subnet '{task.subnet}': {code}"


def unmade(task: Task, near: Neighbours) -> str:
    """Return why its containers cannot be created: its role, its secrets, its images."""
    definition = task.definition
    role = str(definition.body.get("executionRoleArn", ""))
    if role.rpartition("/")[2] in near.roles_gone:
        return f"{_RESOURCES}ECS was unable to assume the role '{role}'"
    secrets = [secret["valueFrom"] for container in definition.containers for secret in container.get("secrets", ())]
    fault = next(filter(None, map(near.secret_fault, secrets)), "")
    if fault:
        return f"{_RESOURCES}execution resource retrieval failed: {fault}"
    essential = {container["name"] for container in definition.containers if container.get("essential", True)}
    return next(filter(None, (_unpulled(task, image) for image in task.images if image[0] in essential)), "")


def _unpulled(task: Task, resolved: Resolved) -> str:
    _, image, manifest = resolved
    if manifest is None:
        return f"{_PULL}failed to resolve ref {image}: {image}: not found"
    if task.definition.platform not in manifest.platforms:
        return f"{_PULL}image Manifest does not contain descriptor matching platform '{task.definition.platform}'"
    return ""
