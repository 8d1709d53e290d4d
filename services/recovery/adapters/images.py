"""ECR: the image that a tag names now."""

from dataclasses import dataclass
from typing import Any

from contracts.base import Target
from contracts.image_reference import EcrRegistry, Reference
from services._aws.errors import AwsError, answer_within, reading
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
        registry = named.ecr
        if registry is None:
            return None
        answer = await answer_within(WAIT_SECONDS, self._look_up(target, named, registry))
        if isinstance(answer, AwsError):
            return None
        digests = {image["imageId"]["imageDigest"] for image in answer.get("images") or ()}
        return digests.pop() if len(digests) == 1 else None

    async def _look_up(self, target: Target, named: Reference, registry: EcrRegistry) -> dict[str, Any]:
        there = self.aws.at(target.model_copy(update={"region": registry.region}))
        with reading("ECR", "BatchGetImage"):
            return await there.call(
                "ecr",
                "batch_get_image",
                registryId=registry.account,
                repositoryName=named.repository,
                imageIds=[{"imageTag": named.tag or "latest"}],
            )
