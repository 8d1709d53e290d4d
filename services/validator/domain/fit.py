"""Whether a task definition fits the service: what ECS would refuse in UpdateService, known before it is sent."""

from collections.abc import Iterator, Mapping

from contracts.gates import Gate
from services.validator.domain.facts import Balancer, LiveService, TaskDefinition

FITS = "fits_service"


def fit_gate(service: LiveService, definition: TaskDefinition, target_types: Mapping[str, str]) -> Gate:
    """Return the gate ``fits_service``. What is not known of either is not held against them.

    ``target_types``: ARN of a target group → ``ip``, ``instance`` or ``lambda``; without those that could not be read.
    Source: Amazon ECS API reference, CreateService and UpdateService (``loadBalancers``, ``networkConfiguration``,
    ``launchType``).
    """
    found = tuple(dict.fromkeys(_misfits(service, definition, target_types)))
    if not found:
        return Gate.true(FITS, True, detail=f"{_short(definition)} fits the service's load balancing and network")
    return Gate.true(FITS, False, detail=f"ECS would refuse {_short(definition)}: {' '.join(found)}")


def _misfits(service: LiveService, definition: TaskDefinition, target_types: Mapping[str, str]) -> Iterator[str]:
    for balancer in service.balancers:
        if balancer.container not in definition.images:
            there = ", ".join(definition.images)
            yield (
                f"The container {balancer.container} does not exist in the task definition. "
                f"The load balancer sends to it; there are {there}."
            )
        elif not _maps(definition, balancer):
            yield f"The container {balancer.container} does not map port {balancer.port}, where the balancer sends."
        yield from _wrong_target_type(definition, target_types.get(balancer.group or ""))
    yield from _wrong_network(service, definition)
    if service.launch_type and definition.launch_types and service.launch_type not in definition.launch_types:
        fit = ", ".join(sorted(definition.launch_types))
        yield f"The service runs on {service.launch_type}, and the task definition is fit for {fit} only."


def _maps(definition: TaskDefinition, balancer: Balancer) -> bool:
    ports = definition.ports.get(balancer.container, ())
    return balancer.port is None or any(balancer.port in mapped for mapped in ports)


def _wrong_target_type(definition: TaskDefinition, target_type: str | None) -> Iterator[str]:
    needed = "ip" if definition.network_mode == "awsvpc" else "instance"
    if target_type is not None and target_type != needed:
        yield (
            f"The network mode {definition.network_mode} needs a target group of the target type {needed}, "
            f"and the service's has {target_type}."
        )


def _wrong_network(service: LiveService, definition: TaskDefinition) -> Iterator[str]:
    awsvpc = definition.network_mode == "awsvpc"
    if service.has_network is True and not awsvpc:
        yield (
            "The service has a network configuration, which only the network mode awsvpc takes; "
            f"the task definition's is {definition.network_mode}."
        )
    if service.has_network is False and awsvpc:
        yield "The network mode awsvpc needs a network configuration, and the service has none."


def _short(definition: TaskDefinition) -> str:
    """Return ``family:revision``."""
    return definition.arn.rpartition("/")[2]
