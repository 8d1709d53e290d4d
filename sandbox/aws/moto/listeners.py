"""A load balancer's listeners, as moto keeps them: which actions a request meets, and where those lead.

Elastic Load Balancing user guide, "Listener rules for your Application Load Balancer": rules by their priority, the
default actions last; all conditions of a rule must hold, and of each condition one value.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from typing import Any
from urllib.parse import parse_qsl

from moto.elbv2.models import FakeListener, elbv2_backends

from sandbox.aws.accounts import Place
from sandbox.aws.http_answers import Request

OUR_ADDRESS = "203.0.113.7"
"""The address from which tests come: outside of the network."""

_WILDCARDS = {"*": ".*", "?": "."}
Actions = Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class ListenerRecord:
    """A listener as it stands at this moment."""

    protocol: str
    port: int
    rules: tuple[tuple[Sequence[Mapping[str, Any]], Actions], ...]
    """Conditions and actions of each rule, in the order of their priorities."""
    default: Actions

    def actions(self, request: Request) -> Actions:
        """Return what is done with the request, in order."""
        for conditions, actions in self.rules:
            if all(_holds(condition, request) for condition in conditions):
                return actions
        return self.default


def listener(place: Place, balancer: str, port: int) -> ListenerRecord | None:
    """Return the listener at a load balancer's port; None where there is none."""
    known = elbv2_backends[place.account][place.region].load_balancers.get(balancer)
    found = known.listeners.values() if known is not None else ()
    return next((_record(listener) for listener in found if int(listener.port) == port), None)


def takers(place: Place) -> frozenset[str]:
    """Return the ARNs of the target groups to which a listener or a rule sends any; with weight 0 none are sent."""
    balancers = elbv2_backends[place.account][place.region].load_balancers.values()
    records = (_record(found) for balancer in balancers for found in balancer.listeners.values())
    every = (actions for record in records for actions in (record.default, *(taken for _, taken in record.rules)))
    return frozenset(arn for actions in every for action in actions for arn, weight in groups_of(action) if weight)


def _record(found: FakeListener) -> ListenerRecord:
    rules = sorted((rule for rule in found.rules.values() if not rule.is_default), key=lambda rule: int(rule.priority))
    return ListenerRecord(
        found.protocol,
        int(found.port),
        tuple((rule.conditions, [action.data for action in rule.actions]) for rule in rules),
        [action.data for action in found.default_actions],
    )


def groups_of(action: Mapping[str, Any]) -> list[tuple[str, int]]:
    """Return ARN and weight of each target group to which an action forwards."""
    weighted = action.get("ForwardConfig", {}).get("TargetGroups", ())
    if weighted:
        return [(group["TargetGroupArn"], int(group.get("Weight", 1))) for group in weighted]
    return [(action["TargetGroupArn"], 1)] if "TargetGroupArn" in action else []


def _holds(condition: Mapping[str, Any], request: Request) -> bool:
    return _CONDITIONS[condition["Field"]](condition, request)


def _path(condition: Mapping[str, Any], request: Request) -> bool:
    return _any_matches(_values(condition, "PathPatternConfig"), request.path, case=True)


def _host(condition: Mapping[str, Any], request: Request) -> bool:
    return _any_matches(_values(condition, "HostHeaderConfig"), request.headers.get("host", "").partition(":")[0])


def _header(condition: Mapping[str, Any], request: Request) -> bool:
    wanted = condition["HttpHeaderConfig"]
    value = request.headers.get(wanted["HttpHeaderName"].lower())
    return value is not None and _any_matches(wanted["Values"], value)


def _query(condition: Mapping[str, Any], request: Request) -> bool:
    sent = parse_qsl(request.query, keep_blank_values=True)
    return any(
        _any_matches([pair.get("Key", "*")], key) and _any_matches([pair["Value"]], value)
        for key, value in sent
        for pair in condition["QueryStringConfig"]["Values"]
    )


def _method(condition: Mapping[str, Any], request: Request) -> bool:
    return request.method in condition["HttpRequestMethodConfig"]["Values"]


def _source(condition: Mapping[str, Any], request: Request) -> bool:
    del request
    networks = condition["SourceIpConfig"]["Values"]
    return any(ip_address(OUR_ADDRESS) in ip_network(network, strict=False) for network in networks)


_CONDITIONS: Mapping[str, Callable[[Mapping[str, Any], Request], bool]] = {
    "path-pattern": _path,
    "host-header": _host,
    "http-header": _header,
    "query-string": _query,
    "http-request-method": _method,
    "source-ip": _source,
}


def _values(condition: Mapping[str, Any], config: str) -> Sequence[str]:
    """Return a condition's values, in its newer form or in its older one."""
    values: Sequence[str] = condition.get(config, {}).get("Values") or condition.get("Values") or ()
    return values


def _any_matches(patterns: Sequence[str], text: str, *, case: bool = False) -> bool:
    """Return whether the text fits one of the patterns, in which ``*`` is any text and ``?`` any letter."""
    flags = re.DOTALL if case else re.DOTALL | re.IGNORECASE
    regexes = ("".join(_WILDCARDS.get(letter, re.escape(letter)) for letter in pattern) for pattern in patterns)
    return any(re.fullmatch(regex, text, flags) for regex in regexes)
