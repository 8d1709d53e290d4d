"""What CloudWatch calls the parts of an ECS service."""

from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from contracts.base import Target
from services._chassis.aws import Aws
from services.monitor.adapters.failures import asking, code
from services.monitor.domain.alarms import Marks
from services.monitor.domain.metrics import Dimensions
from services.monitor.ports import NotFound, Unavailable


@dataclass(frozen=True, slots=True)
class EcsServices:
    aws: Aws

    async def dimensions(self, target: Target, known: Dimensions | None) -> Dimensions:
        return await self._dimensions(target, await self._service(target), known)

    async def marks(self, target: Target) -> Marks:
        service = await self._service(target)
        found = await self._dimensions(target, service, None)
        alarms = (service.get("deploymentConfiguration") or {}).get("alarms") or {}
        named = alarms.get("alarmNames", ()) if alarms.get("enable") else ()
        return Marks(target.cluster, target.service, found.load_balancer, found.target_group, frozenset(named))

    async def _service(self, target: Target) -> dict[str, Any]:
        with asking("ECS", "DescribeServices"):
            try:
                answer = await self.aws.call(
                    "ecs", "describe_services", cluster=target.cluster, services=[target.service]
                )
            except ClientError as error:
                if code(error) == "ClusterNotFoundException":
                    raise NotFound(f"there is no cluster {target.cluster}") from error
                raise
        services = answer.get("services", [])
        if services and services[0].get("status") == "ACTIVE":
            service: dict[str, Any] = services[0]
            return service
        reasons = {str(failure.get("reason")) for failure in answer.get("failures", [])}
        if reasons - {"MISSING"}:
            raise Unavailable(f"ECS could not describe {target.service}: {', '.join(sorted(reasons))}")
        raise NotFound(f"there is no active service {target.service} in the cluster {target.cluster}")

    async def _dimensions(self, target: Target, service: dict[str, Any], known: Dimensions | None) -> Dimensions:
        arns = [one["targetGroupArn"] for one in service.get("loadBalancers", []) if one.get("targetGroupArn")]
        balancer, group = await self._balancer(arns, known)
        return Dimensions(
            cluster=target.cluster,
            service=target.service,
            load_balancer=balancer,
            target_group=group,
            wanted=service["desiredCount"],
            running=service["runningCount"],
            created_at=service["createdAt"].timestamp(),
        )

    async def _balancer(self, arns: list[str], known: Dimensions | None) -> tuple[str | None, str | None]:
        """Return load balancer and target group of the first group behind an Application Load Balancer.

        Network load balancers count no requests: for our rules such a service is one without.
        """
        if known and known.balanced and known.target_group in [_group(arn) for arn in arns]:
            return known.load_balancer, known.target_group
        if not arns:
            return None, None
        with asking("Elastic Load Balancing", "DescribeTargetGroups"):
            answer = await self.aws.call("elbv2", "describe_target_groups", TargetGroupArns=arns)
        found = {one["TargetGroupArn"]: one.get("LoadBalancerArns", []) for one in answer["TargetGroups"]}
        for arn in arns:
            for balancer in found.get(arn, ()):
                name = balancer.partition(":loadbalancer/")[2]
                if name.startswith("app/"):
                    return name, _group(arn)
        return None, None


def _group(arn: str) -> str:
    return arn.rpartition(":")[2]
