"""The other services of AWS for ECS, answered by moto."""

from collections.abc import Sequence

from moto.cloudwatch.models import cloudwatch_backends
from moto.ec2.exceptions import InvalidSubnetIdError
from moto.ec2.models import ec2_backends
from moto.elbv2.models import FakeTargetGroup, elbv2_backends
from moto.secretsmanager.models import secretsmanager_backends
from moto.ssm.exceptions import ParameterVersionNotFound
from moto.ssm.models import ssm_backends

from sandbox.aws.accounts import Place
from sandbox.aws.cloudwatch.alarms import firing, looks_back
from sandbox.aws.ecs.neighbours import DEREGISTRATION_SECONDS, Neighbours
from sandbox.aws.ecs.targets import HealthCheck
from sandbox.aws.moto.listeners import takers

UNREADABLE = (
    "unable to retrieve secret from asm: service call has been retried 1 time(s): failed to fetch secret {arn} from "
    "secrets manager: ResourceNotFoundException: Secrets Manager can't find the specified secret."
)
UNREAD_PARAMETER = (
    "unable to retrieve secrets from ssm: service call has been retried 1 time(s): "
    "failed to fetch parameter {arn}: invalid parameters: {name}"
)


class MotoNeighbours(Neighbours):
    """The neighbours in one account and region."""

    def __init__(self, place: Place) -> None:
        super().__init__()
        self._place = place

    def alarms_firing(self, names: Sequence[str]) -> list[str]:
        return firing(cloudwatch_backends[self._place.account][self._place.region].alarms, names)

    def alarm_seconds(self, names: Sequence[str]) -> float:
        return looks_back(cloudwatch_backends[self._place.account][self._place.region].alarms, names)

    def secret_fault(self, reference: str) -> str:
        if ":secretsmanager:" in reference:
            # json key, version stage and version id may follow the name
            arn = ":".join(reference.split(":")[:7])
            known = secretsmanager_backends[self._place.account][self._place.region].secrets.get(arn)
            there = known is not None and not known.is_deleted() and not self.secrets_gone
            return "" if there else UNREADABLE.format(arn=arn)
        name = reference.partition(":parameter")[2] or reference
        there = not self.secrets_gone and any(map(self._is_parameter, (name, name.removeprefix("/"))))
        return "" if there else UNREAD_PARAMETER.format(arn=reference, name=name)

    def load_balancer_of(self, group: str) -> str | None:
        known = self._group(group)
        arns = known.load_balancer_arns if known is not None else []
        return arns[0].split(":loadbalancer/", 1)[-1] if arns else None

    def takes_requests(self, group: str) -> bool:
        return group in takers(self._place)

    def deregistration_seconds(self, group: str) -> float:
        known = self._group(group)
        attributes = known.attributes if known is not None else {}
        return float(str(attributes.get("deregistration_delay.timeout_seconds", DEREGISTRATION_SECONDS)))

    def health_check(self, group: str) -> HealthCheck:
        known = self._group(group)
        if known is None:
            return HealthCheck()
        protocol = str(known.health_check_protocol or "HTTP")
        return HealthCheck(
            protocol,
            str(known.health_check_path or "/"),
            float(known.health_check_interval_seconds),
            int(known.healthy_threshold_count),
            int(known.unhealthy_threshold_count),
            "200" if protocol == "TCP" else str(known.matcher.get("HttpCode", "200")),
        )

    def free_addresses(self, subnet: str) -> int | None:
        try:
            known = ec2_backends[self._place.account][self._place.region].get_subnet(subnet)
        except InvalidSubnetIdError:
            return None
        return known.available_ip_address_count

    def _group(self, arn: str) -> FakeTargetGroup | None:
        return elbv2_backends[self._place.account][self._place.region].target_groups.get(arn)

    def _is_parameter(self, name: str) -> bool:
        try:
            return ssm_backends[self._place.account][self._place.region].get_parameter(name) is not None
        except ParameterVersionNotFound:
            return False
