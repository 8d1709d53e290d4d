"""Finds the task definition that a rollback puts back: the snapshot's own, or a copy of it."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

from contracts.base import Target
from services._aws.errors import AwsError
from services._aws.optional_reads import OptionalReads
from services._chassis.jobs import Running
from services.recovery.domain.change import content_hash
from services.recovery.domain.snapshots.snapshot import Snapshot
from services.recovery.ports.service import Ecs, Images


@dataclass(frozen=True, slots=True)
class VersionFinder:
    ecs: Ecs
    images: Images

    async def find(self, running: Running, target: Target, snapshot: Snapshot, reads: OptionalReads) -> str:
        """Return the ARN of the task definition to run: the snapshot's own, or a copy with each image by its digest.

        A copy is needed where the original is INACTIVE, since UpdateService refuses that, and where one of its tags
        names another image by now, since the same task definition would then run something else. Where either cannot
        be read, a copy is the safe answer; if none can be registered, the original is.
        """
        found, moved = await asyncio.gather(
            reads.read("DescribeTaskDefinition", lambda: self.ecs.task_definition(target, snapshot.version)),
            self._moved(target, snapshot.tagged_images, reads),
        )
        unread = isinstance(found, AwsError)
        active = not isinstance(found, AwsError) and found is not None and found.get("status") == "ACTIVE"
        if active and moved is False:
            return snapshot.version
        try:
            return await self._copy(running, target, snapshot, reads)
        except AwsError:
            if (active or unread) and not moved:
                return snapshot.version
            raise

    async def _copy(self, running: Running, target: Target, snapshot: Snapshot, reads: OptionalReads) -> str:
        body = snapshot.pinned_definition
        wanted = content_hash(body)
        known = await reads.read("ListTaskDefinitions", lambda: self.ecs.revisions(target, body["family"]))
        for revision in () if isinstance(known, AwsError) else known:
            if content_hash(revision) == wanted:
                return str(revision["taskDefinitionArn"])
        await running.check()
        return await self.ecs.register(target, body)

    async def _moved(self, target: Target, images: Mapping[str, str], reads: OptionalReads) -> bool | None:
        """Return whether a tag names another image than the one that ran; None where that cannot be read."""

        async def digest(reference: str) -> str | AwsError | None:
            return await reads.read(f"BatchGetImage of {reference}", lambda: self.images.digest(target, reference))

        found = await asyncio.gather(*map(digest, images))
        now = dict(zip(images, found, strict=True))
        if any(isinstance(digest, str) and digest != images[reference] for reference, digest in now.items()):
            return True
        return False if all(digest == images[reference] for reference, digest in now.items()) else None
