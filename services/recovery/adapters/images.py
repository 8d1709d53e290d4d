"""ECR: the image that a tag names now."""

from dataclasses import dataclass

from contracts.base import Target
from contracts.image_reference import Reference
from services._aws.errors import AwsError, answer_within
from services._aws.images import images_named
from services._chassis.aws import Aws

WAIT_SECONDS = 5.0
"""How long ECR is waited for, in real seconds."""


@dataclass(frozen=True, slots=True)
class AwsImages:
    aws: Aws

    async def digest(self, target: Target, reference: str) -> str | None:
        """Return None for another registry, and where ECR does not answer in time: a caller then uses digests."""
        try:
            named = Reference.parse(reference)
        except ValueError:
            return None
        if named.ecr is None:
            return None
        answer = await answer_within(WAIT_SECONDS, images_named(self.aws, target, named))
        if isinstance(answer, AwsError):
            return None
        digests = {image["imageId"]["imageDigest"] for image in answer.get("images") or ()}
        return digests.pop() if len(digests) == 1 else None
