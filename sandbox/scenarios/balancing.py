"""Load balancers, their listeners, rules and target groups, in the words of Elastic Load Balancing.

Elastic Load Balancing API reference, CreateLoadBalancer, CreateListener, CreateRule, CreateTargetGroup.
"""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from sandbox.scenarios.frozen import Frozen

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9]([A-Za-z0-9-]{0,30}[A-Za-z0-9])?$")]
"""A name as Elastic Load Balancing takes it: 32 letters, digits and hyphens."""
Port = Annotated[int, Field(ge=1, le=65_535)]
Texts = Annotated[tuple[str, ...], Field(min_length=1)]

USUAL_LOAD_BALANCER = "court-case-alb"
USUAL_TARGET_GROUP = "court-case-backend"
USUAL_PORT = 80


class TargetGroup(Frozen):
    """A target group whose targets are the addresses of tasks. The health check's defaults are those of the sandbox."""

    name: Name = USUAL_TARGET_GROUP
    protocol: Literal["HTTP", "HTTPS", "TCP", "TLS", "UDP", "TCP_UDP"] = "HTTP"
    port: Port = 8000
    health_check_protocol: Literal["HTTP", "HTTPS", "TCP"] | None = None
    """None: HTTP for HTTP and HTTPS, TCP for the others."""
    health_check_path: Annotated[str, Field(pattern=r"^/")] = "/health"
    health_check_interval_seconds: Annotated[int, Field(ge=5, le=300)] = 10
    healthy_threshold_count: Annotated[int, Field(ge=2, le=10)] = 2
    unhealthy_threshold_count: Annotated[int, Field(ge=2, le=10)] = 3
    matcher: Annotated[str, Field(pattern=r"^[0-9]{3}([,-][0-9]{3})*$")] = "200"
    """The status codes of a passed check: ``200``, ``200,302`` or ``200-299``."""
    deregistration_delay: Annotated[int, Field(ge=0, le=3600)] = 30
    """``deregistration_delay.timeout_seconds``."""

    @property
    def checked_by(self) -> Literal["HTTP", "HTTPS", "TCP"]:
        """Return the protocol of its health check."""
        return self.health_check_protocol or ("HTTP" if self.protocol in {"HTTP", "HTTPS"} else "TCP")


class WeightedGroup(Frozen):
    target_group: Name
    weight: Annotated[int, Field(ge=0, le=999)] = 1


class Action(Frozen):
    """What a listener or a rule does with a request. Several stand in their order, the answering one last."""

    type: Literal["forward", "fixed-response", "redirect", "authenticate-oidc", "authenticate-cognito"] = "forward"
    target_groups: tuple[WeightedGroup, ...] = ()
    """What ``forward`` sends requests to."""
    status_code: Annotated[str, Field(pattern=r"^([245][0-9][0-9]|HTTP_30[12])$")] | None = None
    """What ``fixed-response`` (``404``) and ``redirect`` (``HTTP_301``) answer."""
    content_type: str = "text/plain"
    message_body: str = ""
    protocol: str = "#{protocol}"
    host: str = "#{host}"
    port: str = "#{port}"
    path: str = "/#{path}"
    query: str = "#{query}"
    """Parts of the location of ``redirect``; ``#{host}`` and the like stand for those of the request."""

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        if self.type == "forward" and not self.target_groups:
            raise ValueError("forward needs target_groups")
        if self.type in {"fixed-response", "redirect"} and self.status_code is None:
            raise ValueError(f"{self.type} needs status_code")
        return self


class HttpHeader(Frozen):
    name: str
    values: Texts


class QueryString(Frozen):
    key: str | None = None
    value: str


class Condition(Frozen):
    """One condition of a rule; exactly one field is set. ``*`` and ``?`` stand for any text and any letter."""

    path_pattern: Texts | None = None
    host_header: Texts | None = None
    http_header: HttpHeader | None = None
    query_string: Annotated[tuple[QueryString, ...], Field(min_length=1)] | None = None
    http_request_method: Texts | None = None
    source_ip: Texts | None = None

    @model_validator(mode="after")
    def _is_one(self) -> Self:
        if len(self.model_dump(exclude_none=True)) != 1:
            raise ValueError(f"a condition is exactly one of {', '.join(type(self).model_fields)}")
        return self


class ListenerRule(Frozen):
    priority: Annotated[int, Field(ge=1, le=50_000)]
    conditions: Annotated[tuple[Condition, ...], Field(min_length=1)]
    actions: Annotated[tuple[Action, ...], Field(min_length=1)]


class Listener(Frozen):
    protocol: Literal["HTTP", "HTTPS", "TCP", "TLS", "UDP", "TCP_UDP"] = "HTTP"
    port: Port = USUAL_PORT
    certificate: str | None = None
    """The domain name in the certificate of HTTPS and TLS. A client that asks for another name refuses it."""
    default_actions: Annotated[tuple[Action, ...], Field(min_length=1)] = (
        Action(target_groups=(WeightedGroup(target_group=USUAL_TARGET_GROUP),)),
    )
    rules: tuple[ListenerRule, ...] = ()

    @model_validator(mode="after")
    def _has_its_certificate(self) -> Self:
        if (self.protocol in {"HTTPS", "TLS"}) != (self.certificate is not None):
            raise ValueError("HTTPS and TLS have a certificate, and no other protocol has one")
        return self

    @property
    def actions(self) -> tuple[Action, ...]:
        """Return the actions of the listener and of all its rules."""
        return (*self.default_actions, *(action for rule in self.rules for action in rule.actions))


class LoadBalancer(Frozen):
    """Users reach it wherever it is; Surefoot reaches it only where it is ``internet-facing``."""

    name: Name = USUAL_LOAD_BALANCER
    type: Literal["application", "network"] = "application"
    scheme: Literal["internet-facing", "internal"] = "internet-facing"
    names: tuple[str, ...] = ()
    """Names of its owner's domain that resolve to it, beside its own."""
    listeners: Annotated[tuple[Listener, ...], Field(min_length=1)] = (Listener(),)

    @model_validator(mode="after")
    def _speaks_its_protocols(self) -> Self:
        spoken = {"HTTP", "HTTPS"} if self.type == "application" else {"TCP", "TLS", "UDP", "TCP_UDP"}
        for listener in self.listeners:
            if listener.protocol not in spoken:
                known = ", ".join(sorted(spoken))
                raise ValueError(f"listeners of {self.type} load balancers speak {known}, not {listener.protocol}")
            if self.type == "network" and listener.rules:
                raise ValueError("network load balancers have no rules")
        return self
