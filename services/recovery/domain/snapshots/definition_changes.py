"""What runs otherwise after a rollback: two task definitions, setting by setting, as it may be shown."""

from collections.abc import Iterator, Mapping
from typing import Any

from contracts.redact import redact
from services.recovery.domain.snapshots.show import HIDDEN, command_line, scrub

_OF_TASK = (
    "family", "taskRoleArn", "executionRoleArn", "networkMode", "cpu", "memory", "pidMode", "ipcMode",
    "runtimePlatform", "volumes", "placementConstraints", "ephemeralStorage", "proxyConfiguration",
)  # fmt: skip
_COMMANDS = ("command", "entryPoint")
_BY_NAME = {"environment": "value", "secrets": "valueFrom"}
_SHOWN = frozenset({"name", "image", *_COMMANDS, *_BY_NAME})
_REST = "other settings"

Change = dict[str, Any]


def definition_changes(now: Mapping[str, Any], then: Mapping[str, Any]) -> list[Change]:
    """Return ``setting``, ``from`` and ``to`` of each difference, as DescribeTaskDefinition names them.

    Values of the environment are hidden, and of settings that are not among the usual ones only the names are shown.
    """
    differing = (name for name in _OF_TASK if not _alike(now.get(name), then.get(name)))
    found = [_change(name, now.get(name), then.get(name)) for name in differing]
    before, after = _containers(now), _containers(then)
    for name in (*before, *(name for name in after if name not in before)):
        found += _container(f"containerDefinitions.{name}", before.get(name), after.get(name))
    return found


def _container(where: str, now: Mapping[str, Any] | None, then: Mapping[str, Any] | None) -> Iterator[Change]:
    both = now is not None and then is not None
    now, then = now or {}, then or {}
    if now.get("image") != then.get("image"):
        yield _change(f"{where}.image", _image(now), _image(then))
    for name in _COMMANDS:
        if not _alike(now.get(name), then.get(name)):
            yield _change(f"{where}.{name}", command_line(now.get(name)), command_line(then.get(name)))
    for kind, value in _BY_NAME.items():
        yield from _named(f"{where}.{kind}", _values(now, kind, value), _values(then, kind, value))
    rest = sorted(name for name in {*now, *then} - _SHOWN if not _alike(now.get(name), then.get(name)))
    if rest and both:
        yield _change(f"{where}.{_REST}", None, ", ".join(rest))


def _image(container: Mapping[str, Any]) -> str | None:
    return redact(str(container["image"])) if container.get("image") else None


def _named(where: str, now: Mapping[str, str], then: Mapping[str, str]) -> Iterator[Change]:
    for name in sorted({*now, *then}):
        if now.get(name) != then.get(name):
            yield _change(f"{where}.{name}", HIDDEN if name in now else None, HIDDEN if name in then else None)


def _values(container: Mapping[str, Any], kind: str, value: str) -> dict[str, str]:
    return {str(pair.get("name")): str(pair.get(value)) for pair in container.get(kind) or ()}


def _containers(definition: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    return {str(container.get("name")): container for container in definition.get("containerDefinitions") or ()}


def _alike(now: Any, then: Any) -> bool:
    """ECS leaves out what is empty, or returns it as empty."""
    return now == then or (not now and not then)


def _change(setting: str, now: Any, then: Any) -> Change:
    return {"setting": setting, "from": scrub(now), "to": scrub(then)}
