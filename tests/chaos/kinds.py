"""The kinds of services that a campaign deploys to, the images that fit each, and how a deployment of each must end."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

from contracts.deployment import Outcome
from sandbox.scenarios.behaviour import RUNNING_TAG, Behaviour
from sandbox.scenarios.load import images

Body = Mapping[str, Any]

FELT_SECONDS = 2.0
"""Users feel a median response time above it: the limit of the default policy."""
USUAL = "usual"
HEALTHY, CRASHING, OTHERWISE_BAD = ("healthy",) * 5, ("crash-loop",) * 3, ("slow", "unhealthy", "wrong-architecture")


@dataclass(frozen=True, slots=True)
class Kind:
    """A service, as a scenario's ``world`` has it (docs/sandbox.md)."""

    service: Body = field(default_factory=dict)
    balanced: bool = True
    """Whether there is a load balancer, which asks for health and which users come through."""
    target_group: Body = field(default_factory=dict)
    listener: Body = field(default_factory=dict)
    image: Body = field(default_factory=dict)
    """What all of its images have in common."""
    behaviours: tuple[str, ...] = (*HEALTHY, *CRASHING, *OTHERWISE_BAD)
    """The scenarios that ship whose images are deployed; one that stands here twice comes twice as often."""

    def image_of(self, behaviour: str) -> Behaviour:
        """Return what an image of this kind does. Raise ``KeyError`` where no such scenario ships."""
        return images()[behaviour].model_copy(update=dict(self.image))

    @property
    def migrates(self) -> bool:
        """Whether the simulated AWS runs one-off tasks with its settings: on Fargate alone."""
        return self.service.get("launch_type") != "EC2"

    def right(self, behaviour: str) -> Outcome:
        """Return how its deployment ends where nothing else interferes."""
        image = self.image_of(behaviour)
        if image.architecture != "amd64":
            return Outcome.BLOCKED
        felt = self.balanced and (not image.passes_health_check or image.latency > FELT_SECONDS)
        return Outcome.ROLLED_BACK if felt or image.crash_after is not None else Outcome.SUCCEEDED


PREFIX = "/orders"
NOT_HERE = {"type": "fixed-response", "status_code": "404"}
UNSEEN = (*HEALTHY, *CRASHING, "wrong-architecture")
"""Where nobody sends requests, slowness and a health check that nobody asks for make no version a bad one."""

KINDS: dict[str, Kind] = {
    USUAL: Kind(),
    "worker": Kind({"load_balancers": []}, balanced=False, behaviours=UNSEEN),
    "path rule": Kind(
        target_group={"health_check_path": f"{PREFIX}/health"},
        listener={"path_pattern": [f"{PREFIX}/*"]},
        image={"mounted_at": PREFIX},
    ),
    "stop before start": Kind(
        {
            "desired_count": 1,
            "deployment_configuration": {"minimum_healthy_percent": 0, "maximum_percent": 100},
        }
    ),
    "many tasks": Kind(
        {
            "desired_count": 16,
            "deployment_configuration": {"minimum_healthy_percent": 100, "maximum_percent": 150},
        }
    ),
    "daemon": Kind(
        {
            "scheduling_strategy": "DAEMON",
            "launch_type": "EC2",
            "load_balancers": [],
            "task_definition": {"network_mode": "bridge"},
        },
        balanced=False,
        behaviours=UNSEEN,
    ),
    "long draining": Kind(target_group={"deregistration_delay": 300}),
}

SCALED, RECREATED = "scaled", "recreated"
SCALING = {"min_capacity": 2, "max_capacity": 8, "target_tracking": []}
STANDING: dict[str, Kind] = {
    **KINDS,
    SCALED: Kind({"load_balancers": [], "scaling": SCALING}, balanced=False),
    RECREATED: Kind({"scaling": SCALING}),
}
"""The kinds of the services that stand there. Nothing is deployed to the last two: recovery acts on them by itself."""


def mix(seed: int, targets: int) -> tuple[str, ...]:
    """Return the kind of each target. The first is the usual one; the others come in turns, in the seed's order."""
    random, others = Random(f"kinds {seed}"), [kind for kind in KINDS if kind != USUAL]
    drawn = [USUAL]
    while len(drawn) < targets:
        drawn += random.sample(others, len(others))
    return tuple(drawn[:targets])


def service_name(number: int) -> str:
    return "BackendService" if number == 1 else f"BackendService-{number}"


def world(kinds: Sequence[str]) -> dict[str, Any]:
    """Return a scenario in which a service of each of these kinds stands, number 1 first."""
    services, groups, balancers = [], [], []
    for number, kind in enumerate((STANDING[name] for name in kinds), 1):
        group = f"group-{number}"
        services.append(_service(number, kind, group))
        if kind.balanced:
            groups.append({"name": group, **kind.target_group})
            balancers.append({"name": f"balancer-{number}", "listeners": [_listener(kind, group)]})
    stands = {
        "service": services[0],
        "other_services": services[1:],
        "target_groups": groups,
        "load_balancers": balancers,
        "images": {_running(kind): dict(kind.image) for kind in KINDS.values() if kind.image},
    }
    return {"teaches": "The services of a campaign.", "world": stands, "expect": {"outcome": "succeeded"}}


def _service(number: int, kind: Kind, group: str) -> dict[str, Any]:
    name = service_name(number)
    definition = {"family": name, "container_definitions": [{"name": "backend", "image": _running(kind)}]}
    service: dict[str, Any] = {
        "service_name": name,
        "load_balancers": [{"target_group": group}],
        **kind.service,
        "task_definition": {**definition, **kind.service.get("task_definition", {})},
    }
    return service if number == 1 else {"scaling": None, **service}


def _running(kind: Kind) -> str:
    """Return the tag of the version that runs at first."""
    return f"{kind.image['mounted_at'].strip('/')}-{RUNNING_TAG}" if kind.image else RUNNING_TAG


def _listener(kind: Kind, group: str) -> dict[str, Any]:
    """Return a listener that forwards everything, or only what meets the kind's condition."""
    forward = {"target_groups": [{"target_group": group}]}
    if not kind.listener:
        return {"default_actions": [forward]}
    rule = {"priority": 10, "conditions": [dict(kind.listener)], "actions": [forward]}
    return {"default_actions": [NOT_HERE], "rules": [rule]}
