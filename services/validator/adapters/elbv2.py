"""Where a service's requests come in: the listener that forwards to its target group."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from services._chassis.aws import Aws
from services.validator.adapters.failures import Failure, code, sentence
from services.validator.domain.facts import Absent, Unknown
from services.validator.ports import Address

_SCHEMES = {"HTTP": "http", "TCP": "http", "TCP_UDP": "http", "HTTPS": "https", "TLS": "https"}
NONE = "no load balancer stands before the service, so that there is nowhere to send a test"


@dataclass(frozen=True, slots=True)
class Elbv2Balancers:
    aws: Aws

    async def address(self, target_groups: tuple[str, ...]) -> Address | Absent | Unknown:
        """Prefer plain HTTP, then a listener's default over a rule that may want more than we send."""
        if not target_groups:
            return Absent(NONE)
        try:
            found = [address for group in target_groups for address in await self._addresses(group)]
        except Failure as error:
            if code(error) == "TargetGroupNotFound":
                return Absent("the service's target group does not exist any more")
            return Unknown(sentence("Elastic Load Balancing", "a question about listeners", error))
        if not found:
            return Absent("no listener forwards to the service's target group")
        return min(found, key=lambda address: (not address.url.startswith("http:"), address.host is not None))

    async def _addresses(self, group: str) -> list[Address]:
        groups = await self.aws.call("elbv2", "describe_target_groups", TargetGroupArns=[group])
        balancers: list[str] = groups["TargetGroups"][0].get("LoadBalancerArns", [])
        found = await asyncio.gather(*(self._listening(balancer, group) for balancer in balancers))
        return [address for addresses in found for address in addresses]

    async def _listening(self, balancer: str, group: str) -> list[Address]:
        described = await self.aws.call("elbv2", "describe_load_balancers", LoadBalancerArns=[balancer])
        name: str = described["LoadBalancers"][0]["DNSName"]
        listeners = await self.aws.pages("elbv2", "describe_listeners", "Listeners", LoadBalancerArn=balancer)
        addresses = []
        for listener in listeners:
            scheme = _SCHEMES.get(listener.get("Protocol", ""))
            if scheme is None:
                continue
            url = f"{scheme}://{name}:{listener['Port']}"
            if group in _forwards(listener.get("DefaultActions", [])):
                addresses.append(Address(url))
                continue
            rules = await self.aws.pages("elbv2", "describe_rules", "Rules", ListenerArn=listener["ListenerArn"])
            addresses += [Address(url, _host(rule)) for rule in rules if group in _forwards(rule.get("Actions", []))]
        return addresses


def _forwards(actions: list[dict[str, Any]]) -> Iterator[str]:
    """The target groups that get a request; one with weight 0 gets none."""
    for action in actions:
        if action.get("Type") != "forward":
            continue
        weighted = action.get("ForwardConfig", {}).get("TargetGroups", [])
        if weighted:
            yield from (one["TargetGroupArn"] for one in weighted if one.get("Weight", 1) > 0)
        elif action.get("TargetGroupArn"):
            yield action["TargetGroupArn"]


def _host(rule: dict[str, Any]) -> str | None:
    """A host that the rule's host-header condition is content with."""
    for condition in rule.get("Conditions", []):
        if condition.get("Field") == "host-header":
            values = condition.get("HostHeaderConfig", {}).get("Values") or condition.get("Values", [])
            return next((str(value).replace("*", "surefoot").replace("?", "x") for value in values), None)
    return None
