"""ECR: the image that a tag names now."""

import re
from dataclasses import dataclass

from contracts.base import Target
from services._aws.errors import AwsError, reading
from services._chassis.aws import Aws

_ECR = re.compile(
    r"^(?P<account>[0-9]{12})\.dkr\.ecr\.(?P<region>[a-z0-9-]+)\.amazonaws\.com(\.cn)?/(?P<name>[^:@]+)(:(?P<tag>[^@]+))?$"
)


@dataclass(frozen=True, slots=True)
class AwsImages:
    aws: Aws

    async def digest(self, target: Target, reference: str) -> str | None:
        """Return None for another registry or region, and where ECR does not answer: a caller then uses digests."""
        parts = _ECR.match(reference)
        if parts is None or parts["region"] != target.region:
            return None
        try:
            with reading("ECR", "BatchGetImage"):
                answer = await self.aws.at(target).call(
                    "ecr",
                    "batch_get_image",
                    registryId=parts["account"],
                    repositoryName=parts["name"],
                    imageIds=[{"imageTag": parts["tag"] or "latest"}],
                )
        except AwsError:
            return None
        digests = {image["imageId"]["imageDigest"] for image in answer.get("images") or ()}
        return digests.pop() if len(digests) == 1 else None
