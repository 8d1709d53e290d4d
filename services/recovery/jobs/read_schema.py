"""Asks the application what schema its database has, before a migration and after it."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace

from contracts.base import Target
from contracts.schema_status import SchemaStatus
from services._aws.errors import AwsError
from services._chassis.clock import Clock
from services._chassis.policies import Policies
from services.recovery.domain.migration.effect import Proof, Reported, prove
from services.recovery.domain.migration.migration import Migration
from services.recovery.domain.protection import Protection
from services.recovery.ports.migration import Applications
from services.recovery.ports.service import Ecs

LOOK_SECONDS = 20.0
"""Real seconds for one look, the reads of AWS included: nobody waits longer for what is not needed."""
SETTLE_SECONDS = 60.0
"""Product seconds for which what speaks against a migration may still pass, such as a pool's old connections."""
AGAIN_SECONDS = 5.0
"""Product seconds between two looks meanwhile."""


@dataclass(frozen=True, slots=True)
class ReadSchema:
    ecs: Ecs
    applications: Applications
    policies: Policies
    clock: Clock

    async def now(self, target: Target) -> SchemaStatus:
        """Return what the application tells now. No error is raised."""
        try:
            application = self.policies.of(target).application
            async with asyncio.timeout(LOOK_SECONDS):
                service = await self.ecs.service(target)
                if service is None:
                    return SchemaStatus(unknown="the service is not there")
                return await self.applications.schema(target, service, application)
        except (AwsError, LookupError) as failed:
            return SchemaStatus(unknown=str(failed).rstrip("."))
        except TimeoutError:
            return SchemaStatus(unknown="AWS and the application did not answer in time")

    async def proof(
        self, target: Target, migration: Migration, lines: Sequence[str], protection: Protection
    ) -> tuple[SchemaStatus, Proof]:
        """Return what the application tells after exit code 0, and whether it speaks against that.

        What speaks against it is looked at again for a minute.
        """
        once, deadline = protection.schema_once, self.clock.now() + SETTLE_SECONDS
        while True:
            after = await self.now(target)
            report = Reported(migration.schema_before, after, once)
            proof = prove(report, lines, compatible=migration.compatible)
            if not proof.against or self._exit_code_is_enough(target):
                return after, replace(proof, against="")
            if self.clock.now() >= deadline:
                return after, proof
            await self.clock.sleep(AGAIN_SECONDS)

    def _exit_code_is_enough(self, target: Target) -> bool:
        try:
            return self.policies.of(target).recovery.migration_success == "exit-code"
        except LookupError:
            return False
