"""Makes a new task definition from the live one, and compares task definitions."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any

Body = dict[str, Any]

READ_ONLY = frozenset({
    "taskDefinitionArn", "revision", "status", "requiresAttributes", "compatibilities", "registeredAt",
    "registeredBy", "deregisteredAt", "deleteRequestedAt",
})  # fmt: skip
"""Fields that DescribeTaskDefinition returns and RegisterTaskDefinition refuses."""


NAMING = frozenset({
    "name", "image", "family", "cpu", "memory", "networkMode", "requiresCompatibilities", "taskRoleArn",
    "executionRoleArn", "logDriver", "protocol", "cpuArchitecture", "operatingSystemFamily", "containerName",
    "condition", "sourceVolume", "pidMode", "ipcMode", "valueFrom",
})  # fmt: skip
"""Fields of a task definition whose values are names that anybody may read; every other text may be a secret."""


class UnknownContainer(ValueError):
    """The change names a container that the task does not have."""


def registrable(definition: Mapping[str, Any]) -> Body:
    """Return a described task definition as RegisterTaskDefinition takes it, without AWS's own tags."""
    body = {key: value for key, value in definition.items() if key not in READ_ONLY}
    body["tags"] = [tag for tag in definition.get("tags", ()) if not tag["key"].lower().startswith("aws:")]
    if not body["tags"]:
        del body["tags"]
    return body


def values_of(definition: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the texts in a task definition that may be secrets: environment, commands, labels, options."""
    return tuple(_values(definition, ""))


def _values(part: Any, name: str) -> Iterator[str]:
    if isinstance(part, Mapping):
        for key, value in part.items():
            yield from _values(value, key)
    elif isinstance(part, list | tuple):
        for value in part:
            yield from _values(value, name)
    elif isinstance(part, str) and name not in NAMING:
        yield part


def with_images(definition: Mapping[str, Any], images: Mapping[str, str]) -> Body:
    """Return ``definition``, to be registered, with other images in the named containers and no other difference.

    Raise ``UnknownContainer``.
    """
    containers = definition["containerDefinitions"]
    unknown = sorted(set(images) - {container["name"] for container in containers})
    if unknown:
        known = ", ".join(sorted(container["name"] for container in containers))
        raise UnknownContainer(f"The task has no container {', '.join(unknown)}; it has {known}.")
    changed = [{**container, "image": images.get(container["name"], container["image"])} for container in containers]
    return {**registrable(definition), "containerDefinitions": changed}


def pinned(reference: str, digest: str | None) -> str:
    """Return ``repository:tag`` as ``repository@digest``; what has a digest, or an unknown one, stays as it is."""
    if digest is None or "@" in reference:
        return reference
    repository, colon, tag = reference.rpartition(":")
    return f"{repository if colon and '/' not in tag else reference}@{digest}"


def pinned_definition(definition: Mapping[str, Any], digests: Mapping[str, str]) -> Body:
    """Return a described task definition as it is registered, with each image by the digest that ran.

    ``digests``: container name → ``sha256:…``. An image whose digest is not known stays as it is.
    """
    body = registrable(definition)
    containers = [
        {**container, "image": pinned(container["image"], digests.get(container["name"]))}
        for container in body["containerDefinitions"]
    ]
    return {**body, "containerDefinitions": containers}


def content_hash(definition: Mapping[str, Any]) -> str:
    """Return a hash that is the same for two task definitions that run the same: without tags and order of variables.

    Tags have no effect on what runs, and ECS may return variables in another order.
    """
    body = {key: value for key, value in registrable(definition).items() if key != "tags" and value}
    body["containerDefinitions"] = [
        {
            key: sorted(value, key=lambda pair: str(pair["name"])) if key in {"environment", "secrets"} else value
            for key, value in container.items()
        }
        for container in body["containerDefinitions"]
    ]
    return hashlib.sha256(json.dumps(body, sort_keys=True, default=str).encode()).hexdigest()


def matches_change(definition: Mapping[str, Any], images: Mapping[str, str], wanted: str | None) -> bool:
    """Return whether a change to these images, or to the task definition ``wanted``, leads to ``definition``.

    ``wanted`` is ``family``, ``family:revision`` or the full ARN; None for a change of images.
    """
    arn = str(definition["taskDefinitionArn"])
    if wanted is not None:
        name = arn.rpartition("/")[2]
        return wanted in {arn, name, name.partition(":")[0]}
    now = {container["name"]: container["image"] for container in definition["containerDefinitions"]}
    return bool(images) and all(now.get(name) == image for name, image in images.items())
