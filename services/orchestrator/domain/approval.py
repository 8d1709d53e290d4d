"""Who may ask for less than the policy demands, and as whom a request over Kafka is recorded."""

from collections.abc import Iterable
from typing import Protocol

from contracts.access import PROVEN_NAMES
from contracts.bounds import LONGEST_ACTOR
from contracts.deployment import DeploymentConfig, DeployRequested, Override
from contracts.migration_asked import UPGRADE, MigrationAsked
from contracts.policy import ServicePolicy
from contracts.prose import quote
from contracts.topics import Party

LONGEST_REASON = 512
"""Characters of a reason that a run keeps, as over HTTP."""


def weaker_than(policy: ServicePolicy, asked: DeploymentConfig) -> tuple[str, ...]:
    """Return the fields of ``deployment_config`` that were set to less than the policy demands."""
    weaker = {
        "minimum_health_score": asked.minimum_health_score < policy.gates.minimum_health_score,
        "enable_auto_recovery": policy.recovery.enabled and not asked.enable_auto_recovery,
        "baking_minutes": asked.baking_minutes < policy.baking.maximum_minutes,
    }
    return tuple(name for name, is_weaker in weaker.items() if is_weaker and name in asked.model_fields_set)


def runs_another(policy: ServicePolicy, migration: MigrationAsked | None) -> bool:
    """Return whether a command of the request's own is to run as the service, which is more than to deploy it."""
    return migration is not None and migration.command not in {UPGRADE, policy.recovery.migration_command}


class MayLeaveOut(Protocol):
    """A request that may leave out the policy's migration."""

    @property
    def without_migration(self) -> bool: ...


def skips_migration(policy: ServicePolicy, asked: MayLeaveOut) -> bool:
    """Return whether the migration that the policy names is to be left out."""
    return asked.without_migration and policy.recovery.migration_command is not None


def why_not_approved(policy: ServicePolicy, asked: DeployRequested, signed_by: str) -> str:
    """Return why the key may not ask for this over Kafka, as a sentence; nothing where it may.

    ``signed_by``: who has signed the request, empty where nobody has. Where the policy names neither keys nor
    approvers, every key may.
    """
    if _is_approver(policy, signed_by):
        return ""
    overrides = tuple(f"the override of {quote(override.gate, 100)}" for override in asked.overrides[:5])
    command = ("a command of its own for the migration",) if runs_another(policy, asked.migration) else ()
    without = ("no migration",) if skips_migration(policy, asked) else ()
    less = (*overrides, *command, *without, *weaker_than(policy, asked.config))
    if not less:
        return ""
    return (
        f"{signed_by or 'A request that is not signed'} may not ask for less than the policy demands "
        f"({', '.join(less)}): over Kafka only the keys in its requests.approvers may."
    )


def why_not_decided_by(policy: ServicePolicy, signed_by: str) -> str:
    """Return why the key may not decide over Kafka, as a sentence; nothing where it may.

    To decide is to approve and to reject runs, and to release what is held.
    """
    if _is_approver(policy, signed_by):
        return ""
    who = signed_by or "A request that is not signed"
    return f"{who} may not approve, reject or release: over Kafka only the keys in its requests.approvers may."


def is_ci(policy: ServicePolicy, signed_by: str) -> bool:
    """Return whether a request over Kafka counts as CI's: that of each key which the policy does not name as approver.

    Where it names none, every key may let gates pass, and none is known to be a person's.
    """
    return signed_by not in {f"{Party.CI}:{name}" for name in policy.requests.approvers or ()}


def _is_approver(policy: ServicePolicy, signed_by: str) -> bool:
    """Return whether a key has the say over Kafka; where the policy names neither keys nor approvers, all have."""
    approvers = policy.requests.approvers
    if approvers is None:
        approvers = None if policy.requests.keys is None else ()
    return approvers is None or signed_by in {f"{Party.CI}:{name}" for name in approvers}


def actor_of(signed_by: str, named: str) -> str:
    """Return the actor of a request: who has proven to have sent it; ``named``, its own word, follows behind."""
    if not signed_by and not named.startswith(PROVEN_NAMES):
        return named
    return signed_by if named == signed_by else f"{signed_by or 'anybody'} for {named}"[:LONGEST_ACTOR]


def kept_of(overrides: Iterable[Override]) -> tuple[Override, ...]:
    """Return what a run keeps of its overrides: the first for each gate, with as much of its reason as is read."""
    first: dict[str, Override] = {}
    for override in overrides:
        first.setdefault(override.gate, Override(gate=override.gate, reason=quote(override.reason, LONGEST_REASON)))
    return tuple(first.values())
