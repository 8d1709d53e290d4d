"""Typed views of ECS's answers. What AWS leaves out is None or empty here, and never a guess.

Each view keeps AWS's own body: a snapshot stores it, and a restored service is compared with it.
"""

from dataclasses import dataclass, field
from math import ceil

from contracts.prose import prose
from services._aws.body import Body, entries, epoch
from services._aws.ecs_deployments import EcsDeployment
from services._aws.errors import AwsError


@dataclass(frozen=True, slots=True)
class EcsEvent:
    """An entry of ``events[]``."""

    message: str
    created_at: float | None


@dataclass(frozen=True, slots=True)
class Balancer:
    """An entry of ``loadBalancers[]``: the container and port that receive what it sends."""

    container: str
    port: int | None
    group: str | None
    """The target group's ARN; None behind a classic load balancer."""


@dataclass(frozen=True, slots=True)
class EcsService:
    """A service that exists, as DescribeServices describes it. ``find_service`` says what "exists" means."""

    body: Body = field(repr=False)

    @property
    def name(self) -> str:
        return str(self.body.get("serviceName", ""))

    @property
    def status(self) -> str:
        """ACTIVE or DRAINING."""
        return str(self.body.get("status", ""))

    @property
    def being_deleted(self) -> str | None:
        """Return a sentence if the service is being deleted and takes no deployment any more; None otherwise.

        A deletion cannot be cancelled: DRAINING ends as INACTIVE (ECS API Reference, DeleteService).
        """
        if self.status != "DRAINING":
            return None
        return f"the service {self.name} is DRAINING: it is being deleted, and takes no deployment"

    @property
    def desired(self) -> int:
        return self._count("desiredCount")

    @property
    def running(self) -> int:
        return self._count("runningCount")

    @property
    def pending(self) -> int:
        return int(self.body.get("pendingCount", 0))

    @property
    def created_at(self) -> float | None:
        return epoch(self.body.get("createdAt"))

    @property
    def task_definition(self) -> str | None:
        """Return the task definition's ARN; None with an EXTERNAL deployment controller: its task sets have one."""
        return self.body.get("taskDefinition")

    @property
    def deployments(self) -> tuple[EcsDeployment, ...]:
        return tuple(map(EcsDeployment, entries(self.body, "deployments")))

    @property
    def primary(self) -> EcsDeployment | None:
        """Return the deployment that ECS works towards; None if it lists none."""
        return next((deployment for deployment in self.deployments if deployment.status == "PRIMARY"), None)

    @property
    def controller(self) -> str:
        """Return what deploys the service: ECS, CODE_DEPLOY or EXTERNAL."""
        return str((self.body.get("deploymentController") or {}).get("type") or "ECS")

    @property
    def strategy(self) -> str:
        """Return how ECS's own controller deploys: ROLLING, BLUE_GREEN, LINEAR or CANARY."""
        return str((self.body.get("deploymentConfiguration") or {}).get("strategy") or "ROLLING")

    @property
    def bake_seconds(self) -> float:
        """Return for how long ECS watches a new version beside the old tasks, all steps together; 0 with ROLLING.

        Source: Amazon ECS API reference, DeploymentConfiguration, LinearConfiguration and CanaryConfiguration.
        """
        if self.strategy == "ROLLING":
            return 0.0
        configuration = self.body.get("deploymentConfiguration") or {}
        canary, linear = (configuration.get(f"{kind}Configuration") or {} for kind in ("canary", "linear"))
        steps = ceil(100 / float(linear.get("stepPercent") or 100))
        minutes = float(configuration.get("bakeTimeInMinutes") or 0)
        minutes += float(canary.get("canaryBakeTimeInMinutes") or 0)
        minutes += (steps - 1) * float(linear.get("stepBakeTimeInMinutes") or 0)
        return minutes * 60

    @property
    def is_daemon(self) -> bool:
        """Return whether ECS runs one task on each container instance; such a service takes no desired count."""
        return self.body.get("schedulingStrategy") == "DAEMON"

    @property
    def minimum_percent(self) -> float:
        """Return ``minimumHealthyPercent``; by default 100, and 0 for a DAEMON (ECS API reference)."""
        return self._percent("minimumHealthyPercent", 0 if self.is_daemon else 100)

    @property
    def maximum_percent(self) -> float:
        """Return ``maximumPercent``; by default 200, and 100 for a DAEMON (ECS API reference)."""
        return self._percent("maximumPercent", 100 if self.is_daemon else 200)

    def _percent(self, key: str, default: float) -> float:
        found = (self.body.get("deploymentConfiguration") or {}).get(key)
        return default if found is None else float(found)

    @property
    def load_balanced(self) -> bool:
        return any(entries(self.body, "loadBalancers"))

    @property
    def grace_seconds(self) -> float:
        """Return for how long ECS ignores the health checks of a task that has started."""
        return float(self.body.get("healthCheckGracePeriodSeconds") or 0)

    @property
    def rolling_out(self) -> bool:
        """Return whether the primary deployment is under way.

        ECS leaves ``rolloutState`` out behind a classic load balancer; then an older deployment is still listed.
        """
        if self.primary is None:
            return False
        state = self.primary.rollout_state
        return state == "IN_PROGRESS" if state else len(self.deployments) > 1

    @property
    def events(self) -> tuple[EcsEvent, ...]:
        """The latest 100 at most, newest first."""
        found = entries(self.body, "events")
        return tuple(EcsEvent(prose(str(event.get("message", ""))), epoch(event.get("createdAt"))) for event in found)

    @property
    def target_groups(self) -> tuple[str, ...]:
        """Return the target groups' ARNs, each once, in ECS's order; classic load balancers have none."""
        arns = (balancer.get("targetGroupArn") for balancer in entries(self.body, "loadBalancers"))
        return tuple(dict.fromkeys(arn for arn in arns if arn))

    @property
    def alternate_groups(self) -> tuple[str, ...]:
        """Return the ARNs of the target groups to which a blue/green deployment moves its users in turn."""
        settings = (balancer.get("advancedConfiguration") or {} for balancer in entries(self.body, "loadBalancers"))
        return tuple(arn for each in settings if (arn := each.get("alternateTargetGroupArn")))

    @property
    def balancers(self) -> tuple[Balancer, ...]:
        return tuple(
            Balancer(str(body.get("containerName", "")), body.get("containerPort"), body.get("targetGroupArn"))
            for body in entries(self.body, "loadBalancers")
        )

    @property
    def capacity_providers(self) -> frozenset[str]:
        return frozenset(
            str(strategy["capacityProvider"])
            for strategy in entries(self.body, "capacityProviderStrategy")
            if strategy.get("capacityProvider")
        )

    @property
    def on_fargate(self) -> bool:
        return self.body.get("launchType") == "FARGATE" or bool(self.capacity_providers & {"FARGATE", "FARGATE_SPOT"})

    @property
    def starts_instances(self) -> bool:
        """Return whether a task may have to wait for an instance that a capacity provider of the account starts."""
        return bool(self.capacity_providers - {"FARGATE", "FARGATE_SPOT"})

    @property
    def launch_type(self) -> str | None:
        """Return FARGATE, EC2 or EXTERNAL; None where only the names of other capacity providers are known."""
        return "FARGATE" if self.on_fargate else self.body.get("launchType")

    @property
    def alarm_names(self) -> frozenset[str]:
        """Return the names of the alarms that ECS itself watches during a deployment."""
        alarms = (self.body.get("deploymentConfiguration") or {}).get("alarms") or {}
        return frozenset(alarms.get("alarmNames") or ()) if alarms.get("enable") else frozenset()

    @property
    def current_deployment(self) -> str | None:
        """Return the ARN of the service deployment that is under way or was the last; None if ECS knows none."""
        return self.body.get("currentServiceDeployment")

    @property
    def current_revisions(self) -> tuple[str, ...]:
        return tuple(
            str(revision["arn"]) for revision in entries(self.body, "currentServiceRevisions") if revision.get("arn")
        )

    @property
    def security_groups(self) -> tuple[str, ...]:
        return tuple(self._network.get("securityGroups") or ())

    @property
    def subnets(self) -> tuple[str, ...]:
        return tuple(self._network.get("subnets") or ())

    @property
    def _network(self) -> Body:
        network: Body = (self.body.get("networkConfiguration") or {}).get("awsvpcConfiguration") or {}
        return network

    def _count(self, key: str) -> int:
        """Return a count. Raise ``AwsError`` where ECS left it out: as 0 it could look healthy."""
        if self.body.get(key) is None:
            raise AwsError(f"ECS did not say {key} of the service {self.name}", code=key, temporary=True)
        return int(self.body[key])
