"""The backup bucket: one object for each snapshot, ``snapshots/<target>/<id>.json``, written once.

The bucket belongs to Surefoot, and is reached with Surefoot's own account, whatever the account of the target.
"""

from dataclasses import dataclass
from typing import Any

from contracts.base import Target
from services._aws.errors import AwsError, changing, reading
from services._chassis.aws import Aws
from services.recovery.domain.snapshots.proof import StoredObject, Unproven

_THERE = {"PreconditionFailed", "ConditionalRequestConflict"}
MOST_BYTES = 4 * 2**20
"""Bytes of a snapshot. Its largest part, a task definition, has 64 kB at most (ECS's service quotas)."""
_ABSENT = {"NoSuchKey", "404"}
_ROOT = "snapshots/"
_SIGNATURE = "surefoot-signature"
"""The object's metadata that has the signature: the snapshot itself stays as every version reads it."""


@dataclass(frozen=True, slots=True)
class Bucket:
    aws: Aws
    name: str
    owner: str | None = None
    """The account that must own the bucket; S3 refuses the call otherwise. None: S3 does not check it."""
    kms_key: str | None = None
    """The KMS key that encrypts what is written; None: the key of S3 itself."""

    @property
    def named(self) -> dict[str, str]:
        """Return the parameters of each call that say which bucket is meant, and whose."""
        return {"Bucket": self.name} | ({"ExpectedBucketOwner": self.owner} if self.owner else {})

    @property
    def _encryption(self) -> dict[str, Any]:
        if self.kms_key is None:
            return {"ServerSideEncryption": "AES256"}
        # a bucket key spares a call of KMS for each object
        return {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": self.kms_key, "BucketKeyEnabled": True}

    async def put(self, target: Target, snapshot_id: str, stored: StoredObject, *, again: bool = False) -> bool:
        once = {} if again else {"IfNoneMatch": "*"}
        signature = {"Metadata": {_SIGNATURE: stored.signature.decode()}} if stored.signature else {}
        try:
            with changing("S3", "PutObject"):
                await self.aws.call(
                    "s3",
                    "put_object",
                    **self.named,
                    Key=_key(target, snapshot_id),
                    Body=stored.body,
                    ContentType="application/json",
                    **once,
                    **signature,
                    **self._encryption,
                )
        except AwsError as failed:
            if failed.code in _THERE:
                return False
            raise
        return True

    async def get(self, target: Target, snapshot_id: str) -> StoredObject | None:
        try:
            with reading("S3", "GetObject"):
                found = await self.aws.object(MOST_BYTES, **self.named, Key=_key(target, snapshot_id))
        except AwsError as failed:
            if failed.code in _ABSENT:
                return None
            raise
        if len(found.content) > MOST_BYTES:
            raise Unproven(f"it has more than {MOST_BYTES:,} bytes")
        return StoredObject(found.content, found.metadata.get(_SIGNATURE, "").encode("ascii", "replace"))

    async def ids(self, target: Target) -> list[str]:
        prefix = _key(target, "").removesuffix(".json")
        names = (key.removeprefix(prefix) for key in await self._keys(prefix))
        return sorted((name.removesuffix(".json") for name in names if name.endswith(".json")), reverse=True)

    async def targets(self) -> list[Target]:
        owners = {key.removeprefix(_ROOT).rpartition("/")[0] for key in await self._keys(_ROOT)}
        return [target for owner in sorted(owners) if (target := _target(owner)) is not None]

    async def delete(self, target: Target, snapshot_id: str) -> None:
        with changing("S3", "DeleteObject"):
            await self.aws.call("s3", "delete_object", **self.named, Key=_key(target, snapshot_id))

    async def _keys(self, prefix: str) -> list[str]:
        with reading("S3", "ListObjectsV2"):
            objects = await self.aws.pages("s3", "list_objects_v2", "Contents", **self.named, Prefix=prefix)
        return [str(stored["Key"]) for stored in objects]


def _key(target: Target, snapshot_id: str) -> str:
    return f"{_ROOT}{target}/{snapshot_id}.json"


def _target(text: str) -> Target | None:
    """Return the target of this name; None for what anybody else has put there."""
    try:
        return Target.parse(text)
    except ValueError:
        return None
