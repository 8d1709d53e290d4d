"""Finds the version that a rollback takes back, so that it is recognised when it comes in again."""

from collections.abc import Mapping

from contracts.base import Target
from contracts.recovery import KnownVersion
from services._aws.errors import AwsError
from services._aws.optional_reads import OptionalReads
from services.recovery.domain.change import Body
from services.recovery.domain.ecs_service import live_deployment
from services.recovery.domain.protection import OurChange
from services.recovery.domain.snapshots.known_version import asked_version, version_of
from services.recovery.domain.work import RollbackProgress
from services.recovery.ports.service import Ecs


async def find_replaced(
    ecs: Ecs,
    target: Target,
    progress: RollbackProgress,
    change: OurChange | None,
    service: Body | None,
    reads: OptionalReads,
) -> KnownVersion | None:
    """Return the version that is taken back, with the images that are known of it; None where nothing is.

    ``change``: the run's; None where it has made none, and outside a run. ``service``: as ECS described it while that
    version was live: then the digests are known of images that are named by a tag. No error is raised.
    """
    if progress.state_of(change) == "unchanged" or (change is None and not progress.replaced):
        return None
    version = progress.replaced if change is None else change.task_definition or ""
    known = asked_version(version, change.images if change is not None else {})
    if not version:
        return known
    definition = await reads.read(f"DescribeTaskDefinition of {version}", lambda: ecs.task_definition(target, version))
    if isinstance(definition, AwsError) or definition is None:
        return known
    digests: Mapping[str, str] = {}
    if service is not None and str(live_deployment(service)["taskDefinition"]) == version:
        found = await reads.read("DescribeServiceRevisions", lambda: ecs.digests(target, service))
        digests = {} if isinstance(found, AwsError) else found
    return version_of(version, definition, digests)
