"""One form for whatever AWS describes, so that order, defaults and what is empty make no difference."""

import json
from collections.abc import Mapping
from typing import Any

_ORDERED = frozenset({
    "command", "entryPoint", "placementStrategy", "links", "dnsServers", "dnsSearchDomains",
})  # fmt: skip
"""Fields whose lists mean something else in another order; in all others the order is AWS's own."""
_TIMES = ("Time", "createdAt", "updatedAt", "At")
_DEFAULTS: Mapping[str, frozenset[Any]] = {
    "essential": frozenset({True}),
    "protocol": frozenset({"tcp"}),
    "assignPublicIp": frozenset({"DISABLED"}),
    "interval": frozenset({30}),
    "timeout": frozenset({5}),
    "retries": frozenset({3}),
    "propagateTags": frozenset({"NONE"}),
    "availabilityZoneRebalancing": frozenset({"DISABLED"}),
    "platformVersion": frozenset({"LATEST"}),
    "strategy": frozenset({"ROLLING"}),
    "schedulingStrategy": frozenset({"REPLICA"}),
    "minimumHealthyPercent": frozenset({100}),
    "maximumPercent": frozenset({200}),
}
"""What ECS takes a field for that is left out (ECS API reference: ContainerDefinition, HealthCheck, PortMapping,
CreateService). ``False``, 0 and what is empty are the defaults of all others."""
_MEANS_SOMETHING = frozenset({"essential", "minimumHealthyPercent", "maximumPercent"})
"""Fields whose ``False`` or 0 is not their default."""


def canonical(value: Any, name: str = "") -> Any:
    """Return a value without what is empty or a default, with lists in one order; None where nothing is left."""
    if isinstance(value, Mapping):
        return _mapping(value)
    if isinstance(value, list | tuple):
        parts = [part for part in (canonical(part) for part in value) if part is not None]
        return (parts if name in _ORDERED else sorted(parts, key=written)) or None
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    nothing = value in (None, "") or (not value and name not in _MEANS_SOMETHING)
    return None if nothing or value in _DEFAULTS.get(name, frozenset()) else value


def written(value: Any) -> str:
    """Return a canonical value as a text that no other value has."""
    return json.dumps(value, sort_keys=True, default=str)


def _mapping(value: Mapping[str, Any]) -> dict[str, Any] | None:
    found = {
        str(key): part
        for key, content in value.items()
        if not str(key).endswith(_TIMES) and (part := canonical(content, str(key))) is not None
    }
    # with the network mode awsvpc the two are the same, and ECS fills in the one that was left out
    if found.get("hostPort") == found.get("containerPort"):
        found.pop("hostPort", None)
    return found or None
