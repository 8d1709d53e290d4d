"""Checks what no single key shows: whether a service's merged values fit one another, and the layers below them."""

from collections.abc import Iterator

from contracts.monitor import SERVICE_ALARMS
from contracts.policy_rules import BUILT_IN_RULES, RESERVED_RULE_NAMES, RulePolicy
from contracts.policy_section import OFF
from contracts.suggest import did_you_mean
from services._policy.faults import Fault, Place
from services._policy.merge import Tree, Value, flat

_BUILT_IN = {rule.name for rule in BUILT_IN_RULES}
_OWN_RULE = tuple(name for name in RulePolicy.model_fields if name != "name")
_FIXED = ("metric", "comparison")
"""Gates and recovery know a built-in rule by its name, so that what it is about cannot be changed."""


def unfit_rules(tree: Tree, base: Tree, path: str) -> Iterator[Fault]:
    """Yield what is wrong with the rules by what ``base``, the layers below, has: a rule of one's own is complete,
    a built-in one keeps its metric, and what is switched off is there.
    """
    rules, below = tree["rules"], base.get("rules", {})
    for name, rule in rules.items() if not isinstance(rules, Value) else ():
        where = f"{path}.rules.{name}"
        if isinstance(rule, Value):
            known = name in _BUILT_IN or (not isinstance(below, Value) and name in below)
            if not known and rule.place:
                yield Fault(rule.place, where, f"there is no rule {name} to switch off{did_you_mean(name, _BUILT_IN)}")
        elif name in _BUILT_IN:
            yield from _fixed(name, rule, where)
        elif name in RESERVED_RULE_NAMES:
            yield Fault(_first(rule), where, f"{name} is the name of a gate; give the rule another one")
        elif missing := [key for key in _OWN_RULE if key not in rule]:
            sentence = f"a rule of your own needs {', '.join(missing)}, too{did_you_mean(name, _BUILT_IN)}"
            yield Fault(_first(rule), where, sentence)


def _fixed(name: str, rule: Tree, where: str) -> Iterator[Fault]:
    for key in _FIXED:
        held = rule.get(key)
        if isinstance(held, Value) and held.place is not None:
            sentence = f"{name} is one of Surefoot's rules, whose {key} is fixed; write a rule of your own"
            yield Fault(held.place, f"{where}.{key}", sentence)


def unknown_triggers(tree: Tree, path: str) -> Iterator[Fault]:
    """Yield a fault for each trigger of rollbacks that is no rule."""
    triggers, rules = _held(tree, "recovery", "triggers"), tree["rules"]
    known = [*rules, SERVICE_ALARMS] if not isinstance(rules, Value) else []
    if triggers is not None and triggers.place is not None and isinstance(triggers.value, list):
        for name in triggers.value:
            if name not in known:
                sentence = f"there is no rule {name}{did_you_mean(str(name)[:40], known)}"
                yield Fault(triggers.place, f"{path}.recovery.triggers", sentence)


def reversed_baking(tree: Tree, path: str) -> Iterator[Fault]:
    """Yield a fault if the shortest baking is longer than the longest."""
    least, most = _held(tree, "baking", "minimum_minutes"), _held(tree, "baking", "maximum_minutes")
    if least and most and _number(least.value) > _number(most.value):
        place = least.place or most.place or Place(least.origin, 0)
        sentence = f"the shortest baking, {least.value:g} minutes, is longer than the longest, {most.value:g}"
        yield Fault(place, f"{path}.baking", sentence)


def too_few_approvers(tree: Tree, path: str) -> Iterator[Fault]:
    """Yield a fault for each gate that names fewer approvers than it needs: no run could pass it."""
    for section in ("approval_before_change", "approval_before_success"):
        needed, approvers = _held(tree, section, "needed"), _held(tree, section, "approvers")
        named = approvers.value if approvers is not None and isinstance(approvers.value, list | tuple) else ()
        if needed is None or not named or _number(needed.value) <= len(set(named)):
            continue
        place = needed.place or (approvers.place if approvers else None) or Place(needed.origin, 0)
        sentence = f"{needed.value} persons have to approve, and {len(set(named))} may"
        yield Fault(place, f"{path}.{section}", sentence)


def unguarded_headers(tree: Tree, path: str, more: str = "") -> Iterator[Fault]:
    """Yield a fault if headers, which carry secrets, are sent to a URL that nobody has chosen.

    A load balancer is called by its own name without a check of its certificate, and perhaps without TLS. ``more``
    ends the sentence.
    """
    url, headers = _held(tree, "application", "url"), tree["application"].get("headers")  # type: ignore[union-attr]  # a section
    sent = [held for _, held in flat(headers or {}) if held.value != OFF] if not isinstance(headers, Value) else []
    if not sent or (url is not None and url.value not in {None, OFF}):
        return
    place = next((held.place for held in (url, *sent) if held is not None and held.place), None)
    sentence = "`headers` are sent to a URL that is set here, and to no other: set `url`, or switch the headers off"
    yield Fault(place or Place("the environment", 0), f"{path}.application.url", sentence + more)


def without_critical_rule(tree: Tree, base: Tree, path: str) -> Iterator[Fault]:
    """Yield a fault if no critical rule is left: nothing would judge a deployment, and each would end inconclusive.

    Its place is where this entry switches a rule off or makes a warning of it; if it does not, where ``base`` does.
    """
    rules, below = tree["rules"], base.get("rules", {})
    if isinstance(rules, Value) or any(_severity(rule) == "critical" for rule in rules.values()):
        return
    places, inherited = _not_critical(rules), _not_critical(below)
    place = next((place for place in places if place not in inherited), places[0] if places else _first(rules))
    sentence = "no critical rule is left, so that no deployment could succeed; leave one of them on and critical"
    yield Fault(place, f"{path}.rules", sentence)


def _first(tree: Tree) -> Place:
    """Return the place of the first value that the file sets."""
    return next((held.place for _, held in flat(tree) if held.place), Place("the environment", 0))


def _held(tree: Tree, section: str, name: str) -> Value | None:
    values = tree.get(section)
    held = values.get(name) if values is not None and not isinstance(values, Value) else None
    return held if isinstance(held, Value) else None


def _severity(rule: Value | Tree) -> object:
    """Return how severe a rule is; None for one that is switched off."""
    held = None if isinstance(rule, Value) else rule.get("severity")
    return held.value if isinstance(held, Value) else None


def _not_critical(rules: Value | Tree) -> list[Place]:
    """Return where the file switches rules off, or makes warnings of them."""
    held = [] if isinstance(rules, Value) else rules.values()
    values = (rule if isinstance(rule, Value) else rule.get("severity") for rule in held)
    return [value.place for value in values if isinstance(value, Value) and value.place is not None]


def _number(value: object) -> float:
    """Return the value if it is a number; else 0, since the format has a fault for it already."""
    return value if isinstance(value, int | float) else 0
