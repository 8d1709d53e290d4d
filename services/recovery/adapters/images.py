"""ECR: what a tag names now."""

import re
from dataclasses import dataclass

from services._chassis.aws import Aws
from services.recovery.adapters.calls import calling
from services.recovery.ports import CallFailed

_ECR = re.compile(
    r"^(?P<account>\d{12})\.dkr\.ecr\.(?P<region>[a-z0-9-]+)\.amazonaws\.com(\.cn)?/(?P<name>[^:@]+)(:(?P<tag>[^@]+))?$"
)


@dataclass(frozen=True, slots=True)
class AwsImages:
    aws: Aws
    region: str

    async def digest(self, reference: str) -> str | None:
        """None for another registry or region, and when ECR does not say: the caller then trusts digests only."""
        parts = _ECR.match(reference)
        if parts is None or parts["region"] != self.region:
            return None
        try:
            with calling("ecr:BatchGetImage"):
                answer = await self.aws.call(
                    "ecr",
                    "batch_get_image",
                    registryId=parts["account"],
                    repositoryName=parts["name"],
                    imageIds=[{"imageTag": parts["tag"] or "latest"}],
                )
        except CallFailed:
            return None
        digests = {one["imageId"]["imageDigest"] for one in answer["images"]}
        return digests.pop() if len(digests) == 1 else None
