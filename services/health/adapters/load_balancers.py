"""The port ``LoadBalancers`` on Elastic Load Balancing v2."""

from collections.abc import Iterable
from typing import Any

from services._chassis.aws import Aws
from services.health.adapters.asking import ask, ask_pages
from services.health.domain.observed import Front, TargetHealth

_SCHEMES = {"HTTP": "http", "TCP": "http", "HTTPS": "https", "TLS": "https"}


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
            )
            for one in answer.get("TargetHealthDescriptions", [])
        )

    async def front(self, group: str) -> Front | None:
        described = await ask(self._aws, "elbv2", "describe_target_groups", TargetGroupArns=[group])
        groups = described.get("TargetGroups", [])
        for balancer in groups[0].get("LoadBalancerArns", []) if groups else []:
            listeners = await ask_pages(self._aws, "elbv2", "describe_listeners", "Listeners", LoadBalancerArn=balancer)
            listener = await self._forwarding(listeners, group)
            if listener is not None:
                return await self._front(balancer, listener, group)
        return None

    async def _forwarding(self, listeners: list[dict[str, Any]], group: str) -> dict[str, Any] | None:
        """Return the listener that sends to the group: plain ones first, by default before by a rule."""
        ordered = sorted(listeners, key=lambda one: one.get("Protocol") not in {"HTTP", "TCP"})
        for listener in ordered:
            if _forwards(listener.get("DefaultActions", []), group):
                return listener
        for listener in ordered:
            rules = await ask_pages(self._aws, "elbv2", "describe_rules", "Rules", ListenerArn=listener["ListenerArn"])
            if any(_forwards(rule.get("Actions", []), group) for rule in rules):
                return listener
        return None

    async def _front(self, balancer: str, listener: dict[str, Any], group: str) -> Front | None:
        answer = await ask(self._aws, "elbv2", "describe_load_balancers", LoadBalancerArns=[balancer])
        scheme = _SCHEMES.get(listener.get("Protocol", ""))
        found = answer.get("LoadBalancers", [])
        if not found or scheme is None:
            return None
        dimension = balancer.split(":loadbalancer/", 1)[-1]
        return Front(
            url=f"{scheme}://{found[0]['DNSName']}:{listener['Port']}",
            load_balancer=dimension if dimension.startswith("app/") else None,
            target_group=group.rsplit(":", 1)[-1],
        )


def _forwards(actions: Iterable[dict[str, Any]], group: str) -> bool:
    for action in actions:
        groups = action.get("ForwardConfig", {}).get("TargetGroups", [])
        if action.get("TargetGroupArn") == group or any(one["TargetGroupArn"] == group for one in groups):
            return True
    return False
