"""Cost Explorer's filters and groups: dimensions and tags of a line, and expressions over them.

Source: AWS Billing and Cost Management API reference, Expression and GroupDefinition.
"""

from collections.abc import Callable, Mapping
from typing import Any

from sandbox.aws.accounts import REGION
from sandbox.aws.costs.ledger import Line
from sandbox.aws.costs.periods import invalid
from sandbox.aws.costs.prices import SERVICE
from sandbox.aws.errors import AwsFault

Predicate = Callable[[Line], bool]
Reader = Callable[[Line], str]

DIMENSIONS: dict[str, Reader] = {
    "SERVICE": lambda _: SERVICE,
    "USAGE_TYPE": lambda line: line.usage_type,
    "REGION": lambda _: REGION,
    "LINKED_ACCOUNT": lambda line: line.account,
    "RECORD_TYPE": lambda _: "Usage",
}
_EXACT, _ABSENT = {"EQUALS", "CASE_SENSITIVE"}, "ABSENT"


def dimension(key: str) -> Reader:
    """Return a function that reads a dimension of a line. Raise ``AwsFault`` for an unknown dimension."""
    if key not in DIMENSIONS:
        raise not_simulated(f"dimension {key}")
    return DIMENSIONS[key]


def group(definition: Mapping[str, str]) -> Reader:
    """Return a function that names a line's group as answers do: the value, ``key$value`` for a tag, else ``key$``."""
    kind, key = definition.get("Type", "DIMENSION"), definition.get("Key", "")
    if kind == "DIMENSION":
        return dimension(key)
    if kind == "TAG":
        return lambda line: f"{key}${dict(line.tags).get(key, '')}"
    raise not_simulated(f"grouping by {kind}")


def predicate(expression: Mapping[str, Any]) -> Predicate:
    """Return a function that tests whether a line matches. Raise ``AwsFault`` for an unsupported expression."""
    if len(expression) != 1:
        raise invalid("An expression must have exactly one of And, Or, Not, Dimensions, Tags.")
    kind, body = next(iter(expression.items()))
    match kind:
        case "And" | "Or":
            parts = [predicate(part) for part in body]
            holds = all if kind == "And" else any
            return lambda line: holds(part(line) for part in parts)
        case "Not":
            denied = predicate(body)
            return lambda line: not denied(line)
        case "Dimensions":
            return _among(dimension(body.get("Key", "")), body, _EXACT)
        case "Tags":
            key = body.get("Key", "")
            return _among(lambda line: dict(line.tags).get(key, ""), body, _EXACT | {_ABSENT})
    raise not_simulated(f"filter by {kind}")


def not_simulated(what: str) -> AwsFault:
    return AwsFault("UnsupportedOperationException", f"The simulated AWS has no {what} of ce.")


def _among(read: Reader, body: Mapping[str, Any], known: set[str]) -> Predicate:
    options = set(body.get("MatchOptions", ()))
    if options - known:
        raise not_simulated(f"match option {min(options - known)}")
    values = {""} if _ABSENT in options else set(body.get("Values", ()))
    return lambda line: read(line) in values
