"""Sentences about what is wrong with a request. None quotes a value that was sent: it could be a secret."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from contracts.base import ACCOUNT, NAME, REGION
from contracts.policy_elsewhere import STAND_IN
from contracts.prose import plain
from contracts.suggest import did_you_mean

MOST_FIELDS = 10
MOST_ROUTES = 12
PATTERNS = {
    NAME: "may have letters, digits, - and _ only",
    ACCOUNT: "must be the twelve digits of an account",
    REGION: "must be a region like us-west-2",
    "^[A-Za-z0-9:._-]{1,200}$": "must be an id, as the answer to the request has it",
    "^[0-9a-f]{32}$": "must be the plan of a run's status (approval.plan): 32 hexadecimal digits",
    STAND_IN: "must be OLD=NEW, each with five characters at least: what a snapshot names, and what stands for it",
    "^[0-9]{8}_[0-9]{6}(_[0-9a-f]{8})?$": "must be the id of a snapshot, like 20260105_140526_a3cb6a9a",
}
"""The patterns of what callers send → what it must be, in words."""

_WHERE = {"body": "in the body", "query": "in the query", "path": "in the path", "header": "in the headers"}
_WORDS = {
    "missing": "is required",
    "extra_forbidden": "is not known here",
    "string_too_long": "must have {max_length} characters at most",
    "string_type": "must be text",
    "int_parsing": "must be a whole number",
    "int_type": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_parsing": "must be a number",
    "float_type": "must be a number",
    "bool_parsing": "must be true or false",
    "bool_type": "must be true or false",
    "list_type": "must be a list",
    "tuple_type": "must be a list",
    "dict_type": "must be an object",
    "model_type": "must be an object",
    "model_attributes_type": "must be an object",
    "too_short": "must have {min_length} entries at least",
    "too_long": "must have {max_length} entries at most",
    "greater_than": "must be more than {gt}",
    "greater_than_equal": "must be {ge} at least",
    "less_than": "must be less than {lt}",
    "less_than_equal": "must be {le} at most",
    "literal_error": "must be {expected}",
    "enum": "must be {expected}",
    "union_tag_invalid": "must be of the kind {expected_tags}",
    "union_tag_not_found": "must have a kind",
    "datetime_parsing": "must be a time like 2026-01-05T14:05:26Z",
    "datetime_from_date_parsing": "must be a time like 2026-01-05T14:05:26Z",
    "datetime_type": "must be a time like 2026-01-05T14:05:26Z",
    "timezone_aware": "must have a time zone, like 2026-01-05T14:05:26Z",
    "json_invalid": "must be JSON",
}
"""pydantic's type of error → what the field must be; names in braces are the error's limits."""


@dataclass(frozen=True, slots=True)
class WrongField:
    field: str
    """The field and its place, such as ``suites[0] in the body``."""
    must: str
    """The rule, such as ``must be 'smoke' or 'api'``."""


def wrong_fields(faults: Sequence[Mapping[str, Any]]) -> tuple[WrongField, ...]:
    """Return each wrong field of pydantic's ``errors()``, and what it must be.

    Of a list with a wrong entry only that entry is named; pydantic names the list, too.
    """
    places = [tuple(fault["loc"]) for fault in faults]
    innermost = (
        fault
        for fault, place in zip(faults, places, strict=True)
        if not any(len(other) > len(place) and other[: len(place)] == place for other in places)
    )
    return tuple(WrongField(_field(fault["loc"], fault["type"]), _must(fault)) for fault in innermost)


def sentence(wrong: Sequence[WrongField]) -> str:
    """Return one sentence about all wrong fields."""
    phrases = [f"{field.field} {field.must}" for field in wrong[:MOST_FIELDS]]
    more = len(wrong) - MOST_FIELDS
    return "; ".join([*phrases, f"and {more} more"] if more > 0 else phrases)


def _field(loc: Sequence[int | str], kind: str) -> str:
    where, *path = loc or ("body",)
    if kind == "json_invalid" or not path:
        return "the body" if where == "body" else str(where)
    name = ""
    for part in path:
        name += f"[{part}]" if isinstance(part, int) else f"{'.' if name else ''}{part}"
    return f"{plain(name[:100])} {_WHERE.get(str(where), '')}".strip()


def _must(fault: Mapping[str, Any]) -> str:
    kind, limits = fault["type"], fault.get("ctx", {})
    if kind == "string_pattern_mismatch":
        return PATTERNS.get(limits["pattern"], f"must match {limits['pattern']}")
    if kind == "string_too_short":
        least = limits["min_length"]
        return "must not be empty" if least == 1 else f"must have {least} characters at least"
    if kind in _WORDS:
        return _WORDS[kind].format(**limits)
    text = str(fault.get("msg", "")).removeprefix("Value error, ")
    quotes = not text or (fault.get("input") not in (None, "") and str(fault["input"]) in text)
    return "is not valid" if quotes else f"is not valid: {text}"


def unknown_path(path: str, prefix: str, routes: Iterable[str]) -> str:
    """Return a sentence that lists the paths that exist. ``routes`` are like ``GET /api/v1/health/score``."""
    known = sorted(routes)
    first = path.removeprefix(f"{prefix}/").partition("/")[0]
    near = [route for route in known if f" {prefix}/{first}/" in f"{route}/"]
    docs = f"{prefix}/docs describes them all"
    if path.startswith(f"{prefix}/") and near:
        shown = ", ".join(near[:MOST_ROUTES]) + (", …" if len(near) > MOST_ROUTES else "")
        return f"There is no such path. Under {prefix}/{first} there are {shown}; {docs}."
    roots = sorted({route.partition(f"{prefix}/")[2].partition("/")[0] for route in known if f" {prefix}/" in route})
    there = ", ".join(f"{prefix}/{root}" for root in roots) or "none yet"
    meant = did_you_mean(first, roots) if path.startswith(f"{prefix}/") else ""
    return f"There is no such path. Paths begin with {there}{meant}; {docs}."


def wrong_method(allowed: str, prefix: str) -> str:
    """Return a sentence with the methods that the path takes. ``allowed`` is like ``GET, POST``."""
    return f"This path takes {allowed or 'other methods'} only; {prefix}/docs describes them all."
