"""Task definitions: what ECS accepts, and the revisions that it keeps."""

from dataclasses import dataclass, field
from typing import Any

from sandbox.aws.errors import AwsFault

_GB = 1024
FARGATE_SIZES: dict[int, tuple[int, ...]] = {
    256: (512, 1024, 2048),
    512: tuple(range(1 * _GB, 4 * _GB + 1, _GB)),
    1024: tuple(range(2 * _GB, 8 * _GB + 1, _GB)),
    2048: tuple(range(4 * _GB, 16 * _GB + 1, _GB)),
    4096: tuple(range(8 * _GB, 30 * _GB + 1, _GB)),
    8192: tuple(range(16 * _GB, 60 * _GB + 1, 4 * _GB)),
    16384: tuple(range(32 * _GB, 120 * _GB + 1, 8 * _GB)),
}
"""CPU units to MiB of memory (ECS developer guide, "Fargate task definition considerations")."""


@dataclass(slots=True)
class Definition:
    """One revision. ``body`` is what was registered; it is never changed after that."""

    arn: str
    family: str
    revision: int
    body: dict[str, Any]
    registered: float
    status: str = "ACTIVE"
    deregistered: float | None = None
    tags: list[dict[str, str]] = field(default_factory=list)

    @property
    def containers(self) -> list[dict[str, Any]]:
        return list(self.body["containerDefinitions"])

    def named(self, container: str) -> dict[str, Any]:
        return next(body for body in self.containers if body["name"] == container)

    def main(self, registry: str) -> str:
        """Return the name of the main container where no load balancer names one: the first essential one whose image
        lies in the account's own ``registry``, or else the first essential one.
        """
        essential = [body for body in self.containers if body.get("essential", True)] or self.containers
        own = (body for body in essential if str(body["image"]).startswith(registry))
        return str(next(own, essential[0])["name"])

    @property
    def network_mode(self) -> str:
        fargate = "FARGATE" in self.body.get("requiresCompatibilities", ())
        return str(self.body.get("networkMode") or ("awsvpc" if fargate else "bridge"))

    @property
    def platform(self) -> str:
        architecture = self.body.get("runtimePlatform", {}).get("cpuArchitecture", "X86_64")
        return "linux/arm64" if architecture == "ARM64" else "linux/amd64"


def check_fargate_size(body: dict[str, Any]) -> None:
    """Refuse, in ECS's words, a size that Fargate doesn't have."""
    if "FARGATE" not in body.get("requiresCompatibilities", ()):
        return
    for name in ("cpu", "memory"):
        if not body.get(name):
            raise AwsFault(
                "ClientException",
                f"Fargate requires task definition to have {name} defined at the task level.",
            )
    if body.get("networkMode", "awsvpc") != "awsvpc":
        raise AwsFault("ClientException", "Fargate only supports network mode ‘awsvpc’.")  # noqa: RUF001  ECS's quotes
    cpu, memory = _units(body["cpu"]), _units(body["memory"])
    if cpu not in FARGATE_SIZES:
        raise AwsFault("ClientException", "No Fargate configuration exists for given values.")
    if memory not in FARGATE_SIZES[cpu]:
        raise AwsFault(
            "ClientException",
            f"No Fargate configuration exists for given values: {cpu} CPU, {memory} memory. "
            "See the Amazon ECS documentation for the valid values.",
        )


def task_size(body: dict[str, Any]) -> tuple[int, int] | None:
    """Return a definition's CPU units and MiB at the task level; None where it doesn't say both."""
    cpu, memory = _units(str(body.get("cpu", ""))), _units(str(body.get("memory", "")))
    return (cpu, memory) if cpu > 0 and memory > 0 else None


def _sizes(body: dict[str, Any]) -> dict[str, str]:
    """Return cpu and memory as ECS keeps them: in CPU units and MiB, however they were written.

    ECS API reference, RegisterTaskDefinition.
    """
    read = {name: _units(str(body[name])) for name in ("cpu", "memory") if body.get(name)}
    return {name: str(units) for name, units in read.items() if units > 0}


def _units(text: str) -> int:
    """Return ``512``, ``.5 vCPU`` and ``1GB`` as CPU units and MiB; -1 for any other text."""
    words = text.lower().replace("vcpu", "").replace("gb", "").strip()
    try:
        return int(float(words) * _GB) if words != text.lower().strip() else int(words)
    except ValueError:
        return -1


class Definitions:
    """All families with their revisions."""

    def __init__(self, arn_of: str) -> None:
        self._prefix = arn_of
        self._families: dict[str, list[Definition]] = {}

    def register(self, body: dict[str, Any], tags: list[dict[str, str]], now: float) -> Definition:
        containers = body.get("containerDefinitions") or []
        if not containers:
            raise AwsFault("ClientException", "Container list cannot be empty.")
        if any(not container.get("name") or not container.get("image") for container in containers):
            raise AwsFault("ClientException", "Container.name and Container.image should not be null or empty.")
        check_fargate_size(body)
        body = {**body, **_sizes(body)}
        defaults = {"cpu": 0, "portMappings": [], "essential": True, "environment": [], "mountPoints": []}
        body = {
            **body,
            "containerDefinitions": [{**defaults, "volumesFrom": [], **container} for container in containers],
        }
        revisions = self._families.setdefault(body["family"], [])
        revision = len(revisions) + 1
        arn = f"{self._prefix}{body['family']}:{revision}"
        revisions.append(Definition(arn, body["family"], revision, body, now, tags=list(tags)))
        return revisions[-1]

    def find(self, name: str) -> Definition:
        """Find a definition by ARN, ``family:revision``, or family, whose latest ACTIVE revision is then meant."""
        family, _, revision = name.rsplit("/", 1)[-1].partition(":")
        known = self._families.get(family, [])
        if not revision:
            found = next((definition for definition in reversed(known) if definition.status == "ACTIVE"), None)
        else:
            found = next((definition for definition in known if str(definition.revision) == revision), None)
        if found is None:
            raise AwsFault("ClientException", "Unable to describe task definition.")
        return found

    def usable(self, name: str) -> Definition:
        """Find a definition in order to run it: an INACTIVE one is refused."""
        try:
            found = self.find(name)
        except AwsFault as fault:
            raise AwsFault("ClientException", "TaskDefinition not found.") from fault
        if found.status != "ACTIVE":
            raise AwsFault("ClientException", "TaskDefinition is inactive")
        return found

    def deregister(self, name: str, now: float) -> Definition:
        found = self.find(name)
        if found.status == "ACTIVE":
            found.status, found.deregistered = "INACTIVE", now
        return found

    def families(self) -> dict[str, list[Definition]]:
        return self._families
