"""Deployments and service deployments: a roll-out as ``DescribeServices`` and similar calls show it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil, inf
from types import MappingProxyType
from typing import Any

from sandbox.aws.ecr.registry import Manifest
from sandbox.aws.ecs.definitions import Definition

FARGATE_PROVIDERS = ("FARGATE", "FARGATE_SPOT")
ROLLED_OUT = (
    "networkConfiguration", "loadBalancers", "platformVersion", "launchType", "capacityProviderStrategy",
    "serviceRegistries", "serviceConnectConfiguration", "volumeConfigurations", "vpcLatticeConfigurations",
)  # fmt: skip
"""Settings of a service that its tasks have from their deployment."""


@dataclass(frozen=True, slots=True)
class Revision:
    """Everything of a service that a deployment rolls out, its images resolved to digests."""

    arn: str
    definition: Definition
    images: tuple[tuple[str, str, Manifest | None], ...]
    """Container name, reference, and what the reference named at ``created``."""
    settings: dict[str, Any]
    """The other settings that a deployment rolls out, by the API's names (``ROLLED_OUT``)."""
    created: float

    @property
    def network(self) -> dict[str, Any]:
        network: dict[str, Any] = self.settings.get("networkConfiguration", {})
        return network

    @property
    def load_balancers(self) -> list[dict[str, Any]]:
        return list(self.settings.get("loadBalancers", ()))

    @property
    def target_groups(self) -> list[tuple[str, int]]:
        """Return ARN and container port of each target group that its tasks register with."""
        return [
            (load_balancer["targetGroupArn"], int(load_balancer["containerPort"]))
            for load_balancer in self.load_balancers
            if "targetGroupArn" in load_balancer
        ]

    @property
    def serving(self) -> str:
        """Return the name of the container that the load balancer sends requests to; empty where there is none."""
        return next((str(balancer.get("containerName") or "") for balancer in self.load_balancers), "")

    @property
    def capacity(self) -> list[dict[str, Any]]:
        """Return its capacity provider strategy; empty where there is a launch type instead."""
        return list(self.settings.get("capacityProviderStrategy", ()))

    @property
    def on_instances(self) -> bool:
        """Return whether its tasks need container instances."""
        return self.settings.get("launchType") in {"EC2", "EXTERNAL"}


@dataclass(slots=True)
class Deployment:
    """One entry of ``deployments[]``: the PRIMARY one, or an ACTIVE one that is being replaced."""

    id: str
    revision: Revision
    created: float
    updated: float
    status: str = "PRIMARY"
    rollout_state: str = "IN_PROGRESS"
    reason: str = ""
    failed_tasks: int = 0
    next_start: float = -inf
    """No task is started before this: ECS waits longer each time that tasks cannot start."""
    throttled: int = 0
    """How many times in a row tasks could not start."""

    def moved(self, now: float, state: str, reason: str) -> None:
        self.rollout_state, self.reason, self.updated = state, reason, now


@dataclass(slots=True)
class ServiceDeployment:
    """The record of a roll-out, its rollback included: a rollback is no service deployment of its own."""

    arn: str
    created: float
    source: Revision | None
    target: Revision
    deployments: list[str]
    """The ids of ``deployments[]`` that it went through: the roll-out, then its rollback."""
    configuration: dict[str, Any]
    status: str = "IN_PROGRESS"
    reason: str = ""
    finished: float | None = None
    stopped: float | None = None
    updated: float = 0.0
    failures: int = 0
    breaker: str = "DISABLED"
    alarms: str = "DISABLED"
    triggered_alarms: tuple[str, ...] = ()
    bakes_until: float | None = None
    """When the time is over for which its alarms are watched after it has been rolled out; None before that."""
    rollback: tuple[str, float, Revision] | None = None
    """Reason, start and revision of its rollback; None if there is none."""

    @property
    def unfinished(self) -> bool:
        return self.finished is None

    def finish(self, now: float, status: str, reason: str = "") -> None:
        self.status, self.finished, self.updated = status, now, now
        self.reason = reason or self.reason
        if status == "STOPPED":
            self.stopped = now
        self.breaker = "MONITORING_COMPLETE" if self.breaker == "MONITORING" else self.breaker
        self.alarms = "MONITORING_COMPLETE" if self.alarms == "MONITORING" else self.alarms


def breaker_threshold(desired: int, breaker: Mapping[str, Any] = MappingProxyType({})) -> int:
    """Failed tasks that trip the circuit breaker: half of the desired count, 3 at least and 200 at most, unless
    ``breaker`` (``deploymentCircuitBreaker``) has a ``thresholdConfiguration``.

    ECS developer guide, "How the Amazon ECS deployment circuit breaker detects failures"; ECS API reference,
    DeploymentCircuitBreakerThresholdConfiguration.
    """
    tuned = breaker.get("thresholdConfiguration") or {}
    kind, value = tuned.get("type", "BOUNDED_PERCENT"), int(tuned.get("value", 50))
    if kind == "COUNT":
        return value
    share = max(1, ceil(value * desired / 100))
    return share if kind == "UNBOUNDED_PERCENT" else min(max(share, 3), 200)


def provider(strategy: Sequence[Mapping[str, Any]], placed: Sequence[str]) -> str:
    """The capacity provider of the next task, where ``placed`` are those of the tasks that there are.

    Each base is filled first; then comes the provider with the fewest tasks for its weight.
    ECS developer guide, "Amazon ECS capacity providers", base and weight.
    """
    for entry in strategy:
        if placed.count(entry["capacityProvider"]) < entry.get("base", 0):
            return str(entry["capacityProvider"])

    def filled(entry: Mapping[str, Any]) -> float:
        beyond = placed.count(entry["capacityProvider"]) - entry.get("base", 0)
        return float(beyond / entry["weight"])

    return str(
        min((entry for entry in strategy if entry.get("weight")), key=filled, default=strategy[0])["capacityProvider"]
    )


def retry_delay(throttled: int) -> float:
    """Seconds until ECS tries again after tasks could not start ``throttled`` times in a row.

    ECS developer guide, "Service throttle logic": the wait grows step by step to 27 minutes at most.
    """
    return float(min(10 * 2 ** max(0, throttled - 1), 27 * 60))
