"""Creates load balancers, target groups and listeners in moto, as an infrastructure describes them."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sandbox.scenarios.balancing import Action, Condition, Listener, LoadBalancer, TargetGroup
from sandbox.scenarios.infrastructure import Infrastructure

if TYPE_CHECKING:
    from collections.abc import Callable

    from mypy_boto3_elbv2 import ElasticLoadBalancingv2Client

_LOGIN = "https://login.example.com"
_OIDC = {
    "Issuer": _LOGIN,
    "AuthorizationEndpoint": f"{_LOGIN}/authorize",
    "TokenEndpoint": f"{_LOGIN}/token",
    "UserInfoEndpoint": f"{_LOGIN}/userinfo",
    "ClientId": "surefoot-sandbox",
    "ClientSecret": "nobody-asks-for-it",
}
_COGNITO = {
    "UserPoolArn": "arn:aws:cognito-idp:us-west-2:123456789012:userpool/us-west-2_users",
    "UserPoolClientId": "surefoot-sandbox",
    "UserPoolDomain": "login",
}


@dataclass(frozen=True, slots=True)
class Network:
    vpc: str
    subnets: list[str]
    security_group: str
    """The group of the tasks."""
    balancer_group: str
    """The group of the load balancers."""


@dataclass(slots=True)
class Entrances:
    """ARNs of what was created."""

    groups: dict[str, str] = field(default_factory=dict)
    """Target group's name → ARN."""
    balancers: list[str] = field(default_factory=list)
    """In the order of the infrastructure's load balancers."""


def create(client: "Callable[[str], Any]", network: Network, wanted: Infrastructure) -> Entrances:
    """Create everything; ``client`` returns boto3's client of a service."""
    balancing, made = client("elbv2"), Entrances()
    for group in wanted.target_groups:
        made.groups[group.name] = _target_group(balancing, network, group)
    for balancer in wanted.load_balancers:
        made.balancers.append(_load_balancer(balancing, network, balancer))
        for listener in balancer.listeners:
            certificates = _certificates(client("acm"), listener)
            _listen(balancing, made, listener, certificates)
    return made


def _target_group(balancing: "ElasticLoadBalancingv2Client", network: Network, group: TargetGroup) -> str:
    by_http: Any = {}
    if group.checked_by != "TCP":
        by_http = {"HealthCheckPath": group.health_check_path, "Matcher": {"HttpCode": group.matcher}}
    arn = balancing.create_target_group(
        Name=group.name, Protocol=group.protocol, Port=group.port, VpcId=network.vpc, TargetType="ip",
        HealthCheckProtocol=group.checked_by,
        HealthCheckIntervalSeconds=group.health_check_interval_seconds,
        HealthCheckTimeoutSeconds=min(9, group.health_check_interval_seconds - 1),
        HealthyThresholdCount=group.healthy_threshold_count, UnhealthyThresholdCount=group.unhealthy_threshold_count,
        **by_http,
    )["TargetGroups"][0]["TargetGroupArn"]  # fmt: skip
    balancing.modify_target_group_attributes(
        TargetGroupArn=arn,
        Attributes=[{"Key": "deregistration_delay.timeout_seconds", "Value": str(group.deregistration_delay)}],
    )
    return arn


def _load_balancer(balancing: "ElasticLoadBalancingv2Client", network: Network, balancer: LoadBalancer) -> str:
    guarded: Any = {"SecurityGroups": [network.balancer_group]} if balancer.type == "application" else {}
    return balancing.create_load_balancer(
        Name=balancer.name, Subnets=network.subnets, Scheme=balancer.scheme, Type=balancer.type, **guarded
    )["LoadBalancers"][0]["LoadBalancerArn"]


def _certificates(certificates: Any, listener: Listener) -> list[dict[str, str]]:
    if listener.certificate is None:
        return []
    return [{"CertificateArn": certificates.request_certificate(DomainName=listener.certificate)["CertificateArn"]}]


def _listen(
    balancing: "ElasticLoadBalancingv2Client", made: Entrances, listener: Listener, certificates: list[dict[str, str]]
) -> None:
    secured: Any = {"Certificates": certificates} if certificates else {}
    arn = balancing.create_listener(
        LoadBalancerArn=made.balancers[-1], Protocol=listener.protocol, Port=listener.port,
        DefaultActions=_actions(listener.default_actions, made), **secured,
    )["Listeners"][0]["ListenerArn"]  # fmt: skip
    for rule in listener.rules:
        conditions: Any = [_condition(condition) for condition in rule.conditions]
        balancing.create_rule(
            ListenerArn=arn, Priority=rule.priority, Conditions=conditions, Actions=_actions(rule.actions, made)
        )


def _actions(actions: tuple[Action, ...], made: Entrances) -> Any:
    """Return actions as the API has them; one alone has no order."""
    if len(actions) == 1:
        return [_action(actions[0], made)]
    return [{**_action(action, made), "Order": order} for order, action in enumerate(actions, 1)]


def _action(action: Action, made: Entrances) -> dict[str, Any]:
    match action.type:
        case "forward":
            weighted = [
                {"TargetGroupArn": made.groups[group.target_group], "Weight": group.weight}
                for group in action.target_groups
            ]
            if len(weighted) == 1 and weighted[0]["Weight"] == 1:
                return {"Type": "forward", "TargetGroupArn": weighted[0]["TargetGroupArn"]}
            return {"Type": "forward", "ForwardConfig": {"TargetGroups": weighted}}
        case "fixed-response":
            fixed = {"StatusCode": action.status_code, "ContentType": action.content_type}
            return {"Type": action.type, "FixedResponseConfig": {**fixed, "MessageBody": action.message_body}}
        case "redirect":
            location = {name.title(): getattr(action, name) for name in ("protocol", "host", "port", "path", "query")}
            return {"Type": action.type, "RedirectConfig": {**location, "StatusCode": action.status_code}}
        case "authenticate-oidc":
            return {"Type": action.type, "AuthenticateOidcConfig": _OIDC}
    return {"Type": action.type, "AuthenticateCognitoConfig": _COGNITO}


def _condition(condition: Condition) -> dict[str, Any]:
    if condition.path_pattern is not None:
        return {"Field": "path-pattern", "PathPatternConfig": {"Values": [*condition.path_pattern]}}
    if condition.host_header is not None:
        return {"Field": "host-header", "HostHeaderConfig": {"Values": [*condition.host_header]}}
    if condition.http_header is not None:
        header = condition.http_header
        config = {"HttpHeaderName": header.name, "Values": [*header.values]}
        return {"Field": "http-header", "HttpHeaderConfig": config}
    if condition.query_string is not None:
        pairs = [
            {"Value": pair.value} if pair.key is None else {"Key": pair.key, "Value": pair.value}
            for pair in condition.query_string
        ]
        return {"Field": "query-string", "QueryStringConfig": {"Values": pairs}}
    if condition.http_request_method is not None:
        methods = [*condition.http_request_method]
        return {"Field": "http-request-method", "HttpRequestMethodConfig": {"Values": methods}}
    return {"Field": "source-ip", "SourceIpConfig": {"Values": [*(condition.source_ip or ())]}}
