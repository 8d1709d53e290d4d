"""The loops that keep one service's audit."""

from collections.abc import Callable, Coroutine
from typing import Any

from contracts.topics import Party
from services._chassis.audit.archive import Archive, ArchiveBucket
from services._chassis.audit.keys import KeyAudit
from services._chassis.audit.sealer import Sealer
from services._chassis.aws import Aws
from services._chassis.aws_connection import HOME, AwsConnection
from services._chassis.lanes import AUDIT
from services._chassis.readiness import Readiness
from services._chassis.settings import Settings
from services._chassis.signatures import Identity
from services._chassis.store import RedisStore

Loop = Callable[[], Coroutine[Any, Any, None]]


def audit_loops(
    store: RedisStore, settings: Settings, identity: Identity, connection: AwsConnection, readiness: Readiness
) -> dict[str, Loop]:
    """Return them by their names. Without a bucket, records are published and nowhere archived."""
    service, bucket = store.service, settings.audit_bucket
    loops: dict[str, Loop] = {f"{service} audit": Sealer(store, identity, readiness, archived=bucket is not None).run}
    if bucket is not None:
        owner = settings.audit_bucket_owner or settings.aws_account
        aws = Aws(connection, service, HOME, AUDIT)
        loops[f"{service} audit in S3"] = Archive(
            store, ArchiveBucket(aws, bucket, owner, settings.audit_kms_key), readiness
        ).run
    if service == Party.ORCHESTRATOR:
        loops["audit of keys"] = KeyAudit(store).run
    return loops
