"""Images in ECR: whether they exist, which digest they have, and on which platforms they run."""

import asyncio
import hashlib
from dataclasses import dataclass
from typing import Any

import httpx2

from contracts.base import Target
from contracts.image_reference import Reference
from services._aws.errors import AwsError, Missing, reading
from services._aws.image_lookup import Unseen, find_image
from services._aws.images import registry_of
from services._chassis.aws import Aws
from services._chassis.web import body_of
from services.validator.domain.facts import Absent, Image, Outside, Unknown
from services.validator.domain.manifest import (
    Index,
    Platform,
    read_configuration,
    read_manifest,
)

CONFIGURATION_BYTES = 4 * 1024 * 1024
"""The largest configuration that is read. It usually has a few kilobytes; registries limit a manifest to this size."""
DOWNLOAD_SECONDS = 15.0


@dataclass(frozen=True, slots=True)
class EcrImages:
    """``downloads`` fetches configuration blobs from the presigned URLs that ECR gives."""

    aws: Aws
    downloads: httpx2.AsyncClient

    async def image(self, target: Target, reference: Reference) -> Image | Absent | Outside | Unknown:
        found = await self._found(target, reference)
        if not isinstance(found, dict):
            return found
        platforms = await self._platforms(target, reference, found.get("imageManifest", ""))
        return Image(found["imageId"]["imageDigest"], platforms)

    async def digest(self, target: Target, reference: Reference) -> str | Absent | Outside | Unknown:
        found = await self._found(target, reference)
        return str(found["imageId"]["imageDigest"]) if isinstance(found, dict) else found

    async def _found(self, target: Target, reference: Reference) -> dict[str, Any] | Absent | Outside | Unknown:
        """Return the image as BatchGetImage describes it, in whichever account and region of ECR it is."""
        try:
            found = await find_image(self.aws, target, reference)
        except AwsError as error:
            return Unknown(str(error))
        match found:
            case Missing(why):
                return Absent(why)
            case Unseen(why):
                return Outside(why)
            case _:
                return found

    async def _layer_url(self, target: Target, reference: Reference, digest: str) -> str:
        where, account = registry_of(self.aws, target, reference)
        named = {"registryId": account, "repositoryName": reference.repository}
        with reading("ECR", "GetDownloadUrlForLayer"):
            answer = await where.call("ecr", "get_download_url_for_layer", **named, layerDigest=digest)
        return str(answer["downloadUrl"])

    async def _platforms(self, target: Target, reference: Reference, text: str) -> frozenset[Platform] | Unknown:
        """Return the platforms of an image: an index lists them; a single image has its own in its configuration."""
        try:
            manifest = read_manifest(text)
            if isinstance(manifest, Index):
                return manifest.platforms
            blob = await self._download(await self._layer_url(target, reference, manifest.configuration))
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
            blob = await body_of(response, CONFIGURATION_BYTES)
        if blob is None:
            raise ValueError("its configuration is too large")
        return blob
