"""The target groups of a service, and the listeners and rules that send requests to them."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from services.recovery.domain.change import Body
from services.recovery.domain.recreation.recreate_parts import Kind, Part
from services.recovery.domain.snapshots.snapshot import Snapshot

_OF_GROUP = (
    "Protocol", "ProtocolVersion", "Port", "VpcId", "HealthCheckProtocol", "HealthCheckPort", "HealthCheckEnabled",
    "HealthCheckPath", "HealthCheckIntervalSeconds", "HealthCheckTimeoutSeconds", "HealthyThresholdCount",
    "UnhealthyThresholdCount", "Matcher", "TargetType", "IpAddressType",
)  # fmt: skip
"""What CreateTargetGroup takes of what DescribeTargetGroups returns (Elastic Load Balancing API reference)."""
_OF_LISTENER = ("Protocol", "Port", "SslPolicy", "AlpnPolicy", "MutualAuthentication")
_ONLY_HTTP = ("Matcher", "HealthCheckPath")


def target_groups(snapshot: Snapshot) -> Iterator[Part]:
    attributes = snapshot.surroundings.get("target_group_attributes", {})
    for group in snapshot.surroundings.get("target_groups", ()):
        by_http = str(group.get("HealthCheckProtocol", "HTTP")).startswith("HTTP")
        names = [name for name in _OF_GROUP if by_http or name not in _ONLY_HTTP]
        body = {name: group[name] for name in names if group.get(name) is not None}
        # AWS sets those without a value itself
        kept = [dict(each) for each in attributes.get(group["TargetGroupArn"], ()) if each.get("Value") != ""]
        name = group["TargetGroupName"]
        yield Part(Kind.TARGET_GROUP, name, {"Name": name, **body, "Attributes": kept}, ref=group["TargetGroupArn"])


def fronts(snapshot: Snapshot) -> Iterator[Part]:
    """Yield the listeners whose default action is the service's, and the rules that are the service's."""
    ours = {group["TargetGroupArn"] for group in snapshot.surroundings.get("target_groups", ())}
    names = {body["LoadBalancerArn"]: body["LoadBalancerName"] for body in _of(snapshot, "load_balancers")}
    listeners = list(_of(snapshot, "listeners"))
    for listener in listeners:
        if ours & set(forwarded_to(listener.get("DefaultActions", ()))):
            yield _listener(listener, _place(listener, names))
    for listener in listeners:
        for rule in snapshot.surroundings.get("rules", {}).get(listener["ListenerArn"], ()):
            if not rule.get("IsDefault") and ours & set(forwarded_to(rule.get("Actions", ()))):
                yield _rule(rule, listener["ListenerArn"], _place(listener, names))


def _of(snapshot: Snapshot, name: str) -> Sequence[Mapping[str, Any]]:
    found: Sequence[Mapping[str, Any]] = snapshot.surroundings.get(name, ())
    return found


def _place(listener: Mapping[str, Any], names: Mapping[str, str]) -> str:
    arn = listener["LoadBalancerArn"]
    return f"{names.get(arn, arn.rpartition('/')[0].rpartition('/')[2])}:{listener.get('Port')}"


def _listener(listener: Mapping[str, Any], place: str) -> Part:
    body: Body = {name: listener[name] for name in _OF_LISTENER if listener.get(name)}
    actions = listener["DefaultActions"]
    certificates = [{"CertificateArn": each["CertificateArn"]} for each in listener.get("Certificates", ())]
    body |= {"LoadBalancerArn": listener["LoadBalancerArn"], "DefaultActions": actions}
    body |= {"Certificates": certificates[:1]} if certificates else {}
    return Part(Kind.LISTENER, place, body, ref=listener["ListenerArn"], cannot=_why_not(actions))


def _rule(rule: Mapping[str, Any], listener: str, place: str) -> Part:
    body = {
        "ListenerArn": listener,
        "Priority": int(rule["Priority"]),
        "Conditions": [condition_of(condition) for condition in rule.get("Conditions", ())],
        "Actions": rule["Actions"],
    }
    name = f"{place} priority {rule['Priority']}"
    return Part(Kind.LISTENER_RULE, name, body, ref=rule["RuleArn"], cannot=_why_not(rule["Actions"]))


def condition_of(condition: Mapping[str, Any]) -> Body:
    """Return a condition in its newer form alone: CreateRule takes only one of the two that are described."""
    newer = any(name.endswith("Config") and value for name, value in condition.items())
    return {name: value for name, value in condition.items() if value and not (newer and name == "Values")}


def forwarded_to(actions: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    """Return the ARNs of the target groups to which actions send requests, each once."""
    found: list[str] = []
    for action in actions:
        found += [str(action["TargetGroupArn"])] if action.get("TargetGroupArn") else []
        found += [str(each["TargetGroupArn"]) for each in (action.get("ForwardConfig") or {}).get("TargetGroups", ())]
    return tuple(dict.fromkeys(found))


def _why_not(actions: Sequence[Mapping[str, Any]]) -> str:
    if any(action.get("Type") == "authenticate-oidc" for action in actions):
        return "it asks people to log in with a client secret (OIDC), which AWS tells nobody: make it by hand"
    return ""
