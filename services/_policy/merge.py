"""Merges layers of values. One rule: maps are merged by key, everything else is replaced as a whole.

From the lowest to the highest layer: built-in defaults, environment (``SUREFOOT_CONFIG``, then variables), the file's
``defaults``, the service's own entry. Each value keeps where it comes from.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import reduce
from typing import Any, Union

from contracts.policy import SECTIONS
from contracts.policy_rules import BUILT_IN_RULES
from contracts.policy_section import OFF, Section
from services._policy.faults import Place
from services._policy.parse import Node

DEFAULT = "built-in default"
"""How the origin of a value begins that nobody has set."""


@dataclass(frozen=True, slots=True)
class Value:
    """A value as JSON has it, and its origin: ``policy.yaml:12``, a variable's name, or a source of defaults."""

    value: Any
    origin: str
    place: Place | None = None
    """The value's place in the policy file; None if it comes from elsewhere."""
    hides: "Tree | None" = None
    """For ``off``: the map that it switches off, onto which a higher layer's map is merged."""

    @property
    def is_default(self) -> bool:
        """Whether nobody has set it."""
        return self.origin.startswith(DEFAULT)


Tree = Mapping[str, Union[Value, "Tree"]]
REGION = "us-west-2"
"""The default region of the requirements (docs/requirements.md, Environment Variables)."""


def built_in() -> Tree:
    """Return the lowest layer: every value that has a default."""
    sections = {name: _section(section) for name, section in SECTIONS.items()}
    origin = f"{DEFAULT} (requirements, Alerting Rules)"
    rules = {
        rule.name: {key: Value(value, origin) for key, value in rule.model_dump(mode="json").items() if key != "name"}
        for rule in BUILT_IN_RULES
    }
    region = Value(REGION, f"{DEFAULT} (requirements, Environment Variables)")
    return {"region": region, **sections, "rules": rules}


def _section(section: type[Section]) -> Tree:
    return {
        name: {} if value == {} else Value(value, f"{DEFAULT} ({_source(section, name)})")
        for name, value in section().model_dump(mode="json").items()
    }


def _source(section: type[Section], name: str) -> str:
    extra = section.model_fields[name].json_schema_extra
    return str(extra["source"]) if isinstance(extra, dict) else "Surefoot's own choice"


BUILT_IN = built_in()


def tree_of(node: Node) -> Tree:
    """Return a map of the file as a layer of values with their places."""
    if not isinstance(node.value, dict):
        return {}
    return {
        key: tree_of(entry.node)
        if isinstance(entry.node.value, dict)
        else Value(entry.node.plain, entry.place.short, entry.place)
        for key, entry in node.value.items()
    }


def merged(*layers: Tree) -> Tree:
    """Merge layers, the lowest first, onto the built-in one."""
    return reduce(_merged, layers, BUILT_IN)


def _merged(lower: Tree, upper: Tree) -> Tree:
    tree = dict(lower)
    for key, above in upper.items():
        below = lower.get(key)
        hidden = below.hides if isinstance(below, Value) else below
        if isinstance(above, Value):
            tree[key] = replace(above, hides=hidden) if hidden is not None else above
        else:
            tree[key] = _merged(hidden or {}, above)
    return tree


def plain(tree: Tree) -> dict[str, Any]:
    """Return the values without their origins."""
    return {key: held.value if isinstance(held, Value) else plain(held) for key, held in tree.items()}


def sections_of(tree: Tree) -> dict[str, Any]:
    """Return the values as ``ServicePolicy`` takes them: ``off`` is no value, no header, no rule.

    Defaults are left to the sections themselves, so that these know which of their values somebody has set.
    """
    rules = [{"name": name, **rule} for name, rule in plain(_map(tree, "rules")).items() if rule != OFF]
    sections = {
        name: {key: _on(value) for key, value in plain(_without_defaults(_map(tree, name))).items()}
        for name in SECTIONS
    }
    return {**sections, "rules": rules}


def _map(tree: Tree, name: str) -> Tree:
    held = tree[name]
    if isinstance(held, Value):
        raise TypeError(f"{name} is a map")
    return held


def _without_defaults(section: Tree) -> Tree:
    return {key: held for key, held in section.items() if not isinstance(held, Value) or not held.is_default}


def _on(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: held for key, held in value.items() if held != OFF}
    return None if value == OFF else value


def flat(tree: Tree, path: str = "") -> Iterator[tuple[str, Value]]:
    """Return each value with its path, in the order of the sections."""
    for key, held in tree.items():
        inner = f"{path}.{key}" if path else key
        if isinstance(held, Value):
            yield inner, held
        else:
            yield from flat(held, inner)
