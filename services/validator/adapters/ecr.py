"""Images in ECR: whether they exist, which digest they have, and on which platforms they run."""

import asyncio
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx2

from contracts.base import Target
from services._aws.errors import AwsError, reading
from services._chassis.aws import Aws
from services.validator.domain.facts import Absent, Image, Outside, Unknown
from services.validator.domain.manifest import (
    ACCEPTED,
    Index,
    Platform,
    read_configuration,
    read_manifest,
)
from services.validator.domain.reference import EcrRegistry, Reference

CONFIGURATION_BYTES = 4 * 1024 * 1024
"""The largest configuration that is read. It usually has a few kilobytes; registries limit a manifest to this size."""
DOWNLOAD_SECONDS = 15.0
_MISSING = {"ImageNotFound", "InvalidImageTag", "InvalidImageDigest"}


@dataclass(frozen=True, slots=True)
class EcrImages:
    """``downloads`` fetches configuration blobs from the presigned URLs that ECR gives."""

    aws: Aws
    downloads: httpx2.AsyncClient

    async def image(self, target: Target, reference: Reference) -> Image | Absent | Outside | Unknown:
        registry = reference.ecr
        if registry is None or registry.region != target.region:
            return Outside(f"{reference} is not in ECR in {target.region}, and cannot be looked up from here")
        named = {"imageDigest": reference.digest} if reference.digest else {"imageTag": reference.tag or "latest"}
        try:
            with reading("ECR", "BatchGetImage"):
                answer = await self.aws.at(target).call(
                    "ecr",
                    "batch_get_image",
                    registryId=registry.account,
                    repositoryName=reference.repository,
                    imageIds=[named],
                    acceptedMediaTypes=list(ACCEPTED),
                )
        except AwsError as error:
            if error.code == "RepositoryNotFoundException":
                return Absent(f"there is no repository {reference.name}")
            return Unknown(str(error))
        if not answer.get("images"):
            return _failed(reference, answer.get("failures", []))
        image: Mapping[str, Any] = answer["images"][0]
        return Image(
            image["imageId"]["imageDigest"],
            await self._platforms(target, reference, registry, image.get("imageManifest", "")),
        )

    async def _platforms(
        self, target: Target, reference: Reference, registry: EcrRegistry, text: str
    ) -> frozenset[Platform] | Unknown:
        """Return the platforms of an image: an index lists them; a single image has its own in its configuration."""
        try:
            manifest = read_manifest(text)
            if isinstance(manifest, Index):
                return manifest.platforms
            with reading("ECR", "GetDownloadUrlForLayer"):
                answer = await self.aws.at(target).call(
                    "ecr",
                    "get_download_url_for_layer",
                    registryId=registry.account,
                    repositoryName=reference.repository,
                    layerDigest=manifest.configuration,
                )
            blob = await self._download(answer["downloadUrl"])
            if f"sha256:{hashlib.sha256(blob).hexdigest()}" != manifest.configuration:
                return Unknown(f"the configuration of {reference} is not what its manifest promises")
            return frozenset({read_configuration(blob)})
        except AwsError as error:
            return Unknown(str(error))
        except ValueError as error:
            return Unknown(f"what {reference} runs on is not known: {error}")
        except (httpx2.HTTPError, httpx2.InvalidURL, TimeoutError) as error:
            # the type alone: the error's text has the presigned URL
            return Unknown(f"the configuration of {reference} could not be fetched: {type(error).__name__}")

    async def _download(self, url: str) -> bytes:
        """Fetch a blob of limited size within limited time. Raise ``ValueError`` where it is too large."""
        async with asyncio.timeout(DOWNLOAD_SECONDS), self.downloads.stream("GET", url) as response:
            response.raise_for_status()
            blob = b""
            async for chunk in response.aiter_bytes():
                blob += chunk
                if len(blob) > CONFIGURATION_BYTES:
                    raise ValueError("its configuration is too large")
            return blob


def _failed(reference: Reference, failures: list[dict[str, Any]]) -> Absent | Unknown:
    codes = {str(failure.get("failureCode")) for failure in failures}
    if codes and codes <= _MISSING:
        return Absent(f"there is no image {reference}")
    return Unknown(f"ECR could not look up {reference}: {', '.join(sorted(codes)) or 'an empty answer'}")
