"""The policy of this process: read from ``SUREFOOT_POLICY``, kept in Redis for a restart, shown and reloaded under
``/policy``.
"""

import asyncio
import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import structlog
from fastapi import APIRouter

from contracts.access import Role
from contracts.prose import each_text, prose
from services._chassis.access.permit import About, Asking, NowAsking, needs
from services._chassis.audit.policy_changes import WITHOUT_ENVIRONMENT, PolicyComparison, policy_act
from services._chassis.aws import Aws
from services._chassis.config_file import ConfigError, ConfigWatch
from services._chassis.http import Problem
from services._chassis.identity import TrustedKeys
from services._chassis.operations import Requested
from services._chassis.policy_signatures import verifier
from services._chassis.readiness import Readiness, without_fault
from services._chassis.settings import Settings
from services._chassis.signing_keys import KeyFault
from services._chassis.startup import StartupError
from services._chassis.store import RedisStore
from services._chassis.transition import Decision, Transition
from services._policy.environment import environment_of
from services._policy.faults import PolicyFaults
from services._policy.read import Unreadable, reader_of
from services._policy.signed import Verify
from services._policy.source import NoPolicy, PolicySource

KEY = "policy"

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class StoredCopy:
    """Keeps a copy of the policy under each service's own prefix, so that each can later be started by itself.

    That another policy is in force than the copy has is recorded in the audit together with the new copy.
    """

    stores: Sequence[RedisStore]
    comparison: PolicyComparison = WITHOUT_ENVIRONMENT

    async def kept(self) -> bytes | None:
        for store in self.stores:
            if (copy := await store.load(KEY)) is not None:
                return copy
        return None

    async def keep(self, copy: bytes) -> None:
        lines: dict[bytes | None, tuple[str, ...]] = {}  # the services of a process have the same copy, as a rule
        for store in self.stores:
            before = await store.load(KEY)
            if before not in lines:
                lines[before] = await self.comparison.lines(before, copy)
            await store.apply(_replaced(store.service, before, copy, lines[before]), cause="")


def _replaced(service: str, compared: bytes | None, copy: bytes, lines: tuple[str, ...]) -> Transition:
    """Return the transition to another copy. ``lines``: how it differs from ``compared``, the copy there was."""

    def decide(state: bytes | None) -> Decision:
        return Decision(copy, audit=policy_act(service, state, copy, lines if state == compared else ()))

    return Transition(KEY, decide)


async def first_policy(
    settings: Settings, aws: Aws, stores: Sequence[RedisStore], readiness: Readiness
) -> PolicySource:
    """Return the policy of ``settings.aws_account``, loaded. Raise ``StartupError`` where there is none."""

    def degrade(key: str, sentence: str | None) -> None:
        if sentence is None:
            readiness.clear(key)
        else:
            readiness.degrade(key, sentence)

    try:
        account = settings.aws_account or ""
        verify = verifier_of(settings, readiness)
        reader = None
        if settings.surefoot_policy:
            owner = settings.surefoot_policy_owner or account
            reader = reader_of(settings.surefoot_policy, aws.call, owner, signed=verify is not None)
        environment = environment_of(os.environ)
        copy = StoredCopy(stores, PolicyComparison(environment, account))
        source = PolicySource(reader, environment, account, copy, degrade, verify)
        await source.start()
    except (KeyFault, NoPolicy, PolicyFaults, Unreadable) as error:
        raise StartupError(str(error)) from None
    readiness.facts["policy"] = source.status
    return source


def verifier_of(settings: Settings, readiness: Readiness) -> Verify | None:
    """Return what checks who has signed a policy; None where nobody has to. Raise ``KeyFault``."""
    holders = frozenset(filter(None, (settings.surefoot_policy_signed_by or "").split(",")))
    if not holders:
        return None
    if not settings.surefoot_policy:
        raise KeyFault("SUREFOOT_POLICY_SIGNED_BY is set, and SUREFOOT_POLICY is not: there is nothing to be signed")
    if not settings.surefoot_trusted_keys:
        raise KeyFault("SUREFOOT_POLICY_SIGNED_BY is set, and SUREFOOT_TRUSTED_KEYS, which has its keys, is not")
    trusted = TrustedKeys(Path(settings.surefoot_trusted_keys), readiness)
    return verifier(holders, trusted, lambda: datetime.now(UTC))


def router(source: PolicySource, settings_file: ConfigWatch | None = None) -> APIRouter:
    """Return the routes under ``/policy``: which policy is in force here and which lies on disk, and the reload."""
    routes = APIRouter(tags=["policy"])
    file = settings_file or ConfigWatch(None, ())

    def shown(asking: Asking) -> dict[str, Any]:
        change = source.last_change.shown(asking.sees) if source.last_change else None
        status = source.status() if asking.sees(None) else without_fault(source.status())
        found: dict[str, Any] = each_text({**status, "last_change": change}, prose)
        return found

    @routes.get("/policy", dependencies=[needs(Role.VIEWER, About.SOME_SERVICE)])
    async def policy(asking: NowAsking) -> dict[str, Any]:
        """Show the policy; of its last change, a caller without a role here sees what concerns its services, and of a
        fault, that there is one.
        """
        return shown(asking)

    @routes.post("/policy/reload", dependencies=[needs(Role.ADMIN, About.INSTALLATION)])
    async def reload(asking: NowAsking, request: Requested | None = None) -> dict[str, Any]:
        """Look at the policy now, and answer once it is in force; 409 where it was not taken over.

        ``needs_restart`` names the settings that have changed in the settings file: they hold from the next start on.
        """
        request = asking.by(request or Requested())
        fault = await source.reload()
        digest = source.policies.digest
        log.info("a reload was asked for", actor=request.actor, reason=request.reason, digest=digest, fault=fault)
        if fault is not None:
            raise Problem(
                409, "The policy was not taken over", f"{digest[:12] or 'The old one'} stays in force: {fault}."
            )
        try:
            changed = await asyncio.to_thread(file.changed)
        except ConfigError as error:
            raise Problem(409, "The next start would fail", f"{error}. The policy {digest[:12]} is in force.") from None
        return {**shown(asking), "needs_restart": changed}

    return routes
