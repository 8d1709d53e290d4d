"""Every place where moto's internals are changed or read, with the reason.

moto's exact version is pinned because of this, and ``tests/sandbox/test_moto_patches.py`` fails loudly
when an upgrade moves one of them.

Those of CloudWatch are in ``sandbox/aws/cloudwatch/api.py``, those of its Logs in ``sandbox/aws/logs/api.py``.
"""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from moto import backends
from moto.applicationautoscaling import models as autoscaling
from moto.applicationautoscaling.exceptions import AWSValidationException
from moto.core import utils as moto_time
from moto.core.base_backend import BackendDict
from moto.core.model_instances import reset_model_data
from moto.ec2.models import ec2_backends, subnets
from moto.elbv2 import models as elbv2
from moto.elbv2.utils import make_arn_for_load_balancer
from moto.logs import models as logs
from moto.rds.models import rds_backends
from moto.s3 import models as s3
from moto.secretsmanager.models import FakeSecret, secretsmanager_backends

from sandbox.aws.accounts import Place
from sandbox.aws.ecs.targets import Target
from sandbox.aws.moto.repeated import repeated_calls
from sandbox.aws.patching import Undo, put_in_place
from sandbox.aws.world.world import World

MODULES = frozenset(backends.list_of_moto_modules())
"""The services that moto has; it reads its directory for each call of AWS."""
NOT_REGISTERED = ("Target.NotRegistered", "Target is not registered to the target group")


@contextmanager
def patched(worlds: Mapping[Place, World], now: Callable[[], float]) -> Iterator[None]:
    """Patch moto for the simulated AWS, until the end of the ``with``."""
    undo: list[Undo] = []
    try:
        _target_health(worlds, undo)
        _autoscaling_sees_services(worlds, undo)
        _alarms_of_target_tracking(undo)
        undo.append(put_in_place(repeated_calls()))
        _arns_of_network_load_balancers(undo)
        _subnets_count_tasks(worlds, undo)
        _product_time(now, undo)
        _replace(backends, "list_of_moto_modules", lambda: MODULES, undo)
        yield
    finally:
        for each in reversed(undo):
            each()


def _replace(owner: Any, name: str, new: object, undo: list[Undo]) -> None:
    undo.append(put_in_place({(owner, name): new}))


def _target_health(worlds: Mapping[Place, World], undo: list[Undo]) -> None:
    """Let the tasks behind a target group be its targets; moto reports every target as healthy."""
    original = elbv2.ELBv2Backend.describe_target_health

    def describe_target_health(
        self: elbv2.ELBv2Backend, target_group_arn: str, targets: list[dict[str, Any]]
    ) -> list[elbv2.FakeHealthStatus]:
        world = worlds.get(Place(self.account_id, self.region_name))
        registered = world.targets(target_group_arn) if world is not None else []
        if not registered and not (targets or self.target_groups.get(target_group_arn)):
            return list(original(self, target_group_arn, targets))  # refuses an unknown group
        wanted = {target["Id"] for target in targets}
        known = [elbv2_health(target) for target in registered if not wanted or target.address in wanted]
        unknown = sorted(wanted - {target.address for target in registered})
        return known + [elbv2.FakeHealthStatus(each, "8000", "8000", "unused", *NOT_REGISTERED) for each in unknown]

    _replace(elbv2.ELBv2Backend, "describe_target_health", describe_target_health, undo)


def elbv2_health(target: Target) -> elbv2.FakeHealthStatus:
    reason, description = target.reason or (None, None)
    port = str(target.port)
    return elbv2.FakeHealthStatus(target.address, port, port, str(target.state), reason, description)


def _autoscaling_sees_services(worlds: Mapping[Place, World], undo: list[Undo]) -> None:
    """Let auto scaling find our services; moto looks for them in its own ECS."""

    def exists(self: autoscaling.ApplicationAutoscalingBackend, resource: str) -> bool:
        _, cluster, service = resource.split("/")
        world = worlds.get(Place(self.account_id, self.region_name))
        found = world.ecs.services.get((cluster, service)) if world is not None else None
        if found is None or found.status != "ACTIVE":
            raise AWSValidationException(f"ECS service doesn't exist: {resource}")
        return True

    _replace(autoscaling.ApplicationAutoscalingBackend, "_ecs_service_exists_for_target", exists, undo)


def _alarms_of_target_tracking(undo: list[Undo]) -> None:
    """Give alarms of target tracking AWS's thresholds; moto's fire at 6 per cent, whatever the target."""
    policy = autoscaling.FakeApplicationAutoscalingPolicy
    original = policy._generate_ecs_alarms  # noqa: SLF001  moto has no other way

    def generate(self: autoscaling.FakeApplicationAutoscalingPolicy) -> list[Any]:
        high, low = original(self)
        target = float((self.target_tracking_scaling_policy_configuration or {})["TargetValue"])
        high.threshold, low.threshold = target, target * 0.9
        return [high, low]

    _replace(policy, "_generate_ecs_alarms", generate, undo)


def _arns_of_network_load_balancers(undo: list[Undo]) -> None:
    """Give network load balancers ARNs with ``net/``; moto gives all of them ``app/``."""
    original = elbv2.ELBv2Backend.create_load_balancer
    kinds: list[str] = []

    def create_load_balancer(self: elbv2.ELBv2Backend, *args: Any, **fields: Any) -> elbv2.FakeLoadBalancer:
        kinds.append("net" if fields.get("loadbalancer_type") == "network" else "app")
        try:
            return original(self, *args, **fields)
        finally:
            kinds.pop()

    def make_arn(**parts: str) -> str:
        return make_arn_for_load_balancer(**parts).replace(":loadbalancer/app/", f":loadbalancer/{kinds[-1]}/")

    _replace(elbv2.ELBv2Backend, "create_load_balancer", create_load_balancer, undo)
    _replace(elbv2, "make_arn_for_load_balancer", make_arn, undo)


def _subnets_count_tasks(worlds: Mapping[Place, World], undo: list[Undo]) -> None:
    """Let subnets count the network interfaces of tasks, which moto's EC2 does not know."""
    original = subnets.Subnet.__dict__["available_ip_address_count"].fget

    def available_ip_address_count(self: subnets.Subnet) -> int:
        world = worlds.get(Place(self.ec2_backend.account_id, self.ec2_backend.region_name))
        if world is None:
            return int(original(self))
        with world.lock:
            taken = sum(task.subnet == self.id for task in world.ecs.live.values() if task.status != "PROVISIONING")
        return max(0, int(original(self)) - taken)

    _replace(subnets.Subnet, "available_ip_address_count", property(available_ip_address_count), undo)


def _product_time(now: Callable[[], float], undo: list[Undo]) -> None:
    """Let S3 and CloudWatch Logs use product time; moto reads the wall clock."""

    def utcnow() -> datetime:
        return datetime.fromtimestamp(now(), UTC).replace(tzinfo=None)

    for module in (s3, logs):
        assert module.utcnow is moto_time.utcnow  # noqa: S101  the patch would miss otherwise
        _replace(module, "utcnow", utcnow, undo)


def forget_everything() -> None:
    """Empty moto's global state, so that a world begins without that of another."""
    os.environ["MOTO_EC2_LOAD_DEFAULT_AMIS"] = "false"  # thousands of machine images that nobody asks for
    BackendDict.reset()
    reset_model_data()


def advertise_load_balancer(place: Place, arn: str, host: str) -> None:
    """Give a load balancer a DNS name under which the application answers; moto's resolves nowhere."""
    elbv2.elbv2_backends[place.account][place.region].load_balancers[arn].dns_name = host


def database_is(place: Place, instance: str, status: str) -> None:
    """Set the status of an RDS instance."""
    rds_backends[place.account][place.region].databases[instance].status = status


def name_secret(place: Place, name: str, arn: str) -> None:
    """Give a secret a fixed ARN, which task definitions name; moto's ends with six random letters."""
    secret = secretsmanager_backends[place.account][place.region].secrets[name]
    assert isinstance(secret, FakeSecret)  # noqa: S101  no replica: this region has made it
    secret.arn = arn


def subnets_are(place: Place, *, full: bool) -> None:
    """Let every subnet be full, or have room again."""
    for zone in ec2_backends[place.account][place.region].subnets.values():
        for subnet in zone.values():
            free = 0 if full else subnet.cidr.num_addresses - 5  # AWS keeps five of each
            subnet._available_ip_addresses = free  # noqa: SLF001  moto has no other way
