"""What of a snapshot is shown, without its secrets."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from contracts.redact import redact
from services.recovery.domain.change import pinned
from services.recovery.domain.snapshots.proof import ProvenSnapshot
from services.recovery.domain.snapshots.snapshot_index import SnapshotEntry

HIDDEN = "[redacted]"
_OPAQUE = frozenset({"hookDetails", "driverOpts", "properties"})
"""Settings in which anybody may have put anything: a hook's own details, options of a volume driver or a proxy."""
_SECRET = re.compile(r"token|secret|password|passwd|credential|api[-_]?key|auth|dsn|url", re.IGNORECASE)


def scrub(value: Any, name: str = "") -> Any:
    """Return ``value`` as it may be shown: no environment value, and nothing that is named, or looks, like a secret."""
    if name in _OPAQUE and value:
        return HIDDEN
    if isinstance(value, Mapping):
        return {key: scrub(part, key) for key, part in value.items()}
    if isinstance(value, list | tuple):
        if name == "environment":
            return [{**pair, "value": HIDDEN} if isinstance(pair, Mapping) else HIDDEN for pair in value]
        return [scrub(part, name) for part in value]
    if not isinstance(value, str):
        return value
    return HIDDEN if _SECRET.search(name) else redact(value)


def command_line(words: Sequence[str] | None) -> str | None:
    """Return a command as it may be shown; None without one."""
    return redact(" ".join(map(str, words))) if words else None


def view(usable: ProvenSnapshot, entry: SnapshotEntry | None) -> dict[str, Any]:
    """Return what the API shows of a snapshot: named fields only, so that no secret is shown by accident.

    ``entry``: its line of the index; None where the index does not know it.
    """
    snapshot, service = usable.snapshot, usable.snapshot.service
    return {
        "snapshot_id": snapshot.snapshot_id,
        "taken_at": snapshot.taken_at,
        "run_id": snapshot.run_id,
        "purpose": snapshot.purpose,
        "actor": snapshot.actor,
        "reason": snapshot.reason,
        "proven": entry is not None and entry.proven,
        "proof": usable.proof,
        "sha256": usable.sha256,
        "adopted_at": entry.adopted_at if entry else None,
        "task_definition": snapshot.version,
        "containers": [
            {
                "name": container["name"],
                "image": redact(pinned(container["image"], snapshot.digests.get(container["name"]))),
                "environment": dict.fromkeys((pair["name"] for pair in container.get("environment", ())), HIDDEN),
                "secrets": sorted(pair["name"] for pair in container.get("secrets", ())),
            }
            for container in snapshot.task_definition["containerDefinitions"]
        ],
        "desired_count": service.get("desiredCount"),
        "deployment_configuration": scrub(service.get("deploymentConfiguration", {})),
        "network_configuration": scrub(service.get("networkConfiguration", {})),
        "load_balancers": scrub(service.get("loadBalancers", [])),
        "scaling": [
            {"min": scalable.get("MinCapacity"), "max": scalable.get("MaxCapacity")}
            for scalable in snapshot.surroundings.get("scalable_targets", ())
        ],
        "database": snapshot.database.model_dump() if snapshot.database else None,
        "unknown": list(snapshot.unknown),
    }
