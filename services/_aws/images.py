"""Images in ECR, as BatchGetImage describes them."""

from typing import Any

from contracts.base import Target
from contracts.image_reference import Reference
from services._aws.errors import reading
from services._chassis.aws import Aws

INDEX_TYPES = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
)
MANIFEST_TYPES = (
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)
ACCEPTED = [*INDEX_TYPES, *MANIFEST_TYPES]
"""The media types to ask for, OCI's and Docker's. Without those of indexes ECR may answer for a tag with the manifest
of one platform, whose digest is another than the one that the tag names."""


def registry_of(aws: Aws, target: Target, reference: Reference) -> tuple[Aws, str]:
    """Return AWS as the target's account sees it in the registry's region, and the registry's account.

    Raise ``ValueError`` for an image that is not in ECR.
    """
    registry = reference.ecr
    if registry is None:
        raise ValueError(f"{reference} is not in ECR")
    return aws.at(target.model_copy(update={"region": registry.region})), registry.account


async def images_named(aws: Aws, target: Target, reference: Reference) -> dict[str, Any]:
    """Return the answer of BatchGetImage about an image, as it was pushed. Raise ``AwsError``, and ``ValueError`` for
    one that is not in ECR. Where there is a digest, the tag has no effect.
    """
    where, account = registry_of(aws, target, reference)
    named = {"imageDigest": reference.digest} if reference.digest else {"imageTag": reference.tag or "latest"}
    with reading("ECR", "BatchGetImage"):
        return await where.call(
            "ecr",
            "batch_get_image",
            registryId=account,
            repositoryName=reference.repository,
            imageIds=[named],
            acceptedMediaTypes=ACCEPTED,
        )
