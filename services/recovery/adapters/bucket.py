"""The backup bucket: one object for each snapshot, ``snapshots/<target>/<id>.json``, written once.

The bucket belongs to Surefoot, and is reached with Surefoot's own account, whatever the account of the target.
"""

from dataclasses import dataclass

from pydantic import ValidationError

from contracts.base import Target
from services._aws.errors import AwsError, changing, reading
from services._chassis.aws import Aws
from services.recovery.domain.snapshot import Snapshot

_THERE = {"PreconditionFailed", "ConditionalRequestConflict"}
MOST_BYTES = 4 * 2**20
"""Bytes of a snapshot. Its largest part, a task definition, has 64 kB at most (ECS's service quotas)."""
_ABSENT = {"NoSuchKey", "404"}


@dataclass(frozen=True, slots=True)
class Bucket:
    aws: Aws
    name: str
    owner: str | None = None
    """The account that must own the bucket; S3 refuses the call otherwise. None: S3 does not check it."""

    @property
    def _named(self) -> dict[str, str]:
        return {"Bucket": self.name} | ({"ExpectedBucketOwner": self.owner} if self.owner else {})

    async def put(self, snapshot: Snapshot) -> bool:
        try:
            with changing("S3", "PutObject"):
                await self.aws.call(
                    "s3",
                    "put_object",
                    **self._named,
                    Key=_key(snapshot.target, snapshot.snapshot_id),
                    Body=snapshot.model_dump_json().encode(),
                    ContentType="application/json",
                    IfNoneMatch="*",
                    ServerSideEncryption="AES256",
                )
        except AwsError as failed:
            if failed.code in _THERE:
                return False
            raise
        return True

    async def get(self, target: Target, snapshot_id: str) -> Snapshot | None:
        try:
            with reading("S3", "GetObject"):
                body = await self.aws.object(MOST_BYTES, **self._named, Key=_key(target, snapshot_id))
        except AwsError as failed:
            if failed.code in _ABSENT:
                return None
            raise
        if len(body) > MOST_BYTES:
            raise AwsError(f"The snapshot {snapshot_id} has more than {MOST_BYTES:,} bytes.", temporary=False)
        try:
            return Snapshot.model_validate_json(body)
        except ValidationError:
            # pydantic's error would quote the snapshot, secrets included
            raise AwsError(f"The snapshot {snapshot_id} cannot be read.", temporary=False) from None

    async def ids(self, target: Target) -> list[str]:
        prefix = _key(target, "").removesuffix(".json")
        with reading("S3", "ListObjectsV2"):
            objects = await self.aws.pages("s3", "list_objects_v2", "Contents", **self._named, Prefix=prefix)
        names = (stored["Key"].removeprefix(prefix) for stored in objects)
        return sorted((name.removesuffix(".json") for name in names if name.endswith(".json")), reverse=True)

    async def delete(self, target: Target, snapshot_id: str) -> None:
        with changing("S3", "DeleteObject"):
            await self.aws.call("s3", "delete_object", **self._named, Key=_key(target, snapshot_id))


def _key(target: Target, snapshot_id: str) -> str:
    return f"snapshots/{target}/{snapshot_id}.json"
