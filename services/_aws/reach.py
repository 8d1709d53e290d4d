"""Where users reach a service: for each path the address to which a request is sent, or the reason why there is none.

Nothing is read here; ``load_balancers.find_reach`` reads it.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Literal, Self

from pydantic import SecretStr

from services._aws.routing import Action, Fixed, Forward, Login, Redirect, Request, Rule, actions
from services._chassis.web import Address

NO_BALANCER = "no load balancer stands before the service"
NO_LISTENER = "no listener forwards to the service's target group"
MOST_NAMED = 3
"""So many target groups of others are named; a load balancer may have 100."""


@dataclass(frozen=True, slots=True)
class Nowhere:
    """A GET of a path cannot be sent to the service."""

    why: str
    """One sentence without a full stop, such as ``a login stands in front of GET /health``."""
    rank: int = 0
    """How little it tells: of several reasons, the one with the lowest rank is told."""
    unread: bool = False
    """Whether AWS did not say where a request can be sent: there may be a way."""


@dataclass(frozen=True, slots=True)
class Group:
    """One of the service's target groups, as far as it says what may be asked of its targets."""

    arn: str
    spoken: Literal["http", "https"] | None = "http"
    """What its targets certainly speak behind a network load balancer, by their health check; None: nobody knows."""
    grpc: bool = False
    health_path: str = ""
    """The path that its own health check asks for over HTTP, and the statuses that are right; empty without one."""
    healthy_statuses: frozenset[int] = frozenset({200})
    balancers: tuple[str, ...] = ()
    """ARNs of the load balancers that name it in a listener or a rule."""


@dataclass(frozen=True, slots=True)
class Front:
    """A listener of a load balancer."""

    balancer: str
    """Its load balancer's ARN."""
    dns: str
    protocol: str
    """HTTP and HTTPS of application load balancers; TCP, TLS, TCP_UDP, UDP and others of network load balancers."""
    port: int
    rules: tuple[Rule, ...]
    """They are sorted by priority; the default comes last."""
    internal: bool = False

    @property
    def counts_requests(self) -> bool:
        """Return whether CloudWatch has counts of requests and errors: only application load balancers have them."""
        return is_application(self.balancer)

    @property
    def name(self) -> str:
        return self.balancer.rpartition(":loadbalancer/")[2].split("/")[1]

    def url(self, group: Group) -> str | None:
        """Return the URL for the group's targets; None where HTTP is not asked of them."""
        if self.counts_requests:
            scheme: str | None = None if group.grpc else self.protocol.lower()
        else:
            scheme = group.spoken and {"TLS": "https", "TCP": group.spoken, "TCP_UDP": group.spoken}.get(self.protocol)
        return f"{scheme}://{self.dns}:{self.port}" if scheme else None


@dataclass(frozen=True, slots=True)
class Counted:
    """A load balancer that counts a target group's requests, by their names in CloudWatch."""

    load_balancer: str
    """``app/<name>/<id>``"""
    target_group: str
    """``targetgroup/<name>/<id>``"""
    shared: str | None = ""
    """Why the load balancer's own errors are not this service's alone, as a clause; empty where they are, None where
    AWS does not say it for now."""


@dataclass(frozen=True, slots=True)
class Reach:
    """Where users reach one service."""

    fronts: tuple[Front, ...] = ()
    groups: tuple[Group, ...] = ()
    """The service's target groups, in ECS's order."""
    why_none: str = NO_BALANCER
    """Why there is no way at all, where there is none."""
    unread: str = ""
    """Why AWS did not say which listeners and rules there are; then there may be a way, and none is known."""
    alternates: frozenset[str] = frozenset()
    """ARNs of further target groups of the service, to which a blue/green deployment moves its users."""
    fixed: Address | None = None
    """The address that the policy names. It wins: all paths are asked there."""

    @classmethod
    def at(cls, url: str) -> Self:
        """Return the reach of a service of which the policy names the URL (``application.url``)."""
        return cls(fixed=Address(url, certified=True))

    def to(self, path: str) -> Address | Nowhere:
        """Return where to send a GET of ``path`` so that this service answers it, or why no such request is sent.

        A load balancer that faces the internet comes before an internal one, which may be out of reach; plain HTTP
        before TLS, since a load balancer's own name is in no certificate of its owner; a listener's default before a
        rule, which asks for more; then the service's first target group before its others.
        """
        if self.fixed is not None:
            return self.fixed
        if self.unread:
            return Nowhere(f"how users reach the service is not known: {self.unread}", unread=True)
        found = [self._way(front, rule, group, path) for front, rule, group in self._ways()]
        addresses = (way for way in found if isinstance(way, Address))
        reasons = sorted((way for way in found if isinstance(way, Nowhere)), key=lambda way: way.rank)
        return next(addresses, None) or next(iter(reasons), Nowhere(NO_LISTENER if self.groups else self.why_none))

    def own_paths(self, paths: Collection[str]) -> dict[str, frozenset[int]]:
        """Return the paths of the target groups' health checks, and their right statuses, where users reach these.

        They stand in for ``paths`` where not one of those leads to the service: a path that certainly exists.
        """
        if self.fixed is not None or any(isinstance(self.to(path), Address) for path in paths):
            return {}
        own = {group.health_path: group.healthy_statuses for group in self.groups if group.health_path}
        return {path: statuses for path, statuses in own.items() if isinstance(self.to(path), Address)}

    def counted(self) -> tuple[Counted, ...]:
        """Return under which names CloudWatch counts the service's requests, the best first; none where nothing does.

        Each target group stands once.
        """
        ways = [(front, rule, group) for front, rule, group in self._ways() if front.counts_requests]
        ways.sort(key=lambda way: (way[0].protocol != "HTTP", bool(way[1].conditions)))
        known = [(front.balancer, group) for front, _, group in ways]
        # without listeners and rules, the load balancers that a target group names count its requests
        named = [(arn, group) for group in self.groups for arn in group.balancers if is_application(arn)]
        return tuple(
            dict.fromkeys(
                Counted(_dimension(arn), target_group_dimension(group.arn), self._shared(arn))
                for arn, group in (named if self.unread else known)
            )
        )

    def _shared(self, balancer: str) -> str:
        """Return why the own errors of a load balancer (ARN) are not this service's alone; empty where they are.

        A target group with weight 0 gets no requests, and so causes none.
        """
        if self.unread:
            return f"who else uses it is not known: {self.unread}"
        ours = self.alternates.union(group.arn for group in self.groups)
        rules = [rule for front in self.fronts if front.balancer == balancer for rule in front.rules]
        others = sorted({_name(arn) for rule in rules for arn in rule.groups - ours})
        if others:
            more = f" and {len(others) - MOST_NAMED} more" if len(others) > MOST_NAMED else ""
            return f"it sends requests to {', '.join(others[:MOST_NAMED])}{more} as well"
        statuses = sorted({rule.action.status for rule in rules if isinstance(rule.action, Fixed)})
        errors = [status for status in statuses if status.startswith("5")]
        return f"it answers some requests with {', '.join(errors)} by itself" if errors else ""

    def _ways(self) -> list[tuple[Front, Rule, Group]]:
        """Return every rule by which a listener sends requests to one of the groups, the best first."""
        return sorted(
            (
                (front, rule, group)
                for group in self.groups
                for front in self.fronts
                for rule in front.rules
                if group.arn in rule.groups
            ),
            key=lambda way: (way[0].internal, way[0].protocol in {"HTTPS", "TLS"}, bool(way[1].conditions)),
        )

    def _way(self, front: Front, rule: Rule, group: Group, path: str) -> Address | Nowhere:
        url = front.url(group)
        if url is None:
            spoken = "gRPC" if group.grpc else front.protocol
            return Nowhere(f"{front.name} takes {spoken} at port {front.port}: HTTP is not asked of it", rank=1)
        ours = {group.arn for group in self.groups}
        reasons = []
        for request in rule.requests(path, front.dns):
            why = _not_ours(actions(front.rules, request), ours, path)
            if why is None:
                return _address(front, rule, url, request)
            reasons.append(why)
        return min(reasons, key=lambda reason: reason.rank)


def _name(group: str) -> str:
    """Return the name of the target group with this ARN."""
    return target_group_dimension(group).split("/")[1]


def target_group_dimension(arn: str) -> str:
    """Return CloudWatch's name of a target group: ``targetgroup/<name>/<id>``."""
    return arn.rpartition(":")[2]


def _dimension(load_balancer: str) -> str:
    """Return CloudWatch's name of a load balancer: ``app/<name>/<id>``."""
    return load_balancer.partition(":loadbalancer/")[2]


def is_application(load_balancer: str) -> bool:
    return ":loadbalancer/app/" in load_balancer


def _address(front: Front, rule: Rule, url: str, request: Request) -> Address:
    asked = request.host if request.host != front.dns else None
    return Address(
        url,
        asked,
        certified=url.startswith("https:") and asked is not None and rule.exact_host,
        headers={name: SecretStr(value) for name, value in request.headers.items()},
        query=request.query,
        internal=front.name if front.internal else "",
    )


def _not_ours(found: Sequence[Action], ours: set[str], path: str) -> Nowhere | None:
    """Return why a request with these possible actions may be answered by somebody else; None: the service answers."""
    asked = f"GET {path.partition('?')[0]}"
    if all(isinstance(action, Forward) and action.groups and action.groups <= ours for action in found):
        return None
    if len(found) > 1:
        return Nowhere(f"it cannot be told from here where the listener's rules send {asked}", rank=2)
    return _elsewhere(found[0] if found else Fixed(""), ours, asked)


def _elsewhere(action: Action, ours: set[str], asked: str) -> Nowhere:
    match action:
        case Login():
            return Nowhere(f"a login stands in front of {asked}")
        case Redirect():
            return Nowhere(f"the listener's rules redirect {asked}", rank=4)
        case Fixed(status):
            return Nowhere(f"the listener's rules answer {asked} themselves, with {status or 'nothing'}", rank=3)
        case Forward(groups) if groups & ours:
            return Nowhere(f"the listener's rules share {asked} between this service and another", rank=3)
        case _:
            return Nowhere(f"the listener's rules send {asked} to another service", rank=3)
