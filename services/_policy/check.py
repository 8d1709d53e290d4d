"""Checks one file's tree against the format (``contracts/policy_file.py``): each fault is a sentence with its place."""

import json
from collections.abc import Iterator
from functools import cache
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from contracts import suggest
from contracts.base import ACCOUNT, NAME, REGION
from contracts.policy import SECTIONS
from contracts.policy_file import PolicyFile, schema
from contracts.policy_section import OFF
from services._policy.environment import SETTINGS
from services._policy.faults import Fault, Place, joined
from services._policy.parse import MOST_FAULTS, Node

Loc = tuple[str | int, ...]
_WORD = 100
"""Characters of a key that are compared with the known keys: none is longer, and comparing takes time."""

_WANTED = {
    "string_type": "text",
    "float_type": "a number",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "bool_type": "true or false",
    "model_type": "a map of keys",
    "dict_type": "a map of keys",
    "tuple_type": "a list",
    "frozen_set_type": "a list",
    "literal_error": "",
    "enum": "",
}
_BOUNDS = {
    "greater_than": ("above", "gt"),
    "greater_than_equal": ("at least", "ge"),
    "less_than": ("below", "lt"),
    "less_than_equal": ("at most", "le"),
}
_LENGTHS = {
    "too_short": ("at least", "min_length", "entries"),
    "too_long": ("at most", "max_length", "entries"),
    "string_too_short": ("at least", "min_length", "characters"),
    "string_too_long": ("at most", "max_length", "characters"),
}


_PATTERNS = {
    ACCOUNT: "an account id is twelve digits, in quotes",
    NAME: "ECS allows letters, digits, - and _ in names",
    r"^[a-z][a-z0-9_]{0,39}$": "a rule's name has small letters, digits and _, and begins with a letter",
    r"^[a-z0-9_-]{1,64}$": "a test's name has small letters, digits, - and _",
    REGION: "a region looks like us-west-2",
    r"^arn:aws[a-z-]*:sns:[^\s]+$": "a topic is an ARN that begins with arn:aws:sns:",
    r"^arn:aws[a-z-]*:iam::[0-9]{12}:role/[A-Za-z0-9_+=,.@/-]{1,512}$": (
        "a role looks like arn:aws:iam::123456789012:role/NAME"
    ),
    r"^([A-Za-z0-9.-]+(:[0-9]{1,5})?/)?[a-z0-9]+([._/-]+[a-z0-9]+)*$": (
        "a repository looks like registry.example.com/team/app, without tag and digest"
    ),
    r"^[A-Za-z0-9_-]{1,255}$": "ECS allows letters, digits, - and _ in the names of families",
    r"^[A-Za-z][A-Za-z0-9-]{0,62}$": "a database instance has letters, digits and -, and begins with a letter",
    r"^https?://[^\s/?#@]+(/[^\s?#@]*)?$": "a URL begins with https:// or http://, without credentials and query",
    r"^[A-Za-z0-9_+=,.@-]{2,64}$": "STS allows 2 to 64 letters, digits and _+=,.@- in a session's name",
    r"^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}$": "this cannot be the name of a header",
    r"^[A-Za-z0-9/_+=.@:-]{1,512}$": "this is the name or ARN of a secret in AWS Secrets Manager, never its value",
    r"^[A-Za-z0-9_+=,.@:/-]{2,1224}$": "STS allows 2 to 1224 letters, digits and _+=,.@:/- in an external id",
    r"^[a-z0-9][a-z0-9-]{0,62}$": "a name has small letters, digits and hyphens",
    r"^(key|pipeline):[a-z0-9][a-z0-9-]{0,62}$": "a caller is key:NAME or pipeline:NAME",
    r"^https://[a-z0-9.:-]+(/[A-Za-z0-9._/-]*[A-Za-z0-9])?$": "an issuer is an https:// address without a / at its end",
    r"^[!-~]{1,200}$": "an audience has 1 to 200 printable characters without spaces",
    r"^[0-9]{1,20}$": "this is a number in quotes: names can be taken over by others",
    r"^refs/(heads|tags)/[!-)+-~]+\*?$": "a ref is refs/heads/BRANCH or refs/tags/TAG in full; only its end may be a *",
    r"^[a-z][a-z_]{0,60}$": "an event looks like push or workflow_dispatch",
    r"^/([!-.0-~][!-~]*)?$": "a path begins with one /, and has no spaces",
}


def check(root: Node, known: list[Fault]) -> list[Fault]:
    """Return what the format refuses, except where the YAML itself is wrong (``known``).

    ``consistency.py`` checks what spans several keys, ``load.py`` what spans entries and files.
    """
    try:
        PolicyFile.model_validate_json(json.dumps(root.plain), strict=True)
    except ValidationError as error:
        known_paths = {fault.path for fault in known}
        return [
            fault
            for fault in _faults(root, error.errors(include_url=False)[:MOST_FAULTS])
            if fault.path not in known_paths
        ]
    return []


def _faults(root: Node, errors: list[ErrorDetails]) -> Iterator[Fault]:
    """Yield the faults. Of the errors that each member of a union has for a value, the most specific is kept."""
    walked = [(_Walk(root, error["loc"]), error) for error in errors]
    paths = [walk.path for walk, _ in walked]
    for walk, error in walked:
        literal = error["type"] == "literal_error" and paths.count(walk.path) > 1
        inner = any(path != walk.path and path.startswith((f"{walk.path}[", f"{walk.path}.")) for path in paths)
        if not literal and not (error["type"] in _LENGTHS and inner):
            yield Fault(walk.place, walk.path, _sentence(walk, error))


class _Walk:
    """The way that an error's location takes through the tree."""

    def __init__(self, root: Node, loc: Loc) -> None:
        tag = loc.index("rules") + 2 if "rules" in loc else None  # pydantic's name for a member of the union
        self.node: Node = root
        self.place: Place = root.place
        self.path = ""
        self.keys: list[str | int] = []
        self.last = str(loc[-1]) if loc else ""
        for number, key in enumerate(loc):
            if number != tag and not self._step(key):
                break

    def _step(self, key: str | int) -> bool:
        value = self.node.value
        if isinstance(key, int) and isinstance(value, list) and key < len(value):
            self.node = value[key]
            self.place = self.node.place
        elif isinstance(key, str) and isinstance(value, dict) and key in value:
            self.node = value[key].node
            self.place = value[key].place
        else:
            return False
        self.keys.append(key)
        self.path = joined(self.path, key)
        return True


def _sentence(walk: _Walk, error: ErrorDetails) -> str:
    kind, limits = error["type"], error.get("ctx", {})
    sentence = str(error["msg"])
    if kind == "extra_forbidden":
        sentence = _unknown(walk.last, walk.keys[:-1])
    elif kind == "missing":
        sentence = f"`{walk.last}` is missing"
    elif kind == "string_pattern_mismatch":
        sentence = _PATTERNS.get(str(limits["pattern"]), f"this does not fit {limits['pattern']}")
    elif kind in _BOUNDS:
        word, name = _BOUNDS[kind]
        sentence = f"must be {word} {limits[name]:g}"
    elif kind in _LENGTHS:
        word, name, what = _LENGTHS[kind]
        sentence = f"must have {word} {limits[name]} {what if limits[name] != 1 else what.replace('ies', 'y')}"
    elif kind in _WANTED:
        sentence = _type(walk.node, _WANTED[kind], str(limits.get("expected", "")))
    return sentence


def _type(node: Node, wanted: str, expected: str) -> str:
    """Return a sentence that says which type the value must have, and which YAML made of it."""
    must = f"must be {wanted}" if wanted else f"must be {expected.replace(chr(39), '')}"
    if expected == f"'{OFF}'":
        must += " or a map of the rule's keys"
    match node.value:
        case dict():
            return f"{must}, not a map"
        case list():
            return f"{must}, not a list"
        case None:
            return must
        case str(text):
            words = expected.replace("'", "").replace(" or ", ", ").split(", ")
            return f"{must}, not the text {_short(text)}" + (
                suggest.did_you_mean(text[:_WORD], words) if expected else ""
            )
        case value:
            read = str(value).lower() if isinstance(value, bool) else f"the number {value}"
            quote = ": put it in quotes" if wanted == "text" else ""
            return f"{must}; YAML makes {read} of {_short(node.raw)}{quote}"


def _short(text: str) -> str:
    return repr(text if len(text) <= 60 else f"{text[:60]}…")


def _unknown(key: str, keys: list[str | int]) -> str:
    known = _known(tuple("[]" if isinstance(part, int) else part for part in keys))
    meant = suggest.did_you_mean(key[:_WORD], known)
    if not meant and (home := _home(key)):
        meant = f"; it belongs to {home}"
    return f"there is no such key{meant}" if meant else f"there is no such key; there are {', '.join(known)}"


def _home(key: str) -> str:
    """Return where a key of the settings or of another section stands in a policy."""
    for setting in SETTINGS:
        if key.lower() == setting.name:
            return f"defaults, as {setting.paths[0]}"
    return next((name for name, section in SECTIONS.items() if key in section.model_fields), "")


@cache
def _known(keys: tuple[str, ...]) -> tuple[str, ...]:
    """Return the keys that the format knows at a place."""
    whole = schema()
    node = whole
    for key in keys:
        node = _map_of(node, whole)
        if key == "[]":
            node = node.get("items", {})
        else:
            node = node.get("properties", {}).get(key) or next(iter(node.get("patternProperties", {}).values()), {})
    return tuple(_map_of(node, whole).get("properties", ()))


def _map_of(node: dict[str, Any], whole: dict[str, Any]) -> dict[str, Any]:
    """Follow references; of a choice between ``off`` and a map, take the map."""
    while True:
        if "$ref" in node:
            node = whole["$defs"][node["$ref"].removeprefix("#/$defs/")]
        elif "oneOf" in node:
            node = next(member for member in node["oneOf"] if member.get("const") != OFF)
        else:
            return node
