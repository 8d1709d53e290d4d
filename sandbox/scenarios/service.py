"""A service and its task definition, in the words of ECS, and its scaling in those of Application Auto Scaling.

ECS API reference, CreateService and RegisterTaskDefinition; Application Auto Scaling API reference.
"""

from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from sandbox.scenarios.balancing import USUAL_TARGET_GROUP, Port
from sandbox.scenarios.discovery import ServiceConnect, ServiceRegistry
from sandbox.scenarios.frozen import Frozen
from sandbox.scenarios.traffic import Traffic

EcsName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,255}$")]
USUAL_CLUSTER, USUAL_SERVICE, USUAL_FAMILY = "CourtCaseCluster", "BackendService", "court-case-backend"
USUAL_CONTAINER, USUAL_CONTAINER_PORT = "backend", 8000
USUAL_DESIRED_COUNT = 3
MOST_TASKS = 200
Percent = Annotated[int, Field(ge=0, le=400)]
Count = Annotated[int, Field(ge=0, le=MOST_TASKS)]


class HealthCheck(Frozen):
    """A container's own health check: it passes where the container answers and ``passes_health_check``."""

    command: tuple[str, ...] = ("CMD-SHELL", "curl -f http://localhost:8000/health || exit 1")
    interval: Annotated[int, Field(ge=5, le=300)] = 30
    retries: Annotated[int, Field(ge=1, le=10)] = 3
    start_period: Annotated[int, Field(ge=0, le=300)] = 0


class ContainerDefinition(Frozen):
    """A container. Fields that are left out are those of the sandbox's own container where the name is ``backend``."""

    name: str
    image: str | None = None
    """A reference, or a tag of the sandbox's repository. None: the version that runs, tag ``1.0``."""
    essential: bool = True
    container_port: Port | None = None
    """The port of its port mapping. None: 8000 for ``backend``, none for others."""
    stop_timeout: Annotated[int, Field(ge=0, le=120)] | None = None
    health_check: HealthCheck | None = None


class RuntimePlatform(Frozen):
    cpu_architecture: Literal["X86_64", "ARM64"] = "X86_64"
    operating_system_family: str = "LINUX"


class TaskDefinition(Frozen):
    family: EcsName | None = None
    """None: the usual one for the first service, for others the service's name."""
    cpu: str = "512"
    memory: str = "1024"
    """CPU units and MiB, or as people write them: ``.5 vCPU``, ``1 GB``."""
    network_mode: Literal["awsvpc", "bridge", "host"] = "awsvpc"
    runtime_platform: RuntimePlatform | None = RuntimePlatform()
    container_definitions: Annotated[tuple[ContainerDefinition, ...], Field(min_length=1)] = (
        ContainerDefinition(name=USUAL_CONTAINER),
    )


class CircuitBreaker(Frozen):
    enable: bool = False
    rollback: bool = False


class DeploymentAlarms(Frozen):
    alarm_names: Annotated[tuple[str, ...], Field(min_length=1)]
    enable: bool = True
    rollback: bool = True


class DeploymentConfiguration(Frozen):
    strategy: Literal["ROLLING", "BLUE_GREEN", "LINEAR", "CANARY"] = "ROLLING"
    """Surefoot refuses all but ``ROLLING``."""
    minimum_healthy_percent: Percent | None = None
    """None: ECS's default, 100 for REPLICA and 0 for DAEMON."""
    maximum_percent: Percent | None = None
    """None: ECS's default, 200 for REPLICA and 100 for DAEMON."""
    deployment_circuit_breaker: CircuitBreaker = CircuitBreaker()
    alarms: DeploymentAlarms | None = None
    """Alarms that are there already: those of ``world.alarms``."""


class CapacityProvider(Frozen):
    capacity_provider: Literal["FARGATE", "FARGATE_SPOT"]
    base: Annotated[int, Field(ge=0, le=MOST_TASKS)] = 0
    weight: Annotated[int, Field(ge=0, le=1000)] = 1


class ServiceLoadBalancer(Frozen):
    """One entry of a service's ``loadBalancers``; the target group is named, not given by ARN."""

    target_group: str = USUAL_TARGET_GROUP
    container_name: str = USUAL_CONTAINER
    container_port: Port = USUAL_CONTAINER_PORT


class TargetTracking(Frozen):
    policy_name: str = "backend-cpu"
    predefined_metric_type: Literal["ECSServiceAverageCPUUtilization", "ECSServiceAverageMemoryUtilization"] = (
        "ECSServiceAverageCPUUtilization"
    )
    target_value: Annotated[float, Field(gt=0)] = 70.0
    scale_in_cooldown: Annotated[int, Field(ge=0)] = 300
    scale_out_cooldown: Annotated[int, Field(ge=0)] = 60


class ScheduledAction(Frozen):
    scheduled_action_name: str
    schedule: Annotated[str, Field(pattern=r"^cron\([0-9]{1,2} [0-9]{1,2} \* \* \? \*\)$")]
    """``cron(MINUTE HOUR * * ? *)``: once a day, UTC."""
    min_capacity: Count
    max_capacity: Count


class Scaling(Frozen):
    min_capacity: Count | None = None
    """None: 2, or the desired count where that is less."""
    max_capacity: Count | None = None
    """None: 6, or the desired count where that is more."""
    target_tracking: tuple[TargetTracking, ...] = (TargetTracking(),)
    """Records with their alarms: nothing scales by them. ``scale_to`` among the happenings does what they would do."""
    scheduled_actions: tuple[ScheduledAction, ...] = ()
    """They set the bounds of the desired count when their time comes."""

    def bounds(self, desired: int) -> tuple[int, int]:
        """Return the least and the most tasks."""
        low, high = self.min_capacity, self.max_capacity
        return (min(2, desired) if low is None else low, max(6, desired) if high is None else high)


class Service(Frozen):
    """A service that has run for three days when the request comes."""

    cluster: EcsName = USUAL_CLUSTER
    service_name: EcsName = USUAL_SERVICE
    scheduling_strategy: Literal["REPLICA", "DAEMON"] = "REPLICA"
    launch_type: Literal["FARGATE", "EC2"] | None = None
    """None: FARGATE, or what ``capacity_provider_strategy`` says. A DAEMON service runs on EC2."""
    capacity_provider_strategy: tuple[CapacityProvider, ...] = ()
    desired_count: Count = USUAL_DESIRED_COUNT
    """A DAEMON service has as many tasks as the cluster has container instances."""
    health_check_grace_period_seconds: Annotated[int, Field(ge=0, le=2_147_483_647)] = 30
    deployment_configuration: DeploymentConfiguration = DeploymentConfiguration()
    load_balancers: tuple[ServiceLoadBalancer, ...] = (ServiceLoadBalancer(),)
    """Empty: a worker, which nobody reaches."""
    service_registries: Annotated[tuple[ServiceRegistry, ...], Field(max_length=1)] = ()
    """The service of Cloud Map with which its tasks are registered; ECS takes one."""
    service_connect_configuration: ServiceConnect | None = None
    task_definition: TaskDefinition = TaskDefinition()
    scaling: Scaling | None = Scaling()
    """None: nothing scales it."""
    traffic: Traffic | None = None
    """Its users. None: as many as ``world.traffic`` says."""
    stack: Annotated[str, Field(pattern=r"^([A-Za-z][A-Za-z0-9-]{0,127})?$")] = ""
    """The stack of CloudFormation that has made it, by its tags; empty: none has."""

    @property
    def name(self) -> str:
        """Return ``cluster/service``."""
        return f"{self.cluster}/{self.service_name}"

    @property
    def on_fargate(self) -> bool:
        return self.launch_type != "EC2"

    def changed(self, **changes: Any) -> Self:
        return self.model_copy(update=changes)

    @model_validator(mode="after")
    def _goes_together(self) -> Self:
        if self.launch_type and self.capacity_provider_strategy:
            raise ValueError("a service has a launch_type or a capacity_provider_strategy, not both")
        if self.scheduling_strategy == "DAEMON":
            if self.launch_type != "EC2":
                raise ValueError("a DAEMON service has launch_type EC2: Fargate runs none")
            if "desired_count" in self.model_fields_set:
                raise ValueError("a DAEMON service has no desired_count: it runs once on each container instance")
        containers = {container.name for container in self.task_definition.container_definitions}
        for balancer in self.load_balancers:
            if balancer.container_name not in containers:
                raise ValueError(f"load_balancers names the container {balancer.container_name}, which is not there")
        connect = self.service_connect_configuration
        for exposed in connect.services if connect is not None else ():
            if exposed.port_name not in containers:
                raise ValueError(f"port_name is that of a container's port, its name; {exposed.port_name} is not there")
        return self
