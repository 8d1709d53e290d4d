"""A task definition that ECS would refuse for this service is known before it is sent."""

from dataclasses import replace

import pytest

from contracts.gates import Verdict
from services.validator.domain.facts import Balancer, LiveService, TaskDefinition
from services.validator.domain.fit import fit_gate
from services.validator.domain.manifest import LINUX_AMD64

GROUP = "arn:group"
SERVICE = LiveService(
    "arn:1", (GROUP,), launch_type="FARGATE", has_network=True, balancers=(Balancer("web", 80, GROUP),)
)
FITTING = TaskDefinition(
    "arn:aws:ecs:us-west-2:1:task-definition/api:7",
    True,
    LINUX_AMD64,
    {"web": "app:1", "proxy": "envoy:1"},
    launch_types=frozenset({"EC2", "FARGATE"}),
    ports={"web": (range(80, 81),), "proxy": (range(9000, 9010),)},
)
WORKER = LiveService("arn:1", ())


@pytest.mark.parametrize(
    ("service", "definition"),
    [
        (SERVICE, FITTING),
        (replace(SERVICE, balancers=(Balancer("proxy", 9009, GROUP),)), FITTING),  # within a range of ports
        (WORKER, replace(FITTING, images={"other": "app:1"}, ports={})),
        (SERVICE, replace(FITTING, launch_types=frozenset())),  # AWS did not say it
        (replace(SERVICE, launch_type=None), replace(FITTING, launch_types=frozenset({"EC2"}))),
        (replace(SERVICE, balancers=(Balancer("web", None, None),)), FITTING),
    ],
)
def test_what_fits_passes(service: LiveService, definition: TaskDefinition) -> None:
    assert fit_gate(service, definition, {GROUP: "ip"}).verdict is Verdict.PASS


@pytest.mark.parametrize(
    ("service", "definition", "types", "words"),
    [
        (SERVICE, replace(FITTING, images={"renamed": "app:1"}), {}, "The container web does not exist in the task"),
        (SERVICE, replace(FITTING, ports={"web": (range(8080, 8081),)}), {}, "does not map port 80"),
        (SERVICE, FITTING, {GROUP: "instance"}, "needs a target group of the target type ip"),
        (
            replace(SERVICE, has_network=False),
            replace(FITTING, network_mode="bridge"),
            {GROUP: "ip"},
            "needs a target group of the target type instance",
        ),
        (SERVICE, replace(FITTING, network_mode="host"), {}, "only the network mode awsvpc takes"),
        (replace(SERVICE, has_network=False), FITTING, {}, "the service has none"),
        (SERVICE, replace(FITTING, launch_types=frozenset({"EC2"})), {}, "runs on FARGATE"),
    ],
)
def test_what_ecs_would_refuse_is_said(
    service: LiveService, definition: TaskDefinition, types: dict[str, str], words: str
) -> None:
    gate = fit_gate(service, definition, types)
    assert gate.verdict is Verdict.FAIL
    assert gate.detail.startswith("ECS would refuse api:7: ")
    assert words in gate.detail
