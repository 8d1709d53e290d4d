"""Looks how the backup bucket is protected. What is missing is told, and stops nothing."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from services._aws.errors import AwsError, answer_within, reading
from services.recovery.adapters.bucket import Bucket

WAIT_SECONDS = 10.0
"""How long each of the two reads may take, in real seconds."""
_BLOCKS = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")


@dataclass(frozen=True, slots=True)
class BucketCheck:
    bucket: Bucket

    async def faults(self) -> list[str]:
        """Return a clause for each protection that the bucket lacks, or of which it is not known."""
        questions: tuple[Callable[[], Awaitable[str | None]], ...] = (self._public, self._versioned)
        found = [await answer_within(WAIT_SECONDS, question()) for question in questions]
        return [_clause(seen) for seen in found if seen]

    async def _public(self) -> str | None:
        try:
            with reading("S3", "GetPublicAccessBlock"):
                answer = await self.bucket.aws.call("s3", "get_public_access_block", **self.bucket.named)
        except AwsError as error:
            if error.code != "NoSuchPublicAccessBlockConfiguration":
                raise
            answer = {}
        given = answer.get("PublicAccessBlockConfiguration") or {}
        missing = [name for name in _BLOCKS if not given.get(name)]
        return f"it does not block all public access ({', '.join(missing)})" if missing else None

    async def _versioned(self) -> str | None:
        with reading("S3", "GetBucketVersioning"):
            answer = await self.bucket.aws.call("s3", "get_bucket_versioning", **self.bucket.named)
        if answer.get("Status") == "Enabled":
            return None
        return "it keeps no versions, so that a snapshot which somebody overwrites or deletes is lost"


def _clause(seen: str | AwsError) -> str:
    return f"how it is protected is not known ({seen})" if isinstance(seen, AwsError) else seen
