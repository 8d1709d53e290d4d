"""Checks that a contract only grows within a major version.

``breaks(old, new)`` compares two JSON Schemas (draft 2020-12, as pydantic writes them) and names every change
after which a message that was right yesterday is wrong today, or means something else. Growth is fine: new
optional fields, wider bounds, more values of an enumeration, more members of a union. A reader of an older version
ignores a new field; a new value it puts aside as a dead letter, so readers are upgraded before writers.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

Schema = Mapping[str, Any]

_LEAST = ("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties")
_MOST = ("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties")
_EXACT = ("pattern", "format", "contentEncoding", "uniqueItems", "multipleOf")


def breaks(old: Schema, new: Schema) -> tuple[str, ...]:
    """Return one sentence for each breaking change, with the path of what changed; empty if there is none."""
    return tuple(_Comparison(old, new).nodes(old, new, "data"))


@dataclass(frozen=True)
class _Comparison:
    """Two whole schemas: references are looked up in their ``$defs``."""

    old: Schema
    new: Schema
    under_way: frozenset[tuple[str, str]] = frozenset()
    """Pairs of references that are being compared; with them a recursive model does not recurse without end."""

    def nodes(self, old: Schema, new: Schema, path: str) -> Iterator[str]:
        pair = (str(old.get("$ref", "")), str(new.get("$ref", "")))
        if all(pair):
            if pair in self.under_way:
                return
            inner = _Comparison(self.old, self.new, self.under_way | {pair})
        else:
            inner = self
        old, new = _resolved(old, self.old), _resolved(new, self.new)
        yield from _default(old, new, path)
        if "anyOf" in old or "oneOf" in old or "anyOf" in new or "oneOf" in new:
            yield from inner._union(_members(old), _members(new), path)
        else:
            yield from inner._plain(old, new, path)

    def _union(self, old: list[Schema], new: list[Schema], path: str) -> Iterator[str]:
        """Every old member needs a new one that takes all it took."""
        for member in old:
            found = [list(self.nodes(member, candidate, path)) for candidate in new]
            if all(found):
                nearest = min(found, key=len, default=[])
                yield from (
                    nearest if len(new) == 1 else (f"{path}: no longer takes {_named(member)} ({'; '.join(nearest)})",)
                )

    def _plain(self, old: Schema, new: Schema, path: str) -> Iterator[str]:
        was, is_ = old.get("type"), new.get("type")
        if is_ is not None and was != is_ and (was, is_) != ("integer", "number"):
            yield f"{path}: {was or 'anything'} became {is_}"
            return
        yield from _values(old, new, path)
        yield from _bounds(old, new, path)
        yield from self._fields(old, new, path)
        for key in ("items", "additionalProperties"):
            yield from self._contents(old.get(key, True), new.get(key, True), f"{path}[]")
        yield from self._places(old.get("prefixItems", []), new.get("prefixItems", []), path)

    def _fields(self, old: Schema, new: Schema, path: str) -> Iterator[str]:
        had, has = old.get("properties", {}), new.get("properties", {})
        for name in had:
            if name in has:
                yield from self.nodes(had[name], has[name], f"{path}.{name}")
            else:
                yield f"{path}.{name}: removed"
        for name in set(new.get("required", ())) - set(old.get("required", ())):
            yield f"{path}.{name}: {'became required' if name in had else 'new and required'}"

    def _contents(self, old: Schema | bool, new: Schema | bool, path: str) -> Iterator[str]:
        """``items`` and ``additionalProperties``: a schema, or whether anything may be there."""
        if new is True or old is False:
            return
        if new is False:
            yield f"{path}: no longer allowed"
        else:
            yield from self.nodes({} if old is True else old, new, path)

    def _places(self, old: list[Schema], new: list[Schema], path: str) -> Iterator[str]:
        """A tuple's places, each with a schema of its own."""
        if len(old) != len(new):
            yield f"{path}: {len(old)} places became {len(new)}"
        for number, (was, is_) in enumerate(zip(old, new, strict=False)):
            yield from self.nodes(was, is_, f"{path}[{number}]")


def _resolved(schema: Schema, root: Schema) -> Schema:
    """Follow references; what stands beside a reference (a default, say) is kept."""
    while "$ref" in schema:
        beside = {key: value for key, value in schema.items() if key != "$ref"}
        schema = {**root["$defs"][schema["$ref"].removeprefix("#/$defs/")], **beside}
    return schema


def _members(schema: Schema) -> list[Schema]:
    return list(schema.get("anyOf") or schema.get("oneOf") or [schema])


def _named(schema: Schema) -> str:
    return str(schema.get("$ref", schema.get("type", "anything"))).removeprefix("#/$defs/")


def _default(old: Schema, new: Schema, path: str) -> Iterator[str]:
    """A message that leaves a field out must go on to mean the same."""
    if "default" in old and "default" in new and old["default"] != new["default"]:
        yield f"{path}: default {old['default']!r} became {new['default']!r}"


def _values(old: Schema, new: Schema, path: str) -> Iterator[str]:
    def values(schema: Schema) -> list[Any] | None:
        return [schema["const"]] if "const" in schema else schema.get("enum")

    had, has = values(old), values(new)
    if has is None:
        return
    if had is None:
        yield f"{path}: any {old.get('type', 'value')} became one of {has}"
        return
    lost = [value for value in had if value not in has]
    if lost:
        yield f"{path}: no longer takes {', '.join(map(repr, lost))}"


def _bounds(old: Schema, new: Schema, path: str) -> Iterator[str]:
    for keys, narrower in ((_LEAST, 1), (_MOST, -1)):
        for key in keys:
            if key in new and (key not in old or (new[key] - old[key]) * narrower > 0):
                yield f"{path}: {key} {old.get(key, 'none')} became {new[key]}"
    for key in _EXACT:
        if key in new and _ascii(old.get(key)) != _ascii(new[key]):
            yield f"{path}: {key} {old.get(key, 'none')} became {new[key]}"


def _ascii(pattern: Any) -> Any:
    r"""Return a pattern with ``[0-9]`` for ``\d``: in JSON Schema's dialect, ECMA-262, the two are the same."""
    return pattern.replace(r"\d", "[0-9]") if isinstance(pattern, str) else pattern
