r"""What a listener does with a request: its rules by priority, with all their conditions and actions. Nothing is read.

Source: Elastic Load Balancing API reference 2015-12-01, RuleCondition and Action. Host names, header values and query
strings are compared without regard to case, paths and methods with it; ``*`` stands for any number of characters,
``?`` for one, and ``\*`` and ``\?`` for themselves.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any
from urllib.parse import parse_qsl, quote_plus

Body = dict[str, Any]

_LOGINS = frozenset({"authenticate-oidc", "authenticate-cognito", "jwt-validation"})
_EVERYBODY = frozenset({"0.0.0.0/0", "::/0"})
_OWN_HEADERS = {"user-agent": "surefoot", "accept": "*/*"}
"""What every request of ours carries, as far as patterns can look at it."""
_MOST_REQUESTS = 20
"""How many requests are tried for one rule, where its conditions have several values each."""
_ANY, _ONE = "surefoot", "x"
"""What stands for ``*`` and for ``?`` in a request that is made to match a pattern."""
_TOKENS = re.compile(r"\\[*?]|[*?]|[^*?\\]+|\\")
_LAST = 1 << 31


@dataclass(frozen=True, slots=True)
class Request:
    """A GET request, as far as rules look at it."""

    host: str
    path: str
    """With its query, if it has one."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """What a rule asks for besides the host."""
    query: str = ""
    """``key=value&…``: what a rule asks for besides the path's own query."""

    @property
    def parameters(self) -> list[tuple[str, str]]:
        own = self.path.partition("?")[2]
        return parse_qsl("&".join(filter(None, (own, self.query))), keep_blank_values=True)

    def header(self, name: str) -> str | None:
        sent = {own.lower(): value for own, value in (_OWN_HEADERS | dict(self.headers)).items()}
        return sent.get(name.lower())


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition of a rule: met if one of its values matches."""

    field: str
    """host-header, path-pattern, http-header, query-string, http-request-method, source-ip, or one of later times."""
    values: tuple[str, ...] = ()
    name: str = ""
    """The header's name."""
    pairs: tuple[tuple[str, str], ...] = ()
    """The keys and values of a query string; an empty key stands for any."""
    by_regex: bool = False
    """True: it compares with regular expressions, too, which are not evaluated here."""

    def met_by(self, request: Request) -> bool | None:
        """Return whether the request meets it; None where that cannot be told from here."""
        met = self._met_by(request)
        return None if self.by_regex and not met else met

    def _met_by(self, request: Request) -> bool | None:
        look = _LOOKS.get(self.field)
        return look(self, request) if look else None

    def meet(self, request: Request) -> Iterator[Request]:
        """Yield the request with the host, header or query that the condition asks for, once for each value.

        Nothing else of a request can be chosen; so it may not meet the condition.
        """
        match self.field:
            case "host-header" if self.values:
                yield from (replace(request, host=example(value)) for value in self.values)
            case "http-header" if self.values:
                for value in self.values:
                    yield replace(request, headers={**request.headers, self.name: example(value)})
            case "query-string":
                for key, value in self.pairs:
                    wanted = f"{quote_plus(example(key) or 'q')}={quote_plus(example(value))}"
                    yield replace(request, query="&".join(filter(None, (request.query, wanted))))
            case _:
                yield request


@dataclass(frozen=True, slots=True)
class Forward:
    """The request goes to one of these target groups (ARNs): those with a weight above 0."""

    groups: frozenset[str]


@dataclass(frozen=True, slots=True)
class Login:
    """The request is answered by a login, or refused without a token; ``groups`` are behind it."""

    groups: frozenset[str]


@dataclass(frozen=True, slots=True)
class Redirect:
    """The request is answered by a redirect."""

    host: str
    """``#{host}`` for the same."""


@dataclass(frozen=True, slots=True)
class Fixed:
    """The load balancer answers the request itself."""

    status: str


Action = Forward | Login | Redirect | Fixed


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule of a listener. Its default is the last rule, without conditions."""

    action: Action
    conditions: tuple[Condition, ...] = ()

    @property
    def groups(self) -> frozenset[str]:
        """Return the target groups (ARNs) that get requests by this rule."""
        return self.action.groups if isinstance(self.action, Forward | Login) else frozenset()

    @property
    def exact_host(self) -> bool:
        """Return whether the rule names its hosts without wildcards."""
        hosts = [value for found in self.conditions if found.field == "host-header" for value in found.values]
        return bool(hosts) and not any("*" in host or "?" in host for host in hosts)

    def met_by(self, request: Request) -> bool | None:
        """Return whether the request meets every condition; None where that cannot be told from here."""
        met = [condition.met_by(request) for condition in self.conditions]
        return False if False in met else None if None in met else True

    def requests(self, path: str, host: str) -> list[Request]:
        """Return GET requests of ``path`` with what the rule asks for; ``host`` is used where it asks for none.

        The path and the caller's address are as they are: whether the listener sends such a request by this rule is
        for ``actions`` to say.
        """
        found = [Request(host, path)]
        for condition in self.conditions:
            found = [changed for request in found for changed in condition.meet(request)][:_MOST_REQUESTS]
        return found


def _header_met(condition: Condition, request: Request) -> bool:
    sent = request.header(condition.name)
    return sent is not None and any(matches(value, sent) for value in condition.values)


_LOOKS: Mapping[str, Callable[[Condition, Request], bool | None]] = {
    "host-header": lambda condition, request: any(matches(value, request.host) for value in condition.values),
    "path-pattern": lambda condition, request: any(
        matches(value, request.path.partition("?")[0], case=True) for value in condition.values
    ),
    "http-header": _header_met,
    "query-string": lambda condition, request: any(_has(pair, request.parameters) for pair in condition.pairs),
    "http-request-method": lambda condition, _: "GET" in condition.values,
    "source-ip": lambda condition, _: None if _EVERYBODY.isdisjoint(condition.values) else True,
}
"""Field of a condition → whether a request meets it; None where that cannot be told from here."""


def actions(rules: Sequence[Rule], request: Request) -> tuple[Action, ...]:
    """Return what a listener with these rules, by priority, does with the request.

    These are several actions where it depends on what cannot be told from here, such as the caller's address.
    """
    possible: list[Action] = []
    for rule in rules:
        met = rule.met_by(request)
        if met is not False:
            possible.append(rule.action)
        if met:
            break
    return tuple(dict.fromkeys(possible))


def matches(pattern: str, text: str, *, case: bool = False) -> bool:
    return _compiled(pattern, case).fullmatch(text) is not None


def example(pattern: str) -> str:
    """Return a text that the pattern matches."""
    return "".join({"*": _ANY, "?": _ONE}.get(token, _literal(token)) for token in _TOKENS.findall(pattern))


@lru_cache(maxsize=1024)
def _compiled(pattern: str, case: bool) -> re.Pattern[str]:
    wild = {"*": ".*", "?": "."}
    parts = (wild.get(token) or re.escape(_literal(token)) for token in _TOKENS.findall(pattern))
    return re.compile("".join(parts), re.DOTALL | (re.NOFLAG if case else re.IGNORECASE))


def _literal(token: str) -> str:
    return token[1:] if token in {"\\*", "\\?"} else token


def _has(pair: tuple[str, str], parameters: Sequence[tuple[str, str]]) -> bool:
    key, value = pair
    return any((not key or matches(key, name)) and matches(value, found) for name, found in parameters)


def rules_of(described: Sequence[Body]) -> tuple[Rule, ...]:
    """Return the rules of DescribeRules, by priority; the default comes last."""
    return tuple(rule_of(body) for body in sorted(described, key=_priority))


def default_of(listener: Body) -> Rule:
    """Return the default rule of a listener as DescribeListeners describes it."""
    return rule_of({"Actions": listener.get("DefaultActions")})


def rule_of(body: Body) -> Rule:
    conditions = tuple(_condition(condition) for condition in body.get("Conditions") or ())
    return Rule(_action(body.get("Actions") or ()), conditions)


def _priority(body: Body) -> int:
    priority = str(body.get("Priority", ""))
    return int(priority) if priority.isdecimal() else _LAST


def _condition(body: Body) -> Condition:
    """Read a condition; a simple one has its values at the top, others have them in a part of their own."""
    field_ = str(body.get("Field", ""))
    part = next((value for key, value in body.items() if key.endswith("Config") and isinstance(value, dict)), {})
    values = part.get("Values") or body.get("Values") or ()
    pairs = tuple((str(v.get("Key") or ""), str(v.get("Value") or "")) for v in values if isinstance(v, dict))
    return Condition(
        field=field_,
        values=tuple(str(value) for value in values if not isinstance(value, dict)),
        name=str(part.get("HttpHeaderName", "")),
        pairs=pairs,
        by_regex=bool(part.get("RegexValues") or body.get("RegexValues")),
    )


def _action(bodies: Sequence[Body]) -> Action:
    """Return what a rule's actions come to: a login that cannot be passed by, else the last action."""
    in_order = sorted(bodies, key=lambda body: int(body.get("Order") or 0))
    last: Body = in_order[-1] if in_order else {}
    if any(_asks_to_log_in(body) for body in bodies):
        return Login(frozenset(_groups(last)))
    match last.get("Type"):
        case "redirect":
            return Redirect(str((last.get("RedirectConfig") or {}).get("Host") or "#{host}"))
        case "fixed-response":
            return Fixed(str((last.get("FixedResponseConfig") or {}).get("StatusCode", "")))
        case _:
            return Forward(frozenset(_groups(last)))


def _asks_to_log_in(body: Body) -> bool:
    if body.get("Type") not in _LOGINS:
        return False
    settings = body.get("AuthenticateOidcConfig") or body.get("AuthenticateCognitoConfig") or {}
    return settings.get("OnUnauthenticatedRequest") != "allow"


def _groups(body: Body) -> Iterator[str]:
    """Yield the target groups that get requests; a group with weight 0 gets none."""
    weighted = (body.get("ForwardConfig") or {}).get("TargetGroups") or ()
    if weighted:
        yield from (group["TargetGroupArn"] for group in weighted if group.get("Weight", 1) > 0)
    elif body.get("TargetGroupArn"):
        yield str(body["TargetGroupArn"])
