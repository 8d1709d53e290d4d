"""The port ``LoadBalancers`` on Elastic Load Balancing v2."""

from services._chassis.aws import Aws
from services.diagnostics.adapters.asking import ask
from services.diagnostics.domain.evidence import TargetHealth


class AwsLoadBalancers:
    def __init__(self, aws: Aws) -> None:
        self._aws = aws

    async def targets(self, group: str) -> tuple[TargetHealth, ...]:
        answer = await ask(self._aws, "elbv2", "describe_target_health", TargetGroupArn=group)
        return tuple(
            TargetHealth(
                group,
                one["Target"]["Id"],
                one["TargetHealth"]["State"],
                one["TargetHealth"].get("Reason", ""),
                one["TargetHealth"].get("Description", ""),
            )
            for one in answer.get("TargetHealthDescriptions", [])
        )
