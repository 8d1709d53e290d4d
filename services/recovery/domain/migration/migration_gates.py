"""What is asked of a run's migration before anything is changed, as gates."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from contracts.gates import Gate
from contracts.migration import ENCRYPTION, NO_ECS_ROLLBACK, POSSIBLE, SCHEMA_KNOWN, WAY_BACK
from services.recovery.domain.change import Body
from services.recovery.domain.migration.migration_plan import NotPrepared, Prepared

_AT_START = re.compile(
    r"alembic[^|;&]{0,60}\bupgrade\b|manage\.py\s+migrate|\bdb:migrate\b|prisma\s+migrate|flyway[^|;&]{0,60}\bmigrate\b"
    r"|flask\s+db\s+upgrade|knex\s+migrate|sequelize[^|;&]{0,20}db:migrate"
)
"""Commands of containers that migrate when they start; they end where the database is at a revision that they lack."""

_WATCHES = {
    "deploymentCircuitBreaker": "circuit breaker (deploymentCircuitBreaker.rollback)",
    "alarms": "deployment alarms (alarms.rollback)",
}
"""Part of the deployment configuration → what it is called."""
_HOW_OFF = "switch that off in the service's deployment configuration until the new version is proven"
"""What to do about it, as a clause."""

_AND_ENDS = "and ends where it does not know the database's revision"


@dataclass(frozen=True, slots=True)
class Declared:
    """What is said of a migration and of its service, by the request, by the policy, or by what came before."""

    compatible: bool
    """Whether the version before works with the schema that it leaves."""
    at_start: bool = False
    """Whether the policy says that the image migrates when it starts."""
    ecs_rollback: Literal["block", "allow"] = "block"
    """What the policy says of a rollback by ECS itself (``recovery.ecs_rollback_over_migration``)."""
    left: str = ""
    """Why it is not known what the migration before has left of the schema, as a clause; empty where it is."""


def gates_of(prepared: Prepared | NotPrepared, service: Body, live: Body, declared: Declared) -> tuple[Gate, ...]:
    """Return the gates: is it clear what runs, can one go back over it, would ECS, what has the one before left, is the
    database's URL encrypted?
    """
    if isinstance(prepared, NotPrepared):
        return (Gate.true(POSSIBLE, holds=False, detail=f"{prepared.because.rstrip('.')}."),)
    because, left = "; ".join(_why_no_way_back(live, declared)), declared.left
    encryption = "; ".join(prepared.unencrypted)
    return (
        Gate.true(POSSIBLE, holds=True, detail=prepared.plan.sentence),
        Gate.true(WAY_BACK, holds=not because, detail=because and f"There is no way back over it: {because}."),
        ecs_rollback_gate(service, declared),
        Gate.true(SCHEMA_KNOWN, holds=not left, detail=left and f"{left[:1].upper()}{left[1:]}."),
        Gate.true(ENCRYPTION, holds=not encryption, detail=encryption or "; ".join(prepared.plan.warnings)),
    )


def _why_no_way_back(live: Body, declared: Declared) -> Iterator[str]:
    """Yield why one cannot go back over a migration, as clauses: what is said of it, and what the old version does."""
    if not declared.compatible:
        yield "nobody calls it compatible with the version before"
    if declared.at_start:
        yield f"the version before migrates when it starts (recovery.migrates_at_start), {_AND_ENDS}"
        return
    for container in live.get("containerDefinitions") or ():
        if _migrates_at_start(container):
            yield f"the container {container['name']} of the version before migrates when it starts, {_AND_ENDS}"


def ecs_rollback_gate(service: Body, declared: Declared) -> Gate:
    """Return the gate that fails where ECS, which asks nobody, would go back over a migration that must stay."""
    by = who_of_ecs_goes_back(service)
    if declared.compatible or not by:
        why = "it is called compatible" if declared.compatible else "ECS rolls no deployment of the service back"
        return Gate.true(NO_ECS_ROLLBACK, holds=True, detail=why)
    if declared.ecs_rollback == "allow":
        allowed = f"{by} may go back over it (recovery.ecs_rollback_over_migration)"
        return Gate.true(NO_ECS_ROLLBACK, holds=True, detail=allowed)
    return ecs_would_go_back(by)


def ecs_would_go_back(by: str) -> Gate:
    """Return the failing gate of what of ECS would go back over the migration (``who_of_ecs_goes_back``)."""
    would = f"{by} would go back over the migration, which nobody calls compatible with the version before"
    return Gate.true(NO_ECS_ROLLBACK, holds=False, detail=f"{would}: {_HOW_OFF}.")


def who_of_ecs_goes_back(service: Body) -> str:
    """Return what of ECS rolls a deployment of the service back by itself, as a subject; empty where nothing does.

    It does so in a deployment of each strategy, where it is enabled and its ``rollback`` is on (Amazon ECS API
    reference, DeploymentConfiguration).
    """
    configuration: Mapping[str, Any] = service.get("deploymentConfiguration") or {}
    watches = {name: configuration.get(key) or {} for key, name in _WATCHES.items()}
    on = [name for name, watch in watches.items() if watch.get("enable") and watch.get("rollback")]
    return f"ECS's own {' and '.join(on)}" if on else ""


def _migrates_at_start(container: Mapping[str, Any]) -> bool:
    words: Sequence[str] = [*(container.get("entryPoint") or ()), *(container.get("command") or ())]
    return _AT_START.search(" ".join(map(str, words))) is not None
