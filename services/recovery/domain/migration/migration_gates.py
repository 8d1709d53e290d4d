"""What is asked of a run's migration before anything is changed, as gates."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from contracts.gates import Gate
from contracts.migration import ENCRYPTION, POSSIBLE, SCHEMA_KNOWN, WAY_BACK
from services.recovery.domain.change import Body
from services.recovery.domain.migration.migration_plan import NotPrepared, Prepared

_AT_START = re.compile(
    r"alembic[^|;&]{0,60}\bupgrade\b|manage\.py\s+migrate|\bdb:migrate\b|prisma\s+migrate|flyway[^|;&]{0,60}\bmigrate\b"
    r"|flask\s+db\s+upgrade|knex\s+migrate|sequelize[^|;&]{0,20}db:migrate"
)
"""Commands of containers that migrate when they start; they end where the database is at a revision that they lack."""

_AND_ENDS = "and ends where it does not know the database's revision"


@dataclass(frozen=True, slots=True)
class Declared:
    """What is said of a migration and of its service, by the request, by the policy, or by what came before."""

    compatible: bool
    """Whether the version before works with the schema that it leaves."""
    at_start: bool = False
    """Whether the policy says that the image migrates when it starts."""
    left: str = ""
    """Why it is not known what the migration before has left of the schema, as a clause; empty where it is."""


def gates_of(prepared: Prepared | NotPrepared, service: Body, live: Body, declared: Declared) -> tuple[Gate, ...]:
    """Return the gates: is it clear what runs, can one go back over it, what has the one before left, is the database's
    URL encrypted?
    """
    if isinstance(prepared, NotPrepared):
        return (Gate.true(POSSIBLE, holds=False, detail=f"{prepared.because.rstrip('.')}."),)
    because, left = "; ".join(_why_no_way_back(service, live, declared)), declared.left
    encryption = "; ".join(prepared.unencrypted)
    return (
        Gate.true(POSSIBLE, holds=True, detail=prepared.plan.sentence),
        Gate.true(WAY_BACK, holds=not because, detail=because and f"There is no way back over it: {because}."),
        Gate.true(SCHEMA_KNOWN, holds=not left, detail=left and f"{left[:1].upper()}{left[1:]}."),
        Gate.true(ENCRYPTION, holds=not encryption, detail=encryption or "; ".join(prepared.plan.warnings)),
    )


def _why_no_way_back(service: Body, live: Body, declared: Declared) -> Iterator[str]:
    """Yield why one cannot go back over a migration, as clauses: what is said of it, and what the old version does."""
    if not declared.compatible:
        yield "nobody calls it compatible with the version before"
        if ecs_goes_back(service):
            yield "and ECS's own circuit breaker or alarms would go back over it all the same"
    if declared.at_start:
        yield f"the version before migrates when it starts (recovery.migrates_at_start), {_AND_ENDS}"
        return
    for container in live.get("containerDefinitions") or ():
        if _migrates_at_start(container):
            yield f"the container {container['name']} of the version before migrates when it starts, {_AND_ENDS}"


def ecs_goes_back(service: Body) -> bool:
    """Return whether ECS rolls a deployment of the service back by itself."""
    configuration: Mapping[str, Any] = service.get("deploymentConfiguration") or {}
    watches = (configuration.get(name) or {} for name in ("deploymentCircuitBreaker", "alarms"))
    return any(watch.get("enable") and watch.get("rollback") for watch in watches)


def _migrates_at_start(container: Mapping[str, Any]) -> bool:
    words: Sequence[str] = [*(container.get("entryPoint") or ()), *(container.get("command") or ())]
    return _AT_START.search(" ".join(map(str, words))) is not None
