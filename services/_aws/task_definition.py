"""A typed view of task definitions: size, platform, images."""

import re
from dataclasses import dataclass, field

from services._aws.body import Body, entries, epoch

_QUANTITY = re.compile(r"^\s*(?P<number>[0-9]*\.?[0-9]+)\s*(?P<unit>vcpu|gb)?\s*$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class EcsTaskDefinition:
    """A task definition with its tags. Its environment, which may hold secrets, stays in the body."""

    body: Body = field(repr=False)

    @property
    def arn(self) -> str:
        return str(self.body.get("taskDefinitionArn", ""))

    @property
    def family(self) -> str:
        return str(self.body.get("family", ""))

    @property
    def revision(self) -> int:
        return int(self.body.get("revision", 0))

    @property
    def active(self) -> bool:
        return self.body.get("status") == "ACTIVE"

    @property
    def registered_at(self) -> float | None:
        return epoch(self.body.get("registeredAt"))

    @property
    def operating_system(self) -> str:
        """Return ``LINUX``, or a Windows family; Fargate's default is Linux."""
        return str(self._platform.get("operatingSystemFamily") or "LINUX")

    @property
    def architecture(self) -> str:
        """Return ``X86_64`` or ``ARM64``; Fargate's default is X86_64."""
        return str(self._platform.get("cpuArchitecture") or "X86_64")

    @property
    def cpu(self) -> int | None:
        """Return CPU units (1024 are one vCPU) of the task; None where only its containers have some, as on EC2."""
        return _quantity(self.body.get("cpu"), "vcpu")

    @property
    def memory(self) -> int | None:
        """Return MiB of the whole task; None where only its containers have some, as on EC2."""
        return _quantity(self.body.get("memory"), "gb")

    @property
    def network_mode(self) -> str:
        """Return ``awsvpc``, ``bridge``, ``host`` or ``none``; where AWS says nothing, Fargate has awsvpc alone."""
        only_fargate = "FARGATE" in (self.body.get("requiresCompatibilities") or ())
        return str(self.body.get("networkMode") or ("awsvpc" if only_fargate else "bridge"))

    @property
    def launch_types(self) -> frozenset[str]:
        """Return the launch types that ECS has found it fit for; empty where AWS does not say it."""
        return frozenset(self.body.get("compatibilities") or ())

    @property
    def ports(self) -> dict[str, tuple[range, ...]]:
        """Return container name → the container ports that it maps; a single port is a range, too."""
        return {
            str(container.get("name", "")): tuple(map(_ports, entries(container, "portMappings")))
            for container in entries(self.body, "containerDefinitions")
        }

    @property
    def task_role(self) -> str | None:
        """Return the role by which its tasks run; None where it has none."""
        return self.body.get("taskRoleArn") or None

    @property
    def execution_role(self) -> str | None:
        """Return the role by which ECS starts its tasks; None where it has none."""
        return self.body.get("executionRoleArn") or None

    @property
    def roles(self) -> tuple[str, ...]:
        """Return the ARNs of the roles by which its tasks start and run, each once."""
        return tuple(dict.fromkeys(role for role in (self.execution_role, self.task_role) if role))

    @property
    def secrets(self) -> tuple[str, ...]:
        """Return what its secrets are read from, each once: names or ARNs in Secrets Manager or Parameter Store."""
        named = (
            secret.get("valueFrom")
            for container in entries(self.body, "containerDefinitions")
            for secret in (
                *entries(container, "secrets"),
                *entries(container.get("logConfiguration") or {}, "secretOptions"),
                {"valueFrom": (container.get("repositoryCredentials") or {}).get("credentialsParameter")},
            )
        )
        return tuple(dict.fromkeys(str(name) for name in named if name))

    @property
    def images(self) -> dict[str, str]:
        """Return container name → image reference as it is written there."""
        containers = entries(self.body, "containerDefinitions")
        return {str(container.get("name", "")): str(container.get("image", "")) for container in containers}

    @property
    def _platform(self) -> Body:
        platform: Body = self.body.get("runtimePlatform") or {}
        return platform


def _ports(mapping: Body) -> range:
    first, _, last = str(mapping.get("containerPortRange") or mapping.get("containerPort") or 0).partition("-")
    return range(int(first), int(last or first) + 1)


def _quantity(text: object, unit: str) -> int | None:
    """Read CPU or memory of a task: units or MiB, or as it may be written, ``.5 vCPU`` or ``1 GB``.

    ECS answers with numbers; a definition of another writer may have the longer form (RegisterTaskDefinition, ``cpu``).
    """
    found = _QUANTITY.match(str(text or ""))
    if found is None or (found["unit"] or unit).lower() != unit:
        return None
    return round(float(found["number"]) * (1024 if found["unit"] else 1))
