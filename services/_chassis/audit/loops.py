"""The loops that keep one service's audit."""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from contracts.topics import Party
from services._chassis.assembly import Transport
from services._chassis.audit.archive import Archive, ArchiveBucket
from services._chassis.audit.given_up import GivenUp
from services._chassis.audit.keys import KeyAudit
from services._chassis.audit.sealer import OUTBOX, Sealer
from services._chassis.aws import Aws
from services._chassis.aws_connection import HOME, AwsConnection
from services._chassis.lanes import AUDIT
from services._chassis.readiness import Readiness
from services._chassis.relay import Relay
from services._chassis.settings import Settings
from services._chassis.signatures import Identity
from services._chassis.store import RedisStore

LOOK_SECONDS = 15.0
"""Real seconds between two looks at whether the audit reaches Kafka."""

Loop = Callable[[], Coroutine[Any, Any, None]]


def audit_loops(
    store: RedisStore,
    transport: Transport,
    settings: Settings,
    identity: Identity,
    connection: AwsConnection,
    readiness: Readiness,
) -> dict[str, Loop]:
    """Return them by their names. Without a bucket, records are published and nowhere archived."""
    service, bucket = store.service, settings.audit_bucket
    outbox, confirmed = store.key(OUTBOX), settings.kafka_request_timeout / 2
    relay = Relay(store.redis, outbox, transport.name, transport.publish, confirmed, identity.sign, readiness)
    loops: dict[str, Loop] = {
        f"{service} audit": Sealer(store, identity, readiness, archived=bucket is not None).run,
        f"{service} audit relay": relay.run,
        f"{service} audit given up": GivenUp(store, readiness).run,
        f"{service} audit on Kafka": Unpublished(relay, service, settings.stall_timeout, readiness).run,
    }
    if bucket is not None:
        owner = settings.audit_bucket_owner or settings.aws_account
        aws = Aws(connection, service, HOME, AUDIT)
        loops[f"{service} audit in S3"] = Archive(
            store, ArchiveBucket(aws, bucket, owner, settings.audit_kms_key), readiness
        ).run
    if service == Party.ORCHESTRATOR:
        loops["audit of keys"] = KeyAudit(store).run
    return loops


@dataclass(frozen=True, slots=True)
class Unpublished:
    """Reports an audit that Kafka does not take; nothing else waits for it."""

    relay: Relay
    service: str
    longest: float
    """Real seconds for which a record may wait."""
    readiness: Readiness

    async def run(self) -> None:
        while True:
            self.look()
            await asyncio.sleep(LOOK_SECONDS)

    def look(self) -> None:
        waits = self.relay.waits
        fault = f"{self.service}'s audit has not reached Kafka for {waits:.0f} s: it waits in Redis, within a bound"
        self.readiness.report(f"audit-kafka:{self.service}", fault if waits > self.longest else "")
